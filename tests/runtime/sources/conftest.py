from __future__ import annotations

from typing import TYPE_CHECKING

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from cellport.runtime.sources import open_source

if TYPE_CHECKING:
    from collections.abc import Callable

    from cellport.runtime.sources import CountSource

BLOCK_SIZES = (1, 7, 4096)


def random_counts(
    n_cells: int = 23, n_genes: int = 17, density: float = 0.3, seed: int = 0, dtype: str = "f4"
) -> sparse.csr_matrix:
    rng = np.random.default_rng(seed)
    counts = sparse.random(n_cells, n_genes, density, format="csr", random_state=rng)
    counts.data = rng.integers(1, 60, counts.nnz).astype(dtype)
    return counts


def in_anndata(X: object = None, **kwargs: object) -> anndata.AnnData:
    X = random_counts() if X is None else X
    n_cells, n_genes = X.shape
    obs = pd.DataFrame(
        {
            "batch": pd.Categorical([f"b{i % 3}" for i in range(n_cells)]),
            "donor": [f"d{i % 2}" for i in range(n_cells)],
            "depth": np.arange(n_cells),
        },
        index=[f"cell{i}" for i in range(n_cells)],
    )
    var = pd.DataFrame(
        {
            "gene_ids": [f"ENSG{i:011d}" for i in range(n_genes)],
            "kind": pd.Categorical(["coding" if i % 2 else "other" for i in range(n_genes)]),
            "length": np.arange(n_genes),
        },
        index=[f"GENE{i}" for i in range(n_genes)],
    )
    return anndata.AnnData(X, obs=obs, var=var, **kwargs)


def joined(source: CountSource, block_cells: int, start: int = 0, stop: int | None = None):
    """Read a stream, check the shape of its blocks and join them as CSR arrays."""
    at, indptr, indices, data = start, [np.zeros(1, np.int64)], [], []
    for block in source.blocks(block_cells, start, stop):
        assert block.start == at
        assert 1 <= block.n_cells <= block_cells
        assert (block.indptr.dtype, block.indices.dtype) == (np.int64, np.int32)
        assert block.data.dtype == np.float32
        assert block.indptr[0] == 0
        assert block.indptr[-1] == len(block.indices) == len(block.data)
        at += block.n_cells
        indptr.append(block.indptr[1:] + indptr[-1][-1])
        indices.append(block.indices)
        data.append(block.data)
    assert at == (source.n_cells if stop is None else stop)
    return (
        np.concatenate(indptr),
        np.concatenate([np.empty(0, np.int32), *indices]),
        np.concatenate([np.empty(0, np.float32), *data]),
    )


@pytest.fixture
def check_stream() -> Callable[..., None]:
    """Check that a query streams as the same bits as a matrix, at any block size and range."""

    def check(query: object, expected: sparse.spmatrix, **kwargs: object) -> CountSource:
        expected = sparse.csr_matrix(expected)
        source = open_source(query, **kwargs)
        assert (source.n_cells, source.n_genes) == expected.shape
        for block_cells in BLOCK_SIZES:
            indptr, indices, data = joined(source, block_cells)
            np.testing.assert_array_equal(indptr, expected.indptr)
            np.testing.assert_array_equal(indices, expected.indices)
            np.testing.assert_array_equal(data, expected.data.astype(np.float32))
        n = source.n_cells
        start, stop = n // 3, n - n // 4
        indptr, indices, data = joined(source, 3, start, stop)
        part = expected[start:stop]
        np.testing.assert_array_equal(indptr, part.indptr)
        np.testing.assert_array_equal(indices, part.indices)
        np.testing.assert_array_equal(data, part.data.astype(np.float32))
        return source

    return check


@pytest.fixture(scope="session")
def make_counts() -> Callable[..., sparse.csr_matrix]:
    return random_counts


@pytest.fixture(scope="session")
def make_anndata() -> Callable[..., anndata.AnnData]:
    return in_anndata


@pytest.fixture
def read_all() -> Callable[..., tuple[np.ndarray, np.ndarray, np.ndarray]]:
    return joined
