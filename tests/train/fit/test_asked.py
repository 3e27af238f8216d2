from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.fit.asked import asked_genes


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
