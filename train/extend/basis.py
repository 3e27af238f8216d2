"""Discriminants of new types, beside those of the old ones in the basis of an atlas."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.train.features.discriminants import (
    CAUTION,
    inverse_covariance_times,
    of_unit_variance,
)
from cellport.train.features.log_normalise import label_means


def first_new(atlas: AtlasFile) -> int:
    """Position of the first new feature: behind the factors and the old discriminants."""
    return int(atlas.array("gene_loading").shape[1]) + len(atlas.manifest.labels)


def new_discriminants(
    atlas: AtlasFile, counts: sp.csr_matrix, type_: NDArray[np.int64], measured: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """Weights of the genes in a feature for each new type, float32 [genes, types].

    As training makes them of labels (`cellport.train.features.basis`), of counts float32 CSR
    [cells, genes] of cells of the new types, int64 [cells] from 0 on, each with one. A gene that
    was not measured tells nothing: it stands at the reference's mean.
    """
    loading, noise = (
        atlas.array(f"gene_{name}").astype(np.float64) for name in ("loading", "noise")
    )
    share = float(atlas.array("gene_share")[measured].sum(dtype=np.float64))
    target, n_types = atlas.manifest.target * share, int(type_.max()) + 1
    means = label_means(counts, type_, n_types, target, atlas.array("gene_cap"))
    away = np.where(measured, means - atlas.array("gene_mean"), 0.0).T
    weights = inverse_covariance_times(away, loading, CAUTION * noise)
    return of_unit_variance(weights, loading, noise).astype(np.float32)


def widened(
    basis: NDArray[np.float32], more: NDArray[np.float32], first: int
) -> NDArray[np.float32]:
    """Put new columns of a basis float32 [genes, features] at the position `first`."""
    wide: NDArray[np.float32] = np.column_stack([basis[:, :first], more, basis[:, first:]])
    return np.ascontiguousarray(wide)
