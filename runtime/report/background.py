"""The reference behind a report: where its cells lie, and how far a query spreads beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.gather.findings import SAMPLED, Findings

_ROWS = 65_536
# a dimension that varies less than this share of the widest one says nothing
_FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class Background:
    """What a report needs of the reference cells, in the latent and on the 2-D map.

    A label without any cell has a spread of 1, and NaN for its centre.
    """

    n_cells: int
    mean: NDArray[np.float64]  # [latent]
    sd: NDArray[np.float64]  # [latent]
    label_spread: NDArray[np.float64]  # [labels], mean squared z-score of the cells of each
    point: NDArray[np.float32]  # [k, 2], some of the cells on the map
    centre: NDArray[np.float64]  # [labels, 2], median of the cells of each on the map


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a query spreads in the latent, beside its reference.

    Found is the mean squared z-score of its cells under the reference's mean and standard
    deviation, 1 for the reference itself; expected that of reference cells in the query's
    proportions of labels.
    """

    found: float
    expected: float

    @property
    def ratio(self) -> float:
        """Well below 1: the query is compressed; well above: it is shifted."""
        return self.found / self.expected if self.expected > 0 else 1.0


def read_background(atlas: AtlasFile) -> Background:
    """Measure the reference cells of an atlas.

    Raises
    ------
    AtlasError
        Its reference latents are no numbers, or its reference labels none of its labels.
    """
    latent, label = atlas.array("reference_latent"), atlas.array("reference_label")
    point, n_labels = atlas.array("reference_umap"), len(atlas.manifest.labels)
    mean, sd = _mean_and_sd(latent)
    if not (np.isfinite(sd).all() and (label < n_labels).all()):
        raise AtlasError(
            f"{atlas.path.name}: its reference cells have latents that are no numbers, or labels "
            "that it does not name; get the atlas again."
        )
    drawn = BottomK(SAMPLED, point=np.empty((0, 2), np.float32))
    drawn.add(np.arange(len(latent)), point=point)
    return Background(
        n_cells=len(latent),
        mean=mean,
        sd=sd,
        label_spread=_label_spread(latent, label, n_labels, mean, sd),
        point=drawn["point"],
        centre=_centres(point, label, n_labels),
    )


def measure_spread(background: Background, findings: Findings) -> Spread | None:
    """Compare how far a query and its reference spread; None for a query of empty cells.

    A query of few cell types spreads less, or lies further out, than a reference of many. So
    what is found is to be compared with reference cells in the same proportions of labels.

    References
    ----------
    ``queryScaledDispersion`` of scarf (Dhapola et al. 2022, Nature Communications), here set
    against the composition of the query.
    """
    n, total, squared = findings.latent_moments
    if not n:
        return None
    mean, sd = background.mean, background.sd
    # sum of (x - mean)^2, from the sums of x and of its square
    squares = squared - 2 * mean * total + n * mean**2
    wide = _wide(sd)
    found = float((squares[wide] / sd[wide] ** 2 / n).mean()) if wide.any() else 1.0
    cells = findings.by_label.sum(axis=1)[: len(background.label_spread)]
    known = cells.sum()
    expected = float(cells @ background.label_spread / known) if known else 1.0
    return Spread(found, expected)


def _runs(n_cells: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS) for start in range(0, n_cells, _ROWS))


def _mean_and_sd(latent: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    n_cells = max(len(latent), 1)
    mean = latent.sum(axis=0, dtype=np.float64) / n_cells
    squares = np.zeros(latent.shape[1])
    for rows in _runs(len(latent)):
        squares += ((latent[rows] - mean) ** 2).sum(axis=0)
    return mean, np.sqrt(squares / n_cells)


def _label_spread(
    latent: NDArray[np.float32],
    label: NDArray[np.integer],
    n_labels: int,
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
) -> NDArray[np.float64]:
    wide = _wide(sd)
    total, number = np.zeros(n_labels), np.zeros(n_labels, np.int64)
    for rows in _runs(len(latent) if wide.any() else 0):
        z = (latent[rows][:, wide] - mean[wide]) / sd[wide]
        known = label[rows] >= 0
        code = label[rows][known]
        total += np.bincount(code, (z[known] ** 2).mean(axis=1), minlength=n_labels)
        number += np.bincount(code, minlength=n_labels)
    return np.where(number > 0, total / np.maximum(number, 1), 1.0)


def _wide(sd: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(sd > _FLAT * sd.max(), dtype=np.bool_)


def _centres(
    point: NDArray[np.floating], label: NDArray[np.integer], n_labels: int
) -> NDArray[np.float64]:
    centre = np.full((n_labels, 2), np.nan)
    order = np.argsort(label, kind="stable")
    edges = np.searchsorted(label[order], np.arange(n_labels + 1))
    for code in range(n_labels):
        rows = order[edges[code] : edges[code + 1]]
        if len(rows):
            centre[code] = np.median(point[rows], axis=0)
    return centre
