"""Cells that are looked at for groups unlike the atlas, and which of them lie together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.base.false_discovery import adjusted
from cellport.runtime.columns import LABEL, LATENT, NOVEL, NOVELTY_P, MappedBlock
from cellport.runtime.decisions import number, whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.strange_groups import (
    KnownGroups,
    novel_strangeness,
    p_beside,
    p_beside_each_other,
    strangeness_of_groups,
)

MOST_NOVEL, MOST_KNOWN = whole("novel_groups.most_novel"), whole("novel_groups.most_known")
SMALLEST = whole("novel_groups.smallest")
_BY_CHANCE, _LEVEL = number("novel_groups.by_chance"), number("novel_groups.level")
_MOST_LINKED, _APART = whole("novel_groups.most_linked"), number("novel_groups.apart")
_KINDS = "novel", "known"


@dataclass(frozen=True, slots=True)
class Linked:
    """Cells grouped by where they lie."""

    code: NDArray[np.int64]  # [cells], group of each
    centres: NDArray[np.float64]  # [groups, latent]

    @property
    def large(self) -> list[int]:
        """Groups that are large enough to be judged."""
        return np.flatnonzero(np.bincount(self.code, minlength=1) >= SMALLEST).tolist()

    def rows(self, group: int) -> NDArray[np.int64]:
        """Rows of the cells of a group."""
        return np.flatnonzero(self.code == group)


@dataclass(frozen=True, slots=True)
class Near:
    """To which of the found groups cells belong that lie next to a centre."""

    centres: NDArray[np.float64]  # [centres, latent]
    group: NDArray[np.int64]  # [centres], position of the found group; -1 for none


@dataclass(frozen=True, slots=True)
class FoundGroups:
    """Groups of cells unlike an atlas."""

    rows: tuple[NDArray[np.int64], ...]  # of each group, its cells
    p: tuple[float, ...]  # that one of a known type is so strange, adjusted for their number
    # for cells that were not looked at: what all are near to, and then novel ones of no group yet
    near: tuple[Near, Near]

    def in_order(self, order: Sequence[int]) -> FoundGroups:
        """Return the groups in another order."""
        rank = np.append(np.argsort(np.asarray(order, np.int64)), -1)
        return FoundGroups(
            tuple(self.rows[at] for at in order),
            tuple(self.p[at] for at in order),
            (
                Near(self.near[0].centres, rank[self.near[0].group]),
                Near(self.near[1].centres, rank[self.near[1].group]),
            ),
        )


class NovelSample(Gatherer):
    """Keeps some of the novel cells of a mapping and some of the others, to group them.

    Of each kind, the cells whose positions have the smallest hashes are kept, so memory is
    bounded and the choice does not depend on the size of the blocks. `more` are fields to keep
    beside what groups are found by.
    """

    def __init__(self, atlas: AtlasFile, **more: Any) -> None:
        self.atlas = atlas
        n_labels = max(1, len(atlas.manifest.labels))
        self.sums = {
            "cells": np.zeros(n_labels, np.int64),
            "novel_cells": np.zeros(n_labels, np.int64),
        }
        fields = {
            "latent": np.empty((0, atlas.manifest.n_latent), np.float32),
            "label": np.empty(0, np.int64),
            "p": np.empty(0, np.float32),
            **more,
        }
        most = zip(_KINDS, (MOST_NOVEL, MOST_KNOWN), strict=True)
        self.kept = {name: BottomK(number, **fields) for name, number in most}

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block."""
        self.look_at(block)

    def look_at(self, block: MappedBlock) -> None:
        """Take in a block, whatever genes its query has."""
        for name, rows in self.entering(block):
            self.keep(name, block, rows)

    def entering(self, block: MappedBlock) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Count the cells of a block, and yield for both kinds the rows that may be kept."""
        label, novel = labels_of(block), block.obs[NOVEL]
        n_labels = len(self.sums["cells"])
        counted = label < n_labels
        self.sums["cells"] += np.bincount(label[counted], minlength=n_labels)
        self.sums["novel_cells"] += np.bincount(label[counted & novel], minlength=n_labels)
        for name, chosen in (("novel", novel & counted), ("known", ~novel & counted)):
            rows = np.flatnonzero(chosen)
            rows = rows[self.kept[name].entering(block.start + rows)]
            if len(rows):
                yield name, rows

    def keep(self, name: str, block: MappedBlock, rows: NDArray[np.int64], **more: Any) -> None:
        """Keep cells of one kind; `more` are values of the fields beside."""
        self.kept[name].add(
            block.start + rows,
            latent=block.obsm[LATENT][rows],
            label=labels_of(block)[rows],
            p=block.obs[NOVELTY_P][rows],
            **more,
        )

    @property
    def weight(self) -> NDArray[np.float64]:
        """Cells of the query that each of those kept stands for, the novel ones first."""
        novel = self.sums["novel_cells"].sum()
        known = self.sums["cells"].sum() - novel
        kept = [len(self.kept[name]) for name in _KINDS]
        each = [total / max(n, 1) for total, n in zip((novel, known), kept, strict=True)]
        return np.repeat(each, kept)

    @property
    def position(self) -> NDArray[np.int64]:
        """Positions in the query of the cells that are kept, the novel ones first."""
        return np.concatenate([self.kept[name].position for name in _KINDS])

    def of_cells(self, field: str) -> NDArray[Any]:
        """Values of the cells that are kept, the novel ones first."""
        return np.concatenate([self.kept[name][field] for name in _KINDS])

    def found(self) -> FoundGroups:
        """Find the groups among the cells that are kept, the largest first.

        Of equals, that of the first cell comes first.
        """
        weight = self.weight
        each = self.sums["cells"] / np.maximum(self.sums["novel_cells"], 1)
        found = find_groups(
            self.of_cells("latent"),
            self.of_cells("p"),
            weight,
            each[self.kept["novel"]["label"]],
            type_distance(self.atlas),
            self.atlas.manifest.thresholds.novelty_p,
        )
        size = [(-weight[rows].sum(), rows[0]) for rows in found.rows]
        return found.in_order(sorted(range(len(size)), key=size.__getitem__))


def labels_of(block: MappedBlock) -> NDArray[np.int64]:
    """Labels of a block's cells, 0 of an atlas without: int64 [cells]."""
    return np.asarray(block.obs.get(LABEL, np.zeros(block.n_cells)), np.int64)


def find_groups(
    latent: NDArray[np.float32],
    p: NDArray[np.floating],
    weight: NDArray[np.floating],
    cells: NDArray[np.floating],
    distance: float,
    level: float,
    known: KnownGroups | None = None,
) -> FoundGroups:
    """Find groups of cells that are stranger together than known types of new batches are.

    Of those that are told of for their p-value, below 0.05, one in twenty is expected to be of a
    known type. Groups among the novel cells that are left are told of with their p-value where
    they are more than twice as many as chance makes.

    Parameters
    ----------
    latent, p, weight
        float [cells, latent] and [cells]: where the cells lie, their novelty p-values, and the
        cells that each stands for. The novel ones come first.
    cells
        float [novel]: of each novel cell's label, the cells to each novel one.
    distance
        Between neighbouring types of the reference, from `type_distance`.
    level
        P-value below which a cell is novel.
    known
        How strange known types are, where another rule than that which ships is asked for.

    Returns
    -------
    FoundGroups
        Of each group its rows, int64, and its p-value, adjusted for the number of groups.
    """
    every = link_latents(latent, distance)
    groups = [every.rows(at) for at in every.large]
    of_groups = strangeness_of_groups(p, weight, groups)
    of_known = adjusted(p_beside_each_other(of_groups[0], of_groups[1], known))
    told = of_known < _LEVEL
    rows = [groups[at] for at in np.flatnonzero(told)]
    near_every = _near(every, [every.large[at] for at in np.flatnonzero(told)], 0)
    # unseen cells may lie among known ones, and then drown in the mean of all
    left = in_none(rows, len(weight))
    left = left[left < len(cells)]
    among = link_latents(latent[left], distance)
    many = [at for at in among.large if _more_than_chance(cells[left[among.rows(at)]], level)]
    near_novel = _near(among, many, len(rows))
    groups = [left[among.rows(at)] for at in many]
    of_novel = [novel_strangeness(len(rows), level, float(cells[rows].sum())) for rows in groups]
    strange, independent = np.array(of_novel, np.float64).reshape(-1, 2).T
    beside = adjusted(p_beside(strange, independent, of_groups[0, ~told], known))
    p_values = (*of_known[told].tolist(), *beside.tolist())
    return FoundGroups((*rows, *groups), p_values, (near_every, near_novel))


def _more_than_chance(cells: NDArray[np.floating], level: float) -> bool:
    return bool(len(cells) > _BY_CHANCE * level * cells.sum())


def _near(linked: Linked, told: Sequence[int], first: int) -> Near:
    """Centres of linked cells, of which those `told` of are the found groups from `first` on."""
    group = np.full(len(linked.centres), -1, np.int64)
    group[list(told)] = first + np.arange(len(told))
    return Near(linked.centres, group)


def in_none(groups: Sequence[NDArray[np.int64]], n_cells: int) -> NDArray[np.int64]:
    """Rows that no group has, ascending."""
    outside = np.ones(n_cells, np.bool_)
    for rows in groups:
        outside[rows] = False
    return np.flatnonzero(outside)


def groups_of_latents(latent: NDArray[np.float32], distance: float) -> list[NDArray[np.int64]]:
    """Rows of each group by `link_latents` that is large enough to be judged."""
    linked = link_latents(latent, distance)
    return [linked.rows(at) for at in linked.large]


def link_latents(latent: NDArray[np.float32], distance: float) -> Linked:
    """Group cells whose latents lie closer together than neighbouring types do.

    Parameters
    ----------
    latent
        float32 [n, latent].
    distance
        Between neighbouring types of the reference, from `type_distance`.

    Returns
    -------
    Linked
        Average linkage of up to 2,000 of them, cut at 0.7 of the distance; the others join the
        nearest centre.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(latent) < 2:
        return Linked(np.zeros(len(latent), np.int64), latent.astype(np.float64))
    linked = latent[:: -(-len(latent) // _MOST_LINKED)].astype(np.float64)
    code = fcluster(linkage(linked, "average"), _APART * distance, "distance") - 1
    centres = np.stack([linked[code == one].mean(axis=0) for one in range(code.max() + 1)])
    if len(linked) == len(latent):
        return Linked(np.asarray(code, dtype=np.int64), centres)
    apart = (centres**2).sum(axis=1) - 2 * latent.astype(np.float64) @ centres.T
    return Linked(np.asarray(apart.argmin(axis=1), dtype=np.int64), centres)


def type_distance(atlas: AtlasFile) -> float:
    """Median distance in the latent from the centre of a type to the nearest other one.

    With fewer than two types it is the root mean square distance of the cells to their middle.
    """
    return distance_of_types(atlas.array("reference_latent"), atlas.array("reference_label"))


def distance_of_types(latent: NDArray[np.float32], label: NDArray[np.integer]) -> float:
    """`type_distance` of reference cells: latents [n, latent], labels int [n], -1 without."""
    wide = latent.astype(np.float64)
    types = np.unique(label[label >= 0])
    if len(types) < 2:
        return float(np.sqrt(((wide - wide.mean(axis=0)) ** 2).sum(axis=1).mean()))
    n_cells = np.bincount(label[label >= 0])[types]
    total = [np.bincount(label[label >= 0], column[label >= 0])[types] for column in wide.T]
    centres = (np.array(total) / n_cells).T
    square = (centres**2).sum(axis=1)
    apart = square[:, np.newaxis] + square - 2 * centres @ centres.T
    np.fill_diagonal(apart, np.inf)
    return float(np.sqrt(np.maximum(np.median(apart.min(axis=1)), 0)))
