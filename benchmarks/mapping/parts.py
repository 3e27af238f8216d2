"""Where each microsecond of a mapping goes, beside what the machine allows for the same bytes.

    python -m benchmarks.mapping.parts [--cells 20000] [--rounds 5]

The same generated cells in each kind of file are mapped by one thread, one step after the other,
and the processor time of each step is taken. Beside it stands the time of its bound:

- reading: the same stored bytes read from the (cached) file, taken out of their compression by the
  bare library (lzf: by the kernel that there is) and copied once to where they belong;
- features: positions, values, and the rows of the basis that they name, read and nothing else;
- network: the matrix products of ``encoder_tail.onnx`` alone;
- columns: none is known; they are told as they are;
- writing: the same arrays given to h5py, whole.

A step's share is its bound by its time; that of all is the sum of the bounds by that of the steps.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import anndata
import h5py
import numpy as np
import onnx
import zarr
from numcodecs import Blosc
from numpy.typing import NDArray
from onnx.numpy_helper import to_array
from threadpoolctl import threadpool_limits

import cellport
from benchmarks.mapping.kernels import PARTS, read_both, row_task
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.results import ROOT, facts, markdown
from benchmarks.shared.tiled import kept_file
from benchmarks.shared.timing import in_turns, medians
from cellport.kernels.lanes import LANES, TILE
from cellport.runtime.atlas.session import open_session
from cellport.runtime.mapping.consensus.encoder import encoder_of
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.sources.chunks import locate
from cellport.runtime.sources.filters import undo_filters
from cellport.runtime.sources.zarr_chunks import locate_zarr
from cellport.runtime.writers.output import open_writer

PAGE, MARK = ROOT / "docs" / "mapping.md", "benchmarks.mapping.parts"
STEPS = ("reading", "features", "network", "columns", "writing")
FORMS = ("h5ad gzip", "h5ad none", "h5ad lzf", "zarr 2 blosc-lz4", "zarr 3 zstd", "zarr 3 sharded")
_MICRO = 1e6
ARRAYS = ("X/data", "X/indices")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Map each kind of file `rounds` times, and measure its bounds."""
    options.cache.mkdir(parents=True, exist_ok=True)
    files = made_files(options.cache, options.cells)
    runs = []
    atlas = cellport.load_atlas(options.atlas)
    for form, path in files.items():
        rounds = [steps_of(atlas, path) for _ in range(options.rounds + 1)][1:]
        spent = {step: median(one[step] for one in rounds) for step in STEPS}
        bounds = bounds_of(atlas, path, options.rounds)
        per = _MICRO / options.cells
        row = {
            "file": form,
            "time": {step: round(spent[step] * per, 2) for step in STEPS},
            "bound": {step: round(value * per, 2) for step, value in bounds.items()},
        }
        print(row, flush=True)
        runs.append(row)
    return facts() | {"atlas": options.atlas, "cells": options.cells, "runs": runs}


def made_files(cache: Path, n_cells: int) -> dict[str, Path]:
    """Write the same cells in every form, where they are not there yet."""
    first = kept_file(cache / f"{n_cells}_gzip.h5ad", n_cells)
    found = {"h5ad gzip": first}
    cells: Any = None
    for form in FORMS[1:]:
        path = cache / f"{n_cells}_{form.replace(' ', '_')}{'' if 'zarr' in form else '.h5ad'}"
        found[form] = path
        if not path.exists():
            cells = anndata.read_h5ad(first) if cells is None else cells
            write_form(cells, path, form)
    return found


def write_form(cells: anndata.AnnData, path: Path, form: str) -> None:
    """Write cells as AnnData does, in one of `FORMS`."""
    if form.startswith("h5ad"):
        compression = form.removeprefix("h5ad ")
        cells.write_h5ad(path, compression=None if compression == "none" else compression)
        return
    number = int(form[5])
    with anndata.settings.override(zarr_write_format=number):
        if "sharded" in form:
            with anndata.settings.override(auto_shard_zarr_v3=True):
                cells.write_zarr(path)
        elif number == 2:
            root = zarr.open_group(path, mode="w", zarr_format=2)
            how = {"compressor": Blosc("lz4", 5, Blosc.SHUFFLE)}
            anndata.io.write_elem(root, "/", cells, dataset_kwargs=how)
        else:
            cells.write_zarr(path)


class Clock:
    """Processor seconds by step."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    def timed(self, step: str, work: Callable[..., Any], *given: Any) -> Any:
        """Do some work on behalf of a step."""
        began = time.process_time()
        made = work(*given)
        self.spent[step] += time.process_time() - began
        return made


@dataclass(frozen=True)
class TimedTail:
    """A session of ``encoder_tail.onnx`` whose runs are timed."""

    session: Any
    clock: Clock

    def get_outputs(self) -> Any:
        """Name the outputs."""
        return self.session.get_outputs()

    def run(self, names: list[str], inputs: dict[str, Any]) -> Any:
        """Run it."""
        return self.clock.timed("network", self.session.run, names, inputs)


def steps_of(atlas: cellport.Atlas, path: Path) -> dict[str, float]:
    """Map a file by one thread, step after step; processor seconds of each step."""
    clock, how = Clock(), MapOptions(threads=1)
    pipeline = atlas.prepare(path, how)
    source, schema = pipeline.query.source, pipeline.schema
    tail = TimedTail(open_tail(atlas), clock)
    encode = encoder_of(pipeline.query, atlas.file, tail, 1, None)
    with tempfile.TemporaryDirectory() as folder, closing(source):
        writer = open_writer(Path(folder) / "out.h5ad", schema, source.n_cells)
        blocks = iter(source.blocks(how.block_cells, 0, source.n_cells))
        while (block := clock.timed("reading", next, blocks, None)) is not None:
            cells = clock.timed("features", encode, block)
            mapped = clock.timed("columns", pipeline.annotate, block, cells, schema)
            clock.timed("writing", writer.write, mapped)
        clock.timed("writing", writer.close, {})
    spent = dict(clock.spent)
    # the network runs within what encodes
    spent["features"] -= spent["network"]
    return spent


def open_tail(atlas: cellport.Atlas) -> Any:
    """Open the network, on one thread."""
    return open_session(atlas.file.read("encoder_tail.onnx"), "encoder_tail.onnx", "cpu", 1)


def bounds_of(atlas: cellport.Atlas, path: Path, rounds: int) -> dict[str, float]:
    """Processor seconds of the least that each step but the columns has to do."""
    with ExitStack() as opened:
        tasks = {
            "reading": reading_bound(path, opened),
            "features": features_bound(atlas, path),
            "network": network_bound(atlas, path),
            "writing": writing_bound(atlas, path),
        }
        return medians(in_turns(tasks, rounds), "cpu")


def reading_bound(path: Path, opened: ExitStack) -> Callable[[], Any]:
    """Read the stored bytes of positions and values, decompress and copy them."""
    of_file = stored_in_hdf5 if path.suffix == ".h5ad" else stored_in_zarr
    parts = list(of_file(path, opened))

    def work() -> None:
        for file, offset, size, expand in parts:
            plain = np.frombuffer(expand(os.pread(file, size, offset)), np.uint8)
            np.empty_like(plain)[:] = plain

    return work


# descriptor of a file, offset and size of a chunk in it, and what takes it out of its compression
Stored = tuple[int, int, int, Callable[[bytes], Any]]


def stored_in_hdf5(path: Path, opened: ExitStack) -> Iterator[Stored]:
    """Tell of each chunk of positions and values of an h5ad file."""
    handle = os.open(path, os.O_RDONLY)
    opened.callback(os.close, handle)
    with h5py.File(path) as file:
        for name in ARRAYS:
            chunks = locate(file[name])
            assert chunks is not None
            for number, (offset, size) in enumerate(zip(chunks.offsets, chunks.sizes, strict=True)):
                expand = partial(
                    undo_filters,
                    filters=chunks.filters,
                    skipped=int(chunks.skipped[number]),
                    size=chunks.expected(number),
                    dtype=chunks.dtype,
                )
                yield handle, int(offset), int(size), expand


def stored_in_zarr(path: Path, opened: ExitStack) -> Iterator[Stored]:
    """Tell of each chunk of positions and values of a zarr store."""
    root = zarr.open_group(path, mode="r")
    for name in ARRAYS:
        chunks = locate_zarr(root[name])
        assert chunks is not None
        handles = [os.open(file, os.O_RDONLY) for file in chunks.files]
        for handle in handles:
            opened.callback(os.close, handle)
        if chunks.places is None:
            sizes = [(0, os.fstat(handle).st_size) for handle in handles]
        else:
            sizes = chunks.places.tolist()
        for number, (offset, size) in enumerate(sizes):
            yield handles[number // chunks.per_file], offset, size, chunks.expand


def features_bound(atlas: cellport.Atlas, path: Path) -> Callable[[], Any]:
    """Read positions and values once, and the rows of the basis that those of the panel name."""
    pipeline = atlas.prepare(path, MapOptions(threads=1))
    column = pipeline.query.genes.panel_column
    with closing(pipeline.query.source) as source:
        blocks = list(source.blocks(2048, 0, source.n_cells))
    entries = sum(int((column[block.indices] >= 0).sum()) for block in blocks)
    n_cells = source.n_cells
    n_slices = -(-atlas.file.array("basis").shape[1] // LANES)
    task, _ = row_task(atlas.manifest.n_genes, entries / n_cells)

    def work() -> None:
        for block in blocks:
            read_both(block.indices, block.data)
        # one call reads one slice for `PARTS` times `TILE` cells
        for _ in range(round(n_slices * n_cells / (PARTS * TILE))):
            task()

    return work


def network_bound(atlas: cellport.Atlas, path: Path) -> Callable[[], Any]:
    """Multiply matrices of the shapes that the network has, and nothing else."""
    graph = onnx.load_from_string(bytes(atlas.file.read("encoder_tail.onnx"))).graph
    weights = {one.name: to_array(one) for one in graph.initializer}
    products = [
        weights[name].astype(np.float32)
        for node in graph.node
        if node.op_type in ("MatMul", "Gemm")
        for name in node.input
        if name in weights and weights[name].ndim == 2
    ]
    with closing(atlas.prepare(path, MapOptions(threads=1)).query.source) as source:
        n_blocks = -(-source.n_cells // 2048)
    inputs = [np.ones((2048, max(one.shape)), np.float32) for one in products]

    def work() -> None:
        with threadpool_limits(1):
            for _ in range(n_blocks):
                for cells, weight in zip(inputs, products, strict=True):
                    _ = cells[:, : weight.shape[0]] @ weight

    return work


def writing_bound(atlas: cellport.Atlas, path: Path) -> Callable[[], Any]:
    """Give h5py the arrays of a result, whole."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.h5ad"
        cellport.map_files(atlas, path, out)
        arrays: list[NDArray[Any]] = []
        with h5py.File(out) as file:
            file.visititems(
                lambda _, item: (
                    arrays.append(item[()])
                    if isinstance(item, h5py.Dataset) and item.shape and item.dtype.kind != "O"
                    else None
                )
            )
            names = file["obs/_index"][()]

    def work() -> None:
        with tempfile.TemporaryFile() as place, h5py.File(place, "w") as file:
            for number, values in enumerate(arrays):
                file.create_dataset(str(number), data=values)
            file.create_dataset("names", data=names, dtype=h5py.string_dtype())

    return work


def table(made: dict[str, Any]) -> str:
    """Microseconds of each step and of its bound, by file."""
    lines = []
    for run in made["runs"]:
        spent, bound = run["time"], run["bound"]
        known = sum(spent[step] for step in bound)
        cells = [
            f"{spent[step]:.1f} ({bound[step] / spent[step]:.0%})"
            if step in bound
            else f"{spent[step]:.1f}"
            for step in STEPS
        ]
        total = sum(spent.values())
        lines.append([run["file"], *cells, f"{total:.1f}", f"{sum(bound.values()) / known:.0%}"])
    head = ["file", *STEPS, "all", "share of the bound"]
    said = (
        "Microseconds of one processor for a cell, step by step, and in brackets the share that "
        f"the bound of the step is of it ({made['cells']:,} cells of 20,000 genes on "
        f"`{made['atlas']}`; {made['date']}, {made['machine']})."
    )
    return f"{said}\n\n{markdown(head, lines, 'l' + 'r' * (len(head) - 1))}"


def main() -> None:
    """Run what is asked for and print the table."""
    command = parser("mapping.parts", __doc__, "table out cache")
    command.add_argument("--atlas", default="lung")
    command.add_argument("--cells", type=int, default=20_000)
    command.add_argument("--rounds", type=int, default=5)
    measure_and_show(command, measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
