"""Drawings of a trajectory: its course on the map, cells along an edge, genes along a lineage."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.report.markup import Html, cut, each

# colours of pseudotime, from the first to the last
TIMES = 10
_WIDE, _HIGH = 240, 96
_TIP = 11.0


@dataclass(frozen=True, slots=True)
class Ways:
    """A trajectory to draw over the cells of a map."""

    path: NDArray[np.floating]  # [edges, points, 2]
    stops: NDArray[np.floating]  # [milestones, 2]
    roots: NDArray[np.bool_]  # [milestones]

    def svg(self) -> Html:
        """Return lines with an arrow in the middle, and a ring at each milestone."""
        lines = "".join(_line(points) for points in self.path.tolist())
        tips = "".join(_tip(points) for points in self.path)
        rings = each(
            Html(
                '<path class="stop" d="M{0:.0f} {1:.0f}h0"/>'
                '<path class="{2}" d="M{0:.0f} {1:.0f}h0"/>'
            ),
            [
                (x, y, "root" if root else "inner")
                for (x, y), root in zip(self.stops.tolist(), self.roots.tolist(), strict=True)
            ],
        )
        return Html(
            '<path class="wayback" d="{0}"/><path class="way" d="{0}"/>'
            '<path class="tip" d="{1}"/>{2}'
        ).format(lines, tips, rings)


def along_edge(
    query: NDArray[np.floating], reference: NDArray[np.floating], tallest: float, label: str
) -> Html:
    """Return bars of the query with the outline of the reference, both shares, float [bins].

    A share of `tallest` is as high as the drawing.
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
    drawn = Html('<path class="bar" d="{}"/><path class="line" d="{}V{}"/>')
    return _small(drawn.format(bars, outline, _HIGH), label)


def gene_curve(atlas: NDArray[np.floating], query: NDArray[np.floating], label: str) -> Html:
    """Return a curve of the atlas with the query as dots, both float [steps] on one scale.

    The query is NaN where it has too few cells for a dot.
    """
    known = np.isfinite(query)
    top = max(float(atlas.max(initial=0)), float(query[known].max(initial=0)), 1e-9)
    x = (np.arange(len(atlas)) + 0.5) / len(atlas) * _WIDE

    def high(level: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.asarray(_HIGH - 5 - (_HIGH - 12) * level / top)

    line = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, high(atlas), strict=True))
    dots = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(x[known], high(query[known]), strict=True))
    drawn = Html('<path class="base" d="M0 {:.1f}H{}"/><path class="line" d="M{}"/>').format(
        _HIGH - 0.5, _WIDE, line
    )
    return _small(
        drawn + Html('<path class="dots" d="{}"/>').format(dots) if dots else drawn, label
    )


def figures(items: Sequence[tuple[str, Html, str]]) -> Html:
    """Return small drawings side by side, each a title, a drawing and words below it."""
    one = Html("<figure><figcaption>{}</figcaption>{}<p>{}</p></figure>")
    return Html('<div class="figures">{}</div>').format(each(one, items)) if items else Html()


def time_key(first: str, last: str) -> Html:
    """Return the scale of colours of pseudotime between two words."""
    swatches = each(Html('<i class="t{}"></i>'), [[i] for i in range(TIMES)])
    return Html('<div class="timekey"><span>{}</span><b>{}</b><span>{}</span></div>').format(
        first, swatches, last
    )


def _small(drawing: Html, label: str) -> Html:
    return Html(
        '<svg class="small" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" '
        'aria-label="{}">{}</svg>'
    ).format(_WIDE, _HIGH, cut(label, 2000), drawing)


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
