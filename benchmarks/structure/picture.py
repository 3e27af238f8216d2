"""Picture of trajectories: cells that the models have not seen, and the backbone on the map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.structure.cases import Case
from benchmarks.structure.models import Trained, answers
from benchmarks.structure.truth import shown_names
from cellport.train.degrade import Degradation
from cellport.train.structure.fit import Structure
from cellport.train.umap import learn_layout, place

_BINS = 10
_FEWEST = 3
_BESIDE = 3


def draw(parts: list[tuple[Case, Trained, Structure]], path: Path) -> None:
    """Draw labels above, pseudotime and the backbone below, three datasets beside each other."""
    rows = -(-len(parts) // _BESIDE)
    figure = Figure(figsize=(4.2 * _BESIDE, 7.6 * rows), dpi=100)
    axes = figure.subplots(2 * rows, _BESIDE)
    pairs = axes.reshape(rows, 2, _BESIDE).swapaxes(1, 2).reshape(-1, 2)
    for axis in pairs[len(parts) :].ravel():
        axis.set_axis_off()
    for (case, made, structure), (above, below) in zip(parts, pairs, strict=False):
        _, edge, fraction, time, *_ = answers(structure, made.unseen_latent)
        at = _placed(case, made)
        _labels(above, at, case.label[made.unseen])
        on = edge.sum(axis=1) > 0.5
        below.scatter(*at[~on].T, s=5, color="0.8", rasterized=True)
        points = below.scatter(*at[on].T, c=time[on], s=5, cmap="viridis", rasterized=True)
        figure.colorbar(points, ax=below, shrink=0.6, label="pseudotime")
        _backbone(below, at, edge, fraction, structure.summary)
        above.set_title(f"{case.name}: {len(at):,} cells not seen in training", fontsize=10)
        for axis in (above, below):
            axis.set_xticks([])
            axis.set_yticks([])
            axis.set_aspect("equal", "datalim")
    figure.tight_layout()
    figure.savefig(path)


def _placed(case: Case, made: Trained) -> NDArray[np.floating]:
    kept = case.folder / "map.npy"
    if kept.exists():
        placed: NDArray[np.floating] = np.load(kept)
        return placed
    network, _ = learn_layout(replace(made.fitted, seed=0), Degradation())
    placed = place(network, made.unseen_latent)
    np.save(kept, placed)
    return placed


def _labels(axis: Any, at: NDArray[np.floating], label: NDArray[np.object_]) -> None:
    colours = colormaps["tab20"]
    for number, name in enumerate(sorted(set(label))):
        here = at[label == name]
        axis.scatter(*here.T, s=5, color=colours(number % 20), rasterized=True)
        if len(here) >= _FEWEST:
            axis.text(
                *np.median(here, axis=0), name.replace("milestone_", ""), fontsize=8, ha="center",
                bbox={"boxstyle": "round,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.7},
            )  # fmt: skip


def _backbone(
    axis: Any,
    at: NDArray[np.floating],
    edge: NDArray[np.floating],
    fraction: NDArray[np.floating],
    summary: dict[str, Any],
) -> None:
    """Draw each edge through the medians of its cells, from the end of the edge before it."""
    ends: dict[str, NDArray[np.floating]] = {}
    shown = shown_names(summary)
    for number, name in enumerate(summary["edges"]):
        start, end = (shown[milestone] for milestone in name.split(" -> "))
        on = (edge.argmax(axis=1) == number) & (edge.sum(axis=1) > 0.5)
        step = np.minimum((fraction[:, number] * _BINS).astype(int), _BINS - 1)
        bins = [at[on & (step == i)] for i in range(_BINS)]
        path = [np.median(some, axis=0) for some in bins if len(some) >= _FEWEST]
        if not path:
            continue
        ends.setdefault(start, path[0])
        path = [ends[start], *path]
        if end in ends:
            path.append(ends[end])
        line = np.array(path)
        axis.plot(*line.T, color="black", lw=2.5)
        if end in ends:
            continue
        ends[end] = path[-1]
        axis.annotate(
            end.replace("milestone_", ""), path[-1], ha="center", fontsize=9, weight="bold",
            color="black",
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "black"},
        )  # fmt: skip
    root = summary["edges"][0].split(" -> ")[0]
    if root in ends:
        axis.plot(*ends[root], "o", ms=11, mfc="white", mec="black", mew=2)
