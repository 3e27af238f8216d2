"""Make a query worse on purpose: shallow, lacking genes, contaminated, or with doublets."""

from __future__ import annotations

from dataclasses import dataclass

import anndata
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


@dataclass(frozen=True)
class Stress:
    """What is done to a query, in this order.

    Attributes
    ----------
    doublets
        Share of the cells to which another cell's counts are added; the label stays.
    ambient
        Share of each cell's counts replaced by draws from the mean profile of the query.
    missing
        Share of the genes that the file lacks, chosen at random; more of them include fewer.
    depth
        Counts over the file's genes to which deeper cells are thinned; None leaves them.
    """

    doublets: float = 0
    ambient: float = 0
    missing: float = 0
    depth: int | None = None


CONDITIONS = {
    "full": Stress(),
    "umi1000": Stress(depth=1000),
    "umi300": Stress(depth=300),
    "umi100": Stress(depth=100),
    "missing50": Stress(missing=0.5),
    "missing80": Stress(missing=0.8),
    "missing50_umi1000": Stress(missing=0.5, depth=1000),
    "missing80_umi300": Stress(missing=0.8, depth=300),
    "ambient10": Stress(ambient=0.1),
    "doublets10": Stress(doublets=0.1),
}


def degrade(cells: anndata.AnnData, stress: Stress, seed: int = 0) -> anndata.AnnData:
    """Return a degraded copy of `cells`, with raw counts in ``X``; the seed decides it all."""
    rng = np.random.default_rng([seed, 1])
    counts = cells.X.tocsr()
    if stress.doublets:
        counts = add_doublets(counts, stress.doublets, rng)
    if stress.ambient:
        counts = contaminate(counts, stress.ambient, rng)
    kept = present_genes(cells.n_vars, stress.missing, seed)
    counts = counts[:, kept].tocsr()
    if stress.depth is not None:
        counts = thin(counts, stress.depth, rng)
    return anndata.AnnData(counts.astype(np.float32), cells.obs.copy(), cells.var.iloc[kept].copy())


def present_genes(n_genes: int, missing: float, seed: int) -> NDArray[np.int64]:
    """Positions of the genes that are left, ascending."""
    order = np.random.default_rng([seed, 2]).permutation(n_genes)
    kept: NDArray[np.int64] = np.sort(order[: round(n_genes * (1 - missing))])
    return kept


def thin(counts: sp.csr_matrix, depth: int, rng: np.random.Generator) -> sp.csr_matrix:
    """Binomial thinning of each cell to about `depth` counts."""
    total = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    share: NDArray[np.float64] = np.repeat(np.minimum(depth / total, 1), np.diff(counts.indptr))
    thinned = counts.copy()
    thinned.data = rng.binomial(counts.data.astype(np.int64), share).astype(np.float32)
    thinned.eliminate_zeros()
    return thinned


def contaminate(counts: sp.csr_matrix, share: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Replace a share of each cell's counts by draws from the sum of all cells."""
    own = counts.copy()
    own.data = rng.binomial(counts.data.astype(np.int64), 1 - share).astype(np.float32)
    profile = np.asarray(counts.sum(axis=0), dtype=float).ravel()
    total = np.asarray(counts.sum(axis=1)).ravel()
    rows = [
        sp.csr_matrix(rng.multinomial(rng.poisson(share * n), profile / profile.sum()))
        for n in total
    ]
    mixed = (own + sp.vstack(rows)).tocsr()
    mixed.eliminate_zeros()
    return mixed


def add_doublets(counts: sp.csr_matrix, share: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Add another cell's counts to a share of the cells."""
    n_cells = counts.shape[0]
    first = rng.permutation(n_cells)[: round(share * n_cells)]
    second = (first + rng.integers(1, n_cells, len(first))) % n_cells
    chosen = sp.csr_matrix((np.ones(len(first)), (first, second)), shape=(n_cells, n_cells))
    return (counts + chosen @ counts).tocsr()
