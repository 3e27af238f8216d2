"""How trouble in an input file becomes one sentence for the person who brought the file."""

from __future__ import annotations

import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cellport.runtime.decisions import say
from cellport.runtime.errors import CellportError, InputError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    SystemError,  # of C code that was given what it never should be, such as a negative size
    zlib.error,
)

# what HDF5 says of an open file when a link leads to another one (see `watched`)
_LED_AWAY = "file signature not found"


@contextmanager
def readable(where: str) -> Iterator[None]:
    """Turn every exception of a reading library into an `InputError` that names `where`.

    An `InputError` that does not begin with `where` gets it in front; other errors of cellport
    pass unchanged.
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
        reason = first_line(error)
        if _LED_AWAY in reason:
            raise led_away(where) from error
        raise InputError(say("files.unreadable", where=where, reason=reason)) from error


def led_away(where: str) -> InputError:
    """Return the error for a link to another file."""
    return InputError(f"{where} lies in another file, to which this one links; join them.")


def damaged(where: str, what: str) -> InputError:
    """Return the error for a file that contradicts itself."""
    return InputError(say("files.damaged", where=where, what=what))


def cells(where: str, start: int, stop: int) -> str:
    """Name the cells ``start:stop`` of a place: ``query.h5ad, X, cells 0 to 4095``."""
    return say("files.cells", where=where, first=start, last=max(start, stop - 1))
