"""Trajectories side by side, as the points that the structure module answers from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag

from cellport.models.structure import TrajectoryPoints
from cellport.train.structure.backbone import Floats
from cellport.train.structure.consensus import Consensus
from cellport.train.structure.curve import gaussian_mixture, pooled_covariance, posterior

# the error that fewer held-out cells show is too noisy
_FEWEST_HELD_OUT = 30


class Placed(NamedTuple):
    """A trajectory and int64 positions of the cells on it."""

    rows: NDArray[np.int64]
    fitted: Consensus


def joined_points(
    trajectories: list[Placed],
    sample: NDArray[np.float32],
    cluster: NDArray[np.int64],
    held_out: NDArray[np.float32],
) -> TrajectoryPoints:
    """Put trajectories side by side, and a point a cluster for the cells on none of them.

    Parameters
    ----------
    trajectories
        At least one, of cells of `sample`.
    sample
        float32 [cells, latent], what they were fitted to.
    cluster
        int64 [cells].
    held_out
        float32 [other cells, latent], which the model was not trained on.
    """
    fits = [fitted for _, fitted in trajectories]
    number = [fit.curve.cells * len(rows) / len(fit.rows) for rows, fit in trajectories]
    means = [fit.curve.mean for fit in fits]
    off = np.setdiff1d(np.arange(len(sample)), np.concatenate([rows for rows, _ in trajectories]))
    for code in np.unique(cluster[off]):
        here = off[cluster[off] == code]
        means.append(sample[here].mean(axis=0, dtype=np.float64, keepdims=True))
        number.append(np.array([float(len(here))]))
    mean = np.concatenate(means)
    on_curve = np.concatenate([sample[rows[fit.rows]] for rows, fit in trajectories])
    about = np.concatenate([fit.curve.mean[fit.curve.point_of_cell] for fit in fits])
    covariance = pooled_covariance(on_curve, about)
    n_points = sum(len(fit.curve.mean) for fit in fits)
    # all trajectories on one scale: the longest way takes 1
    longest = max(fit.longest for fit in fits)
    scale = [fit.longest / longest for fit in fits]
    time = np.concatenate([fit.lineages.time * s for fit, s in zip(fits, scale, strict=True)])
    between_fits = np.concatenate([fit.time_sd * s for fit, s in zip(fits, scale, strict=True)])
    beside = projection_error(mean, n_points, on_curve, held_out, covariance) / longest

    def padded(values: Floats) -> torch.Tensor:
        rest = np.zeros((len(mean) - n_points, *values.shape[1:]))
        return torch.from_numpy(np.concatenate([values, rest]).astype(np.float32))

    return TrajectoryPoints(
        gaussian_mixture(mean, np.concatenate(number), covariance),
        padded(block_diag(*(np.eye(len(fit.lineages.edges))[fit.lineages.edge] for fit in fits))),
        padded(np.concatenate([fit.lineages.fraction for fit in fits])),
        padded(time),
        padded(block_diag(*(fit.lineages.fate for fit in fits))),
        padded(np.sqrt(beside**2 + between_fits**2)),
    )


def projection_error(
    mean: Floats,
    n_points: int,
    trained: NDArray[np.float32],
    held_out: NDArray[np.float32],
    covariance: Floats,
) -> float:
    """How far cells lie from the place on the trajectory that they are given, in one direction.

    How far cells lie beside it says how far they may be off along it, which nothing else in the
    reference can tell (VITAE counts this projection error as uncertainty too). Pseudotime is one
    direction, so it is the root mean square distance in one: that in which it is largest. Of
    held-out cells, where there are enough.

    Parameters
    ----------
    mean
        float [points and others, latent], the first `n_points` of them on the trajectory.
    n_points
        How many are.
    trained, held_out
        float32 [cells, latent].
    covariance
        float [latent, latent], of cells about their points.

    Returns
    -------
    float
        In units of the latent.
    """
    cells = held_out if len(held_out) >= _FEWEST_HELD_OUT else trained
    nearest = posterior(cells, mean, np.ones(len(mean)), covariance).argmax(axis=1)
    on = nearest < n_points
    if not on.any():
        return projection_error(mean, n_points, trained, trained[:0], covariance)
    beside = cells[on] - mean[nearest[on]]
    return float(np.linalg.norm(beside, 2) / np.sqrt(len(beside)))
