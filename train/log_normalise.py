"""Raw counts to log-normalised values, as the encoder sees them, for what is measured on them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp


def log_normalised(counts: sp.csr_matrix, target_sum: float) -> sp.csr_matrix:
    """Scale each cell to `target_sum` counts and take log1p.

    Parameters
    ----------
    counts
        CSR [cells, genes], raw counts.
    target_sum
        Counts per cell after normalisation.

    Returns
    -------
    csr_matrix
        float64 [cells, genes], a copy; a cell without counts stays empty.
    """
    values = counts.astype(np.float64)
    library = np.maximum(np.asarray(values.sum(axis=1)).ravel(), 1e-6)
    values.data = np.log1p(values.data * np.repeat(target_sum / library, np.diff(values.indptr)))
    return values
