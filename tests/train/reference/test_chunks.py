from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.train.reference.chunks import SourceCounts, chunks


def _counts(n: int = 60, seed: int = 0) -> sp.csr_matrix:
    return sp.csr_matrix(np.random.default_rng(seed).poisson(1, (n, 9)).astype(np.float32))


def _sources() -> SourceCounts:
    genes = [f"g{i}" for i in range(9)]
    ahead, behind = np.arange(9, dtype=np.int32), np.arange(9, dtype=np.int32)[::-1].copy()
    behind[4] = -1
    ahead[4] = -1
    parts = ((_counts(), genes), (_counts(25, 1), genes))
    return SourceCounts(parts, None, (ahead, behind), (85, 9))


def test_cells_of_all_sources_come_in_the_order_of_the_reference() -> None:
    told: list[int] = []
    found = sp.vstack(list(chunks(_sources(), on_progress=told.append))).toarray()
    expected = np.concatenate([_counts().toarray(), _counts(25, 1).toarray()[:, ::-1]])
    expected[:, 4] = 0
    np.testing.assert_array_equal(found, expected)
    assert told == [60, 85]


def test_some_genes_of_a_matrix() -> None:
    genes = np.array([1, 2, 7])
    found = sp.vstack(list(chunks(_counts(), genes)))
    np.testing.assert_array_equal(found.toarray(), _counts().toarray()[:, genes])


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32), st.integers(1, 20), st.integers(1, 30), st.integers(1, 20))
def test_genes_go_to_their_columns_and_add_up(
    seed: int, n_cells: int, n_genes: int, n_columns: int
) -> None:
    """Genes of a cell in any order and any number of times, some of them 0."""
    rng = np.random.default_rng(seed)
    ends = np.cumsum([0, *rng.integers(0, 2 * n_genes, n_cells)])
    indices, data = rng.integers(0, n_genes, ends[-1]), rng.poisson(1, ends[-1])
    column = rng.integers(-1, n_columns, n_genes).astype(np.int32)
    source = sp.csr_matrix((data.astype(np.float32), indices, ends), (n_cells, n_genes))
    expected = np.zeros((n_cells, n_columns))
    for gene, at in enumerate(column):
        if at >= 0:
            expected[:, at] += source.toarray()[:, gene]
    names = [f"g{i}" for i in range(n_genes)]
    sources = SourceCounts(((source, names),), None, (column,), (n_cells, n_columns))
    (found,) = chunks(sources)
    assert found.dtype == np.float32
    assert found.has_canonical_format
    assert found.data.all()
    np.testing.assert_array_equal(found.toarray(), expected)


def test_counts_up_to_ten_million_add_up_exactly() -> None:
    counts = np.full((1, 1501), 9_999_999, np.float32)
    counts[0, 0], counts[0, 1001:] = 1, 0
    names = [f"g{i}" for i in range(1501)]
    column = np.zeros(1501, np.int32)
    sources = SourceCounts(((sp.csr_matrix(counts), names),), None, (column,), (1, 1))
    (found,) = chunks(sources)
    assert found[0, 0] == np.float32(1 + 1000 * 9_999_999)


def test_a_source_that_grew_meanwhile_is_noticed() -> None:
    counts = _sources()
    shorter = SourceCounts(counts.sources, None, counts.columns, (84, 9))
    with pytest.raises(InputError, match="had 84 cells when it was opened and has 85"):
        list(chunks(shorter))
