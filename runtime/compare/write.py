"""A comparison as files: tables, a page, pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

from cellport.runtime.base.files import (
    check_folder,
    plain_errors,
    plain_name,
    whole_file,
)
from cellport.runtime.base.text_table import table_bytes
from cellport.runtime.compare.expression import TypeChanges
from cellport.runtime.compare.found import Comparison
from cellport.runtime.compare.show.figures import (
    change_table,
    gene_table,
    pictures,
    shares_table,
)
from cellport.runtime.compare.show.page import page_of
from cellport.runtime.compare.show.picture import Picture, Table
from cellport.runtime.writers.text import guarded

Place = str | os.PathLike[str]
NO_PNG = "Pictures were written as SVG alone: PNG needs matplotlib (pip install matplotlib)."


def check_folders(*places: Place | None) -> None:
    """Refuse folders that cannot be written, before any work is done.

    Raises
    ------
    OutputError
        A place is a file, or cannot be written to.
    """
    for place in places:
        if place is None:
            continue
        check_folder(place)


def write_comparison(
    found: Comparison, out: Place | None, report: bool, figures: Place | None
) -> tuple[str, ...]:
    """Write tables and a page to `out`, and pictures to `figures`; return what to know of them.

    Raises
    ------
    OutputError
        The disk is full or fails; no file appears.
    """
    files: dict[Path, bytes] = {}
    drawn = list(pictures(found)) if report or figures is not None else []
    notes: list[str] = []
    if out is not None:
        files |= {Path(out) / name: _csv(table) for name, table in _tables(found).items()}
        files[Path(out) / "notes.txt"] = "".join(f"{note}\n" for note in found.notes).encode()
    if out is not None and report:
        files[Path(out) / "report.html"] = page_of(found, drawn).encode()
    if figures is not None:
        with_png = find_spec("matplotlib") is not None
        notes += [] if with_png else [NO_PNG]
        for one in drawn:
            stem = Path(figures) / one.name
            files[stem.with_name(f"{one.name}.svg")] = _svg_file(one.drawing.svg(alone=True))
            files[stem.with_name(f"{one.name}.csv")] = _csv(one.table)
            if with_png:
                files[stem.with_name(f"{one.name}.png")] = one.drawing.png()
        files[Path(figures) / "README.txt"] = _captions(drawn)
    with ExitStack() as stack:
        for path, data in files.items():
            with plain_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(whole_file(path, data))
    return tuple(notes)


def _tables(found: Comparison) -> dict[str, Table]:
    """Every table by the name of its file."""
    samples = found.study.samples
    held = [what for what in ("pair", "batch") if getattr(samples, what) is not None]
    tables: dict[str, Table] = {
        "samples.csv": (
            ("sample", "condition", *held),
            [
                (one, samples.condition[at], *(getattr(samples, what)[at] for what in held))
                for at, one in enumerate(samples.names)
            ],
        ),
        "composition.csv": change_table(found.composition),
    }
    for composition in found.study.compositions:
        tables[f"shares_{composition.kind}.csv"] = shares_table(composition, samples)
    if not found.expression:
        return tables
    several = len(found.designs) > 1
    tables["expression.csv"] = _summary(found.expression)
    for one in found.expression:
        if one.genes is not None:
            folder = f"expression/{plain_name(one.level)}" if several else "expression"
            tables[f"{folder}/{plain_name(one.type)}.csv"] = gene_table(one.genes)
    return tables


def _summary(expression: Sequence[TypeChanges]) -> Table:
    head = ("type", "reference", "level", "samples", "genes", "changed", "note")
    return head, [
        (
            one.type, one.reference, one.level, len(one.samples),
            "" if one.genes is None else len(one.genes),
            "" if one.genes is None else one.significant,
            one.note,
        )
        for one in expression
    ]  # fmt: skip


def _csv(table: Table) -> bytes:
    head, rows = table
    return table_bytes(head, map(_guarded, rows))


def _guarded(row: Iterable[object]) -> list[object]:
    """Put an apostrophe before what spreadsheets take for a formula, as results do."""
    return [guarded(value) if isinstance(value, str) else value for value in row]


def _svg_file(svg: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{svg}\n'.encode()


def _captions(drawn: Iterable[Picture]) -> bytes:
    told = [f"{one.name}: {one.title}\n{one.caveat}\n" for one in drawn]
    return "\n".join(told).encode()
