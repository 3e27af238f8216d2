"""Map files to one result file, in bounded memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from cellport.runtime.base.files import check_place, whole_file
from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.columns import MappedBlock
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.mapping.annotate.origin import (
    REPEATED,
    distinct_names,
    name_hashes,
    name_suffixes,
    renamed,
)
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.colours import column_colours
from cellport.runtime.mapping.gather import (
    LINEAGES,
    NEED_COUNTS,
    PSEUDOBULK,
    REPORT,
    TALLY,
    start_gathering,
)
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.gather.tally import Tally
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.pipeline import Stream
from cellport.runtime.mapping.query import QueryFacts
from cellport.runtime.sources.memory import is_anndata
from cellport.runtime.writers import check_output, open_writer
from cellport.runtime.writers.output import FORMATS

Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class MapSummary:
    """What the cells of a mapping came to.

    Attributes
    ----------
    n_cells
        Cells mapped.
    calls
        Number of cells a call, most first.
    quality
        Number of cells a quality flag.
    mean_prob
        Mean probability of the best label; 0 without probabilities.
    novel
        Number of cells unlike the atlas; None where it cannot tell.
    genes
        Gene matching report of each query.
    counts_from, notes
        Where counts were read from, and what the user should know.
    device
        ``cpu`` or ``cuda``.
    seconds
        Of the whole mapping.
    """

    n_cells: int
    calls: dict[str, int]
    quality: dict[str, int]
    mean_prob: float
    novel: int | None
    genes: list[dict[str, Any]]
    counts_from: list[str]
    notes: list[str]
    device: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(MapSummary):
    """What was mapped, as `MapSummary` says it, and what was written.

    Attributes
    ----------
    out
        The file or folder.
    report, lineage_genes, pseudobulk
        The HTML page, the table of genes and the summed counts, where they were asked for.
    parts, parts_kept
        Of a mapping on a cluster: files of the dataset, and those of them that were there before.
    """

    out: str
    report: str | None = None
    lineage_genes: str | None = None
    pseudobulk: str | None = None
    parts: int | None = None
    parts_kept: int | None = None


class SideOutputs(NamedTuple):
    """What is written beside the mapped cells."""

    report: Path | None = None  # an ``.html`` page about the mapping, for people who do not code
    # a ``.csv`` or ``.tsv`` of how each gene changes along each lineage, in the atlas and in the
    # queries' own counts
    lineage_genes: Path | None = None
    # an ``.h5ad`` of the counts of all genes, summed up by columns
    pseudobulk: Path | None = None

    @property
    def gatherers(self) -> tuple[str, ...]:
        """What has to be summed up for them, and for every mapping."""
        of_report = REPORT if self.report is not None else ()
        of_genes = (LINEAGES,) if self.lineage_genes is not None else ()
        of_groups = (PSEUDOBULK,) if self.pseudobulk is not None else ()
        return tuple(dict.fromkeys((TALLY, *of_report, *of_genes, *of_groups)))

    def check(self, atlas: Atlas, out: Path, inputs: Sequence[Path]) -> None:
        """Refuse what could not be written, before any work is done for it.

        Raises
        ------
        InputError
            Genes along lineages were asked of an atlas without any.
        OutputError
            A place cannot be written to, or is the output or an input.
        """
        if self.report is not None:
            from cellport.runtime.report.write import check_report

            check_report(self.report, inputs)
            _check_other(self.report, out, "report")
        if self.lineage_genes is not None:
            from cellport.runtime.atlas.trajectory import require_trajectory
            from cellport.runtime.base.text_table import check_table

            require_trajectory(atlas.trajectory, atlas.manifest.name)
            check_table(self.lineage_genes, inputs)
            _check_other(self.lineage_genes, out, "table of genes")
        if self.pseudobulk is not None:
            check_place(self.pseudobulk, inputs)

    def appear(
        self,
        stack: ExitStack,
        atlas: Atlas,
        gathered: dict[str, Gatherer],
        uns: dict[str, Any],
        out: Path,
    ) -> None:
        """Write them aside, to be put in their places when the stack ends well."""
        if self.report is not None:
            from cellport.runtime.report.write import report_page

            page = report_page(atlas, gathered, uns, out)
            stack.enter_context(whole_file(self.report, page.encode()))
        if self.lineage_genes is not None:
            from cellport.runtime.mapping.gather.lineages import LineageCounts, gene_table

            counts = gathered[LINEAGES]
            assert isinstance(counts, LineageCounts)
            table = gene_table(counts, self.lineage_genes)
            stack.enter_context(whole_file(self.lineage_genes, table))
        if self.pseudobulk is not None:
            from cellport.runtime.mapping.gather.pseudobulk import Pseudobulk, pseudobulk_h5ad

            summed = gathered[PSEUDOBULK]
            assert isinstance(summed, Pseudobulk)
            data = pseudobulk_h5ad(summed.found(), uns)
            stack.enter_context(whole_file(self.pseudobulk, data))


def pseudobulk_place(out: Path, how: MapOptions) -> str | None:
    """Return where summed counts are written, beside the output; None where none are asked for."""
    if not how.summed_by:
        return None
    place = str(out).rstrip("/\\")
    ending = next((form for form in FORMATS if place.lower().endswith(form)), "")
    return f"{place[: len(place) - len(ending)]}.pseudobulk.h5ad"


def _check_other(path: Path, out: Path, kind: str) -> None:
    if os.path.realpath(path) == os.path.realpath(out):
        raise OutputError(f"The {kind} '{path}' is also the output; give it another name.")


def map_files(
    atlas: Atlas,
    queries: Any,
    out: Path,
    options: MapOptions | None = None,
    *,
    with_counts: bool = False,
    report: Path | None = None,
    lineage_genes: Path | None = None,
    on_start: Callable[[list[Stream]], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Summary:
    """Map one or more queries and write one result, in memory that does not grow with the cells.

    Parameters
    ----------
    atlas
        The reference.
    queries
        One path or AnnData (backed or lazily read ones too), or a list of them; with several,
        ``obs["cellport_query"]`` says which a cell came from.
    out
        ``.h5ad``, ``.zarr``, ``.csv`` or ``.parquet``; replaced in one step at the end.
    options
        How to map. Where `pseudobulk` names columns, the counts of all genes are summed up by
        them and written beside `out`: ``cells.pseudobulk.h5ad`` beside ``cells.h5ad``.
    with_counts
        Copy the counts into the result too (``.h5ad`` only, one query).
    report, lineage_genes
        As in `SideOutputs`.
    on_start
        Called once when every query has been opened and checked.
    on_progress
        Called with the number of cells done after each block.

    Returns
    -------
    Summary
        What was mapped, and what was written.

    Raises
    ------
    InputError
        A query cannot be mapped, or genes along lineages were asked of an atlas without any;
        nothing is written.
    OutputError
        The result cannot be written; nothing is left behind.

    Examples
    --------
    >>> atlas = cellport.load_atlas("lung")  # doctest: +SKIP
    >>> cellport.map_files(
    ...     atlas, "my_cells.h5ad", "mapped.h5ad", report="report.html"
    ... )  # doctest: +SKIP
    """
    began = time.perf_counter()
    queries = listed(queries)
    if with_counts and len(queries) != 1:
        raise InputError("Counts can be copied for one query at a time; map the others apart.")
    paths = [query for query in queries if isinstance(query, str | os.PathLike)]
    inputs = [*paths, atlas.file.path]
    check_output(out, with_counts=with_counts, inputs=inputs)
    how = options or MapOptions()
    beside = SideOutputs(report, lineage_genes, pseudobulk_place(out, how))
    beside.check(atlas, out, inputs)
    keep = with_counts or any(name in NEED_COUNTS for name in beside.gatherers)
    how = replace(how, keep_counts=keep)
    names = distinct_names(queries)
    streams = [
        atlas.stream(query, how, among=(names, position)) for position, query in enumerate(queries)
    ]
    streams = _told_apart(streams)
    if on_start is not None:
        on_start(streams)
    schema, n_cells = streams[0].schema, sum(stream.n_cells for stream in streams)
    gathered = start_gathering(beside.gatherers, atlas.file, schema, how)
    genes = streams[0].gene_names if with_counts else None
    with open_writer(out, schema, n_cells, counts_genes=genes, inputs=inputs) as writer:
        # mapping goes on in the background while a block is written
        for stream, block in prefetch(_joined(streams), 1):
            for gatherer in gathered.values():
                gatherer.add(block, stream.genes)
            # counts take most of a block: they are let go of before it is written
            block = block if with_counts else block.without_counts()
            writer.write(block)
            if on_progress is not None:
                on_progress(block.start + block.n_cells)
        uns = atlas.provenance(streams, time.perf_counter() - began)
        tally = gathered[TALLY]
        assert isinstance(tally, Tally)
        uns |= column_colours(schema, tally.by_call.tolist())
        # none of the files appears without the others
        with ExitStack() as stack:
            beside.appear(stack, atlas, gathered, uns, out)
            writer.close(uns)
    facts, device = [stream.facts for stream in streams], streams[0].device
    return summary(gathered, facts, device, time.perf_counter() - began, out, beside)


def listed(queries: Any) -> list[Any]:
    """Return one query or several as a list.

    Raises
    ------
    InputError
        There is none.
    """
    if isinstance(queries, str | os.PathLike) or is_anndata(queries):
        queries = [queries]
    if not queries:
        raise InputError("No query was given; name at least one file.")
    return list(queries)


def summary(
    gathered: dict[str, Gatherer],
    queries: Sequence[QueryFacts],
    device: str,
    seconds: float,
    out: Path,
    beside: SideOutputs,
) -> Summary:
    """Sum up a finished mapping."""
    tally = gathered[TALLY]
    assert isinstance(tally, Tally)
    return Summary(
        n_cells=tally.n_cells,
        calls=_most_first(tally.calls, tally.by_call.tolist()),
        quality=_most_first(tally.quality, tally.quality.values()),
        mean_prob=tally.mean_prob,
        novel=tally.novel,
        genes=[query.genes for query in queries],
        counts_from=[query.counts_from for query in queries],
        notes=[note for query in queries for note in query.notes],
        device=device,
        seconds=round(seconds, 3),
        out=str(out),
        report=None if beside.report is None else str(beside.report),
        lineage_genes=None if beside.lineage_genes is None else str(beside.lineage_genes),
        pseudobulk=None if beside.pseudobulk is None else str(beside.pseudobulk),
    )


def _most_first(names: Iterable[str], cells: Iterable[int]) -> dict[str, int]:
    pairs = sorted(zip(names, cells, strict=True), key=lambda pair: -pair[1])
    return {name: n for name, n in pairs if n}


def _told_apart(streams: list[Stream]) -> list[Stream]:
    """Give the cells of several queries names that differ between them."""
    if len(streams) < 2:
        return streams
    suffixes = name_suffixes([name_hashes(one.cell_names, one.n_cells) for one in streams])
    if not any(suffixes):
        return streams
    facts = streams[0].facts
    first = replace(streams[0], facts=replace(facts, notes=(*facts.notes, REPEATED)))
    return [
        replace(stream, blocks=map(partial(_renamed, suffix), stream.blocks))
        for stream, suffix in zip([first, *streams[1:]], suffixes, strict=True)
    ]


def _renamed(suffix: str, block: MappedBlock) -> MappedBlock:
    return replace(block, cell_names=renamed(block.cell_names, suffix))


def _joined(streams: list[Stream]) -> Iterator[tuple[Stream, MappedBlock]]:
    offset = 0
    for stream in streams:
        # a loop would hold each block until it has the next one
        yield from map(partial(_placed, stream, offset), stream.blocks)
        offset += stream.n_cells


def _placed(stream: Stream, offset: int, block: MappedBlock) -> tuple[Stream, MappedBlock]:
    return stream, replace(block, start=block.start + offset)
