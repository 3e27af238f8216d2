"""Map files on a Dask cluster: plan, hand out ranges of cells, gather what was written."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any, Unpack

from cellport.runtime.base.extras import require
from cellport.runtime.base.files import sweep
from cellport.runtime.cluster.dataset import GATHERED, Written, begin, check_folder, write_manifest
from cellport.runtime.cluster.plan import (
    PART_CELLS,
    Looked,
    Plan,
    QueryPlan,
    Run,
    Task,
    absolute,
    deciding_options,
    everywhere,
    sums_key,
)
from cellport.runtime.cluster.sums import PartSums
from cellport.runtime.errors import CellportError, InputError, first_line
from cellport.runtime.map_files import SideOutputs, Summary, listed, pseudobulk_place, summary
from cellport.runtime.mapping.annotate import annotators, survey_of
from cellport.runtime.mapping.annotate.annotator import Survey
from cellport.runtime.mapping.annotate.beside_label.terms import without_tables
from cellport.runtime.mapping.annotate.corrected import names_or_file
from cellport.runtime.mapping.annotate.origin import REPEATED, distinct_names, name_suffixes
from cellport.runtime.mapping.atlas import Atlas, Surveyed, load_atlas
from cellport.runtime.mapping.gather import TALLY, start_gathering
from cellport.runtime.mapping.gather.gatherer import Gatherer
from cellport.runtime.mapping.options import MapChanges, MapOptions
from cellport.runtime.mapping.provenance import provenance
from cellport.runtime.version import __version__

# in a sentence about what is missing
CLUSTER = "Mapping on a cluster"
# how often Dask tries a task again that failed for another reason than its input
_RETRIES = 2
_GO_ON = "Parts that are done are kept: the same call goes on from there."


def map_dask(
    atlas: Atlas | str | os.PathLike[str],
    sources: Sequence[str | os.PathLike[str]] | str | os.PathLike[str],
    client: Any,
    out: str | os.PathLike[str],
    options: MapOptions | None = None,
    *,
    part_cells: int = PART_CELLS,
    with_counts: bool = False,
    report: str | os.PathLike[str] | None = None,
    lineage_genes: str | os.PathLike[str] | None = None,
    on_start: Callable[[Plan], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    **changes: Unpack[MapChanges],
) -> Summary:
    """Map files on a Dask cluster to a folder of files.

    Each task maps a range of one file's cells and writes one part, whole or not at all. A worker
    that is lost costs a retry. The same call again writes what is missing and changes nothing
    else. The results are those of `map_files`, bit for bit.

    Parameters
    ----------
    atlas
        The reference, or its path. Workers get it from here.
    sources
        Paths that every worker can read.
    client
        A ``distributed.Client``.
    out
        Folder that every worker can write to; made if it is not there. Read it with
        ``pandas.read_parquet(out)``.
    options
        How to map. ``threads`` are those of one task, by default one: Dask runs a task on each
        thread of a worker.
    part_cells
        Cells of a part.
    with_counts
        Copy the counts too; the parts are then ``.h5ad`` files.
    report, lineage_genes
        As `map_files` takes them.
    on_start
        Called once when every query has been opened and checked.
    on_progress
        Called with the number of cells done after each part.
    **changes
        Single options by name: ``layer="counts"``.

    Returns
    -------
    Summary
        What was mapped, and what was written.

    Raises
    ------
    InputError
        A query cannot be mapped.
    OutputError
        The folder cannot be written, or holds something else.
    CellportError
        The cluster cannot go on.
    MissingDependencyError
        distributed or pyarrow is not installed.

    Examples
    --------
    >>> client = distributed.Client("tcp://scheduler:8786")  # doctest: +SKIP
    >>> cellport.map_dask(
    ...     "lung.cellport", ["a.h5ad", "b.h5ad"], client, "mapped"
    ... )  # doctest: +SKIP
    """
    began = time.perf_counter()
    require("dask", CLUSTER)
    if part_cells < 1:
        raise InputError("part_cells must be at least 1.")
    paths = [absolute(source) for source in listed(sources)]
    opened = atlas if isinstance(atlas, Atlas) else load_atlas(atlas)
    how = everywhere(replace(options or MapOptions(), **changes))
    # workers need not see files of names
    how = replace(how, corrected_expression=names_or_file(how.corrected_expression))
    how = without_tables(how)
    names, inputs = distinct_names(paths), [*paths, str(opened.file.path)]
    beside = SideOutputs(report, lineage_genes, pseudobulk_place(out, how))
    beside.check(opened, out, inputs)
    # options that this atlas cannot follow are refused before anything is asked of a worker
    annotators(opened.setting(how, (names, 0)))
    folder = check_folder(out, inputs)
    atlas_file, data = str(opened.file.path.absolute()), opened.file.path.read_bytes()
    run = Run(
        __version__, atlas_file, opened.file.sha256, data, how, names, str(folder), with_counts
    )
    with _shared(client, run) as shared:
        queries, first = _looked_at(client, shared, paths)
        gathered = start_gathering(beside.gatherers, opened.file, first.schema, how)
        plan = Plan(
            opened.manifest.name,
            opened.file.sha256,
            __version__,
            deciding_options(how),
            part_cells,
            ".h5ad" if with_counts else ".parquet",
            queries,
        )
        known = begin(folder, plan)
        if on_start is not None:
            on_start(plan)
        surveyed: dict[int, Surveyed] = {}
        if len(known) < len(list(plan.parts())):
            blank = (survey_of(annotators(opened.setting(how, (names, 0)))) for _ in queries)
            surveyed = _surveyed(client, shared, plan, [one for one in blank if one])
        rest = {name: one for name, one in gathered.items() if name != TALLY}
        sums = PartSums(folder, sums_key(plan.key, how), rest)
        tally = gathered[TALLY]
        written = _mapped(client, shared, plan, known, surveyed, tally, sums, on_progress)
    facts = [query.facts for query in plan.queries]
    device, version = (
        ", ".join(sorted({getattr(one, name) for one in written}))
        for name in ("device", "onnxruntime")
    )
    seconds = time.perf_counter() - began
    uns = provenance(opened.file, facts, first.atlas_facts, device, version, seconds)
    with ExitStack() as stack:
        beside.appear(stack, opened, gathered, uns, out)
        write_manifest(folder, plan, written, uns)
    sweep(folder)
    sweep(folder / GATHERED)
    kept = sum(one.kept for one in written)
    found = summary(gathered, facts, device, seconds, out, beside)
    return replace(found, parts=len(written), parts_kept=kept)


@contextmanager
def _shared(client: Any, run: Run) -> Iterator[str]:
    """Give every worker what the tasks share, under a name that is this run's alone."""
    from cellport.runtime.cluster.worker import RunPlugin

    name = f"cellport-{secrets.token_hex(8)}"
    try:
        client.register_plugin(RunPlugin(name, run))
    except Exception as error:
        raise CellportError(
            f"The workers cannot load cellport {__version__} ({first_line(error)}); install the "
            "same version on every worker."
        ) from error
    try:
        yield name
    finally:
        # nothing is lost when the cluster is gone already
        with suppress(Exception):
            client.unregister_worker_plugin(name)


def _looked_at(
    client: Any, shared: str, paths: Sequence[str]
) -> tuple[tuple[QueryPlan, ...], Looked]:
    """Have queries looked at; return them, and all that is said of the first."""
    from cellport.runtime.cluster.worker import look_at

    answers: dict[int, Looked] = dict(_answers(client, shared, look_at, paths, paths))
    looked = [answers[position] for position in range(len(paths))]
    found = [one.query for one in looked]
    suffixes = name_suffixes([one.names for one in looked])
    if any(suffixes):
        facts = found[0].facts
        found[0] = replace(found[0], facts=replace(facts, notes=(*facts.notes, REPEATED)))
    plans = tuple(replace(one, suffix=end) for one, end in zip(found, suffixes, strict=True))
    return plans, looked[0]


def _surveyed(
    client: Any, shared: str, plan: Plan, surveys: Sequence[Survey]
) -> dict[int, Surveyed]:
    """Have all cells gone through; what each query's survey concludes, by position."""
    if not surveys:
        return {}
    from cellport.runtime.cluster.worker import survey_part

    tasks = [Task(plan.key, plan.queries[part.query], part, None, ()) for part in plan.parts()]
    for position, state in _answers(
        client, shared, survey_part, tasks, [task.place for task in tasks]
    ):
        surveys[tasks[position].part.query].absorb(state)
    return {query: dict(survey.known()) for query, survey in enumerate(surveys)}


def _mapped(
    client: Any,
    shared: str,
    plan: Plan,
    known: dict[str, str],
    surveyed: dict[int, Surveyed],
    tally: Gatherer,
    sums: PartSums,
    on_progress: Callable[[int], None] | None,
) -> list[Written]:
    """Have all parts mapped, and what was found in them added up."""
    from cellport.runtime.cluster.worker import map_part

    parts, key = list(plan.parts()), plan.key
    tasks = []
    for part in parts:
        gather = () if part.number in sums.parts else sums.names
        query, all_cells = plan.queries[part.query], surveyed.get(part.query)
        tasks.append(Task(key, query, part, known.get(part.file), gather, all_cells))
    places = [task.place for task in tasks]
    found: dict[int, Written] = {}
    done = 0
    for position, written in _answers(client, shared, map_part, tasks, places):
        found[position] = written
        tally.absorb(written.tally)
        sums.add(written.part)
        done += written.part.n_cells
        if on_progress is not None:
            on_progress(done)
    sums.save()
    return [found[position] for position in range(len(parts))]


def _answers(
    client: Any, shared: str, task: Any, given: Sequence[Any], places: Sequence[str]
) -> Iterator[tuple[int, Any]]:
    """Yield positions and results as they come; at the first failure, cancel the others.

    A place is what the result is of, for a sentence.
    """
    from distributed import as_completed

    futures = client.map(task, [shared] * len(given), given, pure=False, retries=_RETRIES)
    position = {future.key: i for i, future in enumerate(futures)}
    try:
        for future in as_completed(futures):
            at = position[future.key]
            answer = _result(future, places[at])
            # or it would be made again when the worker that holds it is lost
            future.release()
            if isinstance(answer, CellportError):
                raise answer
            yield at, answer
    except BaseException:
        with suppress(Exception):
            client.cancel(futures, force=True)
        raise


def _result(future: Any, place: str) -> Any:
    from concurrent.futures import CancelledError

    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        raise CellportError(
            f"{place}: every worker that mapped them died, most likely for lack of memory. Give "
            f"the workers more memory or fewer threads. {_GO_ON}"
        ) from None
    except CancelledError:
        raise CellportError(f"{place}: the Dask scheduler was lost. {_GO_ON}") from None
    except Exception as error:
        raise CellportError(
            f"{place}: failed {_RETRIES + 1} times ({type(error).__name__}: {first_line(error)}). "
            f"{_GO_ON}"
        ) from error
