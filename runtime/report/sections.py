"""The parts of a report about labels, confidence, novelty, genes and quality."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cellport.runtime.report.charts import gauge, histogram, row_bar, share_bar
from cellport.runtime.report.collect import OUTCOMES
from cellport.runtime.report.contents import Call, Contents
from cellport.runtime.report.markup import (
    counted,
    details,
    name,
    number,
    paragraph,
    percent,
    safe,
    section,
    table,
)
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


def labels_section(c: Contents) -> str:
    """Which types were found, and how many cells each."""
    found = c.findings
    if not found.labels or not found.n_cells:
        return ""
    calls = c.calls()
    present, absent = [k for k in calls if k.n_cells], [k for k in calls if not k.n_cells]
    absent = [call for call in absent if call.outcome != "unknown"]
    rows = _type_rows(present, found.n_cells)
    head = ["type", "", "cells", "share"]
    parts = [table(head, rows[:_ROWS], "Cells by call, most first", "types")]
    if len(rows) > _ROWS:
        more = table(head, rows[_ROWS:_MOST_ROWS], "The rarer ones", "types")
        parts.append(details(f"{len(rows) - _ROWS} rarer ones", more))
    if absent:
        names = ", ".join(f"{call.mark}\u00a0{name(call.title)}" for call in absent[:_MOST_ROWS])
        parts.append(paragraph(f"In the atlas, but not among your cells: {names}.", "note"))
    words = {
        "sure": "called a type",
        "broader": "called a broader group",
        "unknown": "unknown",
    }
    bar = share_bar([(k, words[k], found.outcome[k]) for k in OUTCOMES], found.n_cells)
    return section("labels", "What the cells are", bar, *parts)


def _type_rows(calls: Sequence[Call], n_cells: int) -> list[list[str]]:
    longest = max((call.n_cells for call in calls), default=1)
    rows = []
    for call in calls:
        mark = f'<span class="mark">{call.mark or ""}</span>'
        group = ' <span class="quiet">(broader group)</span>' if call.outcome == "broader" else ""
        swatch = f'<span class="swatch {call.colour}"></span>'
        rows.append(
            [
                f'<span class="type">{mark}{swatch}<span>{name(call.title)}{group}</span></span>',
                row_bar([(call.colour, call.n_cells)], longest),
                number(call.n_cells),
                percent(call.n_cells, n_cells),
            ]
        )
    return rows


def confidence_section(c: Contents) -> str:
    """How sure the labels are."""
    found = c.findings
    if not found.labels or not found.n_cells:
        return ""
    tens = found.prob_bins.reshape(10, 2, 2).sum(axis=1)
    mean = found.prob_sum / found.n_cells
    high = int(found.prob_bins[18:].sum())
    label = "Cells by probability of their most likely type: " + ", ".join(
        f"{10 * i} to {10 * (i + 1)} %: {n}" for i, n in enumerate(tens.sum(axis=1).tolist())
    )
    kinds = ("sure", "unknown")
    legend = "".join(
        f'<li><span class="swatch {kind}"></span>{words}</li>'
        for kind, words in zip(kinds, ("called a type", "not called a type"), strict=True)
    )
    return section(
        "confidence",
        "How sure the labels are",
        paragraph(
            f"Each cell’s most likely type has a probability. The mean is {percent(mean, 1)}, so "
            f"if the atlas judges your data as well as its own, about {percent(mean, 1)} of the "
            f"most likely types are right. {percent(high, found.n_cells)} of the cells are above "
            "90\u00a0%."
        ),
        histogram(tens, kinds, ("0 %", "50 %", "100 %"), label),
        f'<ul class="legend">{legend}</ul>',
        paragraph(_sets(c)),
        paragraph(_held_out(c), "note"),
    )


def _sets(c: Contents) -> str:
    sizes, level = c.findings.set_sizes, c.manifest.thresholds.get("set_level")
    if sizes is None or level is None:
        return ""
    one, two, more = (percent(n, c.findings.n_cells) for n in sizes[1:].tolist())
    return (
        f"The column <code>cellport_label_set</code> names every type a cell may well be, so that "
        f"the true one is among them for {percent(level, 1)} of cells like the atlas’s own. It "
        f"holds one type for {one} of your cells, two for {two}, and more for {more}."
    )


def _held_out(c: Contents) -> str:
    scores = c.manifest.training.get("held_out")
    scores = scores if isinstance(scores, dict) else {}
    accuracy, cells = scores.get("accuracy"), scores.get("cells")
    if not isinstance(accuracy, float) or not isinstance(cells, int) or not 0 <= accuracy <= 1:
        return "The atlas does not say how often its labels are right."
    batches = " of batches" if scores.get("by") == "batch" else ""
    return (
        f"On {counted(cells, 'reference cell')}{batches} kept out of training, "
        f"{percent(accuracy, 1)} of the most likely types were right. Cells of another "
        "laboratory, technology or disease are harder than that."
    )


def unsure_section(c: Contents) -> str:
    """Cells that got a broader group or nothing, by the type they came closest to."""
    found = c.findings
    left = found.outcome["broader"] + found.outcome["unknown"] if found.labels else 0
    if not left:
        return ""
    unsure = found.by_label[:, 1:]
    order = np.argsort(-unsure.sum(axis=1), kind="stable")
    of_type = [code for code in order.tolist() if unsure[code].sum()]
    longest = int(unsure.sum(axis=1).max())
    rows = []
    for code in of_type[:_NEAREST]:
        broader, unknown = unsure[code].tolist()
        in_all = int(found.by_label[code].sum())
        bar = row_bar([("broader", broader), ("unknown", unknown)], longest)
        title = name(found.labels[code])
        if found.labels[code] == "unknown":
            title = "none (no counts)"
        rows.append([title, bar, number(broader + unknown), percent(broader + unknown, in_all)])
    rest = len(of_type) - len(rows)
    return section(
        "unsure",
        "Cells that were not given a type",
        paragraph(
            f"{counted(left, 'cell')} stayed below the probability that a call needs "
            f"({percent(c.manifest.thresholds['call_prob'], 1)})"
            + (
                f"; {number(found.outcome['broader'])} could still be given a broader group. "
                if found.outcome["broader"]
                else ". "
            )
            + "They may lie between two types, be damaged or doublets, or be of a type that the "
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


def queries_section(c: Contents) -> str:
    """One row a file, where there are several."""
    found = c.findings
    if not found.queries:
        return ""
    rows = []
    for title, by_outcome in zip(found.queries, found.by_query.tolist(), strict=True):
        n = sum(by_outcome)
        parts = list(zip(OUTCOMES, by_outcome, strict=True))
        shares = [percent(by_outcome[i], n) for i in (0, 2)]
        rows.append([name(title), row_bar(parts, n), number(n), *shares])
    if not found.labels:
        return ""
    head = ["file", "", "cells", "called a type", "unknown"]
    return section("files", "File by file", table(head, rows, "Outcome of each file", "types"))


def novelty_section(c: Contents) -> str:
    """Cells unlike anything in the atlas."""
    found = c.findings
    if found.n_novel is None or not found.n_cells:
        return ""
    n, expected = found.n_novel, c.novel_level * found.n_cells
    parts = [
        paragraph(
            f"{counted(n, 'cell')} ({percent(n, found.n_cells)}) lie further from the reference "
            "than its own held-out cells do. If all your cells were like the atlas’s, about "
            f"{number(round(expected))} would be flagged by chance; far more than that means "
            "something new: a type, a state, a disease, or a technical difference."
        )
    ]
    if found.novelty_bins is not None:
        label = (
            "Cells by novelty p-value, 20 bars from 0 to 1; the first, below 0.05, holds "
            f"{int(found.novelty_bins[0])} cells."
        )
        bars = found.novelty_bins[:, np.newaxis]
        ticks = ("0: unlike the atlas", "0.5", "1: typical of it")
        parts += [
            "<h3>How unusual the cells are</h3>",
            histogram(bars, ("sure",), ticks, label, numbers=False, even=True),
            paragraph(
                "Each bar counts cells by their novelty p-value. Cells like the reference’s spread "
                "evenly, at the dashed line; a high bar on the left is cells unlike it.",
                "note",
            ),
        ]
    parts = [parts[0], _novel_groups(c), *parts[1:], _novel_types(c)]
    return section("novelty", "Cells unlike anything in the atlas", *parts)


def _novel_groups(c: Contents) -> str:
    items = [
        f"<li>{safe(group.sentence, 600)}{_markers(group.markers)}</li>"
        for group in c.groups[:_ROWS]
    ]
    if not items:
        return ""
    return f'<h3>Groups that belong together</h3><ol class="groups">{"".join(items)}</ol>'


def _markers(genes: Sequence[str]) -> str:
    shown = " ".join(f'<span class="gene">{name(gene)}</span>' for gene in genes[:_MARKERS])
    return f'<div class="markers">{shown}</div>' if shown else ""


def _novel_types(c: Contents) -> str:
    found = c.findings
    if not found.labels or found.novel_by_label is None or not found.n_novel:
        return ""
    order = np.argsort(-found.novel_by_label, kind="stable")[:_NEAREST].tolist()
    longest = int(found.novel_by_label.max())
    rows = []
    for code in order:
        n = int(found.novel_by_label[code])
        if n:
            share = percent(n, int(found.by_label[code].sum()))
            rows.append(
                [name(found.labels[code]), row_bar([("new", n)], longest), number(n), share]
            )
    head = ["most likely type", "", "unlike the atlas", "of its cells"]
    return table(head, rows, "Which types they resemble most", "types")


def spread_section(c: Contents) -> str:
    """Whether the query as a whole is compressed or shifted."""
    spread = c.spread
    if spread is None:
        return ""
    if spread.ratio < COMPRESSED:
        verdict = (
            "<strong>They lie closer together than they should</strong>: the query is compressed. "
            "Fine differences between types may be lost."
        )
    elif spread.ratio > SHIFTED:
        verdict = (
            "<strong>They lie further out than they should</strong>: the query is shifted. Labels "
            "are then only the nearest type."
        )
    else:
        verdict = "They do: no sign of a shift of the whole query."
    return section(
        "spread",
        "Is the query as a whole like the reference?",
        paragraph(
            "Cells of known types should spread in the atlas as far as reference cells of the same "
            f"types. {verdict}"
        ),
        gauge(spread.ratio, COMPRESSED, SHIFTED, ("compressed", "as expected", "shifted")),
        paragraph(
            f"Spread against reference cells of the same types: {spread.ratio:.2f}, where 1 is the "
            f"same. Against the whole reference (mean squared z-score of the latent): "
            f"{spread.found:.2f}; {spread.expected:.2f} is expected of this mixture of types.",
            "note",
        ),
    )


def quality_section(c: Contents) -> str:
    """How many cells carry a quality flag."""
    found = c.findings
    if not found.n_cells:
        return ""
    rows = [
        [
            f"{_QUALITY[flag]} <code>{flag}</code>",
            row_bar([("sure" if flag == "ok" else "new", n)], found.n_cells),
            number(n),
            percent(n, found.n_cells),
        ]
        for flag, n in found.quality.items()
        if n or flag == "ok"
    ]
    depth = c.manifest.thresholds["low_depth"]
    return section(
        "quality",
        "Quality of the cells",
        paragraph(
            f"Few counts means fewer than {depth:g} in the genes that the atlas reads. Flags are "
            "in the column <code>cellport_qc</code>; no cell was left out."
        ),
        table(["quality", "", "cells", "share"], rows, "Cells by quality flag", "types"),
    )


def genes_section(c: Contents) -> str:
    """How the genes of each query matched, and what was noticed while reading."""
    parts = [
        paragraph(
            "Genes are matched by name. One that is missing is not taken for zero: the atlas is "
            "told that it was not measured."
        )
    ]
    for (source, field), report in zip(c.sources, c.genes, strict=True):
        heading = f"<h3>{name(source)}</h3>" if len(c.genes) > 1 else ""
        parts += [heading, _gene_facts(field, report)]
    notes = "".join(f"<li>{safe(note, 600)}</li>" for note in c.notes)
    if notes:
        parts.append(f'<h3>Noticed while reading</h3><ul class="plain">{notes}</ul>')
    return section("genes", "Genes", *parts)


def _gene_facts(field: str, report: dict[str, Any]) -> str:
    matched, panel = int(report["n_matched"]), int(report["n_panel"])
    rules = ", ".join(f"{number(int(n))} by {safe(rule)}" for rule, n in report["by_rule"].items())
    rows = [
        ["found", f"{number(matched)} of {number(panel)} ({percent(matched, panel)}): {rules}"],
        ["names taken from", f"{name(report['column'])}, {number(int(report['n_query']))} genes"],
        ["look like", safe(report["organism"])],
    ]
    if field:
        rows.append(["counts taken from", name(field)])
    if report["n_ambiguous"]:
        rows.append(["could mean several", counted(int(report["n_ambiguous"]), "gene")])
    if report["n_duplicated"]:
        rows.append(["named twice and summed", counted(int(report["n_duplicated"]), "gene")])
    bar = (
        share_bar([("sure", "found", matched), ("unknown", "missing", panel - matched)], panel)
        .replace("cells)", "genes)")
        .replace("cell)", "gene)")
    )
    missing = [name(gene) for gene in report["missing"]]
    rest = panel - matched - len(missing)
    listed = ""
    if missing:
        more = f" and {number(rest)} more" if rest else ""
        listed = details(
            f"Missing: {counted(panel - matched, 'gene')}",
            f'<p class="genes">{", ".join(missing)}{more}.</p>',
        )
    return bar + table([], rows, "How the genes matched", "facts") + listed
