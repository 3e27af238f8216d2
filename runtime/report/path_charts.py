"""Drawings of a trajectory: its course on the map, cells along an edge, genes along a lineage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.report.markup import safe

# colours of pseudotime, from the first to the last
TIMES = 10
_WIDE, _HIGH = 240, 96
_TIP = 11.0


@dataclass(frozen=True, slots=True)
class Ways:
    """A trajectory to draw over the cells of a map.

    Attributes
    ----------
    path
        float [edges, points, 2].
    stops
        float [milestones, 2].
    roots
        bool [milestones].
    """

    path: NDArray[np.floating]
    stops: NDArray[np.floating]
    roots: NDArray[np.bool_]

    def moved(self, path: NDArray[np.float64], stops: NDArray[np.float64]) -> Ways:
        """Return the same at other places."""
        return Ways(path, stops, self.roots)

    def svg(self) -> str:
        """Return lines with an arrow in the middle, and a ring at each milestone."""
        lines = "".join(_line(points) for points in self.path.tolist())
        tips = "".join(_tip(points) for points in self.path)
        rings = "".join(
            f'<path class="stop" d="M{x:.0f} {y:.0f}h0"/>'
            f'<path class="{"root" if root else "inner"}" d="M{x:.0f} {y:.0f}h0"/>'
            for (x, y), root in zip(self.stops.tolist(), self.roots.tolist(), strict=True)
        )
        return (
            f'<path class="wayback" d="{lines}"/><path class="way" d="{lines}"/>'
            f'<path class="tip" d="{tips}"/>{rings}'
        )


def along_edge(
    query: NDArray[np.floating], reference: NDArray[np.floating], tallest: float, label: str
) -> str:
    """Return bars of the query with the outline of the reference.

    Parameters
    ----------
    query, reference
        float [bins], shares of the cells.
    tallest
        Share that is as high as the drawing.
    label
        What it shows, for those who cannot see it.
    """
    step = _WIDE / len(query)

    def high(share: float) -> float:
        return _HIGH * (1 - 0.96 * share / max(tallest, 1e-12))

    bars = "".join(
        f"M{i * step + 1:.1f} {_HIGH}V{high(q):.1f}H{(i + 1) * step - 1:.1f}V{_HIGH}Z"
        for i, q in enumerate(query.tolist())
        if q > 0
    )
    outline = f"M0 {_HIGH}" + "".join(
        f"V{high(r):.1f}H{(i + 1) * step:.1f}" for i, r in enumerate(reference.tolist())
    )
    return _small(
        f'<path class="bar" d="{bars}"/><path class="line" d="{outline}V{_HIGH}"/>', label
    )


def gene_curve(
    atlas: NDArray[np.floating],
    query: NDArray[np.floating],
    known: NDArray[np.bool_],
    label: str,
) -> str:
    """Return a curve of the atlas with the query as dots, both float [steps] on one scale.

    `known` says where the query has cells enough for a dot.
    """
    top = max(float(atlas.max(initial=0)), float(query[known].max(initial=0)), 1e-9)
    x = (np.arange(len(atlas)) + 0.5) / len(atlas) * _WIDE

    def high(level: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(_HIGH - 5 - (_HIGH - 12) * level / top)

    line = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, high(atlas), strict=True))
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[known], high(query[known]), strict=True))
    drawn = f'<path class="base" d="M0 {_HIGH - 0.5:.1f}H{_WIDE}"/><path class="line" d="M{line}"/>'
    return _small(f'{drawn}<path class="dots" d="{dots}"/>' if dots else drawn, label)


def figures(items: Sequence[tuple[str, str, str]]) -> str:
    """Return small drawings side by side, each a title, a drawing and words below it, as HTML."""
    cells = "".join(
        f"<figure><figcaption>{title}</figcaption>{drawing}<p>{words}</p></figure>"
        for title, drawing, words in items
    )
    return f'<div class="figures">{cells}</div>' if cells else ""


def time_key(first: str, last: str) -> str:
    """Return the scale of colours of pseudotime between two words."""
    swatches = "".join(f'<i class="t{i}"></i>' for i in range(TIMES))
    return f'<div class="timekey"><span>{first}</span><b>{swatches}</b><span>{last}</span></div>'


def _small(drawing: str, label: str) -> str:
    return (
        f'<svg class="small" viewBox="0 0 {_WIDE} {_HIGH}" preserveAspectRatio="none" role="img" '
        f'aria-label="{safe(label, 2000)}">{drawing}</svg>'
    )


def _line(points: list[list[float]]) -> str:
    """Lay a smooth line through the middles between points, from the first to the last."""
    text = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x, y), (next_x, next_y) in itertools.pairwise(points[1:]):
        text += f"Q{x:.0f} {y:.0f} {(x + next_x) / 2:.0f} {(y + next_y) / 2:.0f}"
    return f"{text}L{points[-1][0]:.0f} {points[-1][1]:.0f}"


def _tip(points: NDArray[np.floating]) -> str:
    """Draw an arrowhead half way along a line."""
    step = np.linalg.norm(np.diff(points, axis=0), axis=1)
    reach = np.concatenate([[0.0], np.cumsum(step)])
    if not reach[-1] > 0:
        return ""
    at, before = (
        np.array([np.interp(reach[-1] * part, reach, points[:, axis]) for axis in (0, 1)])
        for part in (0.5, 0.46)
    )
    ahead = at - before
    ahead = ahead / max(float(np.linalg.norm(ahead)), 1e-9)
    aside = np.array([-ahead[1], ahead[0]])
    corners = [
        at + _TIP * ahead,
        *(at - 0.7 * _TIP * ahead + s * _TIP * aside for s in (0.8, -0.8)),
    ]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in corners) + "Z"
