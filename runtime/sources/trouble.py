"""How trouble in an input file becomes one sentence for the person who brought the file."""

from __future__ import annotations

import difflib
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cellport.runtime.decisions import say
from cellport.runtime.errors import CellportError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# What h5py, zarr, numpy, gzip and the decompressors raise on damaged or hostile files.
UNREADABLE = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    zlib.error,
)


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn every exception of a reading library into an `InputError` that names `where`.

    Raises
    ------
    InputError
        In place of any of `UNREADABLE`. An `InputError` that does not begin with `where` gets
        it in front; other errors of cellport pass unchanged.
    """
    try:
        yield
    except InputError as error:
        if str(error).startswith(where):
            raise
        raise InputError(f"{where}: {error}") from error
    except CellportError:
        raise
    except UNREADABLE as error:
        # The text of a KeyError comes in quotes; its argument does not.
        said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
        reason = (said.strip().splitlines() or [type(error).__name__])[0]
        raise InputError(say("files.unreadable", where=where, reason=reason)) from error


def damaged(where: str, what: str) -> InputError:
    """Return the error for a file that contradicts itself."""
    return InputError(say("files.damaged", where=where, what=what))


def cells(where: str, start: int, stop: int) -> str:
    """Name the cells ``start:stop`` of a place: ``query.h5ad, X, cells 0 to 4095``."""
    return say("files.cells", where=where, first=start, last=max(start, stop - 1))


def near_names(wanted: str, names: Iterable[str], shown: int = 8) -> str:
    """Say which names come close to the one wanted, or else which there are."""
    there = [str(name) for name in names]
    by_lower = {name.lower(): name for name in there}
    near = difflib.get_close_matches(wanted.lower(), by_lower, n=3, cutoff=0.6)
    if near:
        return f"Near names: {', '.join(repr(by_lower[name]) for name in near)}."
    if not there:
        return "There is none at all."
    rest = f" and {len(there) - shown} more" if len(there) > shown else ""
    return f"There are: {', '.join(repr(name) for name in there[:shown])}{rest}."
