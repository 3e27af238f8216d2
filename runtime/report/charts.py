"""Drawings of a report: bars and histograms as HTML, the map as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.report.markup import counted, percent, safe
from cellport.runtime.report.path_charts import Ways

WIDTH = 1000
_TALLEST, _FLATTEST = 760, 480
# how wide and high a letter of a name on the map is, in units of the drawing
_LETTER, _LINE = 7.4, 21.0


@dataclass(frozen=True, slots=True)
class Dots:
    """Cells to draw in one way.

    Attributes
    ----------
    kind
        Class of the style sheet.
    title
        In words.
    at
        float [k, 2].
    """

    kind: str
    title: str
    at: NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Place:
    """A name on the map.

    Attributes
    ----------
    mark
        Number that stands for it where names have no room.
    title
        The name.
    at
        float [2].
    """

    mark: int
    title: str
    at: NDArray[np.floating]


def share_bar(parts: Sequence[tuple[str, str, int]], whole: int) -> str:
    """Return one bar cut into parts, each a class, words and a number, with its legend."""
    shown = [(kind, words, n) for kind, words, n in parts if n]
    cuts = "".join(
        f'<span class="{kind}" style="width:{100 * n / max(whole, 1):.3f}%"></span>'
        for kind, _, n in shown
    )
    legend = "".join(
        f'<li><span class="swatch {kind}"></span>{words}: <strong>{percent(n, whole)}</strong> '
        f'<span class="quiet">({counted(n, "cell")})</span></li>'
        for kind, words, n in shown
    )
    return f'<div class="sharebar" aria-hidden="true">{cuts}</div><ul class="legend">{legend}</ul>'


def row_bar(parts: Sequence[tuple[str, int]], longest: int) -> str:
    """Return a bar for a row of a table, each part a class and a number."""
    cuts = "".join(
        f'<span class="{kind}" style="width:{100 * n / max(longest, 1):.3f}%"></span>'
        for kind, n in parts
        if n
    )
    return f'<div class="rowbar" aria-hidden="true">{cuts}</div>'


def histogram(
    bars: NDArray[np.int64],
    kinds: Sequence[str],
    ticks: Sequence[str],
    label: str,
    *,
    numbers: bool = True,
    even: bool = False,
) -> str:
    """Return a histogram.

    Parameters
    ----------
    bars
        int64 [bins, kinds], cells.
    kinds
        Class of each part of a bar, from the bottom up.
    ticks
        Words under the bars, evenly spread.
    label
        What it shows, for those who cannot see it.
    numbers
        Write the number of cells above each bar.
    even
        Draw the height at which all bars would be equal.
    """
    height = bars.sum(axis=1)
    tallest = max(int(height.max(initial=0)), 1)
    columns = []
    for bar, total in zip(bars.tolist(), height.tolist(), strict=True):
        parts = "".join(
            f'<i class="{kind}" style="height:{100 * n / tallest:.2f}%"></i>'
            for kind, n in reversed(list(zip(kinds, bar, strict=True)))
            if n
        )
        count = f"<b>{_short(total)}</b>" if numbers else ""
        columns.append(f"<div>{count}{parts}</div>")
    line = ""
    if even:
        line = f'<hr style="bottom:{100 * height.sum() / len(bars) / tallest:.2f}%">'
    under = "".join(f"<span>{tick}</span>" for tick in ticks)
    return (
        f'<div class="histogram" role="img" aria-label="{safe(label, 2000)}">'
        f'<div class="bars">{line}{"".join(columns)}</div>'
        f'<div class="ticks">{under}</div></div>'
    )


def gauge(value: float, low: float, high: float, words: tuple[str, str, str]) -> str:
    """Return a scale from 1/8 to 8 with a mark at `value`; between `low` and `high` is good."""
    left, right, mark = _on_scale(low), _on_scale(high), _on_scale(value)
    where = words[0] if value < low else words[2] if value > high else words[1]
    return (
        f'<div class="gauge" role="img" aria-label="{value:.2f}: {safe(where)}">'
        f'<div class="track"><span class="good" style="left:{left:.1f}%;'
        f'width:{right - left:.1f}%"></span><span class="mark" style="left:{mark:.1f}%"></span>'
        f'</div><div class="ticks"><span>{words[0]}</span><span>{words[1]}</span>'
        f"<span>{words[2]}</span></div></div>"
    )


def scatter(
    reference: Dots,
    query: Sequence[Dots],
    places: Sequence[Place],
    label: str,
    ways: Ways | None = None,
) -> str:
    """Return the map: reference cells, query cells on top, a trajectory, names of the places.

    Dots are subpaths of no length with round ends, about ten bytes each.
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
        layers.append(ways.moved(path, placed(ways.stops)).svg())
    names = _apart([(place, placed(place.at)) for place in places], height)
    overlay = "".join(
        f'<span style="left:{100 * at[0] / WIDTH:.2f}%;top:{100 * at[1] / height:.2f}%">'
        f"<em>{place.mark}</em><bdi>{safe(place.title, 34)}</bdi></span>"
        for place, at in names
    )
    return (
        f'<div class="map"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{safe(label, 2000)}" style="--dot:{size}px">{"".join(layers)}</svg>'
        f'<div class="names" aria-hidden="true">{overlay}</div></div>'
    )


def _path(at: NDArray[np.float64], kind: str) -> str:
    dots = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in at.tolist())
    return f'<path class="{kind}" d="{dots}"/>' if dots else ""


def _apart(
    names: list[tuple[Place, NDArray[np.float64]]], height: float
) -> list[tuple[Place, NDArray[np.float64]]]:
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
    return [(place, at[i]) for i, (place, _) in enumerate(names)]


def _on_scale(value: float) -> float:
    return float(np.clip(50 + 50 * np.log2(max(value, 1e-9)) / 3, 1, 99))


def _short(n: int) -> str:
    if n < 10_000:
        return f"{n:,}" if n else ""
    return f"{n / 1000:.0f}k" if n < 1_000_000 else f"{n / 1e6:.1f}M"
