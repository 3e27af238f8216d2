"""Sums of the counts of all genes by the values of some columns: pseudobulk."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.group_sums import add_group_sums
from cellport.runtime.columns import QUERY, MappedBlock, Schema
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import PARTS, Gatherer, in_parts
from cellport.runtime.mapping.gather.own_columns import check_sums, combined
from cellport.runtime.writers.grouped import GroupRows, GroupTable, grouped_h5ad

# names in the file: ``uns``, ``obs``, ``obsm``, ``var``
PSEUDOBULK = "cellport_pseudobulk"
CELLS, LABEL_PROB, MEASURED = "cells", "cellport_label_prob", "measured"
Group = tuple[str, ...]
_FIRST_ROOM = 16


@dataclass(frozen=True, slots=True)
class GroupedCounts:
    """Counts summed up by groups of cells, sorted by the names of the groups."""

    columns: tuple[str, ...]  # by whose values cells are grouped
    groups: tuple[Group, ...]  # a value of each column
    cells: NDArray[np.int64]  # [groups]
    counts: NDArray[np.int64]  # [groups, genes]; sums of fractional counts are rounded
    genes: NDArray[np.object_]  # [genes] of str, each name once
    measured: NDArray[np.bool_]  # [genes], whether every query has the gene
    labels: tuple[str, ...]  # of the atlas; none without probabilities
    label_prob: NDArray[np.float64]  # [groups, labels], sums of probabilities over the cells
    left_out: int  # cells for which one of the columns has no value


class Pseudobulk(Gatherer):
    """Sums counts by the values of columns, of the query's own and of the results.

    All genes of a query are summed up, those of one name together; cells without a value in one of
    the columns are left out. Memory is decided by groups and genes, never by cells.
    """

    def __init__(self, schema: Schema, columns: Sequence[str], labels: tuple[str, ...]) -> None:
        self.columns, self.labels = tuple(columns), labels
        self._of_result = {
            # a code of -1 is the last one's, which is no value
            name: np.array([*schema.categories(name), ""], object)
            for name in columns
            if schema.categories(name)
        }
        self._group: dict[Group, int] = {}
        self._gene: dict[str, int] = {}
        # of a query's genes: where their sums stand, and each such place once
        self._placed_of: GeneMatch | None = None
        self._placed = np.empty(0, np.int32), np.empty(0, np.int64)
        self.kept = {}
        self.sums = {
            "seen": np.zeros(1, np.int64),
            "left_out": np.zeros(1, np.int64),
            # [groups] and [groups, ...], with room for groups and genes to come
            "cells": np.zeros(_FIRST_ROOM, np.int64),
            "prob": np.zeros((_FIRST_ROOM, len(labels)), np.int64),
            "counts": np.zeros((_FIRST_ROOM, 0), np.int64),
            # [genes], cells of queries that have the gene; position in the first query with it
            "measured": np.zeros(0, np.int64),
            "rank": np.zeros(0, np.int64),
        }

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts and the query's own columns."""
        if block.counts is None:
            raise ValueError("the block does not carry its counts")
        if not block.n_cells:
            return
        query = int(block.obs[QUERY][0]) if QUERY in block.obs else 0
        (column, once), group = self._places(genes, query), self._groups(block)
        sums, counts = self.sums, block.counts
        sums["seen"] += block.n_cells
        sums["measured"][once] += block.n_cells
        kept = group >= 0
        sums["left_out"] += block.n_cells - np.count_nonzero(kept)
        sums["cells"] += np.bincount(group[kept], minlength=len(sums["cells"]))
        if block.label_prob is not None:
            _add_rows(sums["prob"], group[kept], in_parts(block.label_prob[kept]))
        arrays = counts.indptr, counts.indices, counts.data
        add_group_sums(*arrays, group, column, PARTS, sums["counts"])

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that was found, groups and genes in their order, names as JSON."""
        groups, genes, sums = self._in_order()
        return {"groups": _packed(groups), "genes": _packed(genes), **sums}

    def _in_order(self) -> tuple[list[Group], list[str], dict[str, NDArray[np.int64]]]:
        """Return groups by name, genes as the first query with them has them, and sums so."""
        sums = self.sums
        groups = sorted(self._group)
        genes = sorted(self._gene, key=lambda name: (sums["rank"][self._gene[name]], name))
        g, c = [self._group[one] for one in groups], [self._gene[one] for one in genes]
        ordered = {
            "seen": sums["seen"],
            "left_out": sums["left_out"],
            "cells": sums["cells"][g],
            "prob": sums["prob"][g],
            "counts": sums["counts"][np.ix_(g, c)],
            "measured": sums["measured"][c],
            "rank": sums["rank"][c],
        }
        return groups, genes, ordered

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add what another one found, from its `state`."""
        groups = [tuple(one) for one in _unpacked(state["groups"])]
        genes = _unpacked(state["genes"])
        c = self._columns_of(genes, state["rank"])
        g = np.array([self._row(one) for one in groups], np.int64)
        sums = self.sums
        sums["seen"] += state["seen"]
        sums["left_out"] += state["left_out"]
        sums["cells"][g] += state["cells"]
        sums["prob"][g] += state["prob"]
        sums["counts"][np.ix_(g, c)] += state["counts"]
        sums["measured"][c] += state["measured"]

    def found(self) -> GroupedCounts:
        """Return the sums over all blocks."""
        groups, genes, sums = self._in_order()
        # half of a count is rounded up, in place; whole counts come as they were
        counts = sums["counts"]
        counts += PARTS // 2
        counts //= PARTS
        return GroupedCounts(
            columns=self.columns,
            groups=tuple(groups),
            cells=sums["cells"],
            counts=counts,
            genes=np.array(genes, object),
            measured=sums["measured"] == sums["seen"],
            labels=self.labels,
            label_prob=sums["prob"] / PARTS,
            left_out=int(sums["left_out"][0]),
        )

    def _groups(self, block: MappedBlock) -> NDArray[np.int32]:
        """Row of the group of each cell, int32 [cells]; -1 where a column has no value."""
        coded = [self._coded(block, name) for name in self.columns]
        together = combined(((codes, len(values)) for codes, values in coded), block.n_cells)
        _, first, place = np.unique(together, return_index=True, return_inverse=True)
        groups = [tuple(str(values[codes[at]]) for codes, values in coded) for at in first.tolist()]
        rows = [self._row(group) if all(group) else -1 for group in groups]
        return np.array(rows, np.int32)[place]

    def _coded(self, block: MappedBlock, name: str) -> tuple[NDArray[Any], NDArray[np.object_]]:
        """Codes of a column from 0 on, and the values that they stand for."""
        if name in self._of_result:
            values = self._of_result[name]
            return block.obs[name] % len(values), values
        if name not in block.obs:
            return block.own[name]
        given = block.obs[name]
        if given.dtype == np.bool_:
            return given.astype(np.int32), np.array(["no", "yes"], object)
        known, codes = np.unique(given.astype(str), return_inverse=True)
        return codes, known.astype(object)

    def _row(self, group: Group) -> int:
        row = self._group.get(group)
        if row is None:
            row = self._group[group] = len(self._group)
            check_sums(len(self._group), len(self._gene))
            if row >= len(self.sums["cells"]):
                for name in ("cells", "prob", "counts"):
                    there = self.sums[name]
                    # room that no group has taken yet costs no memory: its zeros are not written
                    self.sums[name] = np.zeros((2 * row, *there.shape[1:]), np.int64)
                    self.sums[name][:row] = there
        return row

    def _places(self, genes: GeneMatch, query: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Where the sums of a query's genes stand, int32 [query genes], and each place once.

        What is no gene has place -1.
        """
        if self._placed_of is not genes:
            used = np.flatnonzero(genes.is_gene & (genes.names != ""))
            places = np.full(len(genes.names), -1, np.int32)
            at = self._columns_of(genes.names[used].tolist(), (query << 32) + used)
            places[used] = at
            self._placed_of, self._placed = genes, (places, np.unique(at))
        return self._placed

    def _columns_of(self, names: Sequence[str], rank: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where the sums of genes of these names stand, with room made for new ones."""
        before = len(self._gene)
        places = [self._gene.setdefault(name, len(self._gene)) for name in names]
        new = len(self._gene) - before
        sums = self.sums
        if new:
            check_sums(len(self._group), len(self._gene))
            groups, there = len(self._group), sums["counts"]
            sums["counts"] = np.zeros((len(there), before + new), np.int64)
            sums["counts"][:groups, :before] = there[:groups]
            sums["measured"] = np.append(sums["measured"], np.zeros(new, np.int64))
            last = np.full(new, np.iinfo(np.int64).max)
            sums["rank"] = np.append(sums["rank"], last)
        at = np.array(places, np.int64)
        np.minimum.at(sums["rank"], at, np.asarray(rank, np.int64))
        return at


def _add_rows(total: NDArray[np.int64], row: NDArray[np.int32], values: NDArray[np.int64]) -> None:
    """Add rows of whole numbers to those rows of a total."""
    if not len(row):
        return
    order = np.argsort(row, kind="stable")
    found, begin = np.unique(row[order], return_index=True)
    total[found] += np.add.reduceat(values[order], begin)


def _packed(names: Sequence[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(names).encode() if names else b"", np.uint8)


def _unpacked(packed: NDArray[np.uint8]) -> list[Any]:
    found: list[Any] = json.loads(packed.tobytes()) if len(packed) else []
    return found


def pseudobulk_h5ad(found: GroupedCounts, uns: Mapping[str, Any]) -> bytes:
    """Return an ``.h5ad`` of groups by genes; `uns` says of which mapping.

    ``obs`` has the columns and the number of cells, ``var["measured"]`` whether every query has the
    gene, and ``obsm["cellport_label_prob"]`` sums of the labels' probabilities.
    """
    rows = GroupRows(
        names=[" | ".join(group) for group in found.groups],
        columns={
            name: [group[at] for group in found.groups] for at, name in enumerate(found.columns)
        },
        numbers={CELLS: found.cells},
    )
    matrices = {LABEL_PROB: found.label_prob} if found.labels else {}
    said = {
        "columns": list(found.columns),
        "labels": list(found.labels),
        "left_out_cells": found.left_out,
    }
    table = GroupTable(rows, found.genes, {MEASURED: found.measured}, found.counts, matrices)
    return grouped_h5ad(table, {**uns, PSEUDOBULK: said})
