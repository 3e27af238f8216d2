"""The one family of exceptions that cellport raises for people to read."""

from __future__ import annotations


class CellportError(Exception):
    """Base of every error that cellport raises on purpose.

    The message is one or two plain sentences: what was wrong, in which file and field,
    and what to do.
    """


class InputError(CellportError):
    """A query or reference cannot be used as it is."""


class AtlasError(CellportError):
    """An atlas file is damaged, hostile, or of a format this version cannot read."""


class OutputError(CellportError):
    """A result cannot be written where it was asked for."""


class TrainingError(CellportError):
    """Training or export cannot go on."""


class MissingDependencyError(CellportError):
    """An optional package that this call needs is not installed."""


def first_line(error: Exception) -> str:
    """Return what another library's error says, short enough for a sentence of ours."""
    # the text of a KeyError comes in quotes; its argument does not
    said = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return (said.strip().splitlines() or [type(error).__name__])[0][:200]
