"""How to map."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

from cellport.runtime.atlas.session import Device
from cellport.runtime.decisions import number, text

Path = str | os.PathLike[str]
BLOCK_CELLS = 2048
MINIMUM_GENES = number("genes.minimum")
GROUPS_COST = text("groups.cost")


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How to map.

    Attributes
    ----------
    layer
        Where the query's raw counts are; found when None.
    genome
        Of a 10x file or folder of several genomes, the one to map.
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
    orthologs
        Map cells of mouse onto an atlas of human, or the other way round, by their one-to-one
        orthologs.
    rescale_genes
        Put each gene on the atlas's scale by its mean and spread over the whole query, as targeted
        panels and other platforms need it; the answers for a cell then depend on the others.
    allow_fractional
        Take counts with fractions (RSEM, ambient-corrected) as counts.
    neighbors
        Reference cells to name as the nearest of each cell; 0 for none.
    several_labels
        Name all labels whose probability is above one half, of an atlas that judges each by itself.
    probabilities
        Give the probability of every label, and the labels along the atlas's tree, where it has
        one, with theirs.
    cell_ontology
        Give the term of the Cell Ontology that each cell's call is.
    crosswalk
        Terms of labels or groups: a CSV or TSV of both, or a mapping. Goes before what the atlas
        says; as if `cell_ontology` were set.
    ontology
        OBO file of terms, in place of the Cell Ontology that comes with the package; the same.
    cellxgene
        Call the column of terms as the schema of CELLxGENE does; the same.
    groups
        Column of the query's ``obs`` with clusters of cells, or ``auto`` for those near each other
        in the latent: each cell gets the label of most cells of its group too. Nothing when None.
    also
        Other atlases, by path or name, that the cells are mapped onto in the same pass: their
        labels stand beside, and what all atlases say together.
    novel_groups
        Number the groups of cells unlike the atlas, as its report tells of them, and give each cell
        the number of its group. Reads the query twice; one query at a time.
    merge_labels
        Put those labels together that the query's genes cannot tell apart, as cells made up from
        the atlas show, and give each cell the group of its label too.
    keep_counts
        Hand each block's counts on with its results.
    corrected_expression
        Genes whose expression is decoded for each cell: names, or one text in which commas part
        them, or a file with one a line.
    corrected_batch
        Batch of the reference that the cells are decoded in; the mean over all when None.
    pseudobulk
        Columns, of the query's ``obs`` or of the results, by whose values the counts of all genes
        are summed up: names, or one text in which commas part them.
    """

    layer: str | None = None
    genome: str | None = None
    device: Device = "auto"
    threads: int | None = None
    block_cells: int = BLOCK_CELLS
    minimum_genes: float = MINIMUM_GENES
    any_organism: bool = False
    orthologs: bool = False
    rescale_genes: bool = False
    allow_fractional: bool = False
    neighbors: int = 0
    several_labels: bool = False
    probabilities: bool = False
    cell_ontology: bool = False
    crosswalk: str | Mapping[str, str] | None = None
    ontology: str | None = None
    cellxgene: bool = False
    groups: str | None = None
    also: Path | Sequence[Path] = ()
    novel_groups: bool = False
    merge_labels: bool = False
    keep_counts: bool = False
    corrected_expression: str | Sequence[str] = ()
    corrected_batch: str | None = None
    pseudobulk: str | Sequence[str] = ()

    @property
    def summed_by(self) -> tuple[str, ...]:
        """Names of the columns by which counts are summed up; none where they are not."""
        given = self.pseudobulk
        names = given.split(",") if isinstance(given, str) else given
        return tuple(stripped for name in names if (stripped := name.strip()))

    @property
    def other_atlases(self) -> tuple[str, ...]:
        """Paths and names of the other atlases."""
        given = self.also
        paths = (given,) if isinstance(given, str | os.PathLike) else given
        return tuple(os.fspath(path) for path in paths)


class MapChanges(TypedDict, total=False):
    """Single options of `MapOptions`, by name."""

    layer: str | None
    genome: str | None
    device: Device
    threads: int | None
    block_cells: int
    minimum_genes: float
    any_organism: bool
    orthologs: bool
    rescale_genes: bool
    allow_fractional: bool
    neighbors: int
    several_labels: bool
    probabilities: bool
    cell_ontology: bool
    crosswalk: str | Mapping[str, str] | None
    ontology: str | None
    cellxgene: bool
    groups: str | None
    also: Path | Sequence[Path]
    novel_groups: bool
    merge_labels: bool
    keep_counts: bool
    corrected_expression: str | Sequence[str]
    corrected_batch: str | None
    pseudobulk: str | Sequence[str]
