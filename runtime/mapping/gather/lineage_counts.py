"""What the query's own counts say along the lineages of the atlas."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import (
    LIBRARY,
    LineageGene,
    Trajectory,
    gene_changes,
    log_level,
)
from cellport.runtime.base.files import check_place
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import OutputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.genes.panel import Panel
from cellport.runtime.sources.block import CountBlock

if TYPE_CHECKING:
    import scipy.sparse as sp

# a step of time with fewer cells says nothing
FEWEST_CELLS = 10
# whole numbers add up to the same sum in any order: a count per 10,000 in these parts
_PARTS = 1 << 16
_FEWEST_STEPS = 3


@dataclass(frozen=True, slots=True)
class QueryLineages:
    """The query's mean expression along each lineage.

    Attributes
    ----------
    cells
        int64 [lineages, steps], cells in each step of pseudotime.
    expression
        float64 [lineages, steps, genes], mean counts per 10,000 of the panel; 0 without cells.
    measured
        bool [genes], whether every query has the gene.
    """

    cells: NDArray[np.int64]
    expression: NDArray[np.float64]
    measured: NDArray[np.bool_]

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


class LineageCounts:
    """Sums the counts of mapped cells in steps of pseudotime along each lineage.

    Memory does not grow with the cells, and the sums are exact, so that they do not depend on
    the size of the blocks.

    Parameters
    ----------
    atlas
        The open atlas.
    trajectory
        Of the atlas.
    """

    def __init__(self, atlas: AtlasFile, trajectory: Trajectory) -> None:
        self._trajectory = trajectory
        self._share = atlas.array("gene_share")
        n_lineages, n_steps, n_genes = trajectory.expression.shape
        self._measured = np.ones(n_genes, np.bool_)
        self._cells = np.zeros(n_lineages * n_steps, np.int64)
        self._sums = np.zeros((n_lineages * n_steps, n_genes), np.int64)

    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block that carries its counts.

        Parameters
        ----------
        block
            Mapped, with ``counts``.
        genes
            Which genes of its query feed the panel.
        """
        import scipy.sparse as sp

        if block.counts is None:
            raise ValueError("the block does not carry its counts")
        self._measured &= genes.measured
        row, cell = self._steps(block)
        if not len(row):
            return
        used = np.flatnonzero(genes.panel_column >= 0)
        n_query, n_panel = len(genes.panel_column), len(self._measured)
        ends = used, genes.panel_column[used]
        panel = sp.csr_matrix((np.ones(len(used)), ends), (n_query, n_panel))
        shape = len(self._cells), block.n_cells
        member = sp.csr_matrix((np.ones(len(row)), (row, cell)), shape)
        self._cells += np.bincount(row, minlength=len(self._cells))
        # whole numbers below 2**53 are exact
        total = (member @ self._parts(block.counts, genes) @ panel).toarray()
        self._sums += total.astype(np.int64)

    def found(self) -> QueryLineages:
        """Return the means over all blocks."""
        shape = self._trajectory.expression.shape
        mean = self._sums / (_PARTS * np.maximum(self._cells, 1)[:, None])
        return QueryLineages(self._cells.reshape(shape[:2]), mean.reshape(shape), self._measured)

    def _steps(self, block: MappedBlock) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Step of a lineage, counted through all of them, and cell; a cell is on several."""
        edge, time = block.obs["cellport_edge"], block.obs["cellport_pseudotime"]
        n_steps = self._trajectory.expression.shape[1]
        lineage, cell = np.nonzero(self._trajectory.lineage_edges[:, edge] & (edge >= 0))
        first, last = self._trajectory.time.astype(np.float64)[lineage].T
        way = (time[cell] - first) / np.maximum(last - first, 1e-9)
        step = np.clip((way * n_steps).astype(np.int64), 0, n_steps - 1)
        return lineage * n_steps + step, cell

    def _parts(self, counts: CountBlock, genes: GeneMatch) -> sp.csr_matrix:
        """Normalise counts, in whole parts, CSR float64 [cells, query genes]."""
        import scipy.sparse as sp

        values = counts.data.astype(np.float64)
        shape = counts.n_cells, len(genes.panel_column)
        every = sp.csr_matrix((values, counts.indices, counts.indptr), shape)
        library = every @ (genes.panel_column >= 0).astype(np.float64)
        scale = LIBRARY * float(self._share[genes.measured].sum()) * _PARTS
        every.data *= np.repeat(scale / np.maximum(library, 1e-6), np.diff(counts.indptr))
        np.rint(every.data, out=every.data)
        return every


def check_table(path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]]) -> None:
    """Refuse a table of genes that could not be written, before any work is done for it.

    Raises
    ------
    OutputError
        Another ending than ``.csv`` or ``.tsv``, or the place cannot be written to, or is an input.
    """
    if Path(path).suffix.lower() not in (".csv", ".tsv"):
        raise OutputError(f"The table of genes '{path}' must end in .csv or .tsv.")
    check_place(path, inputs)


def gene_table(
    atlas: AtlasFile, trajectory: Trajectory, query: QueryLineages, separator: str
) -> bytes:
    """Write a line for each lineage and gene: the atlas's change, and the query's beside it."""
    names = Panel(atlas.manifest.symbols, atlas.manifest.ensembl).names
    position = {name: code for code, name in reversed(list(enumerate(names.tolist())))}
    lineage = {name: code for code, name in enumerate(trajectory.terminals)}
    change, agreement = query.change(), query.agreement(trajectory)
    text = io.StringIO()
    table = csv.writer(text, delimiter=separator, lineterminator="\n")
    table.writerow([*LineageGene._fields, "query_change", "query_agreement"])
    for gene in gene_changes(trajectory, names):
        at = lineage[gene.lineage], position[gene.gene]
        numbers = [gene.change, gene.peak, gene.start, gene.end, change[at], agreement[at]]
        shown = ["" if np.isnan(n) else f"{n:.5g}" for n in numbers]
        table.writerow([gene.lineage, gene.gene, shown[0], gene.direction, *shown[1:]])
    return text.getvalue().encode()
