"""Groups among the cells unlike the atlas, and the genes that set them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.columns import LABEL, LATENT, NOVEL, PROB, MappedBlock
from cellport.runtime.decisions import number, say, whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.panel_counts import panel_counts

MOST_NOVEL, MOST_KNOWN = whole("novel_groups.most_novel"), whole("novel_groups.most_known")
_MARKERS = 10
_SMALLEST, _BY_CHANCE = whole("novel_groups.smallest"), number("novel_groups.by_chance")
_CLEAR, _COMMON = number("novel_groups.clear"), number("novel_groups.common")
_NAMED, _MOST_LINKED = whole("novel_groups.named"), whole("novel_groups.most_linked")
_APART = number("novel_groups.apart")


@dataclass(frozen=True, slots=True)
class NovelGroup:
    """Cells of a query that look like nothing in the atlas and like each other."""

    n_cells: int  # in the group; scaled up where the query has more novel cells than are looked at
    label: str  # the label most of them got; empty for an atlas without labels
    prob: float  # mean probability of the cells' labels; NaN without labels
    # panel genes that they express and that type does not, and the other way round, the largest
    # difference of mean log1p values first; at most 10 each
    markers: tuple[str, ...]
    lacks: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The group in plain words."""
        novel = say("novel_groups.novel", cells=self.n_cells)
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
    """Gathers the novel cells of a mapping, and some of the others to compare them with.

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
        sums, n_labels = self.sums, len(self.sums["cells"])
        sums["unmeasured"] += np.where(genes.measured, 0, block.n_cells)
        nothing = np.zeros(block.n_cells, np.int32)
        label = block.obs.get(LABEL, nothing).astype(np.int64)
        prob = block.obs.get(PROB, nothing).astype(np.float32)
        counted, novel = label < n_labels, block.obs[NOVEL]
        sums["cells"] += np.bincount(label[counted], minlength=n_labels)
        sums["novel_cells"] += np.bincount(label[counted & novel], minlength=n_labels)
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
            )

    def groups(self) -> tuple[NovelGroup, ...]:
        """Find the groups, the largest first, and of equals that of the first cell.

        A group has at least 10 cells, and twice as many as the false-novel rate alone would
        yield among cells with its labels.
        """
        manifest = self._atlas.manifest
        means = self._atlas.array("label_mean")
        novel, known = self.kept["novel"], self.kept["known"]
        found = self._rows_of_groups()
        shift = np.zeros(manifest.n_genes)
        if found and len(known["label"]):
            of_label = np.bincount(known["label"], minlength=len(means)) / len(known["label"])
            shift = np.asarray(known["values"].mean(axis=0)).ravel() - of_label @ means
        scale = self.sums["novel_cells"].sum() / max(len(novel["label"]), 1)
        return tuple(self._described(novel, rows, means, shift, scale) for rows in found)

    def cells_of_groups(self) -> tuple[NDArray[np.int64], ...]:
        """Positions in the query of the cells of each of the `groups`, ascending.

        Of a query with more novel cells than are kept, of those that are.
        """
        position = self.kept["novel"].position
        return tuple(np.sort(position[rows]) for rows in self._rows_of_groups())

    def _rows_of_groups(self) -> list[NDArray[np.int64]]:
        """Find the groups: rows of the novel cells that are kept."""
        manifest = self._atlas.manifest
        cells, novel_cells = self.sums["cells"], self.sums["novel_cells"]
        novel = self.kept["novel"]
        if len(novel["label"]) < _SMALLEST:
            return []
        group = group_latents(novel["latent"], type_distance(self._atlas))
        chance = manifest.thresholds.novelty_p * cells / np.maximum(novel_cells, 1)
        found = []
        for code in range(group.max() + 1):
            rows = np.flatnonzero(group == code)
            expected = float(chance[novel["label"][rows]].sum())
            if len(rows) >= _SMALLEST and len(rows) > _BY_CHANCE * expected:
                found.append(rows)
        found.sort(key=lambda rows: (-len(rows), rows[0]))
        return found

    def _described(
        self,
        novel: BottomK,
        rows: NDArray[np.int64],
        means: NDArray[np.float32],
        shift: NDArray[np.float64],
        scale: float,
    ) -> NovelGroup:
        manifest = self._atlas.manifest
        values = novel["values"][rows]
        label = int(np.bincount(novel["label"][rows]).argmax())
        difference = np.asarray(values.mean(axis=0)).ravel() - means[label] - shift
        having = np.asarray((values > 0).mean(axis=0)).ravel()
        names = manifest.panel.names
        usable = (self.sums["unmeasured"] == 0) & (names != "")
        up = usable & (difference >= _CLEAR) & (having >= _COMMON)
        down = usable & (difference <= -_CLEAR) & (means[label] >= _CLEAR)
        labelled = bool(manifest.labels)
        return NovelGroup(
            n_cells=round(len(rows) * scale),
            label=manifest.labels[label] if labelled else "",
            prob=float(novel["prob"][rows].mean()) if labelled else float("nan"),
            markers=_first(names, -difference, up),
            lacks=_first(names, difference, down),
        )


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
    latent = atlas.array("reference_latent").astype(np.float64)
    label = atlas.array("reference_label")
    types = np.unique(label[label >= 0])
    if len(types) < 2:
        return float(np.sqrt(((latent - latent.mean(axis=0)) ** 2).sum(axis=1).mean()))
    n_cells = np.bincount(label[label >= 0])[types]
    total = [np.bincount(label[label >= 0], column[label >= 0])[types] for column in latent.T]
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
    )


def _first(
    names: NDArray[np.object_], order: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[str, ...]:
    rows = np.flatnonzero(chosen)
    return tuple(names[rows[np.argsort(order[rows], kind="stable")[:_MARKERS]]].tolist())


def _named(genes: tuple[str, ...]) -> str:
    shown = list(genes[:_NAMED])
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
