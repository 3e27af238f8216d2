"""Degrade cells on purpose, so that the encoder stays true on poor queries.

Real queries are shallower, miss genes, and come from technologies that see each gene with
another efficiency. Each minibatch meets all three. The recipe follows the count
down-sampling of scVI's joint embedding model and the gene masking of CONCORD and
SCimilarity; the per-gene noise stands for a technology the reference does not hold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Degradation:
    """How hard training cells are degraded."""

    thin_share: float = 0.5  # share of the cells that are thinned
    # counts down to which they are thinned (log-uniform up to what the cell has): as many as the
    # panel gets of a very shallow cell, however deep the reference is
    thin_least: float = 30.0
    mask_share: float = 0.75  # share of the minibatches that miss genes
    mask_most: float = 0.8  # largest share of genes missing (uniform from 0)
    # share of those minibatches in which the encoder is told which genes are missing; in the others
    # they are zero, as in a query that lists genes it could not see
    mask_declared: float = 0.5
    # largest standard deviation of the log-normal factor on each gene, shared by a minibatch
    # (uniform from 0)
    gene_noise: float = 0.3


@dataclass(frozen=True, slots=True)
class Degraded:
    """Cells made poor."""

    counts: sp.csr_matrix  # float32 CSR [n, genes]
    # bool [genes], False where the encoder is told that a gene is missing
    measured: NDArray[np.bool_]


def degrade(counts: sp.csr_matrix, rng: np.random.Generator, how: Degradation) -> Degraded:
    """Thin, mask and rescale a minibatch of raw counts, float32 CSR [n, genes]."""
    n_cells, n_genes = counts.shape
    thinned = rng.random(n_cells) < how.thin_share
    library = np.asarray(counts.sum(axis=1), dtype=np.float64).ravel()
    lowest = np.minimum(how.thin_least / np.maximum(library, 1.0), 1.0)
    kept = np.exp(rng.uniform(np.log(lowest), 0.0))
    values = thin(counts, np.where(thinned, kept, 1.0), rng)

    noise = np.exp(rng.normal(0.0, rng.uniform(0.0, how.gene_noise), n_genes))
    measured = np.ones(n_genes, np.bool_)
    if rng.random() < how.mask_share:
        missing = rng.random(n_genes) < rng.uniform(0.0, how.mask_most)
        noise[missing] = 0.0
        if rng.random() < how.mask_declared:
            measured = ~missing
    noisy = (values * noise[counts.indices]).astype(np.float32)
    return Degraded(sp.csr_matrix((noisy, counts.indices, counts.indptr), counts.shape), measured)


def thin(
    counts: sp.csr_matrix, kept: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """Keep each molecule of a cell with a probability, [n]: int64 [non-zeros] of CSR [n, genes]."""
    of_value = np.repeat(kept, np.diff(counts.indptr))
    values: NDArray[np.int64] = np.rint(counts.data).astype(np.int64)
    fewer = of_value < 1
    values[fewer] = rng.binomial(values[fewer], of_value[fewer])
    return values
