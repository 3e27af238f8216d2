"""Measure a reference for the normalisation that the model carries."""

from __future__ import annotations

import numpy as np
import torch

from cellport.models.normalise import PanelNormaliser
from cellport.train.cells import PanelCounts
from cellport.train.features.factors import fit_factors

# cells at a time: some 100 MB of values
_CHUNK = 20_000


def fit_normaliser(counts: PanelCounts) -> PanelNormaliser:
    """Measure mean share, mean, spread and company of each gene over the reference cells.

    Cells are scaled to as many counts as there are genes, so that a gene has one on average.
    At the usual 10,000 one count in a cell of 300 makes a value of 3.5 and ten make 5.8, and
    shallow cells differ from deep ones in nearly every gene.
    """
    n_cells, n_genes = counts.shape
    target_sum = float(n_genes)
    share, mean, square = np.zeros((3, n_genes))
    for start in range(0, n_cells, _CHUNK):
        some = counts[start : start + _CHUNK].astype(np.float64)
        library = np.maximum(np.asarray(some.sum(axis=1)).ravel(), 1e-6)
        some.data /= np.repeat(library, np.diff(some.indptr))
        share += np.asarray(some.sum(axis=0)).ravel()
        some.data = np.log1p(some.data * target_sum)
        mean += np.asarray(some.sum(axis=0)).ravel()
        some.data *= some.data
        square += np.asarray(some.sum(axis=0)).ravel()
    share, mean, square = share / n_cells, mean / n_cells, square / n_cells
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    # a gene seen in a handful of cells must not shout, nor one that hardly varies
    sd = np.maximum(sd, np.maximum(0.05, mean / 10))
    loading, noise = fit_factors(counts, mean, sd, target_sum)
    share_of_panel, mean_value, spread = (
        torch.from_numpy(values.astype(np.float32)) for values in (share / share.sum(), mean, sd)
    )
    return PanelNormaliser(
        share_of_panel,
        mean_value,
        spread,
        target_sum,
        loading=torch.from_numpy(loading),
        noise=torch.from_numpy(noise),
    )
