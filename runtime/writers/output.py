"""Write results safely: to a hidden place beside the output, which it takes when whole."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

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
        ...

    def finish(self, uns: Mapping[str, Any]) -> None:
        """Write what comes last and close the file."""
        ...

    def discard(self) -> None:
        """Close the file, which will be removed; never raises."""
        ...


class ResultWriter:
    """Writes mapped blocks, in order, to one output file.

    The output appears, or replaces the file that was there, only when `close` has written
    everything to disk. Leaving a ``with`` block without `close`, by an exception or Ctrl-C,
    removes what was written. Made by `open_writer`.
    """

    def __init__(self, path: Path, temporary: Path, sink: Sink, n_cells: int) -> None:
        self._path = path
        self._temporary = temporary
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
        with _plain_errors(self._path):
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
            with _plain_errors(self._path):
                self._sink.finish(uns)
                _flush_all(self._temporary)
                _put_in_place(self._temporary, self._path)
                _flush_to_disk(self._path.parent)
            self._open = False
        finally:
            self.abort()

    def abort(self) -> None:
        """Remove what was written; does nothing after `close`."""
        if self._open:
            self._open = False
            self._sink.discard()
            _remove(self._temporary)

    def __enter__(self) -> ResultWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()


def open_writer(
    path: str | os.PathLike[str],
    schema: Schema,
    n_cells: int,
    *,
    counts_genes: NDArray[np.object_] | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> ResultWriter:
    """Open an output file; its extension says the format.

    Parameters
    ----------
    path
        The output: ``.h5ad``, ``.zarr``, ``.csv``, ``.tsv`` (both also with ``.gz``) or
        ``.parquet``.
    schema
        The columns and matrices that every block will hold.
    n_cells
        Number of cells that will be written.
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
    target, temporary = _target_and_temporary(path)
    with _plain_errors(Path(path)):
        try:
            sink: Sink
            if form == ".h5ad":
                sink = H5adSink(temporary, schema, n_cells, counts_genes)
            elif form == ".zarr":
                sink = ZarrSink(temporary, schema, n_cells)
            elif form == ".parquet":
                sink = ParquetSink(temporary, schema)
            else:
                sink = TextSink(temporary, schema, form)
        except BaseException:
            _remove(temporary)
            raise
    return ResultWriter(target, temporary, sink, n_cells)


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], data: bytes) -> Iterator[None]:
    """Write a file aside, and put it in its place when the ``with`` block ends well.

    Raises
    ------
    OutputError
        The disk is full or fails; nothing is left behind then, nor when the block raises.
    """
    target, temporary = _target_and_temporary(path)
    try:
        with _plain_errors(Path(path)):
            temporary.write_bytes(data)
            _flush_to_disk(temporary)
        yield
        with _plain_errors(Path(path)):
            os.replace(temporary, target)
            _flush_to_disk(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


def check_output(
    path: str | os.PathLike[str],
    *,
    with_counts: bool = False,
    inputs: Sequence[str | os.PathLike[str]] = (),
) -> str:
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
    if form == ".zarr":
        _check_store(path, inputs)
    else:
        check_place(path, inputs)
    return form


def check_place(
    path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]] = ()
) -> None:
    """Refuse a place where no file can be written, or that is one of the `inputs`.

    Raises
    ------
    OutputError
        Saying why.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise OutputError(f"The output '{path}' is a folder; give the name of a file.")
    _check_parent(path, target)
    if target.exists():
        _check_replaceable(path, target, inputs)


def _check_store(path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]]) -> None:
    target = Path(os.path.realpath(path))
    _check_parent(path, target)
    if not target.exists():
        return
    if not is_zarr(target):
        raise OutputError(f"The output '{path}' exists and is no zarr store; give another name.")
    if not os.access(target, os.W_OK | os.X_OK):
        raise OutputError(f"The output '{path}' exists and cannot be replaced.")
    _check_no_input(path, target, inputs)


def _check_parent(path: str | os.PathLike[str], target: Path) -> None:
    if not target.parent.is_dir():
        raise OutputError(f"The folder of the output '{path}' does not exist; create it first.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder of the output '{path}' is not writable.")


def _target_and_temporary(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    target = Path(os.path.realpath(path))
    return target, target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")


def _check_replaceable(
    path: str | os.PathLike[str], target: Path, inputs: Sequence[str | os.PathLike[str]]
) -> None:
    if not target.is_file() or not os.access(target, os.W_OK):
        raise OutputError(f"The output '{path}' exists and cannot be replaced.")
    _check_no_input(path, target, inputs)


def _check_no_input(
    path: str | os.PathLike[str], target: Path, inputs: Sequence[str | os.PathLike[str]]
) -> None:
    if any(os.path.exists(source) and os.path.samefile(source, target) for source in inputs):
        raise OutputError(
            f"The output '{path}' is also an input, which writing would replace; give another name."
        )


def _put_in_place(temporary: Path, target: Path) -> None:
    """Move a file or folder to its place; a folder that is there makes room for it first."""
    if not target.is_dir():
        os.replace(temporary, target)
        return
    old = temporary.with_suffix(".old")
    os.replace(target, old)
    try:
        os.replace(temporary, target)
    except BaseException:
        os.replace(old, target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush_all(path: Path) -> None:
    """Bring a file, or a folder and all that is in it, to disk."""
    for folder, _, names in os.walk(path):
        for name in (*names, "."):
            _flush_to_disk(Path(folder, name))
    if not path.is_dir():
        _flush_to_disk(path)


def _flush_to_disk(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn failures of the disk, as any library words them, into one sentence."""
    try:
        yield
    except UnicodeEncodeError as error:
        raise OutputError(
            f"Cannot write '{path}': a name holds bytes that are not text "
            f"({error.object[max(0, error.start - 20) : error.end]!r})."
        ) from error
    except (OSError, RuntimeError) as error:
        text = str(error).lower()
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in text:
            reason = "the disk is full. Free some space or write elsewhere."
        elif number in (errno.EACCES, errno.EPERM, errno.EROFS):
            reason = "the folder is not writable."
        else:
            reason = f"the disk reported: {error}."
        raise OutputError(f"Cannot write '{path}': {reason}") from error
