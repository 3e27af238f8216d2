"""Which genes spoke for the types, and what they do not show."""

from __future__ import annotations

from cellport.runtime.decisions import say, text
from cellport.runtime.mapping.explain.genes import LabelReasons
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import Html, each, heads, name, paragraph, said, section, table
from cellport.runtime.report.numbers import percent

_TYPES = 25


def reasons_section(c: ReportContents) -> Html:
    """Name the genes by which types were told, where they were looked for."""
    if not c.reasons:
        return Html()
    rows = [
        [name(one.label), _genes(one), name(one.runner_up), _without(one)]
        for one in c.reasons[:_TYPES]
    ]
    return section(
        "reasons",
        said("reasons_title"),
        paragraph(text("explain.lead")),
        table(heads("reasons"), rows, said("reasons_caption"), "types"),
        paragraph(say("explain.not_shown"), "note"),
    )


def _genes(one: LabelReasons) -> Html:
    shown = each(Html('<span class="gene">{}</span> '), [[name(gene.gene)] for gene in one.genes])
    return Html('<div class="markers">{}</div>').format(shown)


def _without(one: LabelReasons) -> str:
    if one.probability != one.probability:
        return ""
    return f"{percent(one.probability, 1)} → {percent(one.probability_without, 1)}"
