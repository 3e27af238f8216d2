"""The encoder's linear features of counts, by the kernel that maps queries.

They are fixed before the network is trained, so nothing is learned through them: training takes
them straight from the non-zero counts.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.kernels.features import PanelGenes, linear_features, prepare_measured
from cellport.models.vae import Encoder


class FeatureMaker:
    """Linear features of raw counts, as an encoder computes them, from the non-zero ones.

    Genes that were not measured stand at what a factor model expects given the others: a cell's
    factors times the loading of these genes. Factors are linear in the measured values too, so that
    a basis with both makes what any choice of genes needs, and is laid out once: to prepare
    one for each choice, as a query has it, costs more than the features of a minibatch.
    """

    def __init__(self, encoder: Encoder) -> None:
        n = encoder.normalise
        cap, self._mean, self._share, noise, self._loading, self._basis = (
            part.detach().cpu().numpy()
            for part in (n.cap, n.mean, n.share, n.noise, n.loading, encoder.basis)
        )
        self._of_factors = self._loading / noise[:, np.newaxis]
        # of factors, once they are divided by their precision
        self._both = np.concatenate([self._basis, self._of_factors], axis=1)
        panel = PanelGenes(self._mean, cap, self._share, None, "panel", n.target_sum)
        every = np.arange(len(self._basis)), np.ones(len(self._basis), np.bool_)
        self._of_all = prepare_measured(*every, self._basis, panel)
        self._of_some = prepare_measured(*every, self._both, panel)

    def __call__(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Features float32 [n, features] of float32 CSR [n, genes].

        Where only some genes were measured, `measured` is bool [genes].
        """
        if measured is not None and not measured.all():
            return self._with_missing(counts, measured)
        features, _ = linear_features(self._of_all, counts.indptr, counts.indices, counts.data)
        return features

    def _with_missing(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Features where the genes that were not `measured` stand at what the others foretell."""
        offset = -np.where(measured, self._mean, 0) @ self._both
        prepared = replace(
            self._of_some,
            offset=_laid_out_as(self._of_some.offset, offset),
            target=self._of_some.target * float(self._share[measured].sum(dtype=np.float64)),
        )
        known = counts.data * measured[counts.indices]
        both, _ = linear_features(prepared, counts.indptr, counts.indices, known)
        n_features = self._basis.shape[1]
        precision = self._of_factors[measured].T @ self._loading[measured]
        precision = np.eye(len(precision)) + precision
        of_missing = self._loading[~measured].T @ self._basis[~measured]
        added = np.linalg.solve(precision, of_missing).astype(np.float32)
        features: NDArray[np.float32] = both[:, :n_features] + both[:, n_features:] @ added
        return features


def _laid_out_as(offset: NDArray[np.float32], values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Give values, [features], the shape of a prepared offset, which is padded with zeros."""
    padded = np.zeros(offset.size, np.float32)
    padded[: len(values)] = values
    return padded.reshape(offset.shape)
