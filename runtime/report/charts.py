"""Drawings of a report: bars and histograms as HTML, the map as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.report.markup import Html, cut, each, quiet, strong
from cellport.runtime.report.numbers import counted, number, percent
from cellport.runtime.report.path_charts import Ways

WIDTH = 1000
_TALLEST, _FLATTEST = 760, 480
# how wide and high a letter of a name on the map is, in units of the drawing
_LETTER, _LINE = 7.4, 21.0


@dataclass(frozen=True, slots=True)
class Dots:
    """Cells to draw in one way, a class of the style sheet."""

    kind: str
    at: NDArray[np.floating]  # [k, 2]


@dataclass(frozen=True, slots=True)
class MapLabel:
    """A name on the map, and the number that stands for it where names have no room."""

    mark: int
    title: str
    at: NDArray[np.floating]  # [2]


def share_bar(parts: Sequence[tuple[str, str, int]], whole: int, noun: str = "cell") -> Html:
    """Return one bar cut into parts, each a class, words and a number, with its legend."""
    shown = [(kind, words, n) for kind, words, n in parts if n]
    said: list[tuple[str, str]] = []
    for kind, words, n in shown:
        share, cells = strong(percent(n, whole)), quiet(f"({counted(n, noun)})")
        said.append((kind, Html("{}: {} {}").format(words, share, cells)))
    cuts = _cuts([(kind, n) for kind, _, n in shown], whole)
    bar = Html('<div class="sharebar" aria-hidden="true">{}</div>').format(cuts)
    return bar + legend(said)


def row_bar(parts: Sequence[tuple[str, int]], longest: int) -> Html:
    """Return a bar for a row of a table, each part a class and a number."""
    return Html('<div class="rowbar" aria-hidden="true">{}</div>').format(_cuts(parts, longest))


def count_row(title: str, parts: Sequence[tuple[str, int]], longest: int, whole: int) -> list[str]:
    """Return a row of a table: a title, a bar, how many cells it stands for, and their share."""
    n = sum(n for _, n in parts)
    return [title, row_bar(parts, longest), number(n), percent(n, whole)]


def _cuts(parts: Sequence[tuple[str, int]], whole: int) -> Html:
    return each(
        Html('<span class="{}" style="width:{:.3f}%"></span>'),
        [(kind, 100 * n / max(whole, 1)) for kind, n in parts if n],
    )


def legend(items: Sequence[tuple[str, str]]) -> Html:
    """Return a list of colours, each a class and words."""
    listed = each(Html('<li><span class="swatch {}"></span>{}</li>'), items)
    return Html('<ul class="legend">{}</ul>').format(listed)


def histogram(
    bars: NDArray[np.int64],
    kinds: Sequence[str],
    ticks: Sequence[str],
    label: str,
    *,
    numbers: bool = True,
    even: bool = False,
) -> Html:
    """Return a histogram of cells, int64 [bins, kinds], each kind a class from the bottom up.

    `ticks` are spread evenly under the bars, `label` is for those who cannot see them, and
    `numbers` stand above them. `even` draws the height at which all bars would be equal.
    """
    height = bars.sum(axis=1)
    tallest = max(int(height.max(initial=0)), 1)
    columns = []
    for bar, total in zip(bars.tolist(), height.tolist(), strict=True):
        parts = each(
            Html('<i class="{}" style="height:{:.2f}%"></i>'),
            [(kind, 100 * n / tallest) for kind, n in zip(kinds, bar, strict=True) if n][::-1],
        )
        count = Html("<b>{}</b>").format(_short(total)) if numbers else ""
        columns.append((count, parts))
    line = ""
    if even:
        level = 100 * height.sum() / len(bars) / tallest
        line = Html('<hr style="bottom:{:.2f}%">').format(level)
    return Html(
        '<div class="histogram" role="img" aria-label="{}">'
        '<div class="bars">{}{}</div><div class="ticks">{}</div></div>'
    ).format(cut(label, 2000), line, each(Html("<div>{}{}</div>"), columns), _ticks(ticks))


def _ticks(words: Sequence[str]) -> Html:
    return each(Html("<span>{}</span>"), [[tick] for tick in words])


def gauge(value: float, low: float, high: float, words: tuple[str, str, str]) -> Html:
    """Return a scale from 1/8 to 8 with a mark at `value`; between `low` and `high` is good."""
    left, right, mark = _on_scale(low), _on_scale(high), _on_scale(value)
    where = words[0] if value < low else words[2] if value > high else words[1]
    return Html(
        '<div class="gauge" role="img" aria-label="{:.2f}: {}">'
        '<div class="track"><span class="good" style="left:{:.1f}%;'
        'width:{:.1f}%"></span><span class="mark" style="left:{:.1f}%"></span>'
        '</div><div class="ticks">{}</div></div>'
    ).format(value, where, left, right - left, mark, _ticks(words))


def scatter(
    reference: Dots,
    query: Sequence[Dots],
    labels: Sequence[MapLabel],
    said: str,
    ways: Ways | None = None,
) -> Html:
    """Return the map: reference cells, query cells on top, a trajectory, names.

    `said` is for those who cannot see it. Dots are subpaths of no length with round ends, about
    ten bytes each.
    """
    everything = np.concatenate([reference.at, *(dots.at for dots in query)])
    low, high = np.percentile(everything, [0.2, 99.8], axis=0)
    span = np.maximum(high - low, 1e-9)
    scale = 0.92 * min(WIDTH / span[0], _TALLEST / span[1])
    height = float(np.clip(span[1] * scale / 0.92, _FLATTEST, _TALLEST))
    centre, frame = (low + high) / 2, np.array([WIDTH, height])

    def placed(at: NDArray[np.floating]) -> NDArray[np.float64]:
        # upwards is up, and cells far out stand at the edge
        moved = (np.asarray(at, np.float64) - centre) * [scale, -scale] + frame / 2
        return np.asarray(np.clip(moved, 6, frame - 6), dtype=np.float64)

    n_query = sum(len(dots.at) for dots in query)
    size = 9 if n_query <= 400 else 7 if n_query <= 1500 else 5
    layers = [_path(placed(reference.at), "ref"), *(_path(placed(d.at), d.kind) for d in query)]
    if ways is not None:
        path = placed(ways.path.reshape(-1, 2)).reshape(ways.path.shape)
        layers.append(replace(ways, path=path, stops=placed(ways.stops)).svg())
    names = _apart([(label, placed(label.at)) for label in labels], height)
    overlay = each(
        Html('<span style="left:{:.2f}%;top:{:.2f}%"><em>{}</em><bdi>{}</bdi></span>'),
        [
            (100 * at[0] / WIDTH, 100 * at[1] / height, label.mark, cut(label.title, 34))
            for label, at in names
        ],
    )
    return Html(
        '<div class="map"><svg viewBox="0 0 {} {:.0f}" role="img" '
        'aria-label="{}" style="--dot:{}px">{}</svg>'
        '<div class="names" aria-hidden="true">{}</div></div>'
    ).format(WIDTH, height, cut(said, 2000), size, Html().join(layers), overlay)


def _path(at: NDArray[np.float64], kind: str) -> Html:
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in at.tolist())
    return Html('<path class="{}" d="{}"/>').format(kind, dots) if dots else Html()


def _apart(
    names: list[tuple[MapLabel, NDArray[np.float64]]], height: float
) -> list[tuple[MapLabel, NDArray[np.float64]]]:
    """Move names up and down until they do not cover each other, if that can be done."""
    half = np.array([_LETTER * (min(len(p.title), 34) + 3) / 2 for p, _ in names])
    at = np.array([xy for _, xy in names]).reshape(-1, 2)
    at[:, 0] = np.clip(at[:, 0], half, np.maximum(WIDTH - half, half))
    for _ in range(200):
        moved = False
        for i in range(len(at)):
            for j in range(i):
                gap = at[i] - at[j]
                overlap = _LINE - abs(gap[1])
                if overlap > 0.5 and abs(gap[0]) < half[i] + half[j]:
                    step = overlap / 2 * (1 if gap[1] >= 0 else -1)
                    at[i, 1] += step
                    at[j, 1] -= step
                    moved = True
        at[:, 1] = np.clip(at[:, 1], _LINE / 2, height - _LINE / 2)
        if not moved:
            break
    return [(label, at[i]) for i, (label, _) in enumerate(names)]


def _on_scale(value: float) -> float:
    return float(np.clip(50 + 50 * np.log2(max(value, 1e-9)) / 3, 1, 99))


def _short(n: int) -> str:
    if n < 10_000:
        return f"{n:,}" if n else ""
    return f"{n / 1000:.0f}k" if n < 1_000_000 else f"{n / 1e6:.1f}M"
