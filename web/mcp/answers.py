"""Answers short enough for an agent to read: long lists are cut, and it is told by how much."""

from __future__ import annotations

import json
from typing import Any

from cellport.runtime.base.typed_json import finite
from cellport.runtime.errors import InputError

# some ten thousand words of a language model, a tenth of what a small one reads at once
LARGEST = 40_000
# items of a list or table, tried one after the other
_MOST = (200, 50, 20, 10, 5, 2)
_LONGEST = 1000  # characters of a text


def bounded(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer that takes at most `LARGEST` characters as JSON.

    Of lists and tables the first items are kept; ``left_off`` says of each, by its place, how many
    are not. Texts are cut and lose what is not printed; numbers have five digits.

    Raises
    ------
    InputError
        It cannot be cut to that.
    """
    for most in _MOST:
        left_off: dict[str, int] = {}
        cut: dict[str, Any] = finite(_cut(answer, most, "", left_off))
        if left_off:
            cut["left_off"] = dict(list(left_off.items())[:most])
        if len(json.dumps(cut, indent=2)) <= LARGEST:
            return cut
    raise InputError(f"The answer is longer than {LARGEST:,} characters; ask for less.")


def _cut(value: Any, most: int, place: str, left_off: dict[str, int]) -> Any:
    if isinstance(value, str):
        return _line(value)
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if not isinstance(value, dict | list | tuple):
        return value
    if len(value) > most and place:
        left_off[place] = len(value) - most
    kept = most if place else len(value)  # what an answer is made of stays
    if isinstance(value, dict):
        pairs = [(_line(str(name)), inner) for name, inner in list(value.items())[:kept]]
        return {name: _cut(inner, most, _below(place, name), left_off) for name, inner in pairs}
    return [
        _cut(inner, most, _below(place, str(at)), left_off) for at, inner in enumerate(value[:kept])
    ]


def _below(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _line(text: str) -> str:
    shown = "".join(one if one.isprintable() else " " for one in text[: _LONGEST + 1])
    return shown if len(text) <= _LONGEST else f"{shown[:_LONGEST]}…"
