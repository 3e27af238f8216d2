from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.fit.asked import asked_genes, number_of_parts


@pytest.mark.parametrize(
    ("genes", "cells", "parts"),
    [
        (2000, 64, 1),
        (940, 64, 1),
        (2000, 128, 2),
        (2000, 256, 4),
        (2000, 512, 4),
        (33, 512, 1),
        (2, 10**9, 2),
    ],
)
def test_larger_minibatches_ask_for_fewer_genes(genes: int, cells: int, parts: int) -> None:
    assert number_of_parts(genes, cells) == parts


@given(
    n_genes=st.integers(2, 60),
    parts=st.integers(2, 9),
    seed=st.integers(0, 99),
    of=st.integers(0, 9),
)
def test_each_gene_is_asked_for_once_in_so_many_steps(
    n_genes: int, parts: int, seed: int, of: int
) -> None:
    parts = min(parts, n_genes)
    steps = range(of * parts, (of + 1) * parts)
    dealt = [asked_genes(n_genes, parts, [seed, 0], step) for step in steps]
    found = [genes for genes in dealt if genes is not None]
    assert len(found) == parts
    assert all((np.diff(genes) > 0).all() for genes in found)
    assert np.ptp([len(genes) for genes in found]) <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(n_genes))


def test_genes_come_together_anew_and_by_the_seed() -> None:
    first, same, later, other = (
        asked_genes(50, 2, seed, step)
        for seed, step in (([0, 0], 0), ([0, 0], 0), ([0, 0], 2), ([1, 0], 0))
    )
    assert np.array_equal(first, same)
    assert not np.array_equal(first, later)
    assert not np.array_equal(first, other)
    assert asked_genes(50, 1, [0, 0], 3) is None
