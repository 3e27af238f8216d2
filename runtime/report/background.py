"""The reference behind a report: where its cells lie, and how far a query spreads beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.bottom_k import spread_out
from cellport.runtime.errors import AtlasError
from cellport.runtime.report.collect import SAMPLED, Findings

_ROWS = 65_536
# a dimension that varies less than this share of the widest one says nothing
_FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class Background:
    """What a report needs of the reference.

    Attributes
    ----------
    n_cells
        Reference cells.
    mean, sd
        float64 [latent], over the reference cells.
    label_spread
        float64 [labels], mean squared z-score of the reference cells of each label; 1 for a
        label without any.
    axes
        float64 [latent, 2], the two directions in which the reference spreads most.
    linear, layout
        float32 [k, 2], where some of its cells lie along `axes` and in the atlas's own 2-D
        layout; None for an atlas without one.
    linear_centre, layout_centre
        float64 [labels, 2], median place of the cells of each label; NaN for a label without any.
    """

    n_cells: int
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    label_spread: NDArray[np.float64]
    axes: NDArray[np.float64]
    linear: NDArray[np.float32]
    linear_centre: NDArray[np.float64]
    layout: NDArray[np.float32] | None
    layout_centre: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True)
class Spread:
    """How far a query spreads in the latent, beside its reference.

    Attributes
    ----------
    found
        Mean squared z-score of its cells under the reference's mean and standard deviation:
        1 for the reference itself.
    expected
        The same of reference cells in the query's proportions of labels.
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
        Its arrays do not fit each other.
    """
    latent = atlas.array("reference_latent")
    n_labels, n = len(atlas.manifest.labels), len(latent) if latent.ndim else 0
    label = np.full(n, -1)
    if atlas.has_array("reference_label"):
        label = atlas.array("reference_label")
    layout = atlas.array("reference_umap") if atlas.has_array("reference_umap") else None
    if (
        not n
        or latent.shape != (n, atlas.manifest.n_latent)
        or label.shape != (n,)
        or label.dtype.kind not in "iu"
        or not (label < n_labels).all()
        or (layout is not None and layout.shape != (n, 2))
    ):
        raise AtlasError(
            f"{atlas.path.name}: the sizes of its reference arrays do not fit each other; "
            "get the atlas again."
        )
    mean, covariance = _moments(latent)
    axes = _two_axes(covariance)
    place = np.asarray(latent @ axes.astype(np.float32), dtype=np.float32)
    chosen = np.argsort(spread_out(np.arange(n)))[:SAMPLED]
    sd = np.sqrt(np.diag(covariance))
    return Background(
        n_cells=n,
        mean=mean,
        sd=sd,
        label_spread=_label_spread(latent, label, n_labels, mean, sd),
        axes=axes,
        linear=place[chosen],
        linear_centre=_centres(place, label, n_labels),
        layout=None if layout is None else np.asarray(layout[chosen], np.float32),
        layout_centre=None if layout is None else _centres(layout, label, n_labels),
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
    n = findings.latent_cells
    if not n:
        return None
    mean, sd = background.mean, background.sd
    # sum of (x - mean)^2, from the sums of x and of its square
    squares = findings.latent_squares - 2 * mean * findings.latent_sum + n * mean**2
    wide = _wide(sd)
    found = float((squares[wide] / sd[wide] ** 2 / n).mean()) if wide.any() else 1.0
    cells = findings.by_label.sum(axis=1)[: len(background.label_spread)]
    known = cells.sum()
    expected = float(cells @ background.label_spread / known) if known else 1.0
    return Spread(found, expected)


def _moments(latent: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = np.zeros(latent.shape[1])
    for start in range(0, len(latent), _ROWS):
        total += latent[start : start + _ROWS].sum(axis=0, dtype=np.float64)
    mean = total / len(latent)
    products = np.zeros((latent.shape[1],) * 2)
    for start in range(0, len(latent), _ROWS):
        centred = latent[start : start + _ROWS] - mean
        products += centred.T @ centred
    covariance = products / len(latent)
    if not np.isfinite(covariance).all():
        raise AtlasError("The atlas holds reference latents that are not numbers; get it again.")
    return mean, covariance


def _two_axes(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    _, vectors = np.linalg.eigh(covariance)
    axes = vectors[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 1)))
    # eigenvectors come with either sign, depending on the machine
    largest = np.abs(axes).argmax(axis=0)
    sign = np.sign(axes[largest, [0, 1]])
    return np.asarray(axes * np.where(sign == 0, 1, sign), dtype=np.float64)


def _label_spread(
    latent: NDArray[np.float32],
    label: NDArray[np.integer],
    n_labels: int,
    mean: NDArray[np.float64],
    sd: NDArray[np.float64],
) -> NDArray[np.float64]:
    wide = _wide(sd)
    total, number = np.zeros(n_labels), np.zeros(n_labels, np.int64)
    for start in range(0, len(latent) if wide.any() else 0, _ROWS):
        rows = slice(start, start + _ROWS)
        z = (latent[rows][:, wide] - mean[wide]) / sd[wide]
        known = label[rows] >= 0
        code = label[rows][known]
        total += np.bincount(code, (z[known] ** 2).mean(axis=1), minlength=n_labels)
        number += np.bincount(code, minlength=n_labels)
    return np.where(number > 0, total / np.maximum(number, 1), 1.0)


def _wide(sd: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(sd > _FLAT * sd.max(), dtype=np.bool_)


def _centres(
    place: NDArray[np.floating], label: NDArray[np.integer], n_labels: int
) -> NDArray[np.float64]:
    centre = np.full((n_labels, 2), np.nan)
    order = np.argsort(label, kind="stable")
    edges = np.searchsorted(label[order], np.arange(n_labels + 1))
    for code in range(n_labels):
        rows = order[edges[code] : edges[code + 1]]
        if len(rows):
            centre[code] = np.median(place[rows], axis=0)
    return centre
