"""Decisions that every runtime takes, read from ``decisions.json``: rules, thresholds, sentences.

The page takes them from the same file (``web/page/src/decisions.ts``). A number or a pattern
stands there with the reason for it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_ALL: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_suffix(".json").read_bytes())


def _value(name: str) -> Any:
    subject, _, one = name.partition(".")
    found = _ALL[subject][one]
    return found["value"] if isinstance(found, dict) and "why" in found else found


def number(name: str) -> float:
    """Return the number ``subject.name``."""
    return float(_value(name))


def whole(name: str) -> int:
    """Return the whole number of that name."""
    return int(_value(name))


def text(name: str) -> str:
    """Return the text or pattern of that name."""
    return str(_value(name))


def texts(name: str) -> tuple[str, ...]:
    """Return the list of texts of that name."""
    return tuple(_value(name))


def everything(subject: str) -> tuple[str, ...]:
    """Return all texts of a subject."""
    return tuple(one for one in _ALL[subject].values() if isinstance(one, str))


def words(name: str) -> dict[str, str]:
    """Return the texts of that name, by key."""
    return dict(_value(name))


def table(name: str) -> dict[str, list[Any]]:
    """Return the lists of values of that name, by key."""
    return dict(_value(name))


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of that name."""
    return list(_value(name))


def say(name: str, /, **places: object) -> str:
    """Return the sentence of that name with its places filled."""
    return text(name).format(**places)
