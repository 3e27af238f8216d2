"""Genes whose addition to a panel would tell most of what it leaves open."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.genes.information import discriminants
from cellport.runtime.mapping.outlook.confusion import Confusion

_TINY = 1e-12


def wanted_genes(
    atlas: AtlasFile, measured: NDArray[np.bool_], confusion: Confusion, n_genes: int
) -> NDArray[np.int64]:
    """Return positions in the panel of up to `n_genes` unmeasured genes, the most telling first.

    By the factor model of the atlas's genes, each gene is worth the share that it foretells of the
    variance, unknown so far, of what tells two labels apart that are taken for each other; pairs
    weigh by how often they are. Genes are chosen one by one, each beside those before it. None for
    an atlas without such a model.

    References
    ----------
    Krause, Singh and Guestrin 2008, JMLR, "Near-optimal sensor placements in Gaussian processes"
    (greedy choice by what is foretold).
    """
    if atlas.manifest.fill != "factors" or measured.all():
        return np.zeros(0, np.int64)
    loading = atlas.array("gene_loading").astype(np.float64)
    noise = atlas.array("gene_noise").astype(np.float64)
    pairs, weight = _confused(confusion.given)
    if not len(weight):
        return np.zeros(0, np.int64)
    n_factors = loading.shape[1]
    tells = discriminants(atlas, n_factors)
    apart = (tells[:, pairs[:, 0]] - tells[:, pairs[:, 1]]).T
    scale = np.square(apart @ loading).sum(axis=1) + np.square(apart) @ noise
    weight = weight / np.maximum(scale, _TINY)
    free = ~measured
    seen = loading[measured]
    unknown = np.linalg.inv(np.eye(n_factors) + seen.T @ (seen / noise[measured, None]))
    chosen: list[int] = []
    for _ in range(min(n_genes, int(free.sum()))):
        left = np.where(free, apart, 0) @ loading
        known = loading @ unknown
        varies = (known * loading).sum(axis=1) + noise
        foretold = np.square(left @ known.T + apart * noise) / varies
        worth = np.where(free, weight @ foretold, -1)
        best = int(worth.argmax())
        chosen.append(best)
        free[best] = False
        unknown -= np.outer(known[best], known[best]) / varies[best]
    return np.asarray(chosen, np.int64)


def _confused(given: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Pairs of labels that are taken for each other, [pairs, 2], and how often."""
    both = np.triu(given + given.T, 1)
    pairs = np.argwhere(both > 0)
    return pairs, both[both > 0]
