from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.mapping.annotate.centres import _started, find_centres, nearest_centre


@pytest.mark.parametrize("in_order", [False, True])
def test_groups_apart_are_found(in_order: bool) -> None:
    rng = np.random.default_rng(0)
    middle = np.array([[0, 0], [20, 0], [0, 20], [20, 20]], np.float32)
    true = rng.integers(0, 4, 300)
    true = np.sort(true) if in_order else true
    latent = (middle[true] + rng.normal(size=(300, 2))).astype(np.float32)
    centres = find_centres(latent, 4)
    group = nearest_centre(centres, latent)
    means = [latent[group == one].mean(axis=0) for one in range(4)]
    np.testing.assert_allclose(centres, means, rtol=1e-5)
    assert len({*zip(true.tolist(), group.tolist(), strict=True)}) == 4


@given(st.integers(1, 30), st.integers(1, 4), st.integers(0, 99))
def test_the_same_cells_get_the_same_centres(n: int, width: int, seed: int) -> None:
    """Whatever is equal; and a cell's centre is the nearest, alone or among others."""
    rng = np.random.default_rng(seed)
    latent = rng.integers(-2, 3, (n, width)).astype(np.float32)
    centres = find_centres(latent, int(rng.integers(1, n + 1)))
    assert np.array_equal(centres, find_centres(latent.copy(), len(centres)))
    assert np.isfinite(centres).all()
    assert centres.dtype == np.float32
    squared = ((latent[:, None] - centres[None]) ** 2).sum(axis=2)
    group = nearest_centre(centres, latent)
    np.testing.assert_allclose(squared[np.arange(n), group], squared.min(axis=1), rtol=1e-5)
    assert [nearest_centre(centres, one[None])[0] for one in latent] == group.tolist()


@given(st.integers(1, 10), st.integers(1, 3), st.integers(0, 99))
def test_a_centre_is_the_mean_of_its_cells(n: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, width)).astype(np.float32)
    centres = find_centres(latent, int(rng.integers(1, n + 1)))
    group = nearest_centre(centres, latent)
    for code in np.unique(group):
        mean = latent[group == code].mean(axis=0)
        np.testing.assert_allclose(centres[code], mean, rtol=1e-4, atol=1e-5)


def test_a_centre_that_loses_its_cells_stays() -> None:
    latent = np.full((6, 2), 5, np.float32)
    np.testing.assert_array_equal(find_centres(latent, 3), latent[:3])


@given(st.integers(1, 12), st.integers(1, 3), st.integers(0, 99))
def test_cells_that_differ_are_all_drawn_before_one_is_drawn_again(
    n: int, width: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    latent = np.cumsum(rng.uniform(1, 2, (n, width)), axis=0).astype(np.float32)
    drawn = _started(latent, n)
    assert drawn[0] == 0
    assert sorted(drawn.tolist()) == list(range(n))


@given(st.integers(2, 12), st.integers(1, 3), st.integers(0, 99))
def test_cells_to_start_from_are_the_same_in_every_version(n: int, width: int, seed: int) -> None:
    """By the squared distance from those drawn, with the numbers of one generator."""
    latent = np.random.default_rng(seed).integers(0, 50, (n, width)).astype(np.float32)
    numbers, drawn = np.random.default_rng(0), [0]
    for _ in range(1, n):
        apart = [min(float(((one - latent[at]) ** 2).sum()) for at in drawn) for one in latent]
        reached = numbers.random() * sum(apart)
        inside = [at for at in range(n) if sum(apart[: at + 1]) > reached]
        drawn.append(inside[0] if inside else n - 1)
    assert _started(latent, n).tolist() == drawn
