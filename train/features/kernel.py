"""The encoder's linear features of counts, by the kernel that maps queries.

They are fixed before the network is trained, so nothing is learned through them: training takes
them straight from the non-zero counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from cellport.kernels.features import (
    PanelGenes,
    QueryBasis,
    linear_features,
    prepare_measured,
)
from cellport.models.vae import Encoded, Encoder
from cellport.train.degrade import Degradation, degrade
from cellport.train.fit.order import PanelCounts


@dataclass(frozen=True, slots=True)
class FeatureMaker:
    """What turns counts into features; see `feature_maker`.

    Attributes
    ----------
    basis
        float32 [genes, features].
    panel
        Its genes.
    of_all
        The basis where all genes were measured.
    """

    basis: NDArray[np.float32]
    panel: PanelGenes
    of_all: QueryBasis

    def __call__(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Linear features of cells, as `Encoder` computes them.

        Parameters
        ----------
        counts
            float32 CSR [n, genes].
        measured
            bool [genes]; all of them when None.

        Returns
        -------
        ndarray
            float32 [n, features].
        """
        basis = self.of_all
        if measured is not None and not measured.all():
            basis = _of_measured(self.basis, self.panel, measured)
        features, _ = linear_features(basis, counts.indptr, counts.indices, counts.data)
        return features


def encode_cells(
    encoder: Encoder,
    counts: PanelCounts,
    rows: NDArray[np.int64],
    chunk: int,
    degradation: Degradation | None,
    rng: np.random.Generator,
) -> list[Encoded]:
    """Encode some cells, whole or degraded, so many at a time.

    Parameters
    ----------
    encoder
        Trained.
    counts, rows
        Of all cells, and int64 positions of those to encode.
    chunk
        Cells that are degraded together: they lack the same genes.
    degradation, rng
        As `degrade` takes them; the cells are encoded whole without the former.
    """
    features_of = feature_maker(encoder)
    encoded = []
    with torch.inference_mode():
        for start in range(0, len(rows), chunk):
            some, measured = counts[rows[start : start + chunk]], None
            if degradation is not None:
                seen = degrade(some, rng, degradation)
                some, measured = seen.counts, seen.measured
            encoded.append(encoder.tail(torch.from_numpy(features_of(some, measured))))
    return encoded


def feature_maker(encoder: Encoder) -> FeatureMaker:
    """Make the features of an encoder computable from sparse counts."""
    normalise = encoder.normalise
    cap, mean, share, noise, loading, basis = (
        part.detach().cpu().numpy()
        for part in (
            normalise.cap,
            normalise.mean,
            normalise.share,
            normalise.noise,
            normalise.loading,
            encoder.basis,
        )
    )
    panel = PanelGenes(cap, mean, share, noise, loading, normalise.target_sum)
    return FeatureMaker(basis, panel, _of_measured(basis, panel, np.ones(len(mean), np.bool_)))


def _of_measured(
    basis: NDArray[np.float32], panel: PanelGenes, measured: NDArray[np.bool_]
) -> QueryBasis:
    column = np.where(measured, np.arange(len(measured)), -1)
    return prepare_measured(column, measured, basis, panel)
