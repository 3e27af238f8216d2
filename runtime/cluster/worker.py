"""What runs in a worker: looking at queries, and mapping a range of cells to a part.

Everything that the tasks of a run have in common travels once to each worker, as a plugin of
Dask's; a worker that joins later, or takes the place of one that was lost, gets it too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from distributed import WorkerPlugin, get_worker
from numpy.typing import NDArray

from cellport.runtime.atlas.file import atlas_from_bytes, open_atlas_file
from cellport.runtime.atlas.session import onnxruntime
from cellport.runtime.cluster.dataset import MANIFEST, Written, digest, facts_of_part, read_part
from cellport.runtime.cluster.plan import Looked, QueryPlan, Run, Task, stamp, sums_key
from cellport.runtime.cluster.sums import read_state, write_state
from cellport.runtime.errors import AtlasError, CellportError, InputError, OutputError
from cellport.runtime.mapping.annotate.origin import name_hashes, renamed
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.gather import NEED_COUNTS, TALLY, start_gathering
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.version import __version__
from cellport.runtime.writers import open_writer

Given = TypeVar("Given")
Answer = TypeVar("Answer")


class RunPlugin(WorkerPlugin):  # type: ignore[misc]
    """A run as a worker knows it: its atlas is opened by the first task and kept."""

    def __init__(self, name: str, run: Run) -> None:
        self.name = name
        self.run = run

    def setup(self, worker: Any) -> None:
        """Make ready in the worker; Dask calls this before any task."""
        self._lock = threading.Lock()
        self._atlas: Atlas | None = None

    @property
    def atlas(self) -> Atlas:
        """The open atlas.

        Raises
        ------
        CellportError
            This worker has another version of cellport, or the atlas is damaged.
        """
        with self._lock:
            if self._atlas is None:
                self._atlas = _open(self.run)
                self.run = replace(self.run, atlas_bytes=b"")
            return self._atlas


def _open(run: Run) -> Atlas:
    if run.version != __version__:
        raise CellportError(
            f"The worker {get_worker().address} has cellport {__version__} and this run is of "
            f"{run.version}; install the same version everywhere."
        )
    with suppress(AtlasError):
        file = open_atlas_file(run.atlas_path)
        if file.sha256 == run.atlas_sha256:
            return Atlas(file)
    return Atlas(atlas_from_bytes(run.atlas_bytes, run.atlas_path))


def _task(
    work: Callable[[RunPlugin, Given], Answer],
) -> Callable[[str, Given], Answer | CellportError]:
    """Make a task for Dask of work in a run; it is given the name of the run's plugin.

    What cannot be helped is returned as an answer, so that only other failures are tried again.
    """

    @wraps(work)
    def task(name: str, given: Given) -> Answer | CellportError:
        try:
            return work(get_worker().plugins[name], given)
        except CellportError as error:
            return error

    return task


@_task
def look_at(plugin: RunPlugin, path: str) -> Looked:
    """Open a query, find its counts and match its genes.

    With several queries, a number for the name of each cell comes with it (`name_hashes`), and with
    each what its cells will get, which of other atlases only a query tells.
    """
    before, atlas = stamp(path), plugin.atlas
    opened = atlas.prepare(path, _options(plugin.run), (plugin.run.names, 0))
    source = opened.query.source
    try:
        named = source.n_cells if len(plugin.run.names) > 1 else 0
        found = QueryPlan(
            path,
            before,
            source.layer,
            source.seekable,
            opened.facts,
            opened.query.decided,
        )
        hashes = name_hashes(source.cell_names, named)
        return Looked(found, hashes, opened.schema, opened.atlas_facts)
    finally:
        source.close()


@_task
def survey_part(plugin: RunPlugin, task: Task) -> dict[str, NDArray[Any]]:
    """Go through a range of cells for what needs to know all of the query."""
    query, part = task.query, task.part
    _unchanged(query)
    how = replace(_options(plugin.run), layer=query.layer)
    cells, among = (part.start, part.stop), (plugin.run.names, part.query)
    try:
        return plugin.atlas.survey(query.path, how, cells, among, query.decided)
    except CellportError as error:
        raise type(error)(f"{task.place}: {error}") from error


@_task
def map_part(plugin: RunPlugin, task: Task) -> Written:
    """Map a range of cells and write its part, unless that is there already."""
    folder = Path(plugin.run.folder)
    if not (folder / MANIFEST).is_file():
        raise OutputError(
            f"The worker {get_worker().address} does not see the output '{folder}'; it must lie "
            "where every worker can write."
        )
    there = read_part(folder, task.key, task.part, task.sha256)
    key = sums_key(task.key, plugin.run.options)
    sums = read_state(folder, key, task.part.number, task.gather)
    if there is not None and sums is not None:
        return there
    _unchanged(task.query)
    try:
        return _written(plugin, folder, task)
    except CellportError as error:
        raise type(error)(f"{task.place}: {error}") from error


def _written(plugin: RunPlugin, folder: Path, task: Task) -> Written:
    run, atlas, query, part = plugin.run, plugin.atlas, task.query, task.part
    keep = run.with_counts or any(name in NEED_COUNTS for name in task.gather)
    how = replace(_options(run), layer=query.layer, keep_counts=keep)
    stream = atlas.stream(
        query.path,
        how,
        cells=(part.start, part.stop),
        among=(run.names, part.query),
        decided=query.decided,
        surveyed=task.surveyed,
    )
    gathered = start_gathering((TALLY, *task.gather), atlas.file, stream.schema, how)
    genes = stream.gene_names if run.with_counts else None
    path, version = folder / part.file, onnxruntime().__version__
    with open_writer(path, stream.schema, stream.n_cells, counts_genes=genes) as writer:
        for block in stream.blocks:
            for gatherer in gathered.values():
                gatherer.add(replace(block, start=part.offset + block.start), stream.genes)
            names = renamed(block.cell_names, query.suffix)
            writer.write(replace(block, start=block.start - part.start, cell_names=names))
        _unchanged(query)
        tally = gathered.pop(TALLY).state()
        if gathered:
            write_state(folder, sums_key(task.key, how), part.number, gathered)
        writer.close(facts_of_part(task.key, part, tally, stream.device, version))
    size = path.stat().st_size
    return Written(part, digest(path), size, tally, stream.device, version, kept=False)


def _options(run: Run) -> MapOptions:
    # one kernel thread a task: Dask runs one task on each thread of the worker
    return replace(run.options, threads=run.options.threads or 1, keep_counts=False)


def _unchanged(query: QueryPlan) -> None:
    if stamp(query.path) != query.stamp:
        raise InputError(
            f"{query.path} has changed since the mapping began, or is another file on the worker "
            f"{get_worker().address}; map to an empty folder."
        )
