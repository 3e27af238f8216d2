"""The part of a report about other atlases that were asked of the same cells.

Same as `web/page/src/report/saved/opinions_section.ts`.
"""

from __future__ import annotations

from typing import Any

from cellport.runtime.decisions import text, words
from cellport.runtime.mapping.gather.opinions import Opinions
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import (
    Html,
    details,
    heads,
    name,
    names,
    paragraph,
    said,
    section,
    table,
)
from cellport.runtime.report.numbers import counted, percent

_RELATIONS = words("report.relations")
_BY_CELLS = text("consensus.by_cells")


def opinions_section(c: ReportContents) -> Html:
    """How often atlases agree, where they do not, and which of their labels are which."""
    found = c.opinions
    if found is None or not c.findings.n_cells:
        return Html()
    share = percent(found.agreeing[-1], int(found.agreeing.sum()))
    lead = said("opinions_lead", asked=len(found.others) + 1, share=share)
    title = said("opinions_title")
    return section("atlases", title, paragraph(lead), _disagreements(found, c), _alike(c))


def _disagreements(found: Opinions, c: ReportContents) -> Html:
    rows = [
        [name(one.joint), name(one.label), name(one.atlas), counted(one.cells, "cell")]
        for one in found.disagreements(_no_contradictions(c.facts["labels_alike"]))
    ]
    return table(heads("opinions"), rows, said("opinions_caption")) if rows else Html()


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
        if record["by"] == _BY_CELLS
    ]
    if not rows:
        return Html()
    listed = table(heads("alike"), rows, said("alike_caption"))
    return details(said("alike", labels=len(rows)), listed)
