from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.cells import TrainingCells, at_random, evenly, every_nth


@given(st.integers(1, 5000), st.integers(1, 600))
def test_positions_spread_over_the_cells_are_few_and_different(n: int, most: int) -> None:
    for chosen in (evenly(n, most), every_nth(n, most)):
        assert 1 <= len(chosen) <= min(n, most)
        assert chosen[0] == 0
        assert (np.diff(chosen) > 0).all()
        if n <= most:
            assert chosen.tolist() == list(range(n))


@given(st.integers(0, 300), st.integers(1, 300), st.integers(0, 9))
def test_rows_at_random_are_some_of_the_rows_in_order(n: int, most: int, seed: int) -> None:
    rows, rng = np.arange(n) * 3, np.random.default_rng(seed)
    chosen = at_random(rows, most, rng)
    assert len(chosen) == min(n, most)
    assert (np.diff(chosen) > 0).all()
    assert np.isin(chosen, rows).all()
    if n <= most:
        assert rng.random() == np.random.default_rng(seed).random()


def test_trained_are_the_cells_that_are_not_held_out() -> None:
    code, held_out = np.zeros(6, np.int64), np.array([1, 4])
    cells = TrainingCells(sp.csr_matrix((6, 2)), code, code, 0, 1, held_out)
    assert cells.trained.tolist() == [0, 2, 3, 5]
