"""The page of a comparison, for readers without statistics."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence

from cellport.runtime.compare.composition import Change
from cellport.runtime.compare.expression import ALPHA
from cellport.runtime.compare.found import Comparison
from cellport.runtime.compare.show.picture import Picture
from cellport.runtime.compare.study import STEP, TYPE
from cellport.runtime.decisions import text, texts, words
from cellport.runtime.report.document import document
from cellport.runtime.report.markup import (
    Html,
    details,
    each,
    name,
    paragraph,
    quiet,
    section,
    table,
)
from cellport.runtime.report.numbers import counted, percent

_KIND_TITLES = words("compare.kinds")
_MOST_SHOWN = 4


def page_of(found: Comparison, pictures: Sequence[Picture]) -> str:
    """Return the whole page."""
    samples = found.study.samples
    named = [Html("{} against {}").format(name(d.level), name(d.reference)) for d in found.designs]
    title = Html(", ").join(named)
    parts = [
        Html(
            '<header><p class="brand">cellport comparison · {} {:%B %Y}</p><h1>{}</h1></header>'
        ).format(_today().day, _today(), title),
        Html("<main>"),
        Html('<p class="lead">{}</p>').format(_lead(found)),
        _first(found),
        *_composition_sections(found, pictures),
        _expression_section(found, pictures),
        _samples_section(found),
        _how_section(found),
        Html(
            "</main>\n<footer>This page holds everything it shows, and asks nothing of the network."
            "</footer>"
        ),
    ]
    plain = f"{counted(len(samples), 'sample')} compared: cellport"
    return document(plain, Html("\n").join(part for part in parts if part))


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _lead(found: Comparison) -> Html:
    samples = found.study.samples
    conditions = sorted(set(samples.condition))
    told = Html(", ").join(
        Html("{} of {}").format(counted(samples.condition.count(one), "sample"), name(one))
        for one in conditions
    )
    return Html("{} were compared. {}").format(told, text("compare.one_observation"))


def _first(found: Comparison) -> Html:
    steps = [Html.escape(note) for note in found.notes]
    kinds = [TYPE, "call"]
    main = next((k for k in kinds if any(c.kind == k for c in found.composition)), "")
    sure = [one for one in found.composition if one.kind == main and one.p_adjusted < ALPHA]
    told = [one for one in found.composition if one.kind == main and math.isfinite(one.p)]
    if sure:
        listed = Html("; ").join(_in_words(one) for one in sorted(sure, key=lambda c: c.p)[:5])
        steps.append(Html.escape(text("compare.changed")).format(types=listed))
    elif told:
        steps.append(Html.escape(text("compare.unchanged")))
    for one in sorted(found.expression, key=lambda e: -e.significant)[:3]:
        if one.significant and one.genes is not None:
            genes = ", ".join(one.genes["gene"].tolist()[:5])
            changed = Html("{}: changed from {} to {} in {}, first {}.")
            ends = name(one.reference), name(one.level)
            many = counted(one.significant, "gene")
            steps.append(changed.format(name(one.type), *ends, many, genes))
    items = each(Html("<li>{}</li>"), [[step] for step in steps])
    return Html(
        '<section id="first" class="first" aria-labelledby="first-title">'
        '<h2 id="first-title">What to look at first</h2><ol>{}</ol></section>'
    ).format(items)


def _in_words(one: Change) -> Html:
    more, fewer = texts("compare.ways")
    return Html.escape(text("compare.in_words")).format(
        type=name(one.category),
        times=f"{2 ** abs(one.change):.1f}",
        way=more if one.change > 0 else fewer,
        level=name(one.level),
        here=percent(one.mean_level, 1),
        there=percent(one.mean_reference, 1),
        reference=name(one.reference),
    )


def _composition_sections(found: Comparison, pictures: Sequence[Picture]) -> list[Html]:
    made = []
    for composition in found.study.compositions:
        kind = composition.kind
        mine = [
            one for one in pictures
            if one.kind == kind
        ]  # fmt: skip
        rows = [one for one in found.composition if one.kind == kind]
        if kind == STEP:
            rows += [one for one in found.composition if one.kind == f"{STEP} mean"]
        parts = [*map(picture_html, mine), details("All numbers", _change_table(rows))]
        made.append(section(f"composition-{kind}", _KIND_TITLES.get(kind, kind), *parts))
    return made


def _expression_section(found: Comparison, pictures: Sequence[Picture]) -> Html:
    if not found.expression:
        return Html()
    rows = [
        (
            Html("{}{}").format(name(one.type), Html("<br>") + quiet(one.note) if one.note else ""),
            f"{len(one.samples)}",
            "" if one.genes is None else f"{len(one.genes):,}",
            "" if one.genes is None else f"{one.significant:,}",
        )
        for one in found.expression
    ]
    head = ("Type", "Samples", "Genes", "Changed")
    listed = table(head, rows, "Genes with an adjusted p below 5 %, by type")
    dots = [one for one in pictures if one.name.startswith("genes")]
    # those with most to show first; pictures stand in the order of what was tested
    tested = [one for one in found.expression if one.genes is not None]
    order = sorted(range(len(tested)), key=lambda at: -tested[at].significant)
    of_genes = [one for one in pictures if one.name.startswith(("points_", "volcano_"))]
    pairs = [of_genes[2 * at : 2 * at + 2] for at in order]
    shown = [one for pair in pairs[:_MOST_SHOWN] for one in pair]
    more = [one for pair in pairs[_MOST_SHOWN:] for one in pair]
    parts = [listed, *map(picture_html, [*dots, *shown])]
    if more:
        rest = Html("\n").join(picture_html(one) for one in more)
        parts.append(details(f"{len(tested) - _MOST_SHOWN} more types", rest))
    return section("expression", "Genes", *parts)


def _samples_section(found: Comparison) -> Html:
    samples = found.study.samples
    cells: dict[str, float] = {}
    for composition in found.study.compositions:
        for row, sample in enumerate(composition.samples):
            cells.setdefault(sample, float(composition.cells[row].sum()))
    held = [what for what in ("pair", "batch") if getattr(samples, what) is not None]
    rows = [
        (
            name(one),
            name(samples.condition[at]),
            *(name(getattr(samples, what)[at]) for what in held),
            f"{cells.get(one, 0):,.0f}",
        )
        for at, one in enumerate(samples.names)
    ]
    head = ("Sample", "Condition", *(what.capitalize() for what in held), "Cells")
    listed = table(head, rows, "Samples and their cells")
    return section("samples", "The samples", details(counted(len(rows), "sample"), listed))


def _how_section(found: Comparison) -> Html:
    samples = found.study.samples
    held = [what for what in ("pair", "batch") if getattr(samples, what) is not None]
    even = f" with {' and '.join(held)} held even" if held else ""
    return section(
        "how",
        "How it was compared",
        paragraph(
            "Composition: the logarithm of each category's cells in a sample, less the mean "
            f"logarithm of the others, in a linear model of samples{even}; variances moderated "
            "over categories; p-values adjusted for their number (Benjamini and Hochberg)."
        ),
        paragraph(
            "Expression: counts summed up by sample and type, compared by PyDESeq2 (size factors, "
            "dispersions shrunk to a trend, Wald tests, independent filtering, shrunken changes), "
            "with the samples that have ten cells of the type or more."
        )
        if found.expression
        else Html(),
        paragraph(
            "What was changed between the groups besides the condition, such as how and when "
            "samples were taken, cannot be told from the condition unless it was named as a batch."
        ),
    )


def picture_html(picture: Picture) -> Html:
    """Return a picture with its title and what it does not show."""
    return Html(
        '<figure class="picture"><figcaption>{}</figcaption><div class="wide">{}</div>'
        "<p>{}</p></figure>"
    ).format(picture.title, picture.drawing.svg(), picture.caveat)


def _change_table(rows: Sequence[Change]) -> Html:
    """Return changes as a table for people."""
    means = any(one.kind.endswith(" mean") for one in rows)
    head = ("Category", "Against", "There", "Here", "Times", "95 % interval", "p", "Adjusted")
    lines = []
    for one in rows:
        share = not one.kind.endswith(" mean")
        shown = (percent(x, 1) if share and math.isfinite(x) else _short(x)
                 for x in (one.mean_reference, one.mean_level))  # fmt: skip
        times = (_short(2**x if share else x) for x in (one.change, one.low, one.high))
        change, low, high = times
        title = Html("{} in {}").format(name(one.category), name(one.level))
        lines.append(
            (title, name(one.reference), *shown, change,
             f"{low} to {high}" if low else "", _short(one.p), _short(one.p_adjusted))
        )  # fmt: skip
    caption = text("compare.shares")
    if means:
        caption += "; of pseudotime, means and their difference"
    return Html('<div class="wide">{}</div>').format(table(head, lines, caption))


def _short(value: float) -> str:
    return f"{value:.3g}" if math.isfinite(value) else ""
