from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

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


def test_a_source_that_grew_meanwhile_is_noticed() -> None:
    counts = _sources()
    shorter = SourceCounts(counts.sources, None, counts.columns, (84, 9))
    with pytest.raises(InputError, match="had 84 cells when it was opened and has 85"):
        list(chunks(shorter))
