"""Genes that several sources have in common, whatever they call and how they order them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.names import listed
from cellport.runtime.errors import InputError
from cellport.runtime.genes.columns import genes_alone
from cellport.runtime.genes.gene_table import load_gene_table
from cellport.runtime.genes.match import match_genes
from cellport.runtime.genes.panel import Panel
from cellport.train.reference.gene_names import name_genes

GeneColumns = Mapping[str, NDArray[np.object_]]
# below this share of the first source's genes, the others are of another kind
_LEAST_SHARE = 0.2
# genes that a sentence names
_EXAMPLES = 3


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

    Of the description and gene names of each source; features that are no genes (antibodies,
    tags, regions) are left out, and else the genes of one alone stay as they are.

    Raises
    ------
    InputError
        A source has no names of genes, is of another organism, or has too few genes in common
        with the others.
    """
    for title, genes in sources:
        _check_named(title, genes)
    first_title, (first, place_in_first, notes) = sources[0][0], _genes_alone(*sources[0])
    n_first = len(next(iter(first.values())))
    columns = [place_in_first]
    if len(sources) == 1:
        return SharedGenes(dict(first), tuple(columns), notes)
    names = name_genes(first)
    panel = Panel(names.symbols, names.ensembl)
    in_all = np.ones(n_first, np.bool_)
    for title, genes in sources[1:]:
        try:
            match = match_genes(genes, panel, organism=names.organism or None, source=title)
        except InputError:
            fault = _do_not_fit(title, genes, first_title, first)
            raise InputError(fault) from None
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
        (*notes, note),
    )


def _check_named(title: str, genes: GeneColumns) -> None:
    """Refuse genes that are only counted: any file that lost its names would fit them."""
    index = next(iter(genes.values()))
    if [str(name) for name in index] != [str(at) for at in range(len(index))]:
        return
    names = name_genes(genes)
    if not (any(names.ensembl) or any(not symbol.isdigit() for symbol in names.symbols)):
        raise InputError(
            f"The genes of {title} have no names, but numbers from 0 on. Put gene symbols or "
            "Ensembl ids into the index of var, or into a column such as 'feature_name'."
        )


def _do_not_fit(title: str, genes: GeneColumns, first_title: str, first: GeneColumns) -> str:
    seen, wanted = name_genes(genes).organism, name_genes(first).organism
    fault = (
        f"The genes of {title} ({_some(genes)}) do not fit those of {first_title} ({_some(first)})"
    )
    if seen and wanted and seen != wanted:
        return (
            f"{fault}: they look like {seen} and {wanted}. Train an atlas of each organism; cells "
            "of the other are mapped onto it by their orthologs (cellport map --orthologs)."
        )
    return (
        f"{fault}. Give files of one organism that name genes by symbols or Ensembl ids, all of "
        "them and in letters as the first does, or leave this one out."
    )


def _some(genes: GeneColumns) -> str:
    names = next(iter(genes.values()))
    return listed([repr(str(name)) for name in names[:_EXAMPLES]], _EXAMPLES)


def _genes_alone(
    title: str, names: GeneColumns
) -> tuple[GeneColumns, NDArray[np.int32], tuple[str, ...]]:
    """Return the names of features that are genes, the position of each among them, and notes."""
    n = len(next(iter(names.values())))
    listed = {column: values.tolist() for column, values in names.items()}
    alone = genes_alone(listed, _known_symbols, title)
    if not alone.notes:
        return names, np.arange(n, dtype=np.int32), ()
    kept = {column: np.array(values, object) for column, values in alone.columns.items()}
    is_gene = np.any([values != "" for values in kept.values()], axis=0)
    place = np.where(is_gene, np.cumsum(is_gene) - 1, -1).astype(np.int32)
    return {column: values[is_gene] for column, values in kept.items()}, place, alone.notes


def _known_symbols() -> frozenset[str]:
    return frozenset(load_gene_table("human").id_of) | frozenset(load_gene_table("mouse").id_of)
