"""Genes that several sources have in common, whatever they call and how they order them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.train.reference.gene_table import name_genes

GeneColumns = Mapping[str, NDArray[np.object_]]
# below this share of the first source's genes, the others are of another kind
_LEAST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class SharedGenes:
    """The genes of a reference of several sources."""

    # their names in the first source, object [genes] by column
    gene_columns: dict[str, NDArray[np.object_]]
    # int32 [genes of the source] for each source: position among them, -1 for others
    columns: tuple[NDArray[np.int32], ...]
    notes: tuple[str, ...]

    @property
    def n_genes(self) -> int:
        """Number of genes."""
        return len(next(iter(self.gene_columns.values())))


def share_genes(sources: Sequence[tuple[str, GeneColumns]]) -> SharedGenes:
    """Match the genes of every source to those of the first, and keep what all have.

    Of the description and gene names of each source; the genes of one alone stay as they are.

    Raises
    ------
    InputError
        A source is of another organism, or has too few genes in common with the others.
    """
    first_title, first = sources[0]
    n_first = len(next(iter(first.values())))
    columns = [np.arange(n_first, dtype=np.int32)]
    if len(sources) == 1:
        return SharedGenes(dict(first), tuple(columns), ())
    names = name_genes(first)
    panel = Panel(names.symbols, names.ensembl)
    in_all = np.ones(n_first, np.bool_)
    for title, genes in sources[1:]:
        try:
            match = match_genes(genes, panel, organism=names.organism or None, source=title)
        except InputError as error:
            raise InputError(
                f"The genes of {title} do not fit those of {first_title}: {error}"
            ) from None
        columns.append(match.panel_column)
        in_all &= match.measured
    n_shared = int(in_all.sum())
    if n_shared < _LEAST_SHARE * n_first:
        raise InputError(
            f"Only {n_shared:,} of the {n_first:,} genes of {first_title} are in all "
            f"{len(sources)} sources; leave out the ones with few genes."
        )
    place = np.full(n_first + 1, -1, np.int32)
    place[:-1][in_all] = np.arange(n_shared)
    note = (
        f"{n_shared:,} genes are in all {len(sources)} sources and were used; "
        f"{n_first - n_shared:,} others of {first_title} were not."
    )
    return SharedGenes(
        {column: values[in_all] for column, values in first.items()},
        tuple(place[column] for column in columns),
        (note,),
    )
