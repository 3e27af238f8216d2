"""What a mapping came to, as tables: cells of each type by sample, cautions, the atlas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.atlas.thresholds import MEANING
from cellport.runtime.base.hints import hint
from cellport.runtime.columns import CALL, LABEL, NOVEL, QUALITY, QUERY, UNKNOWN
from cellport.runtime.decisions import number, words
from cellport.runtime.errors import InputError
from cellport.runtime.export.counts import Counts
from cellport.runtime.export.mapped import MappedCells
from cellport.runtime.report.contents import name_and_field
from cellport.runtime.report.numbers import counted, percent
from cellport.runtime.sources.source import Text

ALL = "all cells"
# samples are columns of a sheet; a column of more values is hardly one of samples
MOST_SAMPLES = 2000

Row = Sequence[str | int | float]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One subject."""

    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    note: str = ""
    shares: bool = False  # whether numbers are shares of one


@dataclass(frozen=True, slots=True)
class Crossed:
    """Cells by group and sample."""

    groups: tuple[str, ...]
    samples: tuple[str, ...]
    cells: NDArray[np.int64]  # [groups, samples]
    novel: NDArray[np.int64]  # the same, of cells unlike the atlas


def crossed(cells: MappedCells, column: str, sample: Text | None) -> Crossed:
    """Count cells by group and sample, groups and samples in the order of their names' cells.

    Raises
    ------
    InputError
        There are more samples than a sheet has columns for.
    """
    groups = {name: at for at, name in enumerate(cells.counted(column))}
    names = [ALL] if sample is None else sorted(set(sample.tolist()))
    if len(names) > MOST_SAMPLES:
        raise InputError(
            f"--sample: the column has {len(names):,} values, and a sheet has room for "
            f"{MOST_SAMPLES:,} samples. Name the column that tells samples apart."
        )
    samples = {name: at for at, name in enumerate(names)}
    found = np.zeros((2, len(groups) + 1, len(samples)), np.int64)
    flagged = NOVEL in cells.obs.columns
    wanted = (column, NOVEL) if flagged else (column,)
    for rows, _, read in cells.windows(*wanted):
        row = np.array([groups.get(one, len(groups)) for one in read[0].tolist()], np.int64)
        of = [ALL] * len(row) if sample is None else sample[rows].tolist()
        place = np.array([samples[one] for one in of], np.int64)
        np.add.at(found[0], (row, place), 1)
        if flagged:
            new = read[1] == "True"
            np.add.at(found[1], (row[new], place[new]), 1)
    order = np.argsort(-found[0][:-1].sum(axis=1), kind="stable")
    titles = tuple(np.array([*groups, ""], object)[order].tolist())
    shown = tuple(name or "(no sample)" for name in names)
    return Crossed(titles, shown, found[0][order], found[1][order])


def sample_column(cells: MappedCells, counts: Counts | None, wanted: str | None) -> Text | None:
    """Return the sample of each cell, object [cells] of str; None where all are of one.

    Raises
    ------
    InputError
        There is no such column.
    """
    name = wanted or QUERY
    if name in cells.obs.columns:
        return cells.obs.column(name)
    own = None if counts is None or wanted is None else counts.column(wanted)
    if wanted is not None and own is None:
        there = [*cells.obs.columns, *(() if counts is None else counts.sources[0].obs_texts)]
        raise InputError(
            f"--sample: {cells.title} has no column '{wanted}'. A result of cellport map holds "
            "what it found and not the query's own columns: give the files that were mapped as "
            f"--counts. {hint(wanted, there)}".strip()
        )
    return own


def sheets(cells: MappedCells, sample: Text | None, atlas: Any = None) -> list[Sheet]:
    """Return every sheet.

    Raises
    ------
    InputError
        The atlas is another one than cells were mapped on, or cells have no labels.
    """
    column = next((one for one in (CALL, LABEL) if one in cells.obs.columns), None)
    if column is None:
        raise InputError(
            f"{cells.title} has no labels (cellport_label), so there is nothing to count."
        )
    table = crossed(cells, column, sample)
    made = [
        Sheet("Cells", ("type", *table.samples, "all"), _with_sums(table.groups, table.cells),
              f"Cells by {column} and sample."),
        Sheet("Shares", ("type", *table.samples, "all"), _shares(table),
              "Share of each sample's cells. A type can lose share because another one grows.",
              shares=True),
        Sheet("Cautions", ("what", "meaning"), list(_cautions(cells, table)),
              "What to know before these numbers are used; nothing here says nothing stood out."),
    ]  # fmt: skip
    if NOVEL in cells.obs.columns:
        made.append(
            Sheet("Unlike the atlas", ("nearest type", *table.samples, "all"),
                  _with_sums(table.groups, table.novel),
                  "Cells unlike anything in the atlas, by what they were called. "
                  f"About {percent(_novelty(cells), 1)} of ordinary cells would be by chance.")
        )  # fmt: skip
    made.append(Sheet("Atlas", ("what", "value"), list(_atlas(cells)), "With what it was made."))
    made.append(Sheet("Genes", ("query", "what", "value"), list(_genes(cells)), "Genes matched."))
    if atlas is not None:
        made.append(_card(cells, atlas))
    return made


def _with_sums(groups: Sequence[str], cells: NDArray[np.int64]) -> list[Row]:
    rows: list[Row] = [
        (name, *row, sum(row)) for name, row in zip(groups, cells.tolist(), strict=True)
    ]
    total = cells.sum(axis=0).tolist()
    return [*rows, ("all", *total, sum(total))]


def _shares(table: Crossed) -> list[Row]:
    both = np.concatenate([table.cells, table.cells.sum(axis=1, keepdims=True)], axis=1)
    share = both / np.maximum(both.sum(axis=0), 1)
    return [(name, *row) for name, row in zip(table.groups, share.tolist(), strict=True)]


def _cautions(cells: MappedCells, table: Crossed) -> Iterator[Row]:
    """Yield those of the report that the columns alone tell of, then what mapping noted."""
    n = max(cells.n_cells, 1)
    limits = cells.facts.get("thresholds", {})
    for title, report in _reports(cells):
        enough = float(limits.get("low_gene_coverage", 0))
        if float(report.get("coverage", 1)) < enough:
            share = percent(float(report["coverage"]), 1)
            yield _caution("few_genes", share=share, enough=percent(enough, 1), files=title)
    unknown = table.cells[[at for at, one in enumerate(table.groups) if one == UNKNOWN]].sum()
    if unknown >= number("cautions.many_unknown") * n:
        yield _caution("unlabelled", share=percent(int(unknown), n))
    novel, chance = int(table.novel.sum()), _novelty(cells)
    by_chance = number("cautions.novel_by_chance") * chance
    if novel and novel >= max(by_chance, number("cautions.many_novel")) * n:
        yield _caution("strange", share=percent(novel, n), chance=percent(chance, 1))
    quality = cells.counted(QUALITY) if QUALITY in cells.obs.columns else {}
    shallow, empty = quality.get("low_depth", 0), quality.get("empty", 0)
    if shallow >= number("cautions.many_shallow") * n:
        depth = f"{float(limits.get('low_depth', 0)):g}"
        yield _caution("shallow", share=percent(shallow, n), depth=depth)
    if empty:
        yield _caution("empty", cells=counted(empty, "cell"))
    for note in cells.facts.get("notes", ()):
        yield "note", str(note)


def _caution(kind: str, **places: object) -> Row:
    about = words(f"cautions.{kind}")
    return about["title"].format(**places), about["text"].format(**places)


def _novelty(cells: MappedCells) -> float:
    return float(cells.facts.get("thresholds", {}).get("novelty_p", 0.05))


def _atlas(cells: MappedCells) -> Iterator[Row]:
    for key, value in cells.facts.items():
        if isinstance(value, str | int | float):
            yield key, value
    for key, value in cells.facts.get("thresholds", {}).items():
        yield key, f"{value:g} {MEANING.get(key, '')}"


def _reports(cells: MappedCells) -> list[tuple[str, Mapping[str, Any]]]:
    """Gene matching report of each query."""
    genes = cells.facts.get("genes", {})
    names = [name_and_field(str(one))[0] for one in cells.facts.get("counts_from", ())]
    reports = [genes] if "n_panel" in genes else list(genes.values())
    return list(zip(names, reports, strict=False))


def _genes(cells: MappedCells) -> Iterator[Row]:
    for title, report in _reports(cells):
        for key, value in report.items():
            if isinstance(value, str | int | float):
                yield title, key, value
            elif isinstance(value, list):
                yield title, key, ", ".join(map(str, value))


def _card(cells: MappedCells, place: Any) -> Sheet:
    atlas = open_atlas_file(place)
    if atlas.sha256 != cells.facts.get("atlas_sha256"):
        raise InputError(
            f"--atlas: {cells.title} was not mapped on {place}, but on "
            f"'{cells.facts.get('atlas')}' (SHA-256 {cells.facts.get('atlas_sha256')})."
        )
    text = bytes(atlas.read("README.md")).decode("utf-8", "replace")
    return Sheet("Card", ("card of the atlas",), [(line,) for line in text.splitlines() if line])
