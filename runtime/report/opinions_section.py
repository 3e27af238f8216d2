"""The part of a report about other atlases that were asked of the same cells."""

from __future__ import annotations

from typing import Any

from cellport.runtime.mapping.gather.opinions import Opinions
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import Html, details, name, names, paragraph, section, table
from cellport.runtime.report.numbers import counted, percent

_RELATIONS = {
    "equal": "the same as",
    "part of": "a part of",
    "contains": "several in one:",
    "overlaps": "overlaps with",
    "new": "none of the first atlas's",
    "not known": "too few cells to tell",
}


def opinions_section(c: ReportContents) -> Html:
    """How often atlases agree, where they do not, and which of their labels are which."""
    found = c.opinions
    if found is None or not c.findings.n_cells:
        return Html()
    n, asked = int(found.agreeing.sum()), len(found.others) + 1
    everyone = percent(found.agreeing[-1], n)
    lead = (
        f"{asked} atlases were asked about each cell. For {everyone} of the cells all of them "
        "speak for the joint label. Where they do not, look at the cells before you use it. "
        "Agreement is no proof: atlases that were trained on the same studies are wrong together."
    )
    return section(
        "atlases", "What other atlases say", paragraph(lead), _disagreements(found, c), _alike(c)
    )


def _disagreements(found: Opinions, c: ReportContents) -> Html:
    rows = [
        [name(one.joint), name(one.label), name(one.atlas), counted(one.cells, "cell")]
        for one in found.disagreements(_no_contradictions(c.facts["labels_alike"]))
    ]
    head = ("together", "one of them", "which", "cells")
    return table(head, rows, "Most common disagreements") if rows else Html()


def _no_contradictions(told: dict[str, list[dict[str, Any]]]) -> dict[str, set[tuple[str, str]]]:
    return {
        atlas: {(other, record["label"]) for record in records for other in record["to"]}
        for atlas, records in told.items()
    }


def _alike(c: ReportContents) -> Html:
    rows = [
        [name(record["label"]), name(atlas), _RELATIONS[record["is"]], names(record["to"], 6)]
        for atlas, records in c.facts["labels_alike"].items()
        for record in records
        if record["by"] == "cells"
    ]
    if not rows:
        return Html()
    head = ("label", "of", "is", "of the first atlas")
    return details(
        f"Labels without a namesake ({len(rows)})",
        table(head, rows, "As the cells of this query show"),
    )
