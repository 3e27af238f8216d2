from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.sources import open_source
from cellport.runtime.sources.spread import spread_cells, spread_source


def counts_of(n: int) -> sp.csr_matrix:
    made = np.random.default_rng(n).poisson(0.5, (n, 7)).astype(np.float32)
    made[:, 0] = np.arange(n) + 1
    return sp.csr_matrix(made)


def opened(counts: sp.csr_matrix, seekable: bool) -> Any:
    genes = [f"GENE{i}" for i in range(counts.shape[1])]
    source = open_source((counts, genes))
    source.seekable = seekable
    return source


@given(st.integers(1, 300), st.integers(20, 120), st.booleans())
def test_windows_are_spread_over_all_cells(n: int, most: int, seekable: bool) -> None:
    counts, windows = counts_of(n), 10
    blocks = list(spread_cells(opened(counts, seekable), most, windows))
    rows = np.concatenate([np.arange(one.start, one.start + one.n_cells) for one in blocks])
    if n <= most:
        assert rows.tolist() == list(range(n))
        return
    assert len(rows) == most // windows * windows
    assert (rows[0], rows[-1]) == (0, n - 1)
    assert np.diff(np.unique(rows)).max() <= -(-n // (windows - 1))


@pytest.mark.parametrize("seekable", [True, False])
@pytest.mark.parametrize("n", [5, 300])
def test_a_source_of_them_holds_their_counts_and_names(n: int, seekable: bool) -> None:
    counts = counts_of(n)
    source = opened(counts, seekable)
    rows = np.concatenate(
        [
            np.arange(one.start, one.start + one.n_cells)
            for one in spread_cells(opened(counts, seekable), 100, 10)
        ]
    )
    some = spread_source(source, 100, 10)
    assert some.n_cells == len(rows)
    assert some.gene_columns is source.gene_columns
    assert some.cell_names(0, some.n_cells).tolist() == [str(row) for row in rows]
    (block,) = some.blocks(1000)
    found = sp.csr_matrix((block.data, block.indices, block.indptr), (len(rows), 7))
    assert (found != counts[rows]).nnz == 0
    assert open_source(some) is some
