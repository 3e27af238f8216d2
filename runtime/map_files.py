"""Map files to one result file, in bounded memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cellport.runtime.base.files import whole_file
from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.mapping.annotate.origin import distinct_names, with_query, with_query_schema
from cellport.runtime.mapping.atlas import Atlas, MapOptions, Stream
from cellport.runtime.mapping.gather.tally import Tally
from cellport.runtime.sources.memory import is_anndata
from cellport.runtime.writers import check_output, open_writer

if TYPE_CHECKING:
    from cellport.runtime.mapping.gather.lineage_counts import LineageCounts, QueryLineages
    from cellport.runtime.mapping.gather.novel_groups import NovelCells, NovelGroup
    from cellport.runtime.report import ReportMaker


@dataclass(frozen=True, slots=True)
class Summary:
    """What a finished mapping came to.

    Attributes
    ----------
    out
        The file written.
    n_cells
        Cells in it.
    calls
        Number of cells a call, most first.
    quality
        Number of cells a quality flag.
    mean_prob
        Mean probability of the best label.
    genes
        Gene matching report of each query.
    counts_from, notes
        Where counts were read from, and what the user should know.
    device
        ``cpu`` or ``cuda``.
    seconds
        Of the whole mapping.
    report, lineage_genes
        The HTML page and the table of genes written, where they were asked for.
    parts, parts_kept
        Of a mapping on a cluster: files of the dataset, and those of them that were there before.
    """

    out: str
    n_cells: int
    calls: dict[str, int]
    quality: dict[str, int]
    mean_prob: float
    genes: list[dict[str, Any]]
    counts_from: list[str]
    notes: list[str]
    device: str
    seconds: float
    report: str | None = None
    lineage_genes: str | None = None
    parts: int | None = None
    parts_kept: int | None = None


def map_files(
    atlas: Atlas,
    queries: Any,
    out: str | os.PathLike[str],
    options: MapOptions | None = None,
    *,
    with_counts: bool = False,
    report: str | os.PathLike[str] | None = None,
    lineage_genes: str | os.PathLike[str] | None = None,
    started: Callable[[list[Stream]], None] | None = None,
    progress: Callable[[int], None] | None = None,
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
        How to map.
    with_counts
        Copy the counts into the result too (``.h5ad`` only, one query).
    report
        An ``.html`` page to write about the mapping, for people who do not code.
    lineage_genes
        A ``.csv`` or ``.tsv`` to write how each gene changes along each lineage, in the atlas and
        in the queries' own counts.
    started
        Called once when every query has been opened and checked.
    progress
        Called with the number of cells done after each block.

    Raises
    ------
    InputError
        A query cannot be mapped, or genes along lineages were asked of an atlas without any;
        nothing is written.
    OutputError
        The result cannot be written; nothing is left behind.
    """
    began = time.perf_counter()
    if isinstance(queries, str | os.PathLike) or is_anndata(queries):
        queries = [queries]
    if not queries:
        raise InputError("No query was given; name at least one file.")
    if with_counts and len(queries) != 1:
        raise InputError("Counts can be copied for one query at a time; map the others apart.")
    paths = [query for query in queries if isinstance(query, str | os.PathLike)]
    inputs = [*paths, atlas.file.path]
    check_output(out, with_counts=with_counts, inputs=inputs)
    if report is not None:
        _check_report(report, out, inputs)
    if lineage_genes is not None:
        _check_lineage_genes(atlas, lineage_genes, inputs, out)
    # genes of novel cells and along lineages are read from the counts
    keep = with_counts or report is not None or lineage_genes is not None
    how = replace(options or MapOptions(), keep_counts=keep)
    streams = [atlas.stream(query, how) for query in queries]
    if started is not None:
        started(streams)
    names = distinct_names(queries)
    schema = with_query_schema(streams[0].schema, names)
    maker = _report_maker(atlas, schema) if report is not None else None
    novel = _novel_cells(atlas) if report is not None else None
    wanted = report is not None or lineage_genes is not None
    lineages = _lineage_counts(atlas) if wanted else None
    calls = next((c.categories for c in schema.columns if c.name == "cellport_call"), ())
    tally = Tally()
    n_cells = sum(stream.n_cells for stream in streams)
    genes = streams[0].gene_names if with_counts else None
    with open_writer(out, schema, n_cells, counts_genes=genes, inputs=inputs) as writer:
        # mapping goes on in the background while a block is written
        for stream, block in prefetch(_joined(streams), 1):
            writer.write(block)
            tally.add(block, calls)
            if maker is not None:
                maker.add(block)
            if novel is not None:
                novel.add(block, stream.genes)
            if lineages is not None:
                lineages.add(block, stream.genes)
            if progress is not None:
                progress(tally.cells)
        uns = atlas.provenance(streams, time.perf_counter() - began)
        query = lineages.found() if lineages is not None else None
        groups = novel.groups() if novel is not None else ()
        # none of the files appears without the others
        with (
            _reported(report, maker, uns, out, groups, query),
            _tabulated(lineage_genes, atlas, query),
        ):
            writer.close(uns)
    return Summary(
        out=str(out),
        n_cells=tally.cells,
        calls=dict(tally.calls.most_common()),
        quality=dict(tally.quality.most_common()),
        mean_prob=tally.prob / max(tally.cells, 1),
        genes=[stream.genes.report() for stream in streams],
        counts_from=[stream.counts_from for stream in streams],
        notes=[note for stream in streams for note in stream.notes],
        device=streams[0].device,
        seconds=round(time.perf_counter() - began, 3),
        report=None if report is None else str(report),
        lineage_genes=None if lineage_genes is None else str(lineage_genes),
    )


def _check_report(
    report: str | os.PathLike[str],
    out: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]],
) -> None:
    from cellport.runtime.report import check_report

    check_report(report, inputs)
    if os.path.realpath(report) == os.path.realpath(out):
        raise OutputError(f"The report '{report}' is also the output; give it another name.")


def _report_maker(atlas: Atlas, schema: Schema) -> ReportMaker:
    from cellport.runtime.report import ReportMaker

    return ReportMaker(atlas, schema)


def _novel_cells(atlas: Atlas) -> NovelCells:
    from cellport.runtime.mapping.gather.novel_groups import NovelCells

    return NovelCells(atlas.file)


def _reported(
    report: str | os.PathLike[str] | None,
    maker: ReportMaker | None,
    uns: dict[str, Any],
    out: str | os.PathLike[str],
    groups: Sequence[NovelGroup],
    query: QueryLineages | None,
) -> AbstractContextManager[None]:
    """Have the report ready before the result appears."""
    if report is None or maker is None:
        return nullcontext()
    from cellport.runtime.report import appearing

    return appearing(report, maker.page(uns, out, groups, query))


def _check_lineage_genes(
    atlas: Atlas,
    table: str | os.PathLike[str],
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
) -> None:
    from cellport.runtime.atlas.trajectory import require_trajectory
    from cellport.runtime.mapping.gather.lineage_counts import check_table

    require_trajectory(atlas.trajectory, atlas.manifest)
    check_table(table, inputs)
    if os.path.realpath(table) == os.path.realpath(out):
        raise OutputError(f"The table of genes '{table}' is also the output; give another name.")


def _lineage_counts(atlas: Atlas) -> LineageCounts | None:
    if atlas.trajectory is None:
        return None
    from cellport.runtime.mapping.gather.lineage_counts import LineageCounts

    return LineageCounts(atlas.file, atlas.trajectory)


def _tabulated(
    table: str | os.PathLike[str] | None, atlas: Atlas, query: QueryLineages | None
) -> AbstractContextManager[None]:
    """Have the table of genes ready before the result appears."""
    if table is None or query is None or atlas.trajectory is None:
        return nullcontext()
    from cellport.runtime.mapping.gather.lineage_counts import gene_table

    separator = "\t" if str(table).lower().endswith(".tsv") else ","
    return whole_file(table, gene_table(atlas.file, atlas.trajectory, query, separator))


def _joined(streams: list[Stream]) -> Iterator[tuple[Stream, MappedBlock]]:
    offset = 0
    for code, stream in enumerate(streams):
        for block in stream.blocks:
            placed = replace(block, start=block.start + offset)
            yield stream, with_query(placed, code) if len(streams) > 1 else placed
        offset += stream.n_cells
