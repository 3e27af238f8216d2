"""The genes that change most in a type, a point a sample.

Points, and no violins: a condition has some four to twelve samples, and the outline of so few would
be made up. A violin over cells would show cells as if each were evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.files import plain_name
from cellport.runtime.compare.counts import SampleCounts
from cellport.runtime.compare.design import Design
from cellport.runtime.compare.expression import TypeChanges
from cellport.runtime.compare.show.drawing import Dot, Drawing, Line, Shape, Words, ticks
from cellport.runtime.compare.show.picture import WIDTH, Picture
from cellport.runtime.compare.show.scale import Scale

# counts of a type in a sample are put on this sum, as Seurat's and scanpy's tutorials have it
PER = 10_000
_GENES, _ACROSS = 8, 4
_HIGH, _LEFT, _GAP = 168.0, 46.0, 22.0
# how far points of one condition are moved sideways, so that none hides another
_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class _Panel:
    """One gene: where it is drawn."""

    left: float
    right: float
    top: float

    @property
    def bottom(self) -> float:
        return self.top + _HIGH - 58


def points_picture(
    one: TypeChanges, counts: SampleCounts, design: Design, several: bool
) -> Picture:
    """Draw the first genes of a type, each sample as a point, samples of a pair joined."""
    assert one.genes is not None
    first = one.genes.head(min(max(one.significant, _ACROSS), _GENES))
    genes, adjusted = first["gene"].tolist(), first["p_adjusted"].tolist()
    values = per_sample(counts, one.type, one.samples, genes)
    side = _sides(design, one.samples)
    shapes: list[Shape] = []
    for at, gene in enumerate(genes):
        panel = _panel(at)
        shapes += _pairs(panel, values[:, at], side, design, one.samples)
        shapes += _gene(panel, gene, adjusted[at], values[:, at], side)
        shapes += _conditions(panel, one)
    rows = -(-len(genes) // _ACROSS)
    head = "gene", "sample", "condition", f"counts_per_{PER}"
    condition = np.where(side == 0, one.reference, one.level)
    table: list[Sequence[object]] = [
        (gene, sample, condition[row], float(f"{values[row, at]:.6g}"))
        for at, gene in enumerate(genes)
        for row, sample in enumerate(one.samples)
    ]
    tail = f"_{plain_name(one.level)}" if several else ""
    return Picture(
        f"points_{plain_name(one.type)}{tail}",
        f"Each sample's expression in {one.type}: {one.level} against {one.reference}",
        Drawing(WIDTH, 14 + _HIGH * rows + 8, tuple(shapes), f"Points of {len(genes)} genes"),
        (head, table),
        f"A point is a sample: how many of every {PER:,} counts in its {one.type} are of the gene; "
        "the line is their mean. How much cells of one sample differ is not shown, nor how many "
        "there are. The genes are those with the smallest p, so they look clearer here than "
        "in the next study.",
    )


def _panel(at: int) -> _Panel:
    room = WIDTH / _ACROSS
    left = room * (at % _ACROSS)
    return _Panel(left + _LEFT, left + room - _GAP / 2, 14 + _HIGH * (at // _ACROSS))


def per_sample(
    counts: SampleCounts, type_: str, samples: Sequence[str], genes: Sequence[str]
) -> NDArray[np.float64]:
    """Return counts of genes in 10,000 of a type, float [samples, genes]."""
    place = {gene: at for at, gene in enumerate(counts.genes.tolist())}
    _, summed = counts.of_type(type_, samples)
    whole = np.maximum(summed.sum(axis=1, keepdims=True), 1)
    return np.asarray(summed[:, [place[gene] for gene in genes]] * PER / whole)


def _sides(design: Design, samples: Sequence[str]) -> NDArray[np.int64]:
    """0 for samples of the reference, 1 for those that are compared with it."""
    of = dict(zip(design.samples.names, design.samples.condition, strict=True))
    return np.array([int(of[name] == design.level) for name in samples], np.int64)


def _gene(
    panel: _Panel, gene: str, p: float, values: NDArray[np.float64], side: NDArray[np.int64]
) -> Iterator[Shape]:
    up = _height(panel, values)
    for tick in ticks(up.low, up.high, 3):
        yield Line([(panel.left, up(tick)), (panel.right, up(tick))], "line")
        yield Words(panel.left - 6, up(tick), f"{tick:g}", "end", "quiet")
    yield Words((panel.left + panel.right) / 2, panel.top, gene, "middle", bold=True, longest=16)
    told = f"adjusted p {p:.2g}" if p == p else "not tested"
    yield Words((panel.left + panel.right) / 2, panel.top + 16, told, "middle", "quiet")
    for place in (0, 1):
        mine = values[side == place]
        middle, wide = _middle(panel, place), (panel.right - panel.left) * 0.19
        if len(mine):
            mean = up(float(mine.mean()))
            yield Line([(middle - wide, mean), (middle + wide, mean)], "ink", 1.6)
    for x, y, place in _placed(panel, values, side):
        yield Dot(x, y, 4.2, ("k0", "k7")[place], 0.85)


def _pairs(
    panel: _Panel,
    values: NDArray[np.float64],
    side: NDArray[np.int64],
    design: Design,
    samples: Sequence[str],
) -> Iterator[Shape]:
    if design.samples.pair is None:
        return
    pair = dict(zip(design.samples.names, design.samples.pair, strict=True))
    places = _placed(panel, values, side)
    for one in sorted({pair[name] for name in samples}):
        mine = [at for at, name in enumerate(samples) if pair[name] == one]
        if {int(side[at]) for at in mine} == {0, 1}:
            yield Line([places[at][:2] for at in mine], "kx", 0.8, 0.6)


def _height(panel: _Panel, values: NDArray[np.float64]) -> Scale:
    top = max(float(values.max(initial=0.0)) * 1.08, 1e-9)
    return Scale(0, top, panel.bottom, panel.top + 30)


def _middle(panel: _Panel, place: int) -> float:
    return panel.left + (panel.right - panel.left) * (0.24, 0.76)[place]


def _placed(
    panel: _Panel, values: NDArray[np.float64], side: NDArray[np.int64]
) -> list[tuple[float, float, int]]:
    """Place of each sample, those of a condition side by side in the order of their names."""
    up, wide = _height(panel, values), (panel.right - panel.left) * _SPREAD
    found = []
    for row, (value, place) in enumerate(zip(values.tolist(), side.tolist(), strict=True)):
        mine = np.flatnonzero(side == place)
        rank = (int(np.searchsorted(mine, row)) + 0.5) / len(mine) - 0.5
        found.append((_middle(panel, place) + wide * rank, up(value), place))
    return found


def _conditions(panel: _Panel, one: TypeChanges) -> Iterator[Shape]:
    for place, name in enumerate((one.reference, one.level)):
        x, colour = _middle(panel, place), ("k0", "k7")[place]
        yield Words(x, panel.bottom + 15, name, "middle", colour, longest=9)
