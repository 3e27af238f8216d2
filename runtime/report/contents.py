"""Everything a report shows, and the small questions its parts ask of it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import Manifest
from cellport.runtime.atlas.trajectory import Trajectory
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.gather.lineage_counts import QueryLineages
from cellport.runtime.report.background import Background, Spread, measure_spread
from cellport.runtime.report.collect import OUTCOMES, Findings
from cellport.runtime.report.markup import name
from cellport.runtime.report.path_collect import PathFindings

COLOURS = 8
_FIELD = re.compile(r"(.*), (X|raw|raw/X|layers\[.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call, as the report shows it.

    Attributes
    ----------
    code
        Among the calls of the mapping.
    title
        Name of the type, the group, or ``unknown``.
    outcome
        One of `OUTCOMES`.
    n_cells
        Cells called so.
    mark
        Number on the map; 0 for unknown.
    colour
        Class of the style sheet.
    """

    code: int
    title: str
    outcome: str
    n_cells: int
    mark: int
    colour: str


class NovelGroup(Protocol):
    """Cells unlike the atlas that belong together, as whoever finds them describes them."""

    @property
    def markers(self) -> Sequence[str]:
        """Genes that set them apart from the type they resemble, best first."""
        ...

    @property
    def sentence(self) -> str:
        """How many cells, what they resemble and how they differ, in plain words."""
        ...


@dataclass(frozen=True, slots=True)
class Contents:
    """What a report is made of.

    Attributes
    ----------
    manifest
        Of the atlas.
    background
        Its reference cells.
    findings
        What the mapped cells came to.
    facts
        ``uns["cellport"]`` of the mapping.
    out
        Where the mapped cells were written; None when they were kept in memory.
    made
        The day.
    groups
        Of the cells unlike the atlas, where they were looked for.
    path
        What the cells came to by cluster and place on the trajectory.
    trajectory
        Of the atlas, where it describes one.
    query_lineages
        The query's own expression along it, where its counts were at hand.
    """

    manifest: Manifest
    background: Background
    findings: Findings
    facts: dict[str, Any]
    out: str | None
    made: datetime.date
    groups: Sequence[NovelGroup] = ()
    path: PathFindings | None = None
    trajectory: Trajectory | None = None
    query_lineages: QueryLineages | None = None

    @property
    def gene_names(self) -> NDArray[np.object_]:
        """Names of the panel genes, object [genes]."""
        return Panel(self.manifest.symbols, self.manifest.ensembl).names

    @property
    def spread(self) -> Spread | None:
        """How far the query spreads beside the reference."""
        return measure_spread(self.background, self.findings)

    @property
    def genes(self) -> list[dict[str, Any]]:
        """Gene matching report of each query."""
        genes = self.facts["genes"]
        return [genes] if "n_panel" in genes else list(genes.values())

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Name without its folder, and the field that was read, of each query."""
        return [_name_and_field(where) for where in self.facts["counts_from"]]

    @property
    def notes(self) -> list[str]:
        """What was noticed while reading, each once, without the folders of the files."""
        notes = dict.fromkeys(self.facts["notes"])
        for where in self.facts["counts_from"]:
            folder = re.match(r".*[\\/]", where.rpartition(", ")[0] or where)
            if folder:
                notes = dict.fromkeys(note.replace(folder[0], "") for note in notes)
        return list(notes)

    @property
    def query_in_words(self) -> str:
        """Name of the query, or how many there are, as HTML."""
        names = [source for source, _ in self.sources]
        return name(names[0]) if len(names) == 1 else f"{len(names)} files"

    @property
    def novel_level(self) -> float:
        """Share of ordinary cells expected among those flagged as novel."""
        level = self.facts["thresholds"].get("novelty_p", 0.05)
        return float(level) if 0 < level < 1 else 0.05

    def calls(self) -> list[Call]:
        """Return calls with cells, most first and unknown last, then types without any cell."""
        found = self.findings
        outcome = [OUTCOMES[i] for i in found.outcome_of_call.tolist()]
        unknown = [code for code, what in enumerate(outcome) if what == "unknown"]
        named = [code for code, what in enumerate(outcome) if what != "unknown"]
        named = [c for c in named if found.by_call[c] or outcome[c] == "sure"]
        named.sort(key=lambda code: (-int(found.by_call[code]), code))
        calls = []
        for rank, code in enumerate([*named, *unknown]):
            n, what = int(found.by_call[code]), outcome[code]
            colour = f"k{rank}" if rank < COLOURS else "kx"
            if what == "unknown":
                calls.append(Call(code, found.calls[code], what, n, 0, "ku"))
            else:
                calls.append(Call(code, found.calls[code], what, n, rank + 1, colour))
        return calls


def _name_and_field(where: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(where)
    source, field = match.groups() if match else (where, "")
    # a report is passed on; where its maker keeps the data is nobody's business
    return Path(source.replace("\\", "/")).name or source, field
