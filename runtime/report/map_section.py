"""The map: reference cells in grey, the mapped cells on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import say, words
from cellport.runtime.report.background import Background
from cellport.runtime.report.charts import Dots, MapLabel, scatter
from cellport.runtime.report.contents import Call, ReportContents
from cellport.runtime.report.markup import Html, each, name, paragraph, said, section
from cellport.runtime.report.numbers import counted, number

# names that fit on a map before it is only letters
_NAMES = 24


def map_section(c: ReportContents) -> Html:
    """Return the map with its legend; nothing for a query without cells, or without a map."""
    found, sample = c.findings, c.findings.sample
    finite = np.isfinite(sample.point).all(axis=1)
    if c.background is None or not finite.any():
        return Html()
    reference = c.background.point
    query, call, novel = sample.point[finite], sample.call[finite], sample.novel[finite]
    dots = _layers(c.calls(), query, call, novel)
    label = say("report.map_said", cells=number(len(query)), reference=number(len(reference)))
    drawing = scatter(Dots("ref", reference), dots, _labels(c, c.background.centre), label)
    return section(
        "map",
        said("map_title"),
        paragraph(said("map_dots")),
        Html('<div class="mapbox">{}{}</div>').format(drawing, _legend(c, dots)),
        paragraph(_small_print(c.background, len(query), found.n_cells), "note"),
    )


def _layers(
    calls: list[Call], at: NDArray[np.float32], call: NDArray[np.int64], novel: NDArray[np.bool_]
) -> list[Dots]:
    if not calls:
        layers = [Dots("k0", at)]
    else:
        kind_of = {entry.code: entry.colour for entry in calls}
        kinds = np.array([kind_of.get(code, "kx") for code in call.tolist()], object)
        # the rarest on top, and cells without a label below those that have one
        order = ["ku", "kx", *dict.fromkeys(e.colour for e in calls if e.colour not in "ku kx")]
        layers = [Dots(kind, at[kinds == kind]) for kind in order if (kinds == kind).any()]
    ring = at[novel]
    below = [Dots("kn", ring), Dots("kn2", ring)] if len(ring) else []
    return [*below, *layers]


def _labels(c: ReportContents, centres: NDArray[np.float64]) -> list[MapLabel]:
    """Names of types at their middle: those with cells first, then the largest of the reference."""
    code_of = {title: code for code, title in enumerate(c.manifest.labels)}
    labels = []
    for call in c.calls():
        code = code_of.get(call.title, -1)
        if call.outcome == "sure" and code >= 0 and np.isfinite(centres[code]).all():
            labels.append(MapLabel(call.mark, call.title, centres[code]))
    return labels[:_NAMES]


def _legend(c: ReportContents, dots: list[Dots]) -> Html:
    drawn = {d.kind for d in dots}
    calls = [call for call in c.calls() if call.n_cells]
    shown = [call for call in calls if call.colour in drawn and call.colour not in ("kx", "ku")]
    items: list[tuple[str, str]] = [(call.colour, name(call.title)) for call in shown]
    if not calls:
        items.append(("k0", said("map_yours")))
    others = sum(call.colour == "kx" for call in calls)
    if others and "kx" in drawn:
        items.append(("kx", counted(others, "other type")))
    if "ku" in drawn:
        items.append(("ku", words("report.outcome_words")["unknown"]))
    rows = each(Html('<li class="of-{0}"><span class="swatch {0}"></span>{1}</li>'), items)
    if "kn" in drawn:
        rows += Html('<li><span class="swatch ring"></span>{}</li>').format(said("map_ringed"))
    rows += Html('<li><span class="swatch refkey"></span>{}</li>').format(said("map_reference"))
    return Html('<ul class="legend">{}</ul>').format(rows)


def _small_print(background: Background, n_drawn: int, n_cells: int) -> str:
    n_reference = len(background.point)
    drawn = []
    if n_drawn < n_cells:
        drawn.append(said("map_some", drawn=number(n_drawn), all=number(n_cells)))
    if n_reference < background.n_cells:
        of_all = number(background.n_cells)
        drawn.append(said("map_some_reference", drawn=number(n_reference), all=of_all))
    few = said("map_holds", drawn=" and ".join(drawn)) if drawn else ""
    return said("map_print", few=few)
