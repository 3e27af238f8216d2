"""The parts of a report about labels, confidence, novelty, genes and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellport.runtime.atlas.assumed import describe_labels
from cellport.runtime.columns import UNKNOWN
from cellport.runtime.decisions import say, text, words
from cellport.runtime.mapping.gather.findings import OUTCOMES
from cellport.runtime.report.charts import count_row, gauge, histogram, legend, row_bar, share_bar
from cellport.runtime.report.contents import Call, ReportContents
from cellport.runtime.report.markup import (
    Html,
    as_code,
    cut,
    details,
    each,
    heading,
    heads,
    name,
    paragraph,
    quiet,
    said,
    section,
    strong,
    table,
)
from cellport.runtime.report.numbers import counted, most_first, number, percent
from cellport.runtime.report.words import COMPRESSED, SHIFTED

_ROWS = 40
_MOST_ROWS = 1000
_NEAREST = 8
_MARKERS = 12
_QUALITY, _OUTCOME = words("report.quality_words"), words("report.outcome_words")


def labels_section(c: ReportContents) -> Html:
    """Which types were found, and how many cells each."""
    found, calls = c.findings, c.calls()
    rows = _type_rows([call for call in calls if call.n_cells], found.n_cells)
    absent = [call for call in calls if not call.n_cells and call.outcome != "unknown"]
    head = heads("types")
    caption = said("labels_by_call" if c.calibrated else "labels_by_label")
    parts = [table(head, rows[:_ROWS], caption, "types")]
    if len(rows) > _ROWS:
        more = table(head, rows[_ROWS:_MOST_ROWS], said("rarer_caption"), "types")
        parts.append(details(said("rarer", n=len(rows) - _ROWS), more))
    if absent:
        names = Html(", ").join(
            Html("{}\u00a0{}").format(call.mark, name(call.title)) for call in absent[:_MOST_ROWS]
        )
        parts.append(paragraph(said("absent", names=names), "note"))
    bar = share_bar([(k, _OUTCOME[k], found.outcome[k]) for k in OUTCOMES], found.n_cells)
    return section("labels", said("labels_title"), bar if c.calibrated else Html(), *parts)


def _type_rows(calls: Sequence[Call], n_cells: int) -> list[list[str]]:
    longest = max((call.n_cells for call in calls), default=1)
    title = Html(
        '<span class="type"><span class="mark">{}</span><span class="swatch {}"></span>'
        "<span>{}{}</span></span>"
    )
    rows: list[list[str]] = []
    for call in calls:
        group = " " + quiet(said("broader_group")) if call.outcome == "broader" else ""
        shown = title.format(call.mark or "", call.colour, name(call.title), group)
        rows.append(count_row(shown, [(call.colour, call.n_cells)], longest, n_cells))
    return rows


def confidence_section(c: ReportContents) -> Html:
    """How sure the labels are."""
    found, title = c.findings, said("confidence_title")
    if not c.manifest.gives_prob:
        return section("confidence", title, paragraph(describe_labels(c.manifest)))
    tens = found.prob_bins.reshape(10, 2, 2).sum(axis=1)
    mean = percent(found.mean_prob, 1)
    if c.calibrated:
        meant = said("mean_right", mean=mean)
    else:
        meant = said("mean_alone", mean=mean, labels=describe_labels(c.manifest))
    high = int(found.prob_bins[18:].sum())
    bars = ", ".join(
        say("report.prob_bar", low=10 * i, high=10 * (i + 1), cells=n)
        for i, n in enumerate(tens.sum(axis=1).tolist())
    )
    return section(
        "confidence",
        title,
        paragraph(said("each_prob", meant=meant, share=percent(high, found.n_cells))),
        histogram(
            tens, ("sure", "unknown"), ("0 %", "50 %", "100 %"), say("report.prob_bars", bars=bars)
        ),
        *_doubts(c),
    )


def _doubts(c: ReportContents) -> Sequence[Html]:
    if not c.calibrated:
        return ()
    return (
        legend([("sure", _OUTCOME["sure"]), ("unknown", said("not_called"))]),
        paragraph(_sets(c)),
        paragraph(_held_out(c), "note"),
    )


def _sets(c: ReportContents) -> Html:
    sizes, level = c.findings.set_sizes[1:].tolist(), c.manifest.thresholds.set_level
    one, two, more = (percent(n, c.findings.n_cells) for n in sizes)
    column = as_code(text("columns.label_set"))
    return said("sets", column=column, level=percent(level, 1), one=one, two=two, more=more)


def _held_out(c: ReportContents) -> str:
    scores = c.manifest.held_out
    if scores is None:
        return said("no_held_out")
    cells, share = counted(scores.cells, "reference cell"), percent(scores.accuracy, 1)
    return said(
        "held_out_batches" if scores.by == "batch" else "held_out", cells=cells, share=share
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
        shown = said("unsure_none") if title == UNKNOWN else name(title)
        parts = list(zip(OUTCOMES[1:], unsure[code].tolist(), strict=True))
        rows.append(count_row(shown, parts, int(by_type.max()), in_all))
    rest = len(ranked) - len(rows)
    needed = percent(c.manifest.thresholds.call_prob, 1)
    return section(
        "unsure",
        said("unsure_title"),
        paragraph(
            said("unsure_below", cells=counted(broader + unknown, "cell"), prob=needed)
            + (said("unsure_group", cells=number(broader)) if broader else "")
            + said("unsure_why")
        ),
        table(heads("unsure"), rows, said("unsure_caption"), "types"),
        paragraph(said("unsure_more", types=counted(rest, "more type")) if rest else "", "note"),
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
    shown = table(heads("files"), rows, said("files_caption"), "types")
    return section("files", said("files_title"), shown)


def novelty_section(c: ReportContents) -> Html:
    """Cells unlike anything in the atlas."""
    found = c.findings
    n, expected = found.n_novel, c.manifest.thresholds.novelty_p * found.n_cells
    label = say("report.novelty_bars", cells=int(found.novelty_bins[0]))
    ticks = (said("novelty_low"), "0.5", said("novelty_high"))
    lie = said(
        "novelty_found",
        cells=counted(n, "cell"),
        share=percent(n, found.n_cells),
        expected=number(round(expected)),
    )
    return section(
        "novelty",
        said("novelty_title"),
        paragraph(lie),
        _novel_groups(c),
        heading(said("novelty_unusual")),
        histogram(
            found.novelty_bins[:, np.newaxis], ("sure",), ticks, label, numbers=False, even=True
        ),
        paragraph(said("novelty_even"), "note"),
        _novel_types(c),
    )


def _novel_groups(c: ReportContents) -> Html:
    items = [(cut(group.sentence, 600), _markers(group.markers)) for group in c.groups[:_ROWS]]
    if not items:
        return Html()
    listed = Html('<ol class="groups">{}</ol>').format(each(Html("<li>{}{}</li>"), items))
    return heading(said("novelty_groups")) + listed


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
    return table(heads("novel"), rows, said("novelty_types"), "types")


def spread_section(c: ReportContents) -> Html:
    """Whether the query as a whole is compressed or shifted."""
    spread = c.spread
    if spread is None:
        return Html()
    verdict = said("spread_even")
    if spread.ratio < COMPRESSED:
        verdict = said("spread_close", strong=strong(said("spread_closer")))
    elif spread.ratio > SHIFTED:
        verdict = said("spread_far", strong=strong(said("spread_further")))
    means = said("spread_compressed"), said("spread_expected"), said("spread_shifted")
    numbers = {key: f"{getattr(spread, key):.2f}" for key in ("ratio", "found", "expected")}
    return section(
        "spread",
        said("spread_title"),
        paragraph(said("spread_should", verdict=verdict)),
        gauge(spread.ratio, COMPRESSED, SHIFTED, means),
        paragraph(said("spread_numbers", **numbers), "note"),
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
    depth, column = f"{c.manifest.thresholds.low_depth:g}", as_code(text("columns.quality"))
    return section(
        "quality",
        said("quality_title"),
        paragraph(said("quality_few", depth=depth, column=column)),
        table(heads("quality"), rows, said("quality_caption"), "types"),
    )


def genes_section(c: ReportContents) -> Html:
    """How the genes of each query matched, and what was noticed while reading."""
    missing = said("missing_zero" if c.manifest.fill == "zero" else "missing_known")
    parts = [paragraph(said("genes_matched", missing=missing))]
    for (source, field), report in zip(c.sources, c.genes, strict=True):
        if len(c.genes) > 1:
            parts.append(heading(name(source)))
        parts.append(_gene_facts(field, report))
    notes = each(Html("<li>{}</li>"), [[cut(note, 600)] for note in c.notes])
    if notes:
        listed = Html('<ul class="plain">{}</ul>').format(notes)
        parts.append(heading(said("genes_noticed")) + listed)
    return section("genes", said("genes_title"), *parts)


def _gene_facts(field: str, report: dict[str, Any]) -> Html:
    matched, panel = int(report["n_matched"]), int(report["n_panel"])
    titles = words("report.genes_rows")
    rules = Html(", ").join(
        said("genes_rule", genes=number(int(n)), rule=cut(rule))
        for rule, n in report["by_rule"].items()
    )
    share, n_query = percent(matched, panel), number(int(report["n_query"]))
    of_panel = {"matched": number(matched), "panel": number(panel), "share": share}
    rows: list[tuple[str, str]] = [
        (titles["found"], said("genes_found", **of_panel, rules=rules)),
        (titles["names"], said("genes_names", column=name(report["column"]), genes=n_query)),
        (titles["organism"], cut(report["organism"])),
    ]
    if field:
        rows.append((titles["counts"], name(field)))
    for kind in ("ambiguous", "duplicated"):
        n = int(report[f"n_{kind}"])
        rows += [(titles[kind], counted(n, "gene"))] if n else []
    parts = [("sure", titles["found"], matched), ("unknown", titles["missing"], panel - matched)]
    facts = table((), rows, said("genes_caption"), "facts")
    return share_bar(parts, panel, "gene") + facts + _missing(report["missing"], panel - matched)


def _missing(genes: Sequence[str], n_missing: int) -> Html:
    if not genes:
        return Html()
    rest = n_missing - len(genes)
    more = said("genes_more", genes=number(rest)) if rest else ""
    listed = Html(", ").join(name(gene) for gene in genes)
    return details(
        said("genes_missing", genes=counted(n_missing, "gene")),
        Html('<p class="genes">{}{}.</p>').format(listed, more),
    )
