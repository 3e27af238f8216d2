"""A file or folder is there whole, or not at all; and why it cannot be, in one sentence."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from cellport.runtime.errors import OutputError, first_line

Place = str | os.PathLike[str]
# bytes of a name that file systems take (NAME_MAX), less what a hidden place adds
_LONGEST_NAME = 255 - 15
CANNOT_WRITE = "Cannot write '{path}': {reason}"


class PendingOutput:
    """A file or folder that is being written at a hidden place beside its own.

    It is a context manager that gives the hidden place. A ``with`` block that ends well brings
    everything to disk and puts it in its place, where it replaces what was there; a block that
    raises, also by Ctrl-C, leaves nothing. A link stays one: what it points to is replaced.

    With `alone`, nobody else writes this output at the same time: the hidden place has one name,
    so that what a killed process left there is written over.
    """

    def __init__(self, path: Place, *, alone: bool = False) -> None:
        self._target = Path(os.path.realpath(path))
        token = "" if alone else f".{secrets.token_hex(4)}"
        self.hidden = self._target.with_name(f".{self._target.name}{token}.part")

    def flush(self) -> None:
        """Bring the hidden file, or folder with all that is in it, to disk."""
        for folder, _, names in os.walk(self.hidden):
            for name in (*names, "."):
                _flush(Path(folder, name))
        if self.hidden.is_file():
            _flush(self.hidden)

    def put(self) -> None:
        """Bring the output to disk and put it in its place."""
        self.flush()
        if self.hidden.is_dir() and self._target.is_dir():
            self._exchange()
        else:
            os.replace(self.hidden, self._target)
        _flush(self._target.parent)

    def remove(self) -> None:
        """Remove what was written; does nothing after `put`."""
        _remove(self.hidden)

    def _exchange(self) -> None:
        # no system call puts a folder over one that is not empty
        old = self.hidden.with_suffix(".old")
        os.replace(self._target, old)
        try:
            os.replace(self.hidden, self._target)
        except BaseException:
            os.replace(old, self._target)
            raise
        _remove(old)

    def __enter__(self) -> Path:
        return self.hidden

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self.put()
        finally:
            self.remove()


@contextmanager
def whole_file(path: Place, data: bytes) -> Iterator[None]:
    """Write a file aside, and put it in its place when the ``with`` block ends well.

    Several of them, one within the other, appear together or not at all: each has found its
    room on the disk before the block begins. Where the disk or the block fails, nothing is left.
    """
    output = PendingOutput(path)
    try:
        with plain_errors(path):
            output.hidden.write_bytes(data)
            output.flush()
        yield
        with plain_errors(path):
            output.put()
    finally:
        output.remove()


def sweep(folder: Path) -> None:
    """Remove the hidden beginnings of files in a folder that killed processes left."""
    for left in folder.glob(".*.part"):
        left.unlink(missing_ok=True)


@contextmanager
def plain_errors(path: Place, sentence: str = CANNOT_WRITE) -> Iterator[None]:
    """Turn failures of the disk, as any library words them, into an OutputError of one sentence.

    It has a place for the ``{path}`` and one for either ``{reason}``, a sentence of ours, or
    ``{system}``, the words of the system. HDF5, Arrow and torch raise RuntimeError on a full disk.
    """
    try:
        yield
    except UnicodeEncodeError as error:
        raise OutputError(
            f"Cannot write '{path}': a name holds bytes that are not text "
            f"({error.object[max(0, error.start - 20) : error.end]!r})."
        ) from error
    except (OSError, RuntimeError) as error:
        system = getattr(error, "strerror", None) or first_line(error)
        said = sentence.format(path=path, reason=_reason(error), system=system)
        raise OutputError(said) from error


def check_place(path: Place, inputs: Sequence[Place] = (), *, folder: bool = False) -> None:
    """Refuse a place that no file (or `folder`) can take, or that is one of the `inputs`."""
    target = Path(os.path.realpath(path))
    if len(os.fsencode(target.name)) > _LONGEST_NAME:
        raise OutputError(
            f"The name of the output '{target.name[:40]}…' is too long for a file: give a shorter "
            "one."
        )
    if target.is_dir() and not folder:
        raise OutputError(f"The output '{path}' is a folder; give the name of a file.")
    if target.exists() and folder and not target.is_dir():
        raise OutputError(f"The output '{path}' is a file; give the name of a folder.")
    if not target.parent.is_dir():
        raise OutputError(f"The folder of the output '{path}' does not exist; make it first.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"The folder of the output '{path}' is not writable.")
    if not target.exists():
        return
    mode = os.W_OK | os.X_OK if folder else os.W_OK
    if not (folder or target.is_file()) or not os.access(target, mode):
        raise OutputError(f"The output '{path}' exists and cannot be replaced.")
    check_no_input(path, inputs)


def check_folder(path: Place) -> None:
    """Refuse a place for a folder of files that is a file, or cannot be written to."""
    check_place(path, folder=True)
    if os.path.isdir(path) and not os.access(path, os.W_OK | os.X_OK):
        raise OutputError(f"The folder '{path}' is not writable.")


def plain_name(name: str) -> str:
    """Return a name as part of a file's."""
    return "".join(c if c.isalnum() or c in "-+." else "_" for c in name).strip("._")[:60] or "_"


def check_no_input(path: Place, inputs: Sequence[Place]) -> None:
    """Refuse an output that is there and is one of the inputs, by whatever name."""
    there = [source for source in inputs if os.path.exists(source) and os.path.exists(path)]
    if any(os.path.samefile(source, path) for source in there):
        raise OutputError(
            f"The output '{path}' is also an input, which writing would replace; give another name."
        )


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or "no space left" in str(error).lower():
        return "the disk is full. Free some space or write elsewhere."
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "the folder is not writable."
    return f"the disk reported: {error}."


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    if os.name == "nt" and path.is_dir():  # pragma: no cover - Windows alone
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
