"""A query that was opened: where its counts are, which panel genes it has, what to say of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.decisions import say, texts, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch, match_genes
from cellport.runtime.genes.names import GeneNames
from cellport.runtime.genes.orthologs import translate
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.genes.coverage import Coverage, coverage
from cellport.runtime.mapping.genes.listed import find_unmeasured, without
from cellport.runtime.mapping.genes.rescale import Rescaling
from cellport.runtime.mapping.options import MINIMUM_GENES, MapOptions
from cellport.runtime.sources import CountSource, open_source
from cellport.runtime.sources.kept import keep_counts

_NAME_COLUMNS = frozenset(texts("genes.name_columns"))
_CELLS_LOOKED_AT = whole("genes.cells_looked_at")
# of a query that several atlases go over
_CELLS_KEPT = 8192


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What is known of a query before its cells are mapped."""

    counts_from: str  # file and field that the counts are read from
    n_cells: int  # in the query
    notes: tuple[str, ...]  # what was repaired, chosen or is doubtful, a sentence each
    genes: dict[str, Any]  # gene matching report


@dataclass(frozen=True, slots=True)
class Heard:
    """What cells of a query show of several atlases, and of which labels of theirs are which."""

    # mean probability of the labels of cells like an atlas, none for the others; first that of the
    # first atlas
    fits: tuple[float, ...]
    # for each other atlas [joint labels][its labels], sums of products of probabilities over cells;
    # those unlike the first atlas count for the joint labels that it lacks. Plain numbers, by which
    # a run on a cluster knows again what was decided
    alike: tuple[tuple[tuple[float, ...], ...], ...]

    @property
    def matrices(self) -> tuple[NDArray[np.float64], ...]:
        """The same as arrays."""
        return tuple(np.asarray(one, np.float64) for one in self.alike)


@dataclass(frozen=True, slots=True)
class Decided:
    """What is decided on the whole of a query, once, for all of its parts."""

    # positions in the panel of genes that it lists without having measured them
    unmeasured: tuple[int, ...] = ()
    # how its genes are put on the atlas's scale, where they are
    rescaling: Rescaling | None = None
    # group of each label, where those are merged that its genes cannot tell apart
    merged: tuple[int, ...] = ()
    # the same for each other atlas that it is mapped onto
    others: tuple[Decided, ...] = ()
    heard: Heard | None = None  # how they are heard together with this one


@dataclass(frozen=True, slots=True)
class Query:
    """An opened query."""

    source: CountSource  # its counts; closed by whoever opened it
    genes: GeneMatch  # which panel genes it has
    decided: Decided
    coverage: Coverage  # how much of the atlas these genes are

    @property
    def gene_names(self) -> NDArray[np.object_]:
        """The query's own names of its genes, from the column that matched, object [genes]."""
        return self.source.gene_columns[self.genes.column]

    def facts(self, notes: tuple[str, ...] = ()) -> QueryFacts:
        """Return what a result says of it; `notes` come last."""
        source = self.source
        rescaling = self.decided.rescaling
        scaled = () if rescaling is None else (self._rescaled(rescaling),)
        few = self.coverage.notes(self.genes, source.description)
        warnings = (*few, *self.genes.warnings)
        said = (*source.notes, *warnings, *scaled, *notes)
        genes = self.genes.report() | {"coverage": self.coverage.share, "warnings": list(warnings)}
        return QueryFacts(source.description, source.n_cells, said, genes)

    def _rescaled(self, rescaling: Rescaling) -> str:
        where = self.source.description
        return say("rescaling.note", source=where, cells=rescaling.cells)


def open_query(
    query: Any,
    atlas: AtlasFile,
    how: MapOptions,
    profiles: Callable[[], NDArray[np.float32]] | None,
    decided: Decided | None = None,
) -> Query:
    """Find a query's counts and match its genes, and map nothing yet.

    Parameters
    ----------
    profiles
        As for `find_unmeasured`; None for an atlas that cannot tell.
    decided
        What was found on all cells, where that was asked before.

    Raises
    ------
    InputError
        The query does not hold raw counts of enough panel genes.
    """
    manifest = atlas.manifest
    source = open_source(
        query,
        layer=how.layer,
        threads=how.threads,
        allow_fractional=how.allow_fractional,
        covered=partial(_covered, manifest=manifest, how=how),
        genome=how.genome,
    )
    try:
        if how.other_atlases:
            source = _for_several(source, decided)
        genes = _match(source, manifest, how)
        if decided is None:
            symbols = manifest.panel.symbols
            listed = find_unmeasured(source, genes, profiles, symbols) if profiles else ()
            decided = Decided(tuple(listed))
        minimum, where = _least_share(how), source.description
        genes = without(genes, decided.unmeasured, manifest.panel, minimum, where)
        return Query(source, genes, decided, coverage(atlas, genes.measured))
    except BaseException:
        source.close()
        raise


def _for_several(source: CountSource, decided: Decided | None) -> CountSource:
    """Read once what several atlases need: names of genes, and the counts of a small query."""
    if isinstance(source.gene_columns, GeneNames):
        return source
    kept = keep_counts(source, _CELLS_KEPT) if decided is None else source
    return replace(kept, gene_columns=GeneNames(kept.gene_columns))


def _least_share(how: MapOptions) -> float:
    # of a panel that is to be rescaled, what its genes tell decides; the manifest does not say that
    return 0.0 if how.rescale_genes else how.minimum_genes


def _match(source: CountSource, manifest: Manifest, how: MapOptions) -> GeneMatch:
    if how.orthologs:
        return _match_orthologs(source, manifest, how)
    try:
        genes = match_genes(
            source.gene_columns,
            manifest.panel,
            organism=manifest.organism or None,
            minimum=_least_share(how),
            any_organism=how.any_organism,
            source=source.description,
        )
    except InputError as error:
        _refuse_transposed(source, manifest)
        raise InputError(" ".join([str(error), *source.notes])) from error
    if genes.measured.sum() < MINIMUM_GENES * manifest.panel.n_genes:
        _refuse_transposed(source, manifest)
    return genes


def _match_orthologs(source: CountSource, manifest: Manifest, how: MapOptions) -> GeneMatch:
    """Match the genes of another species by what their orthologs are called."""
    where = source.description
    read = translate(source.gene_columns, manifest.organism, where)
    genes = match_genes(
        read.columns,
        manifest.panel,
        organism=manifest.organism,
        minimum=_least_share(how),
        source=where,
    )
    note = say(
        "orthologs.note",
        source=where,
        other=read.source,
        target=manifest.organism,
        genes=int(genes.measured.sum()),
    )
    return replace(genes, organism=read.source, warnings=(note, *genes.warnings))


def _refuse_transposed(source: CountSource, manifest: Manifest) -> None:
    """Refuse a query whose cells are called as the genes of the atlas are."""
    names = source.cell_names(0, min(source.n_cells, _CELLS_LOOKED_AT))
    columns = {"index": names}
    if source.n_cells <= _CELLS_LOOKED_AT:
        likely = [name for name in source.obs_texts if name.lower() in _NAME_COLUMNS]
        columns |= {name: source.obs_column(name) for name in likely}
    try:
        names = columns[match_genes(columns, manifest.panel, organism=None).column]
    except InputError:
        return
    examples = ", ".join(f"'{name}'" for name in names[:3])
    raise InputError(say("genes.transposed", source=source.description, examples=examples))


def _covered(
    gene_columns: Mapping[str, NDArray[np.object_]], manifest: Manifest, how: MapOptions
) -> int:
    """Count panel genes that a matrix holds, itself or by orthologs."""
    if how.orthologs:
        try:
            read = translate(gene_columns, manifest.organism, "the query")
        except InputError:
            return 0
        gene_columns = read.columns
    return covered_genes(gene_columns, manifest.panel)


def covered_genes(gene_columns: Mapping[str, NDArray[np.object_]], panel: Panel) -> int:
    """Return how many panel genes a matrix holds; 0 where they are too few to map by."""
    try:
        found = match_genes(gene_columns, panel, organism=None, any_organism=True)
    except InputError:
        return 0
    return int(found.measured.sum())
