"""Simple drawings that become SVG, on a page and in a file, and PNG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cellport.runtime.mapping.colours import LIKE, OF_CALLS, OTHERS, UNKNOWN_COLOUR, UNLIKE
from cellport.runtime.report.markup import Html, cut

# name of a colour of the style sheet, and the colour where there is no style sheet
COLOURS = {
    **{f"k{at}": colour for at, colour in enumerate(OF_CALLS)},
    "kx": OTHERS, "ku": UNKNOWN_COLOUR, "new": UNLIKE, "ref": LIKE,
    "ink": "#171b22", "quiet": "#59616e", "line": "#dfe3e9", "card": "#ffffff",
}  # fmt: skip
SIZE = 13
"""Of letters, in units of a drawing."""
_FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','Liberation Sans',sans-serif"
_DOTS_AN_INCH = 72
_PNG_DOTS = 200

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Box:
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    colour: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points."""

    points: Sequence[tuple[float, float]]
    colour: str
    width: float = 1.0
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A disc, or a ring where it is hollow."""

    x: float
    y: float
    radius: float
    colour: str
    opacity: float = 1.0
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """A line of text, its middle at `y`."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    colour: str = "ink"
    bold: bool = False
    longest: int = 60

    @property
    def shown(self) -> str:
        """The text, cut where it is too long."""
        return cut(self.text, self.longest)


Shape = Box | Line | Dot | Words


@dataclass(frozen=True, slots=True)
class Drawing:
    """Shapes on a canvas, the first at the bottom."""

    width: float
    height: float
    shapes: tuple[Shape, ...]
    said: str  # for those who cannot see it

    def svg(self, alone: bool = False) -> Html:
        """Return it as SVG; `alone` for a file of its own, on white."""
        shapes = Html().join(_svg(shape) for shape in self.shapes)
        if alone:
            shapes = _svg(Box(0, 0, self.width, self.height, "card")) + shapes
        return Html(
            '<svg xmlns="http://www.w3.org/2000/svg" class="drawing" viewBox="0 0 {0:.0f} {1:.0f}" '
            'role="img" aria-label="{2}" font-family="{3}" font-size="{4}"{5}>{6}</svg>'
        ).format(
            self.width,
            self.height,
            cut(self.said, 2000),
            _FONT,
            SIZE,
            Html(' width="{:.0f}" height="{:.0f}"').format(self.width, self.height)
            if alone
            else "",
            shapes,
        )

    def png(self) -> bytes:
        """Return it as PNG, drawn by matplotlib."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        inches = self.width / _DOTS_AN_INCH, self.height / _DOTS_AN_INCH
        figure = Figure(figsize=inches, dpi=_PNG_DOTS, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        axes.set_xlim(0, self.width)
        axes.set_ylim(self.height, 0)
        for layer, shape in enumerate(self.shapes):
            _plot(axes, shape, layer)
        made = io.BytesIO()
        figure.savefig(made, format="png", metadata={"Software": None})
        return made.getvalue()


def _svg(shape: Shape) -> Html:
    colour = Html("var(--{},{})").format(shape.colour, COLOURS.get(shape.colour, shape.colour))
    if shape.colour not in COLOURS:
        colour = Html.escape(shape.colour)
    if isinstance(shape, Box):
        text = Html('<rect x="{:.1f}" y="{:.1f}" width="{:.2f}" height="{:.1f}" style="fill:{}"/>')
        return text.format(shape.x, shape.y, max(shape.width, 0), shape.height, colour)
    if isinstance(shape, Line):
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in shape.points)
        text = Html(
            '<polyline points="{}" fill="none" style="stroke:{}" stroke-width="{:g}" '
            'stroke-opacity="{:g}" stroke-linejoin="round"/>'
        )
        return text.format(points, colour, shape.width, shape.opacity)
    if isinstance(shape, Dot):
        look = (
            Html("fill:var(--card,#fff);stroke:{};stroke-width:1.8").format(colour)
            if shape.hollow
            else Html("fill:{}").format(colour)
        )
        text = Html('<circle cx="{:.1f}" cy="{:.1f}" r="{:.1f}" style="{}" opacity="{:g}"/>')
        return text.format(shape.x, shape.y, shape.radius, look, shape.opacity)
    text = Html(
        '<text x="{:.1f}" y="{:.1f}" dy=".35em" text-anchor="{}" style="fill:{}"{}>{}</text>'
    )
    bold = Html(' font-weight="600"') if shape.bold else ""
    return text.format(shape.x, shape.y, shape.anchor, colour, bold, shape.shown)


def _plot(axes: Any, shape: Shape, layer: int) -> None:
    from matplotlib.patches import Circle, Rectangle

    colour = COLOURS.get(shape.colour, shape.colour)
    if isinstance(shape, Box):
        corner = (shape.x, shape.y)
        patch = Rectangle(corner, shape.width, shape.height, color=colour, lw=0, zorder=layer)
        axes.add_patch(patch)
    elif isinstance(shape, Line):
        x, y = zip(*shape.points, strict=True)
        how = {"color": colour, "lw": shape.width, "alpha": shape.opacity, "zorder": layer}
        axes.plot(x, y, **how)
    elif isinstance(shape, Dot):
        face, edge = ("white", colour) if shape.hollow else (colour, "none")
        how = {"facecolor": face, "edgecolor": edge, "alpha": shape.opacity, "zorder": layer}
        axes.add_patch(Circle((shape.x, shape.y), shape.radius, lw=1.8, **how))
    else:
        side = {"start": "left", "middle": "center", "end": "right"}[shape.anchor]
        axes.text(
            shape.x,
            shape.y,
            shape.shown.replace("$", r"\$"),
            ha=side,
            va="center",
            color=colour,
            fontsize=SIZE,
            fontweight="bold" if shape.bold else "normal",
            zorder=layer,
        )


def swatches(
    items: Sequence[tuple[str, str]], x: float, y: float, width: float
) -> tuple[list[Shape], float]:
    """Lay out a legend of colours and words from (x, y) on; return where it ends."""
    shapes: list[Shape] = []
    at, row = x, y
    for colour, text in items:
        words = Words(0, 0, text, longest=34)
        room = 28 + 8.0 * len(words.shown)
        if at + room > x + width and at > x:
            at, row = x, row + 20
        shapes.append(Box(at, row - 5, 10, 10, colour))
        shapes.append(Words(at + 15, row, text, longest=34))
        at += room
    return shapes, row + 20


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between two ends."""
    span = max(high - low, 1e-12)
    rough = span / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough)
    first = math.ceil(low / step - 1e-9)
    return [at * step for at in range(first, math.floor(high / step + 1e-9) + 1)]
