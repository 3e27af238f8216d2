"""The pictures of a comparison, each with its table and what it does not show."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.base.files import plain_name
from cellport.runtime.columns import UNKNOWN
from cellport.runtime.compare.composition import Change, Composition
from cellport.runtime.compare.design import Design, Samples
from cellport.runtime.compare.expression import ALPHA, TypeChanges
from cellport.runtime.compare.found import Comparison
from cellport.runtime.compare.show.drawing import (
    Anchor,
    Box,
    Dot,
    Drawing,
    Line,
    Shape,
    Words,
    swatches,
    ticks,
)
from cellport.runtime.compare.show.picture import WIDTH, Picture, Table
from cellport.runtime.compare.show.points import points_picture
from cellport.runtime.compare.show.scale import Scale
from cellport.runtime.compare.study import LIKE, NOT_SURE, STEP, TYPE, UNLIKE
from cellport.runtime.decisions import say

if TYPE_CHECKING:
    import pandas as pd

_NAMES = 190
_ROW = 20
_COLOURS = 8
_FIXED = {UNKNOWN: "ku", LIKE: "ref", NOT_SURE: "kx"}
# categories in a picture, samples in a picture, genes with a name in a volcano
_MOST_ROWS, _MOST_SAMPLES, _NAMED = 40, 80, 8
_NO_NAME = (
    "What cells unlike the atlas are, is not shown: the type nearest to them is no name for them, "
    "and some ordinary cells are among them by chance."
)
# how far a name may stand above or below its dot
_ASIDE = (0, -15, 15, -30)
# a picture of more dots shows no more
_MOST_DOTS = 3000
_GENES_A_TYPE, _MOST_GENES = 4, 36
_TITLES = {
    TYPE: "types, labels weighing by their probability",
    "call": "calls",
    "group": "types of groups",
    "cluster": "clusters of the atlas",
    "own_cluster": "clusters of the query",
    "novel": "cells unlike the atlas",
    "novel_group": "calls, and cells unlike the atlas by the type nearest to them",
    "edge": "edges of the trajectory",
    STEP: "steps of pseudotime",
}


def pictures(found: Comparison) -> Iterator[Picture]:
    """Yield all pictures of a comparison."""
    colours = category_colours(found.study.compositions)
    for composition in found.study.compositions:
        yield shares_picture(composition, found, colours[composition.kind])
        for design in found.designs:
            of_kind = [
                one
                for one in found.composition
                if one.kind == composition.kind and one.level == design.level
            ]
            if any(math.isfinite(one.change) for one in of_kind):
                yield changes_picture(of_kind, design, len(found.designs) > 1)
    for design in found.designs:
        tested = [
            one for one in found.expression if one.level == design.level and one.genes is not None
        ]
        for one in tested:
            assert found.study.counts is not None
            yield points_picture(one, found.study.counts, design, len(found.designs) > 1)
            yield volcano_picture(one, len(found.designs) > 1)
        if tested:
            yield genes_picture(tested, design, len(found.designs) > 1)


def category_colours(compositions: Sequence[Composition]) -> dict[str, dict[str, str]]:
    """Colour of categories by kind: the largest have one each, the same wherever the name is."""
    known: dict[str, str] = {}
    found = {}
    for composition in compositions:
        names = [composition.categories[at] for at in _largest(composition)]
        fixed = {name: _FIXED[name] for name in names if name in _FIXED}
        unlike = UNLIKE, say("compare.unlike_near", label="")
        fixed |= {name: "new" for name in names if name.startswith(unlike)}
        shown = [name for name in names if name not in fixed][:_COLOURS]
        free = [f"k{at}" for at in range(_COLOURS)]
        free = [one for one in free if one not in {known.get(name) for name in shown}]
        for name in shown:
            known.setdefault(name, free.pop(0) if name not in known else known[name])
        found[composition.kind] = fixed | {name: known[name] for name in shown}
    return found


def _largest(composition: Composition) -> list[int]:
    """Categories with the largest mean share first; steps of pseudotime in their order."""
    if composition.kind == STEP:
        return list(range(len(composition.categories)))
    mean = np.nan_to_num(composition.shares).mean(axis=0)
    return [int(at) for at in np.argsort(-mean, kind="stable")]


def shares_picture(composition: Composition, found: Comparison, colours: dict[str, str]) -> Picture:
    """Draw the composition of each sample as a bar, samples of one condition together."""
    samples, shares, names = found.study.samples, composition.shares, composition.categories
    order = _largest(composition)
    shown = [at for at in order if names[at] in colours]
    rest = [at for at in order if names[at] not in colours]
    legend = [(colours[names[at]], names[at]) for at in shown if colours[names[at]] != "new"]
    legend += [("new", UNLIKE)] if len(legend) < len(shown) else []
    legend += [("ref", f"{len(rest)} others")] if rest else []
    shapes, y = swatches(legend, 8, 14, WIDTH - 16)
    before = ""
    drawn = list(zip(samples.names, samples.condition, strict=True))[:_MOST_SAMPLES]
    row_of = {name: row for row, name in enumerate(composition.samples)}
    for name, condition in drawn:
        if condition != before:
            shapes.append(Words(8, y + 14, condition, bold=True))
            y, before = y + 26, condition
        shapes.append(Words(_NAMES - 8, y + 7, name, "end", longest=24))
        x, row = float(_NAMES), shares[row_of[name]]
        parts = [(colours[names[at]], float(row[at])) for at in shown]
        for colour, share in [*parts, ("ref", float(row[rest].sum()))]:
            width = (WIDTH - _NAMES - 12) * (share if share == share else 0)
            shapes.append(Box(x, y, max(width - 0.6, 0), 14, colour))
            x += width
        y += _ROW
    title = f"Composition of each sample: {_TITLES.get(composition.kind, composition.kind)}"
    caveat = (
        "A bar shows shares, not numbers of cells: a type can lose share because another one "
        "grows, and how many cells the tissue holds is not seen."
    )
    if composition.kind.startswith("novel"):
        caveat += f" {_NO_NAME}"
    if len(samples) > _MOST_SAMPLES:
        caveat += f" The first {_MOST_SAMPLES} of {len(samples)} samples are drawn."
    said = f"Bars of {len(drawn)} samples cut by {len(legend)} categories"
    return Picture(
        f"composition_{composition.kind}",
        title,
        Drawing(WIDTH, y + 6, tuple(shapes), said),
        shares_table(composition, samples),
        caveat,
        composition.kind,
    )


def changes_picture(changes: Sequence[Change], design: Design, several: bool) -> Picture:
    """Draw the change of each category with its interval."""
    rows = sorted((one for one in changes if math.isfinite(one.change)), key=lambda c: -c.change)
    drawn = rows if len(rows) <= _MOST_ROWS else sorted(rows, key=_by_p)[:_MOST_ROWS]
    drawn = sorted(drawn, key=lambda one: -one.change)
    ends = [x for c in drawn for x in (c.change, c.low, c.high) if math.isfinite(x)]
    reach = min(max(1.0, *(abs(x) for x in ends)) * 1.06, 8.0)
    scale = Scale(-reach, reach, _NAMES, WIDTH - 130)
    bottom = 34 + _ROW * len(drawn)
    shapes: list[Shape] = _axis(scale, 26, bottom, _times)
    shapes.append(Line([(scale(0), 22), (scale(0), bottom)], "ink", 1.4))
    shapes.append(
        Words(scale(-reach), 10, f"fewer in {design.level}", "start", "quiet", longest=34)
    )
    shapes.append(Words(scale(reach), 10, f"more in {design.level}", "end", "quiet", longest=34))
    for at, one in enumerate(drawn):
        y, sure = 40.0 + _ROW * at, one.p_adjusted < ALPHA
        colour = "k0" if sure else "kx"
        shapes.append(Words(_NAMES - 10, y, one.category, "end", longest=24))
        if math.isfinite(one.low):
            shapes.append(Line([(scale(one.low), y), (scale(one.high), y)], colour, 2.4))
        shapes.append(Dot(scale(one.change), y, 4.6, colour, hollow=not sure))
        p = f"p {one.p:.2g}" if math.isfinite(one.p) else "no p-value"
        shapes.append(Words(WIDTH - 120, y, p, "start", "ink" if sure else "quiet"))
    below = "times as many, beside the average of the others"
    shapes.append(Words((scale.left + scale.right) / 2, bottom + 34, below, "middle", "quiet"))
    kind = changes[0].kind
    tail = f"_{plain_name(design.level)}" if several else ""
    caveat = (
        "Lines are 95 % intervals over samples; filled dots keep a false discovery rate of 5 %. "
        "A line across 1 is no proof that nothing changed, and a change is beside the average of "
        "the other categories, not in numbers of cells."
    )
    if kind.startswith("novel"):
        caveat += f" {_NO_NAME}"
    if design.refusal:
        caveat = f"{design.refusal} The dots are differences of means, and may be chance. {caveat}"
    return Picture(
        f"changes_{kind}{tail}",
        f"Change from {design.reference} to {design.level}: {_TITLES.get(kind, kind)}",
        Drawing(WIDTH, bottom + 46, tuple(shapes), f"Changes of {len(drawn)} categories"),
        change_table(changes),
        caveat,
        kind,
    )


def volcano_picture(one: TypeChanges, several: bool) -> Picture:
    """Draw the genes of a type: how much they change, and how sure that is."""
    assert one.genes is not None
    genes = one.genes[np.isfinite(one.genes["p"])]
    x = np.clip(genes["log2_fold_change"].to_numpy(), -10, 10)
    y = np.minimum(-np.log10(np.maximum(genes["p"].to_numpy(), 1e-300)), 300)
    top = max(float(y.max(initial=1.0)) * 1.06, 2.0)
    reach = max(float(np.abs(x).max(initial=1.0)) * 1.06, 1.0)
    across = Scale(-reach, reach, 60, WIDTH - 20)
    up = Scale(0, top, 356, 26)
    shapes: list[Shape] = _axis(across, 20, 356, _times)
    shapes += [Words(52, up(at), f"{at:g}", "end", "quiet") for at in ticks(0, top, 5)]
    shapes.append(Line([(across(0), 26), (across(0), 356)], "line", 1.4))
    sure = (genes["p_adjusted"] < ALPHA).to_numpy()
    drawn = np.flatnonzero(sure | (np.arange(len(x)) < _MOST_DOTS))[: 2 * _MOST_DOTS]
    for at in sorted(drawn.tolist(), key=lambda i: bool(sure[i])):
        colour = ("k7" if x[at] > 0 else "k0") if sure[at] else "ref"
        shapes.append(Dot(across(x[at]), up(y[at]), 3.0, colour, 0.75))
    shapes += _gene_names(genes["gene"].tolist()[:_NAMED], x, y, across, up)
    shapes.append(Words(8, 12, "−log10 p", "start", "quiet"))
    shapes.append(Words((60 + WIDTH) / 2, 392, f"times as much in {one.level}", "middle", "quiet"))
    tail = f"_{plain_name(one.level)}" if several else ""
    return Picture(
        f"volcano_{plain_name(one.type)}{tail}",
        f"Genes of {one.type}: {one.level} against {one.reference}",
        Drawing(WIDTH, 404, tuple(shapes), f"{int(sure.sum())} genes of {len(genes)} change"),
        gene_table(one.genes),
        f"{one.significant:,} of {len(genes):,} genes keep a false discovery rate of 5 %, over "
        f"{len(one.samples)} samples. A high dot is sure, not large, and a gene that does not "
        "stand out is not shown to be unchanged; why genes change is not seen."
        + (f" {one.note}" if one.note else ""),
    )


def genes_picture(tested: Sequence[TypeChanges], design: Design, several: bool) -> Picture:
    """Draw the first genes of each type in all types: colour for the change, size for how sure."""
    genes = _first_genes(tested)
    columns = len(tested)
    step = min(56.0, (WIDTH - _NAMES) / max(columns, 1))
    by_type = [one.genes.set_index("gene") for one in tested if one.genes is not None]
    marks = [f"{at + 1}" for at in range(columns)]
    keys = [("card", f"{mark} {one.type}") for mark, one in zip(marks, tested, strict=True)]
    shapes, head = swatches(keys, 8, 12, WIDTH - 16)
    head += 16
    for at, mark in enumerate(marks):
        shapes.append(Words(_NAMES + step * (at + 0.5), head - 10, mark, "middle", bold=True))
    rows: list[Sequence[object]] = []
    for row, gene in enumerate(genes):
        y = head + 12 + _ROW * row
        shapes.append(Words(_NAMES - 10, y, gene, "end", longest=26))
        for at, (one, table) in enumerate(zip(tested, by_type, strict=True)):
            if gene not in table.index:
                continue
            change, p = (float(table.loc[gene, name]) for name in ("shrunken", "p_adjusted"))
            rows.append((gene, one.type, _round(change), _round(p)))
            radius = 2.0 + 6.5 * min(-math.log10(max(p, 1e-20)) if p == p else 0.0, 10) / 10
            shapes.append(Dot(_NAMES + step * (at + 0.5), y, radius, _tint(change)))
    bottom = head + 16 + _ROW * len(genes)
    legend: list[tuple[str, str]] = [
        (_tint(change), f"{_times(change)}") for change in (-3, -1, 0, 1, 3)
    ]
    more, bottom = swatches(legend, _NAMES, bottom + 8, WIDTH - _NAMES)
    shapes += [*more, Words(8, bottom - 20, "shrunken change", "start", "quiet")]
    tail = f"_{plain_name(design.level)}" if several else ""
    return Picture(
        f"genes{tail}",
        f"First genes of each type: {design.level} against {design.reference}",
        Drawing(WIDTH, bottom + 4, tuple(shapes), f"{len(genes)} genes in {columns} types"),
        (("gene", "type", "shrunken", "p_adjusted"), rows),
        "A larger dot is surer (adjusted p), its colour the change shrunk by how unsure it is. "
        "Genes were chosen because they change, so the picture says nothing of the others; a small "
        "dot in a type of few cells may be for want of cells.",
    )


def shares_table(composition: Composition, samples: Samples) -> Table:
    """Return a line for each sample and category."""
    shares = composition.shares
    row_of = {name: row for row, name in enumerate(composition.samples)}
    return ("sample", "condition", "category", "cells", "share"), [
        (name, condition, category, _round(cells), _round(share))
        for name, condition in zip(samples.names, samples.condition, strict=True)
        for category, cells, share in zip(
            composition.categories,
            composition.cells[row_of[name]].tolist(),
            shares[row_of[name]].tolist(),
            strict=True,
        )
    ]


def change_table(changes: Sequence[Change]) -> Table:
    """Return changes as rows of a table."""
    head = (
        "kind", "category", "reference", "level", "mean_reference", "mean_level", "log2_change",
        "low", "high", "p", "p_adjusted", "note",
    )  # fmt: skip
    return head, [
        (
            one.kind, one.category, one.reference, one.level,
            *(_round(x) for x in (one.mean_reference, one.mean_level, one.change, one.low,
                                  one.high, one.p, one.p_adjusted)),
            one.note,
        )
        for one in changes
    ]  # fmt: skip


def gene_table(genes: pd.DataFrame) -> Table:
    """Return genes as rows of a table."""
    rows: list[Sequence[object]] = [
        (row[0], *(_round(float(value)) for value in row[1:]))
        for row in genes.itertuples(index=False)
    ]
    return [str(name) for name in genes.columns], rows


def _axis(scale: Scale, top: float, bottom: float, words: object) -> list[Shape]:
    shapes: list[Shape] = []
    for tick in ticks(scale.low, scale.high, 7):
        if tick == round(tick):
            shapes.append(Line([(scale(tick), top), (scale(tick), bottom)], "line"))
            shapes.append(Words(scale(tick), bottom + 14, _times(tick), "middle", "quiet"))
    return shapes


def _times(log2: float) -> str:
    """How many times, of a whole power of two."""
    if log2 >= 0:
        return f"×{2**log2:g}"
    return f"×1/{2**-log2:g}"


def _gene_names(
    names: Sequence[str], x: np.ndarray, y: np.ndarray, across: Scale, up: Scale
) -> Iterator[Shape]:
    """Name the first dots, each where no other name is; where all is taken, not at all."""
    taken: list[tuple[float, float]] = []

    def free(place: float, level: float) -> bool:
        inside = up.right <= level <= up.left
        return inside and not any(
            abs(level - other) < 15 and abs(place - there) < 90 for there, other in taken
        )

    for at, name in enumerate(names):
        place = across(x[at])
        levels = (up(y[at]) + aside for aside in _ASIDE)
        level = next((one for one in levels if free(place, one)), None)
        if level is None:
            continue
        taken.append((place, level))
        left = place > across.right - 90
        anchor: Anchor = "end" if left else "start"
        yield Words(place + (-6 if left else 6), level, name, anchor, longest=16)


def _first_genes(tested: Sequence[TypeChanges]) -> list[str]:
    """Return the surest genes of each type in turn, each once."""
    ranked = [
        one.genes.loc[one.genes["p_adjusted"] < ALPHA, "gene"].tolist()[:_GENES_A_TYPE]
        or one.genes["gene"].tolist()[:1]
        for one in tested
        if one.genes is not None
    ]
    return list(dict.fromkeys(gene for genes in ranked for gene in genes))[:_MOST_GENES]


def _tint(change: float) -> str:
    """Colour of a change: blue for less, red for more, grey between."""
    grey, ends = (0xC3, 0xC9, 0xD2), ((0x00, 0x67, 0xA5), (0xC8, 0x10, 0x2E))
    share = min(abs(change) / 3, 1.0) if change == change else 0.0
    end = ends[change > 0]
    mixed = (round(a + (b - a) * share) for a, b in zip(grey, end, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _by_p(one: Change) -> float:
    return one.p if math.isfinite(one.p) else 2.0


def _round(value: float) -> object:
    """Six digits of a number; empty for what is unknown."""
    return "" if value != value else float(f"{value:.6g}")
