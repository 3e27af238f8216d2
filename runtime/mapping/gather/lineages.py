"""What the query's own counts say along the lineages of the atlas."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import LineageGene, Trajectory, gene_changes, log_level
from cellport.runtime.base.text_table import five_digits, table_bytes
from cellport.runtime.columns import EDGE, PSEUDOTIME, MappedBlock
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import PARTS, Gatherer, in_parts
from cellport.runtime.mapping.panel_counts import panel_counts

# a step of time with fewer cells says nothing
FEWEST_CELLS = 10
_FEWEST_STEPS = 3


@dataclass(frozen=True, slots=True)
class QueryLineages:
    """The query's mean expression along each lineage."""

    cells: NDArray[np.int64]  # [lineages, steps], cells in each step of pseudotime
    # [lineages, steps, genes], mean counts per 10,000 of the panel; 0 without cells
    expression: NDArray[np.float64]
    measured: NDArray[np.bool_]  # [genes], whether every query has the gene

    def agreement(self, trajectory: Trajectory) -> NDArray[np.float64]:
        """Correlation with the atlas on the log scale, float64 [lineages, genes].

        Over steps with at least 10 cells, each as heavy as it has cells; NaN with fewer than
        three of them, for a gene that was not measured, and where either does not change.
        """
        found = np.full((len(self.cells), len(self.measured)), np.nan)
        for code, cells in enumerate(self.cells):
            known = cells >= FEWEST_CELLS
            if known.sum() < _FEWEST_STEPS:
                continue
            root = np.sqrt(cells[known] / cells[known].sum())[:, None]
            ours, theirs = (
                root * (level - (root**2 * level).sum(axis=0))
                for level in (
                    log_level(self.expression[code, known]),
                    log_level(trajectory.expression[code, known]),
                )
            )
            length = np.sqrt((ours**2).sum(axis=0) * (theirs**2).sum(axis=0))
            usable = self.measured & (length > 1e-9)
            found[code, usable] = (ours * theirs).sum(axis=0)[usable] / length[usable]
        return found

    def change(self) -> NDArray[np.float64]:
        """As `LineageGene.change`, of the query, float64 [lineages, genes]; NaN where unknown."""
        found = np.full((len(self.cells), len(self.measured)), np.nan)
        for code, cells in enumerate(self.cells):
            known = cells >= FEWEST_CELLS
            if known.sum() >= _FEWEST_STEPS:
                found[code] = np.ptp(log_level(self.expression[code, known]), axis=0)
        found[:, ~self.measured] = np.nan
        return found


class LineageCounts(Gatherer):
    """Sums the counts of mapped cells in steps of pseudotime along each lineage.

    Memory does not grow with the cells, and the sums are exact, so that they do not depend on
    the size of the blocks.
    """

    def __init__(self, atlas: AtlasFile, trajectory: Trajectory) -> None:
        self.trajectory, self.gene_names = trajectory, atlas.manifest.panel.names
        self._share = atlas.array("gene_share")
        n_lineages, n_steps, n_genes = trajectory.expression.shape
        self.kept = {}
        self.sums = {
            "cells": np.zeros(n_lineages * n_steps, np.int64),
            "counts": np.zeros((n_lineages * n_steps, n_genes), np.int64),
            "unmeasured": np.zeros(n_genes, np.int64),
        }

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts."""
        import scipy.sparse as sp

        self.sums["unmeasured"] += np.where(genes.measured, 0, block.n_cells)
        row, cell = self._steps(block)
        if not len(row):
            return
        counts = panel_counts(block.counts, genes, self._share)
        counts.data = in_parts(counts.data).astype(np.float64)
        n_steps = len(self.sums["cells"])
        member = sp.csr_matrix((np.ones(len(row)), (row, cell)), (n_steps, block.n_cells))
        self.sums["cells"] += np.bincount(row, minlength=n_steps)
        # whole numbers below 2**53 are exact
        self.sums["counts"] += (member @ counts).toarray().astype(np.int64)

    def found(self) -> QueryLineages:
        """Return the means over all blocks."""
        shape = self.trajectory.expression.shape
        cells = self.sums["cells"]
        mean = self.sums["counts"] / (PARTS * np.maximum(cells, 1)[:, None])
        measured = self.sums["unmeasured"] == 0
        return QueryLineages(cells.reshape(shape[:2]), mean.reshape(shape), measured)

    def _steps(self, block: MappedBlock) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Step of a lineage, counted through all of them, and cell; a cell is on several."""
        edge, time = block.obs[EDGE], block.obs[PSEUDOTIME]
        n_steps = self.trajectory.expression.shape[1]
        lineage, cell = np.nonzero(self.trajectory.lineage_edges[:, edge] & (edge >= 0))
        first, last = self.trajectory.time.astype(np.float64)[lineage].T
        way = (time[cell] - first) / np.maximum(last - first, 1e-9)
        step = np.clip((way * n_steps).astype(np.int64), 0, n_steps - 1)
        return lineage * n_steps + step, cell


def gene_table(counts: LineageCounts, path: str | os.PathLike[str]) -> bytes:
    """Write a line for each lineage and gene: the atlas's change, and the query's beside it.

    What parts the columns goes by the ending of `path`.
    """
    trajectory, names, query = counts.trajectory, counts.gene_names, counts.found()
    position = {name: code for code, name in reversed(list(enumerate(names.tolist())))}
    lineage = {name: code for code, name in enumerate(trajectory.terminals)}
    change, agreement = query.change(), query.agreement(trajectory)
    rows = []
    for gene in gene_changes(trajectory, names):
        at = lineage[gene.lineage], position[gene.gene]
        numbers = [gene.change, gene.peak, gene.start, gene.end, change[at], agreement[at]]
        first, *rest = map(five_digits, numbers)
        rows.append([gene.lineage, gene.gene, first, gene.direction, *rest])
    return table_bytes([*LineageGene._fields, "query_change", "query_agreement"], rows, path)
