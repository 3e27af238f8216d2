"""Generated cells around a circle, and around one at the end of a stem: no file here has any.

A gene's logarithm is a wave over a plane, in a direction and of a length of its own; counts are
negative binomial, 2,000 a cell on average.
"""

from __future__ import annotations

import itertools

import anndata
import numpy as np
import pandas
import scipy.sparse as sp
from numpy.typing import NDArray

RADIUS, STEM = 1.5, 2.5
N_CELLS, N_GENES = 2000, 600
DEPTH, DISPERSION = 2000, 2.0
# share of the way round from the root or from the stem's end
PARTS = ((0.1, "near side"), (0.4, "one side"), (0.6, "far side"), (0.9, "other side"))
GRAPHS = {
    "circle": [("near side", "far side")] * 2,
    "lasso": [("stem", "near side"), *[("near side", "far side")] * 2],
}


def generate(shape: str) -> anndata.AnnData:
    """Make 2,000 cells of ``circle`` or ``lasso``.

    ``obs`` has ``cell_type``, ``batch`` and the true ``pseudotime``, the shorter way from the
    start; ``uns["milestone_graph"]`` the edges between milestones.
    """
    rng = np.random.default_rng(len(shape))
    way = rng.uniform(0, 1, N_CELLS)
    place = RADIUS * np.column_stack([-np.cos(2 * np.pi * way), np.sin(2 * np.pi * way)])
    time = 2 * np.pi * RADIUS * np.minimum(way, 1 - way)
    label = np.full(N_CELLS, PARTS[0][1], dtype=object)
    for (low, _), (high, name) in itertools.pairwise(PARTS):
        label[(way >= low) & (way < high)] = name
    if shape == "lasso":
        on_stem = rng.random(N_CELLS) < 0.35
        along = rng.uniform(0, STEM, N_CELLS)
        place[on_stem] = np.column_stack([along - STEM - RADIUS, np.zeros(N_CELLS)])[on_stem]
        time = np.where(on_stem, along, STEM + time)
        label[on_stem & (along < 0.8 * STEM)] = "stem"
        label[on_stem & (along >= 0.8 * STEM)] = PARTS[0][1]
    cells = anndata.AnnData(
        _counts(place, rng),
        obs=pandas.DataFrame(
            {"cell_type": label.astype(str), "batch": "all", "pseudotime": time},
            index=[f"cell {i}" for i in range(N_CELLS)],
        ),
        var=pandas.DataFrame(index=[f"gene {i}" for i in range(N_GENES)]),
    )
    cells.uns["milestone_graph"] = GRAPHS[shape]
    return cells


def _counts(place: NDArray[np.float64], rng: np.random.Generator) -> sp.csr_matrix:
    wave = rng.normal(0, 0.9, (N_GENES, 2))
    height, shift = rng.gamma(1, 0.7, N_GENES), rng.uniform(0, 2 * np.pi, N_GENES)
    level = rng.normal(0, 1, N_GENES) + height * np.cos(place @ wave.T + shift)
    share = np.exp(level)
    share /= share.sum(axis=1, keepdims=True)
    mean = share * DEPTH * rng.lognormal(0, 0.4, (len(place), 1))
    return sp.csr_matrix(rng.poisson(rng.gamma(DISPERSION, mean / DISPERSION)).astype(np.float32))
