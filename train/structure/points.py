"""Trajectories side by side, as the points that the structure module answers from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag

from cellport.models.structure import TrajectoryPoints
from cellport.train.structure.backbone import Floats
from cellport.train.structure.consensus import Consensus
from cellport.train.structure.curve import gaussian_mixture, pooled_covariance, posterior

# fewer held-out cells say little of how far cells lie beside a trajectory
_FEWEST_HELD_OUT = 30


def joined_points(
    trajectories: list[tuple[NDArray[np.int64], Consensus]],
    sample: NDArray[np.float32],
    cluster: NDArray[np.int64],
    held_out: NDArray[np.float32],
) -> TrajectoryPoints:
    """Put trajectories side by side, and a point a cluster for the cells on none of them.

    Each was fitted to cells at some positions of `sample`, float32 [cells, latent]; the model was
    not trained on those held out, float32 [other cells, latent].
    """
    fits = [fitted for _, fitted in trajectories]
    mean = [fit.curve.mean for fit in fits]
    number = [fit.curve.cells * len(rows) / len(fit.rows) for rows, fit in trajectories]
    n_points = sum(map(len, mean))
    off = np.setdiff1d(np.arange(len(sample)), np.concatenate([rows for rows, _ in trajectories]))
    for code in np.unique(cluster[off]):
        here = off[cluster[off] == code]
        mean.append(sample[here].mean(axis=0, dtype=np.float64, keepdims=True))
        number.append(np.array([float(len(here))]))
    on_curve = np.concatenate([sample[rows[fit.rows]] for rows, fit in trajectories])
    about = np.concatenate([fit.curve.mean[fit.curve.point_of_cell] for fit in fits])
    covariance = pooled_covariance(on_curve, about)
    # all trajectories on one scale: the longest way takes 1
    longest = max(fit.longest for fit in fits)
    time = np.concatenate([fit.lineages.time * (fit.longest / longest) for fit in fits])
    between_fits = np.concatenate([fit.time_sd * (fit.longest / longest) for fit in fits])
    cells = held_out if len(held_out) >= _FEWEST_HELD_OUT else on_curve
    beside = _projection_error(np.concatenate(mean), n_points, cells, on_curve, covariance)
    edge = block_diag(*(np.eye(len(fit.lineages.edges))[fit.lineages.edge] for fit in fits))

    def padded(values: Floats) -> torch.Tensor:
        rest = np.zeros((sum(map(len, mean)) - n_points, *values.shape[1:]))
        return torch.from_numpy(np.concatenate([values, rest]).astype(np.float32))

    return TrajectoryPoints(
        gaussian_mixture(np.concatenate(mean), np.concatenate(number), covariance),
        padded(edge),
        padded(np.concatenate([fit.lineages.fraction for fit in fits])),
        padded(time),
        padded(block_diag(*(fit.lineages.fate for fit in fits))),
        padded(np.sqrt((beside / longest) ** 2 + between_fits**2)),
    )


def _projection_error(
    mean: Floats,
    n_points: int,
    cells: NDArray[np.float32],
    on_curve: NDArray[np.float32],
    covariance: Floats,
) -> float:
    """How far cells lie from the one of the first points they are given, in one direction.

    How far cells lie beside the trajectory says how far they may be off along it, which nothing
    else in the reference can tell (VITAE counts this projection error as uncertainty too).
    Pseudotime is one direction, so it is the root mean square distance in one: that in which it
    is largest. Where none of the cells is on the trajectory, it is that of those `on_curve`.
    """
    nearest = posterior(cells, mean, np.ones(len(mean)), covariance).argmax(axis=1)
    on = nearest < n_points
    if not on.any():
        return _projection_error(mean, n_points, on_curve, on_curve, covariance)
    beside = cells[on] - mean[nearest[on]]
    return float(np.linalg.norm(beside, 2) / np.sqrt(len(beside)))
