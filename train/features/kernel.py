"""The encoder's linear features of counts, by the kernel that maps queries.

They are fixed before the network is trained, so nothing is learned through them: training takes
them straight from the non-zero counts.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.kernels.features import (
    Factors,
    PanelGenes,
    QueryBasis,
    linear_features,
    prepare_measured,
)
from cellport.models.vae import Encoder


class FeatureMaker:
    """Linear features of raw counts, as an encoder computes them, from the non-zero ones."""

    def __init__(self, encoder: Encoder) -> None:
        n = encoder.normalise
        cap, mean, share, noise, loading, self._basis = (
            part.detach().cpu().numpy()
            for part in (n.cap, n.mean, n.share, n.noise, n.loading, encoder.basis)
        )
        factors = Factors(noise, loading)
        self._panel = PanelGenes(mean, cap, share, factors, "panel", n.target_sum)
        self._of_all = self._of_measured(np.ones(len(self._basis), np.bool_))

    def _of_measured(self, measured: NDArray[np.bool_]) -> QueryBasis:
        column = np.where(measured, np.arange(len(measured)), -1)
        return prepare_measured(column, measured, self._basis, self._panel)

    def __call__(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Features float32 [n, features] of float32 CSR [n, genes].

        Where only some genes were measured, `measured` is bool [genes].
        """
        basis = self._of_all
        if measured is not None and not measured.all():
            basis = self._of_measured(measured)
        features, _ = linear_features(basis, counts.indptr, counts.indices, counts.data)
        return features
