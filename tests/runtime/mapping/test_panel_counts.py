from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.panel_counts import panel_counts
from cellport.runtime.sources.block import CountBlock


def block(counts: Any) -> CountBlock:
    part = sp.csr_matrix(counts)
    return CountBlock(0, part.indptr.astype(np.int64), part.indices.astype(np.int32), part.data)


def match(column: list[int], n_panel: int) -> GeneMatch:
    measured = np.isin(np.arange(n_panel), column)
    found = np.array(column, np.int32)
    rule, genes = np.zeros(n_panel, np.int8), np.ones(len(found), bool)
    return GeneMatch(found, genes, measured, "index", None, rule, (), (), ())


def test_counts_are_scaled_over_the_genes_that_match() -> None:
    counts = block(np.array([[1, 2, 3, 4], [0, 0, 0, 5], [0, 9, 0, 0]], np.float32))
    share = np.array([0.3, 0.5, 0.2], np.float32)
    found = panel_counts(counts, match([2, -1, 2, 0], 3), share).toarray()
    np.testing.assert_allclose(found, [[2500, 0, 2500], [5000, 0, 0], [0, 0, 0]], rtol=1e-6)


@given(st.lists(st.integers(0, 19), unique=True), st.integers(0, 99))
def test_a_cell_does_not_depend_on_the_others(rows: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    counts = block(rng.poisson(1, (20, 9)).astype(np.float32))
    genes, share = match(rng.integers(-1, 6, 9).tolist(), 6), rng.dirichlet(np.ones(6))
    share = share.astype(np.float32)
    some = panel_counts(counts, genes, share, np.array(rows, np.int64))
    np.testing.assert_array_equal(
        some.toarray(), panel_counts(counts, genes, share).toarray()[rows]
    )


def test_a_block_without_counts_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="does not carry its counts"):
        panel_counts(None, match([0], 1), np.ones(1, np.float32))
