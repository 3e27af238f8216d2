"""Everything a report shows, and the small questions its parts ask of it."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.atlas.trajectory import Trajectory
from cellport.runtime.mapping.colours import OF_CALLS, shown_calls
from cellport.runtime.mapping.explain.genes import LabelReasons
from cellport.runtime.mapping.gather.findings import OUTCOMES, Findings
from cellport.runtime.mapping.gather.lineages import QueryLineages
from cellport.runtime.mapping.gather.novel_groups import NovelGroup
from cellport.runtime.mapping.gather.opinions import Opinions
from cellport.runtime.mapping.gather.paths import PathFindings
from cellport.runtime.report.background import Background, Spread, measure_spread
from cellport.runtime.report.markup import name, said

COLOURS = len(OF_CALLS)
_FIELD = re.compile(r"(.*), (X|raw|raw/X|layers\[.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of call, as the report shows it: a type, a group, or ``unknown``."""

    code: int  # among the calls of the mapping
    title: str
    outcome: str  # one of OUTCOMES
    n_cells: int
    mark: int  # number on the map; 0 for unknown
    colour: str  # class of the style sheet


@dataclass(frozen=True, slots=True)
class ReportContents:
    """What a report is made of: an atlas, and what cells mapped on it came to."""

    manifest: Manifest
    background: Background | None  # None for an atlas without reference cells
    findings: Findings
    paths: PathFindings
    facts: dict[str, Any]  # uns["cellport"] of the mapping
    out: str | None  # where the mapped cells were written; None when they were kept in memory
    made: datetime.date
    groups: tuple[NovelGroup, ...] = ()  # of cells unlike the atlas, where they were looked for
    trajectory: Trajectory | None = None
    # genes that spoke for the types, where they were looked for
    reasons: tuple[LabelReasons, ...] = ()
    opinions: Opinions | None = None  # where several atlases were asked
    query_lineages: QueryLineages | None = None  # where the query's counts were at hand

    @property
    def spread(self) -> Spread | None:
        """How far the query spreads beside the reference, where there is one."""
        if self.background is None:
            return None
        return measure_spread(self.background, self.findings)

    @property
    def genes(self) -> list[dict[str, Any]]:
        """Gene matching report of each query."""
        genes = self.facts["genes"]
        return [genes] if "n_panel" in genes else list(genes.values())

    @property
    def sources(self) -> list[tuple[str, str]]:
        """Name without its folder, and the field that was read, of each query."""
        return [name_and_field(where) for where in self.facts["counts_from"]]

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
        """Name of the query, or how many there are."""
        names = [source for source, _ in self.sources]
        return name(names[0]) if len(names) == 1 else said("several_files", files=len(names))

    @property
    def calibrated(self) -> bool:
        """Whether the atlas tells sure labels from doubtful ones."""
        return bool(self.manifest.head.set_prob)

    def calls(self) -> list[Call]:
        """Return calls with cells, most first and unknown last, then types without any cell."""
        titles, cells = self.findings.calls, self.findings.by_call.tolist()
        outcome = [OUTCOMES[i] for i in self.findings.outcome_of_call.tolist()]
        calls = []
        for rank, code in enumerate(shown_calls(cells, outcome)):
            mark, colour = rank + 1, f"k{rank}" if rank < COLOURS else "kx"
            if outcome[code] == "unknown":
                mark, colour = 0, "ku"
            calls.append(Call(code, titles[code], outcome[code], cells[code], mark, colour))
        return calls


def name_and_field(where: str) -> tuple[str, str]:
    """Return the name of a query without its folder, and the field that was read."""
    match = _FIELD.fullmatch(where)
    source, field = match.groups() if match else (where, "")
    # a report is passed on; where its maker keeps the data is nobody's business
    return Path(source.replace("\\", "/")).name or source, field
