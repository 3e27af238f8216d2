"""One trajectory out of several that were fitted to parts of the cells.

A tree through k-means centres moves when cells or the start of k-means change: a branch appears,
a branching slides. What most fits agree on is kept, and how far they disagree about a cell is a
part of the error of its pseudotime that no single fit can know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression
from scipy.spatial.distance import cdist

from cellport.train.structure.backbone import Floats, fit_backbone
from cellport.train.structure.curve import Curve, fit_curve, pooled_covariance, posterior
from cellport.train.structure.cycles import close_cycle
from cellport.train.structure.lineages import Lineages, read_lineages
from cellport.train.structure.roots import RootRule

# cells that say what a vertex is called, where it is the nearest of none
_FEW = 15


@dataclass(frozen=True, slots=True)
class ConsensusConfig:
    """How many fits there are; more move pseudotime by less than .002 in rank correlation."""

    n_fits: int = 10
    # of the cells in each fit, and at most
    share: float = 0.6
    most_cells: int = 3000


@dataclass(frozen=True, slots=True)
class Consensus:
    """A trajectory, and how sure it is."""

    # int64 [fitted cells], positions of the cells that `curve` was fitted to
    rows: NDArray[np.int64]
    # those of the fit most like the others; the time of `lineages` is that of all fits together, 0
    # at the root and 1 at the longest way from it
    curve: Curve
    lineages: Lineages
    longest: float  # the longest way from the root, in units of the latent
    time_sd: Floats  # float [points], standard deviation of pseudotime between fits
    # for each milestone, int64 positions of the fitted cells nearest to it
    around: list[NDArray[np.int64]]
    slowest: float  # median over the fits of `DiffusionMap.slowest`


@dataclass(frozen=True, slots=True)
class _Fit:
    rows: NDArray[np.int64]
    curve: Curve
    lineages: Lineages
    belongs: Floats
    time: Floats
    around: list[NDArray[np.int64]]
    slowest: float


def fit_consensus(
    latent: NDArray[np.float32],
    root: RootRule,
    seed: int,
    config: ConsensusConfig = ConsensusConfig(),
) -> Consensus:
    """Fit a trajectory to each of several random parts of the cells and bring them together.

    Of at least 100 cells that hang together, float32 [cells, latent]. `root` says where each fit
    starts; `seed` chooses the parts, and k-means starts from it.

    References
    ----------
    Strehl, Ghosh 2002, JMLR, "Cluster ensembles" (of several partitions, what they share);
    Street et al. 2018, BMC Genomics (slingshot), on the instability of a single tree;
    Shao, Wu 1989, Annals of Statistics, "A general theory for jackknife variance estimation".
    """
    rng, n_fits = np.random.default_rng(seed), config.n_fits
    size = min(round(config.share * len(latent)), config.most_cells)
    parts = [np.sort(rng.choice(len(latent), size, replace=False)) for _ in range(n_fits)]
    fits = [_fit(latent, rows, root, seed + number) for number, rows in enumerate(parts)]
    times = np.stack([fit.time for fit in fits])
    shape = Counter(_shape(fit) for fit in fits).most_common(1)[0][0]
    together = times.mean(axis=0)
    apart = [
        np.abs(time - together).mean() if _shape(fit) == shape else np.inf
        for time, fit in zip(times, fits, strict=True)
    ]
    best = fits[int(np.argmin(apart))]
    # parts that share most of their cells differ less than samples would: the delete-d jackknife
    left_out = len(latent) - size
    inflation = max(1.0, size / left_out) * n_fits / max(n_fits - 1, 1)
    slowest = float(np.median([fit.slowest for fit in fits]))
    return _distilled(best, times, inflation, slowest)


def _shape(fit: _Fit) -> tuple[int, int, int]:
    return len(fit.lineages.edges), len(fit.lineages.terminal), len(fit.lineages.cycle)


def _fit(latent: NDArray[np.float32], rows: NDArray[np.int64], root: RootRule, seed: int) -> _Fit:
    part = latent[rows]
    tree, diffused = fit_backbone(part, seed)
    backbone = close_cycle(tree, diffused.space)
    apart = cdist(diffused.space, backbone.vertex)
    near = apart.argmin(axis=1)
    curve = fit_curve(backbone, diffused.space, part)
    lineages = read_lineages(backbone, curve, root(backbone, near, rows))
    covariance = pooled_covariance(part, curve.mean[curve.point_of_cell])
    belongs = posterior(latent, curve.mean, curve.cells, covariance)
    time = belongs @ lineages.time
    around = [rows[_nearest(apart[:, vertex], near == vertex)] for vertex in lineages.milestones]
    # the mean, as the longest way depends on a few cells
    time /= max(time.mean(), 1e-12)
    return _Fit(rows, curve, lineages, belongs, time, around, diffused.slowest)


def _nearest(apart: Floats, own: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Cells that are nearest to a vertex of all, or where none are, the 15 nearest to it."""
    return np.flatnonzero(own) if own.any() else np.argsort(apart)[:_FEW]


def _distilled(best: _Fit, times: Floats, inflation: float, slowest: float) -> Consensus:
    """Give the points of one fit the time of the cells around them in all fits."""
    weight = best.belongs.sum(axis=0)
    own = best.lineages.time * (best.time.sum() / (best.belongs @ best.lineages.time).sum())
    time = (best.belongs.T @ times.mean(axis=0) + own) / (weight + 1)
    time = _ordered(best.lineages, time, weight)
    off = inflation * np.square(times - best.belongs @ time).mean(axis=0)
    time_sd = np.sqrt(best.belongs.T @ off / (weight + 1e-9))
    first, last = time.min(), time.max()
    scale = 1 / max(last - first, 1e-12)
    lineages = replace(best.lineages, time=(time - first) * scale)
    longest = float(best.lineages.time.max())
    return Consensus(
        best.rows, best.curve, lineages, longest, time_sd * scale, best.around, slowest
    )


def _ordered(lineages: Lineages, time: Floats, weight: Floats) -> Floats:
    """Time that never falls along an edge, nor from one edge to the next."""
    ordered = time.copy()
    latest = np.full(len(lineages.milestones), -np.inf)
    # edges are listed in the order of the walk from the root
    for number, (start, end) in enumerate(lineages.edges):
        on = np.flatnonzero(lineages.edge == number)
        on = on[np.argsort(lineages.time[on], kind="stable")]
        if len(on):
            rising = isotonic_regression(time[on], weights=weight[on]).x
            ordered[on] = np.maximum(rising, latest[start])
        latest[end] = ordered[on[-1]] if len(on) else latest[start]
    return ordered
