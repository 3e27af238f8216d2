"""JSON values to frozen dataclasses by their annotations, every value checked."""

from __future__ import annotations

import json
import math
import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cellport.runtime.decisions import number

_LARGEST_NUMBER = number("format.largest_number")


class MalformedError(ValueError):
    """A value is missing or of another type; holds the name of its field."""


class UnknownValueError(ValueError):
    """A text is none of those known; holds the name of its field and the text."""


def read_typed(kind: Any, value: Any, field: str = "") -> Any:
    """Turn a JSON value into what an annotation says.

    The annotation is a dataclass, ``str``, ``bool``, ``int``, ``float``, ``Any``, a ``Literal`` of
    texts, an optional one of these, or a ``tuple`` or ``dict[str, ...]`` of them. Numbers are at
    least 0. Fields that the dataclass does not know are left out, and those that it has defaults
    for may be missing: a later version may add some. A value that is missing or of another type
    raises MalformedError with the name of its `field`; a text not of a ``Literal``,
    UnknownValueError.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else read_typed(arguments[0], value, field)
    if is_dataclass(kind):
        return _read_fields(kind, value, field)
    if origin is tuple:
        return _read_tuple(arguments, value, field)
    if origin is dict and isinstance(value, dict):
        return {key: read_typed(arguments[1], inner, field) for key, inner in value.items()}
    if origin is Literal and isinstance(value, str):
        if value not in arguments:
            raise UnknownValueError(field, value)
        return value
    if kind is Any or (kind in (str, bool) and type(value) is kind):
        return value
    is_number = type(value) is int or (kind is float and type(value) is float)
    if kind in (int, float) and is_number and 0 <= value < _LARGEST_NUMBER:
        return kind(value)
    raise MalformedError(field)


def quoted(value: Any) -> str:
    """Write a JSON value as a sentence says it, in every runtime alike."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _read_fields(kind: Any, value: Any, field: str) -> Any:
    if not isinstance(value, dict):
        raise MalformedError(field)
    hints = _hints(kind)
    read = {}
    for one in fields(kind):
        name = f"{field}.{one.name}" if field else one.name
        if one.name in value:
            read[one.name] = read_typed(hints[one.name], value[one.name], name)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise MalformedError(name)
    return kind(**read)


def _read_tuple(arguments: tuple[Any, ...], value: Any, field: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise MalformedError(field)
    kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
    if len(kinds) != len(value):
        raise MalformedError(field)
    if arguments == (str, ...) and set(map(type, value)) <= {str}:
        return tuple(value)
    return tuple(read_typed(kind, one, field) for kind, one in zip(kinds, value, strict=True))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def finite(value: Any) -> Any:
    """Put None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
