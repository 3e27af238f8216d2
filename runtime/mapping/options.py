"""How to map, and a query on its way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.session import Device
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.annotate.corrected import Correction
from cellport.runtime.mapping.provenance import QueryFacts

BLOCK_CELLS = 2048


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How to map.

    Attributes
    ----------
    layer
        Where the query's raw counts are; found when None.
    device
        ``auto``, ``cpu`` or ``cuda``.
    threads
        Processors to use; all when None.
    block_cells
        Most cells in memory at a time.
    minimum_genes
        Refuse a query that has a smaller share of the panel genes.
    any_organism
        Map even when the gene names look like another organism's.
    allow_fractional
        Take counts with fractions (RSEM, ambient-corrected) as counts.
    neighbors
        Reference cells to name as the nearest of each cell; 0 for none.
    keep_counts
        Hand each block's counts on with its results.
    corrected_expression
        Genes whose expression is decoded for each cell: names, or one text in which commas part
        them, or a file with one a line.
    corrected_batch
        Batch of the reference that the cells are decoded in; the mean over all when None.
    """

    layer: str | None = None
    device: Device = "auto"
    threads: int | None = None
    block_cells: int = BLOCK_CELLS
    minimum_genes: float = 0.2
    any_organism: bool = False
    allow_fractional: bool = False
    neighbors: int = 0
    keep_counts: bool = False
    corrected_expression: str | Sequence[str] = ()
    corrected_batch: str | None = None


@dataclass(frozen=True, slots=True)
class Stream:
    """A query being mapped, block by block.

    Attributes
    ----------
    schema
        Columns of the result.
    n_cells
        In the query.
    genes
        Which panel genes the query has.
    gene_names
        object [query genes], the query's own names, from the column that matched.
    counts_from
        File and field that the counts are read from.
    notes
        What was repaired, chosen or is doubtful, a sentence each.
    device
        ``cpu`` or ``cuda``.
    gpu_build
        Whether ONNX Runtime is the GPU build, which uses the CPU where it finds no card.
    correction
        Of expression, where it was asked for.
    blocks
        The mapped cells, in order; reading happens while it is consumed.
    """

    schema: Schema
    n_cells: int
    genes: GeneMatch
    gene_names: NDArray[np.object_]
    counts_from: str
    notes: tuple[str, ...]
    device: str
    gpu_build: bool
    correction: Correction | None
    blocks: Iterator[MappedBlock]

    @property
    def facts(self) -> QueryFacts:
        """What the result says of the query."""
        return QueryFacts(self.counts_from, self.n_cells, self.notes, self.genes.report())
