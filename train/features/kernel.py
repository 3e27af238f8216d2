"""The encoder's linear features of counts, by the kernel that maps queries.

They are fixed before the network is trained, so nothing is learned through them: training takes
them straight from the non-zero counts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.kernels.first_layer import FirstLayer, Panel, encode, prepare_measured
from cellport.models.vae import Encoder


@dataclass(frozen=True, slots=True)
class FeatureMaker:
    """What turns counts into features; see `feature_maker`.

    Attributes
    ----------
    basis
        float32 [genes, features].
    panel
        What the kernel needs to know of the genes.
    of_all
        The first layer where all genes were measured.
    """

    basis: NDArray[np.float32]
    panel: Panel
    of_all: FirstLayer

    def __call__(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Linear features of raw counts float32 CSR [n, genes], as `Encoder` computes them.

        Where only some genes were measured, `measured` is bool [genes]. Returns float32
        [n, features].
        """
        layer = self.of_all
        if measured is not None and not measured.all():
            layer = _first_layer(self.basis, self.panel, measured)
        features, _, _ = encode(layer, counts.indptr, counts.indices, counts.data)
        return features


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
    panel = Panel(cap, mean, share, noise, loading, normalise.target_sum)
    return FeatureMaker(basis, panel, _first_layer(basis, panel, np.ones(len(mean), np.bool_)))


def _first_layer(
    basis: NDArray[np.float32], panel: Panel, measured: NDArray[np.bool_]
) -> FirstLayer:
    column = np.where(measured, np.arange(len(measured)), -1)
    return prepare_measured(column, measured, basis, np.zeros(basis.shape[1], np.float32), panel)
