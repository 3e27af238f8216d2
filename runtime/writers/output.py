"""Write results to one file, which appears when it is whole; its name says the format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.files import PendingOutput, Place, check_place, plain_errors
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.errors import OutputError
from cellport.runtime.sources.zarr_store import is_zarr
from cellport.runtime.writers.h5ad import H5adSink
from cellport.runtime.writers.parquet import ParquetSink
from cellport.runtime.writers.text import TextSink
from cellport.runtime.writers.zarr_store import ZarrSink

FORMATS = (".h5ad", ".zarr", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".parquet")


class Sink(Protocol):
    """One open file of one format. It may assume that blocks arrive in order."""

    def write(self, block: MappedBlock) -> None:
        """Add the cells of a block."""

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write what comes last and close the file."""

    def discard(self) -> None:
        """Close the file, which will be removed; never raises."""


class ResultWriter:
    """Writes mapped blocks, in order, to one output file.

    The output appears, or replaces the file that was there, only when `close` has written
    everything to disk. Leaving a ``with`` block without `close`, by an exception or Ctrl-C,
    removes what was written. Made by `open_writer`.
    """

    def __init__(self, path: Place, output: PendingOutput, sink: Sink, n_cells: int) -> None:
        self._path = path
        self._output = output
        self._sink = sink
        self._n_cells = n_cells
        self._n_written = 0
        self._open = True

    def write(self, block: MappedBlock) -> None:
        """Write the next cells, with their counts where the file holds counts.

        Raises
        ------
        OutputError
            The disk is full or fails.
        ValueError
            The block is not the next one.
        """
        if block.start != self._n_written or block.start + block.n_cells > self._n_cells:
            raise ValueError(
                f"cells {block.start} to {block.start + block.n_cells} cannot follow the first "
                f"{self._n_written} of {self._n_cells}"
            )
        with plain_errors(self._path):
            self._sink.write(block)
        self._n_written += block.n_cells

    def close(self, uns: Mapping[str, Any]) -> None:
        """Write `uns`, bring everything to disk and put the output in its place.

        Raises
        ------
        OutputError
            The disk is full or fails; nothing is left behind then.
        ValueError
            Cells are missing.
        """
        if self._n_written != self._n_cells:
            raise ValueError(f"only {self._n_written} of {self._n_cells} cells were written")
        try:
            with plain_errors(self._path):
                self._sink.finish(uns)
                self._output.put()
            self._open = False
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written; does nothing after `close`."""
        if self._open:
            self._open = False
            self._sink.discard()
            self._output.remove()

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()


def open_writer(
    path: Place,
    schema: Schema,
    n_cells: int,
    *,
    counts_genes: NDArray[np.object_] | None = None,
    inputs: Sequence[Place] = (),
) -> ResultWriter:
    """Open an output file; its extension says the format.

    Parameters
    ----------
    path
        The output, which ends in one of `FORMATS`.
    schema
        The columns and matrices that every block will hold.
    counts_genes
        Names of the query's genes, object array of str [n_genes]: then every block comes with
        its counts, which become ``X``. Only for ``.h5ad``.
    inputs
        Files being read, which the output must not replace.

    Raises
    ------
    OutputError
        The output cannot be written there, or not in that format.
    MissingDependencyError
        ``.parquet`` without pyarrow, or ``.zarr`` without zarr.
    """
    form = check_output(path, with_counts=counts_genes is not None, inputs=inputs)
    output = PendingOutput(path)
    with plain_errors(path):
        try:
            sink: Sink
            if form == ".h5ad":
                sink = H5adSink(output.hidden, schema, n_cells, counts_genes)
            elif form == ".zarr":
                sink = ZarrSink(output.hidden, schema, n_cells)
            elif form == ".parquet":
                sink = ParquetSink(output.hidden, schema)
            else:
                sink = TextSink(output.hidden, schema, form)
        except BaseException:
            output.remove()
            raise
    return ResultWriter(path, output, sink, n_cells)


def check_output(path: Place, *, with_counts: bool = False, inputs: Sequence[Place] = ()) -> str:
    """Return the format of an output that can be written, before any work is done for it.

    Parameters are those of `open_writer`.

    Raises
    ------
    OutputError
        The extension says no format, or the place cannot be written to, or is an input.
    """
    name = Path(path).name.lower()
    form = next((form for form in FORMATS if name.endswith(form)), None)
    if form is None:
        raise OutputError(
            f"Cannot tell the format of the output '{path}' from its name; let it end in "
            f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}."
        )
    if with_counts and form != ".h5ad":
        raise OutputError(f"'{path}' cannot hold counts; let the output end in .h5ad.")
    if form == ".zarr" and os.path.exists(path) and not is_zarr(Path(path)):
        raise OutputError(f"The output '{path}' exists and is no zarr store; give another name.")
    check_place(path, inputs, folder=form == ".zarr")
    return form
