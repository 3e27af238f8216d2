"""Groups among the cells unlike the atlas, and the genes that set them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.base.false_discovery import adjusted
from cellport.runtime.columns import LABEL, LATENT, NOVEL, NOVELTY_P, PROB, MappedBlock
from cellport.runtime.decisions import number, say, whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.strange_groups import (
    KnownGroups,
    novel_strangeness,
    p_beside,
    p_beside_each_other,
    strangeness_of_groups,
)
from cellport.runtime.mapping.panel_counts import panel_counts

MOST_NOVEL, MOST_KNOWN = whole("novel_groups.most_novel"), whole("novel_groups.most_known")
_MARKERS = 10
_SMALLEST, _BY_CHANCE = whole("novel_groups.smallest"), number("novel_groups.by_chance")
_LEVEL = number("novel_groups.level")
_CLEAR, _COMMON = number("novel_groups.clear"), number("novel_groups.common")
_NAMED, _MOST_LINKED = whole("novel_groups.named"), whole("novel_groups.most_linked")
_APART = number("novel_groups.apart")
_KINDS = "novel", "known"


@dataclass(frozen=True, slots=True)
class NovelGroup:
    """Cells of a query that lie together and look like nothing in the atlas."""

    n_cells: int  # in the group; scaled up where the query has more cells than are looked at
    p: float  # that a group of a known type is so strange, adjusted for the number of groups
    novel: float  # share of its cells that are called novel each on its own
    label: str  # the label most of them got; empty for an atlas without labels
    prob: float  # mean probability of the cells' labels; NaN without labels
    # panel genes that they express and that type does not, and the other way round, the largest
    # difference of mean log1p values first; at most 10 each
    markers: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The group in plain words."""
        p = say("novel_groups.p", p=self.p) if self.p >= 0.001 else say("novel_groups.p_below")
        novel = say("novel_groups.novel", cells=self.n_cells, p=p, share=self.novel)
        pairs = ("express", self.markers), ("lack", self.lacks)
        told = [say(f"novel_groups.{how}", genes=_named(genes)) for how, genes in pairs if genes]
        differ = " and ".join(told)
        like = say("novel_groups.resembling", label=self.label) if self.label else ""
        if not differ:
            return say("novel_groups.no_gene", novel=novel, resembling=like)
        if self.label:
            return say("novel_groups.unlike_label", novel=novel, resembling=like, differ=differ)
        return say("novel_groups.unlike_average", novel=novel, differ=differ)


class NovelCells(Gatherer):
    """Gathers some of the novel cells of a mapping and some of the others, to group them.

    Of each kind, the cells whose positions have the smallest hashes are kept, so memory is
    bounded and the choice does not depend on the size of the blocks.
    """

    def __init__(self, atlas: AtlasFile) -> None:
        self._atlas = atlas
        self._share = atlas.array("gene_share")
        manifest = atlas.manifest
        n_labels = max(1, len(manifest.labels))
        self.sums = {
            "cells": np.zeros(n_labels, np.int64),
            "novel_cells": np.zeros(n_labels, np.int64),
            "unmeasured": np.zeros(manifest.n_genes, np.int64),
        }
        self.kept = {
            name: _no_cells(most, manifest.n_genes, manifest.n_latent)
            for name, most in (("novel", MOST_NOVEL), ("known", MOST_KNOWN))
        }

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts."""
        self.sums["unmeasured"] += np.where(genes.measured, 0, block.n_cells)
        nothing = np.zeros(block.n_cells, np.int32)
        label = block.obs.get(LABEL, nothing).astype(np.int64)
        prob = block.obs.get(PROB, nothing).astype(np.float32)
        n_labels = len(self.sums["cells"])
        counted, novel = label < n_labels, block.obs[NOVEL]
        self.sums["cells"] += np.bincount(label[counted], minlength=n_labels)
        self.sums["novel_cells"] += np.bincount(label[counted & novel], minlength=n_labels)
        for name, chosen in (("novel", novel & counted), ("known", ~novel & counted)):
            rows = np.flatnonzero(chosen)
            rows = rows[self.kept[name].entering(block.start + rows)]
            if not len(rows):
                continue
            values = panel_counts(block.counts, genes, self._share, rows).log1p()
            self.kept[name].add(
                block.start + rows,
                values=values.astype(np.float32),
                latent=block.obsm[LATENT][rows],
                label=label[rows],
                prob=prob[rows],
                p=block.obs[NOVELTY_P][rows],
            )

    def groups(self) -> tuple[NovelGroup, ...]:
        """Find the groups, the largest first, and of equals that of the first cell.

        Those of at least 10 cells that are stranger together than known types of new batches are,
        and those of novel cells among the others, of which there are more than chance makes.
        """
        found = self._found()
        means = self._atlas.array("label_mean")
        usual = _in_none(found, len(self._weight))
        usual = usual[usual >= len(self.kept["novel"])]
        shift = np.zeros(means.shape[1])
        if found and len(usual):
            of_label = np.bincount(self._of_cells("label")[usual], minlength=len(means))
            shift = self._mean(usual)[0] - of_label / len(usual) @ means
        return tuple(self._described(rows, p, means, shift) for rows, p in found)

    def cells_of_groups(self) -> tuple[NDArray[np.int64], ...]:
        """Positions in the query of the cells of each of the `groups`, ascending.

        Of a query with more cells than are kept, of those that are.
        """
        position = np.concatenate([self.kept[name].position for name in _KINDS])
        return tuple(np.sort(position[rows]) for rows, _ in self._found())

    def surest_of_groups(self) -> tuple[NDArray[np.int64], ...]:
        """`cells_of_groups` to learn from: where 10 of them are novel each on its own, those."""
        position, found = self.kept["novel"].position, []
        for rows in self.cells_of_groups():
            novel = rows[np.isin(rows, position)]
            found.append(novel if len(novel) >= _SMALLEST else rows)
        return tuple(found)

    @property
    def _weight(self) -> NDArray[np.float64]:
        """Cells of the query that each of those kept stands for, the novel ones first."""
        novel = self.sums["novel_cells"].sum()
        known = self.sums["cells"].sum() - novel
        kept = [len(self.kept[name]) for name in _KINDS]
        each = [total / max(n, 1) for total, n in zip((novel, known), kept, strict=True)]
        return np.repeat(each, kept)

    def _of_cells(self, field: str) -> NDArray[Any]:
        """Values of the cells that are kept, the novel ones first."""
        return np.concatenate([self.kept[name][field] for name in _KINDS])

    def _found(self) -> list[tuple[NDArray[np.int64], float]]:
        """Find the groups: which of the cells that are kept, and the p-value of each."""
        weight = self._weight
        if len(weight) < _SMALLEST:
            return []
        each = self.sums["cells"] / np.maximum(self.sums["novel_cells"], 1)
        found = find_groups(
            self._of_cells("latent"),
            self._of_cells("p"),
            weight,
            each[self.kept["novel"]["label"]],
            type_distance(self._atlas),
            self._atlas.manifest.thresholds.novelty_p,
        )
        found.sort(key=lambda group: (-weight[group[0]].sum(), group[0][0]))
        return found

    def _mean(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Mean value of each gene, and share of the cells that have it, float64 [2, genes]."""
        weight, n_novel = self._weight[rows], len(self.kept["novel"])
        total: Any = 0
        for name, inside in (("novel", rows < n_novel), ("known", rows >= n_novel)):
            values = self.kept[name]["values"][rows[inside] - (name == "known") * n_novel]
            total = total + np.stack([weight[inside] @ one for one in (values, values > 0)])
        return np.asarray(total / weight.sum(), dtype=np.float64)

    def _described(
        self,
        rows: NDArray[np.int64],
        p: float,
        means: NDArray[np.float32],
        shift: NDArray[np.float64],
    ) -> NovelGroup:
        manifest, weight = self._atlas.manifest, self._weight[rows]
        label = int(np.bincount(self._of_cells("label")[rows], weight).argmax())
        value, having = self._mean(rows)
        difference = value - means[label] - shift
        names = manifest.panel.names
        usable = (self.sums["unmeasured"] == 0) & (names != "")
        up = usable & (difference >= _CLEAR) & (having >= _COMMON)
        down = usable & (difference <= -_CLEAR) & (means[label] >= _CLEAR)
        labelled = bool(manifest.labels)
        prob = np.average(self._of_cells("prob")[rows], weights=weight)
        return NovelGroup(
            n_cells=round(weight.sum()),
            p=p,
            novel=float(weight[rows < len(self.kept["novel"])].sum() / weight.sum()),
            label=manifest.labels[label] if labelled else "",
            prob=float(prob) if labelled else float("nan"),
            markers=_first(names, -difference, up),
            lacks=_first(names, difference, down),
        )


def find_groups(
    latent: NDArray[np.float32],
    p: NDArray[np.floating],
    weight: NDArray[np.floating],
    cells: NDArray[np.floating],
    distance: float,
    level: float,
    known: KnownGroups | None = None,
) -> list[tuple[NDArray[np.int64], float]]:
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
    list
        Of each group its rows, int64, and its p-value, adjusted for the number of groups.
    """
    groups = groups_of_latents(latent, distance)
    of_groups = strangeness_of_groups(p, weight, groups)
    of_known = adjusted(p_beside_each_other(of_groups[0], of_groups[1], known))
    told = of_known < _LEVEL
    found = [(groups[at], float(of_known[at])) for at in np.flatnonzero(told)]
    # unseen cells may lie among known ones, and then drown in the mean of all
    left = _in_none(found, len(weight))
    left = left[left < len(cells)]
    groups = [left[rows] for rows in groups_of_latents(latent[left], distance)]
    groups = [rows for rows in groups if len(rows) > _BY_CHANCE * level * cells[rows].sum()]
    of_novel = [novel_strangeness(len(rows), level, float(cells[rows].sum())) for rows in groups]
    strange, independent = np.array(of_novel, np.float64).reshape(-1, 2).T
    of_known = adjusted(p_beside(strange, independent, of_groups[0, ~told], known))
    return found + list(zip(groups, of_known.tolist(), strict=True))


def _in_none(found: list[tuple[NDArray[np.int64], float]], n_cells: int) -> NDArray[np.int64]:
    """Rows that no group has, ascending."""
    outside = np.ones(n_cells, np.bool_)
    for rows, _ in found:
        outside[rows] = False
    return np.flatnonzero(outside)


def groups_of_latents(latent: NDArray[np.float32], distance: float) -> list[NDArray[np.int64]]:
    """Rows of each group by `group_latents` that is large enough to be judged."""
    code = group_latents(latent, distance)
    groups = [np.flatnonzero(code == one) for one in range(code.max(initial=-1) + 1)]
    return [rows for rows in groups if len(rows) >= _SMALLEST]


def group_latents(latent: NDArray[np.float32], distance: float) -> NDArray[np.int64]:
    """Group cells whose latents lie closer together than neighbouring types do.

    Parameters
    ----------
    latent
        float32 [n, latent].
    distance
        Between neighbouring types of the reference, from `type_distance`.

    Returns
    -------
    ndarray
        int64 [n], group of each cell: average linkage of up to 2,000 of them, cut at 0.7 of the
        distance; the others join the nearest centre.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(latent) < 2:
        return np.zeros(len(latent), np.int64)
    linked = latent[:: -(-len(latent) // _MOST_LINKED)].astype(np.float64)
    code = fcluster(linkage(linked, "average"), _APART * distance, "distance") - 1
    if len(linked) == len(latent):
        return np.asarray(code, dtype=np.int64)
    centres = np.stack([linked[code == one].mean(axis=0) for one in range(code.max() + 1)])
    apart = (centres**2).sum(axis=1) - 2 * latent.astype(np.float64) @ centres.T
    return np.asarray(apart.argmin(axis=1), dtype=np.int64)


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


def _no_cells(most: int, n_genes: int, n_latent: int) -> BottomK:
    import scipy.sparse as sp

    return BottomK(
        most,
        values=sp.csr_matrix((0, n_genes), dtype=np.float32),
        latent=np.empty((0, n_latent), np.float32),
        label=np.empty(0, np.int64),
        prob=np.empty(0, np.float32),
        p=np.empty(0, np.float32),
    )


def _first(
    names: NDArray[np.object_], order: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[str, ...]:
    rows = np.flatnonzero(chosen)
    return tuple(names[rows[np.argsort(order[rows], kind="stable")[:_MARKERS]]].tolist())


def _named(genes: tuple[str, ...]) -> str:
    shown = list(genes[:_NAMED])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
