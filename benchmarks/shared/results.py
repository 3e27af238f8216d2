"""What a benchmark leaves behind: figures as JSON, and tables in the documentation."""

from __future__ import annotations

import datetime
import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cellport

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
RESULTS = ROOT / "benchmarks" / "results"
CACHE = ROOT / "benchmarks" / "cache"


def facts(note: str = "") -> dict[str, str]:
    """Date, machine and version of a measurement."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, shared{note}",
        "cellport": cellport.__version__,
    }


def read(path: Path) -> dict[str, Any]:
    """Read figures; none where there is no file."""
    made: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return made


def write(path: Path, made: dict[str, Any]) -> None:
    """Write figures, whole or not at all."""
    write_text(path, json.dumps(made, indent=1) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


def add(path: Path, name: str, found: dict[str, Any], note: str = "") -> None:
    """Put one measurement into a file, beside the others."""
    write(path, read(path) | {name: facts(note) | found})


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Set a table; `align` has ``l`` or ``r`` a column, by default right but for the first."""
    rules = {"l": "---", "r": "---:"}
    align = align or "l" + "r" * (len(head) - 1)
    lines = [head, [rules[side] for side in align], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def filled(page: str, mark: str, text: str) -> str:
    """Return a page with `text` between the marks of that name."""
    begin, end = (f"<!-- {mark}: {which} -->" for which in ("begin", "end"))
    before, rest = page.split(begin)
    return f"{before}{begin}\n{text}\n{end}{rest.split(end)[1]}"


def fill(page: Path, mark: str, text: str) -> None:
    """Put `text` into a page of the documentation, between the marks of that name."""
    page.write_text(filled(page.read_text(), mark, text))
