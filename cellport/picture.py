"""A picture of mapped cells, for people rather than programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.result import Mapping


def draw_labels(atlas: Atlas, mapping: Mapping, truth: NDArray[np.object_], path: Path) -> None:
    """Draw the query on the reference, coloured by type, beside how many were called right.

    `truth` holds the published types [query cells]; the picture is a PNG.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    here, there = atlas.file.array("reference_umap"), mapping["X_cellport_umap"]
    names = np.asarray(atlas.manifest.labels, dtype=object)
    reference_type = names[atlas.file.array("reference_label")]

    figure = Figure(figsize=(15, 7), layout="constrained")
    FigureCanvasAgg(figure)
    scatter, bars = figure.subplots(1, 2, width_ratios=[1.7, 1])
    colour = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}
    for name in names:
        cells = reference_type == name
        scatter.scatter(*here[cells].T, s=9, color=colour[name], alpha=0.35, linewidths=0)
        x, y = np.median(here[cells], axis=0)
        text = scatter.text(x, y, name, fontsize=8, ha="center", va="center", zorder=5)
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])
    found = mapping["cellport_label"]
    fill = [colour.get(name, "white") for name in found]
    scatter.scatter(*there.T, s=34, c=fill, edgecolors="black", linewidths=0.8)
    scatter.set(
        xticks=[],
        yticks=[],
        title=f"{len(here):,} reference cells (dots) and {mapping.n_cells:,} mapped cells "
        "(ringed, coloured by the label cellport gave)",
    )

    types = sorted(set(truth), key=lambda name: (truth == name).sum())
    right = [int((found[truth == name] == name).sum()) for name in types]
    number = [int((truth == name).sum()) for name in types]
    bars.barh(types, number, color="#d9d9d9", label="mapped cells of this published type")
    bars.barh(types, right, color="#2a6f97", label="given that label")
    bars.set_title("Labels against the published types")
    bars.legend(loc="lower right", frameon=False)
    bars.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)


# Tol's and Okabe-Ito's colours for colour-blind readers, in an order that keeps neighbours apart
_COLOURS = (
    "#4477AA", "#EE6677", "#228833", "#CCBB44", "#66CCEE", "#AA3377", "#E69F00", "#009E73",
    "#56B4E9", "#D55E00", "#CC79A7", "#999933", "#882255", "#44AA99", "#332288", "#DDCC77",
    "#661100", "#6699CC", "#888888", "#117733", "#0072B2", "#F0E442",
)  # fmt: skip
