"""The parts of a report about labels, confidence, novelty, genes and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellport.runtime.atlas.assumed import describe_labels
from cellport.runtime.columns import UNKNOWN
from cellport.runtime.mapping.gather.findings import OUTCOMES
from cellport.runtime.report.charts import count_row, gauge, histogram, legend, row_bar, share_bar
from cellport.runtime.report.contents import Call, ReportContents
from cellport.runtime.report.markup import (
    Html,
    as_code,
    cut,
    details,
    each,
    name,
    paragraph,
    quiet,
    section,
    table,
)
from cellport.runtime.report.numbers import counted, most_first, number, percent
from cellport.runtime.report.words import COMPRESSED, SHIFTED

_ROWS = 40
_MOST_ROWS = 1000
_NEAREST = 8
_MARKERS = 12
_QUALITY = {
    "ok": "fine",
    "low_depth": "few counts",
    "empty": "no counts at all",
    "low_gene_coverage": "too few of the atlas’s genes measured",
}


def labels_section(c: ReportContents) -> Html:
    """Which types were found, and how many cells each."""
    found, calls = c.findings, c.calls()
    rows = _type_rows([call for call in calls if call.n_cells], found.n_cells)
    absent = [call for call in calls if not call.n_cells and call.outcome != "unknown"]
    head = ["type", "", "cells", "share"]
    what = "call" if c.calibrated else "label"
    parts = [table(head, rows[:_ROWS], f"Cells by {what}, most first", "types")]
    if len(rows) > _ROWS:
        more = table(head, rows[_ROWS:_MOST_ROWS], "The rarer ones", "types")
        parts.append(details(f"{len(rows) - _ROWS} rarer ones", more))
    if absent:
        names = Html(", ").join(
            Html("{}\u00a0{}").format(call.mark, name(call.title)) for call in absent[:_MOST_ROWS]
        )
        text = Html("In the atlas, but not among your cells: {}.").format(names)
        parts.append(paragraph(text, "note"))
    words = {"sure": "called a type", "broader": "called a broader group", "unknown": "unknown"}
    bar = share_bar([(k, words[k], found.outcome[k]) for k in OUTCOMES], found.n_cells)
    return section("labels", "What the cells are", bar if c.calibrated else Html(), *parts)


def _type_rows(calls: Sequence[Call], n_cells: int) -> list[list[str]]:
    longest = max((call.n_cells for call in calls), default=1)
    title = Html(
        '<span class="type"><span class="mark">{}</span><span class="swatch {}"></span>'
        "<span>{}{}</span></span>"
    )
    rows: list[list[str]] = []
    for call in calls:
        group = " " + quiet("(broader group)") if call.outcome == "broader" else ""
        shown = title.format(call.mark or "", call.colour, name(call.title), group)
        rows.append(count_row(shown, [(call.colour, call.n_cells)], longest, n_cells))
    return rows


def confidence_section(c: ReportContents) -> Html:
    """How sure the labels are."""
    found, title = c.findings, "How sure the labels are"
    if not c.manifest.gives_prob:
        return section("confidence", title, paragraph(describe_labels(c.manifest)))
    tens = found.prob_bins.reshape(10, 2, 2).sum(axis=1)
    mean = percent(found.mean_prob, 1)
    if c.calibrated:
        meant = (
            f"The mean is {mean}, so if the atlas judges your data as well as its own, about "
            f"{mean} of the most likely types are right."
        )
    else:
        meant = f"The mean is {mean}. {describe_labels(c.manifest)}"
    high = int(found.prob_bins[18:].sum())
    label = "Cells by probability of their most likely type: " + ", ".join(
        f"{10 * i} to {10 * (i + 1)} %: {n}" for i, n in enumerate(tens.sum(axis=1).tolist())
    )
    return section(
        "confidence",
        title,
        paragraph(
            f"Each cell’s most likely type has a probability. {meant} "
            f"{percent(high, found.n_cells)} of the cells are above 90\u00a0%."
        ),
        histogram(tens, ("sure", "unknown"), ("0 %", "50 %", "100 %"), label),
        *_doubts(c),
    )


def _doubts(c: ReportContents) -> Sequence[Html]:
    if not c.calibrated:
        return ()
    return (
        legend([("sure", "called a type"), ("unknown", "not called a type")]),
        paragraph(_sets(c)),
        paragraph(_held_out(c), "note"),
    )


def _sets(c: ReportContents) -> Html:
    sizes, level = c.findings.set_sizes[1:].tolist(), c.manifest.thresholds.set_level
    return Html(
        "The column <code>cellport_label_set</code> names every type a cell may well be, so that "
        "the true one is among them for {} of cells like the atlas’s own. It holds one type for "
        "{} of your cells, two for {}, and more for {}."
    ).format(percent(level, 1), *(percent(n, c.findings.n_cells) for n in sizes))


def _held_out(c: ReportContents) -> str:
    scores = c.manifest.held_out
    if scores is None:
        return "The atlas does not say how often its labels are right."
    batches = " of batches" if scores.by == "batch" else ""
    return (
        f"On {counted(scores.cells, 'reference cell')}{batches} kept out of training, "
        f"{percent(scores.accuracy, 1)} of the most likely types were right. Cells of another "
        "laboratory, technology or disease are harder than that."
    )


def unsure_section(c: ReportContents) -> Html:
    """Cells that got a broader group or nothing, by the type they came closest to."""
    found = c.findings
    broader, unknown = found.outcome["broader"], found.outcome["unknown"]
    if not broader + unknown:
        return Html()
    unsure = found.by_label[:, 1:]
    by_type = unsure.sum(axis=1)
    ranked, rows = most_first(by_type), []
    for code in ranked[:_NEAREST]:
        title, in_all = found.labels[code], int(found.by_label[code].sum())
        shown = "none (no counts)" if title == UNKNOWN else name(title)
        parts = list(zip(OUTCOMES[1:], unsure[code].tolist(), strict=True))
        rows.append(count_row(shown, parts, int(by_type.max()), in_all))
    rest = len(ranked) - len(rows)
    return section(
        "unsure",
        "Cells that were not given a type",
        paragraph(
            f"{counted(broader + unknown, 'cell')} stayed below the probability that a call needs "
            f"({percent(c.manifest.thresholds.call_prob, 1)})"
            + (f"; {number(broader)} could still be given a broader group" if broader else "")
            + ". They may lie between two types, be damaged or doublets, or be of a type that the "
            "atlas does not have."
        ),
        table(
            ["most likely type", "", "not called", "of its cells"],
            rows,
            "Which type they came closest to",
            "types",
        ),
        paragraph(f"And {counted(rest, 'more type')}." if rest else "", "note"),
    )


def queries_section(c: ReportContents) -> Html:
    """One row a file, where there are several."""
    found = c.findings
    if not found.queries:
        return Html()
    rows = []
    for title, by_outcome in zip(found.queries, found.by_query.tolist(), strict=True):
        n = sum(by_outcome)
        parts = list(zip(OUTCOMES, by_outcome, strict=True))
        shares = [percent(by_outcome[i], n) for i in (0, 2)]
        rows.append([name(title), row_bar(parts, n), number(n), *shares])
    head = ["file", "", "cells", "called a type", "unknown"]
    return section("files", "File by file", table(head, rows, "Outcome of each file", "types"))


def novelty_section(c: ReportContents) -> Html:
    """Cells unlike anything in the atlas."""
    found = c.findings
    n, expected = found.n_novel, c.manifest.thresholds.novelty_p * found.n_cells
    label = (
        "Cells by novelty p-value, 20 bars from 0 to 1; the first, below 0.05, holds "
        f"{int(found.novelty_bins[0])} cells."
    )
    ticks = ("0: unlike the atlas", "0.5", "1: typical of it")
    return section(
        "novelty",
        "Cells unlike anything in the atlas",
        paragraph(
            f"{counted(n, 'cell')} ({percent(n, found.n_cells)}) lie further from the reference "
            "than its own held-out cells do. If all your cells were like the atlas’s, about "
            f"{number(round(expected))} would be flagged by chance; far more than that means "
            "something new: a type, a state, a disease, or a technical difference."
        ),
        _novel_groups(c),
        Html("<h3>How unusual the cells are</h3>"),
        histogram(
            found.novelty_bins[:, np.newaxis], ("sure",), ticks, label, numbers=False, even=True
        ),
        paragraph(
            "Each bar counts cells by their novelty p-value. Cells like the reference’s spread "
            "evenly, at the dashed line; a high bar on the left is cells unlike it.",
            "note",
        ),
        _novel_types(c),
    )


def _novel_groups(c: ReportContents) -> Html:
    items = [(cut(group.sentence, 600), _markers(group.markers)) for group in c.groups[:_ROWS]]
    if not items:
        return Html()
    return Html('<h3>Groups that belong together</h3><ol class="groups">{}</ol>').format(
        each(Html("<li>{}{}</li>"), items)
    )


def _markers(genes: Sequence[str]) -> Html:
    shown = [Html('<span class="gene">{}</span>').format(name(gene)) for gene in genes[:_MARKERS]]
    return Html('<div class="markers">{}</div>').format(Html(" ").join(shown)) if shown else Html()


def _novel_types(c: ReportContents) -> Html:
    found = c.findings
    if not found.labels or not found.n_novel:
        return Html()
    novel, in_all = found.novel_by_label.tolist(), found.by_label.sum(axis=1).tolist()
    rows = [
        count_row(name(found.labels[code]), [("new", novel[code])], max(novel), in_all[code])
        for code in most_first(found.novel_by_label)[:_NEAREST]
    ]
    head = ["most likely type", "", "unlike the atlas", "of its cells"]
    return table(head, rows, "Which types they resemble most", "types")


def spread_section(c: ReportContents) -> Html:
    """Whether the query as a whole is compressed or shifted."""
    spread = c.spread
    if spread is None:
        return Html()
    verdict: str = "They do: no sign of a shift of the whole query."
    if spread.ratio < COMPRESSED:
        verdict = Html(
            "<strong>They lie closer together than they should</strong>: the query is compressed. "
            "Fine differences between types may be lost."
        )
    elif spread.ratio > SHIFTED:
        verdict = Html(
            "<strong>They lie further out than they should</strong>: the query is shifted. Labels "
            "are then only the nearest type."
        )
    return section(
        "spread",
        "Is the query as a whole like the reference?",
        paragraph(
            "Cells of known types should spread in the atlas as far as reference cells of the same "
            "types. " + verdict
        ),
        gauge(spread.ratio, COMPRESSED, SHIFTED, ("compressed", "as expected", "shifted")),
        paragraph(
            f"Spread against reference cells of the same types: {spread.ratio:.2f}, where 1 is the "
            f"same. Against the whole reference (mean squared z-score of the latent): "
            f"{spread.found:.2f}; {spread.expected:.2f} is expected of this mixture of types.",
            "note",
        ),
    )


def quality_section(c: ReportContents) -> Html:
    """How many cells carry a quality flag."""
    found = c.findings
    rows = []
    for flag, n in found.quality.items():
        if n or flag == "ok":
            parts = [("sure" if flag == "ok" else "new", n)]
            title = f"{_QUALITY[flag]} " + as_code(flag)
            rows.append(count_row(title, parts, found.n_cells, found.n_cells))
    depth = c.manifest.thresholds.low_depth
    return section(
        "quality",
        "Quality of the cells",
        paragraph(
            Html(
                "Few counts means fewer than {:g} in the genes that the atlas reads. Flags are in "
                "the column <code>cellport_qc</code>; no cell was left out."
            ).format(depth)
        ),
        table(["quality", "", "cells", "share"], rows, "Cells by quality flag", "types"),
    )


def genes_section(c: ReportContents) -> Html:
    """How the genes of each query matched, and what was noticed while reading."""
    missing = (
        "is not taken for zero: the atlas is told that it was not measured."
        if c.manifest.fill != "zero"
        else "counts as zero, as in the tool that the atlas was converted from."
    )
    parts = [paragraph(f"Genes are matched by name. One that is missing {missing}")]
    for (source, field), report in zip(c.sources, c.genes, strict=True):
        if len(c.genes) > 1:
            parts.append(Html("<h3>{}</h3>").format(name(source)))
        parts.append(_gene_facts(field, report))
    notes = each(Html("<li>{}</li>"), [[cut(note, 600)] for note in c.notes])
    if notes:
        listed = Html('<h3>Noticed while reading</h3><ul class="plain">{}</ul>')
        parts.append(listed.format(notes))
    return section("genes", "Genes", *parts)


def _gene_facts(field: str, report: dict[str, Any]) -> Html:
    matched, panel = int(report["n_matched"]), int(report["n_panel"])
    rules = ", ".join(f"{number(int(n))} by {cut(rule)}" for rule, n in report["by_rule"].items())
    n_query = number(int(report["n_query"]))
    rows: list[tuple[str, str]] = [
        ("found", f"{number(matched)} of {number(panel)} ({percent(matched, panel)}): {rules}"),
        ("names taken from", name(report["column"]) + f", {n_query} genes"),
        ("look like", cut(report["organism"])),
    ]
    if field:
        rows.append(("counts taken from", name(field)))
    if report["n_ambiguous"]:
        rows.append(("could mean several", counted(int(report["n_ambiguous"]), "gene")))
    if report["n_duplicated"]:
        rows.append(("named twice and summed", counted(int(report["n_duplicated"]), "gene")))
    parts = [("sure", "found", matched), ("unknown", "missing", panel - matched)]
    facts = table((), rows, "How the genes matched", "facts")
    return share_bar(parts, panel, "gene") + facts + _missing(report["missing"], panel - matched)


def _missing(genes: Sequence[str], n_missing: int) -> Html:
    if not genes:
        return Html()
    rest = n_missing - len(genes)
    more = f" and {number(rest)} more" if rest else ""
    listed = Html(", ").join(name(gene) for gene in genes)
    return details(
        f"Missing: {counted(n_missing, 'gene')}",
        Html('<p class="genes">{}{}.</p>').format(listed, more),
    )
