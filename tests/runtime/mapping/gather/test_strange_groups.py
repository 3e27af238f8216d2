"""P-values of groups of cells: what they promise, and what moves them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.mapping.gather.strange_groups import (
    KnownGroups,
    novel_strangeness,
    p_beside,
    p_beside_each_other,
    strangeness_of_groups,
)

KNOWN = KnownGroups()
USUAL, QUERIES, GROUPS = KNOWN.usual, KNOWN.between_queries, KNOWN.between_groups


def query(strange: list[float], size: int = 50) -> tuple[np.ndarray, list[np.ndarray]]:
    """P-values of the cells of groups that are so strange on the mean, and the groups."""
    rng = np.random.default_rng(len(strange))
    noise = rng.logistic(size=(len(strange), size))
    odds = noise - noise.mean(axis=1, keepdims=True) + np.array(strange)[:, None]
    rows = np.arange(odds.size).reshape(odds.shape)
    return 1 / (1 + np.exp(odds.ravel())), list(rows)


def group_p_values(p: np.ndarray, weight: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    return p_beside_each_other(*strangeness_of_groups(p, weight, groups))


def p_of(strange: list[float], size: int = 50) -> np.ndarray:
    p, groups = query(strange, size)
    return group_p_values(p, np.ones(len(p)), groups)


def test_known_types_of_shifted_queries_are_rarely_called_strange() -> None:
    """Queries and groups drawn as they were learned: no more than 5 % have p below 0.05."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(300):
        n_groups = int(rng.integers(1, 12))
        centre = USUAL + QUERIES * rng.normal()
        found.append(p_of(list(centre + GROUPS * rng.normal(size=n_groups))))
    below = np.mean(np.concatenate(found) < 0.05)
    assert 0.005 < below < 0.05


def test_a_strange_group_among_known_ones() -> None:
    p = p_of([-1.2, -1, -1.5, 2.5, -0.8])
    assert p.argmin() == 3
    assert p[3] < 0.02
    assert (np.delete(p, 3) > 0.2).all()


def test_what_shifts_the_whole_query_makes_no_group_strange() -> None:
    alone, shifted = p_of([1.5] + [-1.2] * 6)[0], p_of([1.5] + [1.2] * 6)[0]
    assert alone < 0.05 < 0.2 < shifted


def test_a_query_of_nothing_but_unseen_types() -> None:
    assert (p_of([6.0] * 5) < 0.01).all()


@pytest.mark.parametrize("size", [10, 1000])
def test_one_group_is_judged_by_other_queries_alone(size: int) -> None:
    assert p_of([USUAL], size)[0] == pytest.approx(0.5, abs=0.01)
    assert p_of([USUAL + 2 * QUERIES], size)[0] == pytest.approx(0.06, abs=0.03)


@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=6),
    st.integers(0, 5),
    st.floats(0.1, 3),
)
def test_the_stranger_the_less_likely(strange: list[float], at: int, more: float) -> None:
    at %= len(strange)
    before = p_of(strange)[at]
    strange[at] += more
    assert p_of(strange)[at] <= before


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.integers(2, 9))
def test_cells_that_stand_for_several(strange: list[float], several: int) -> None:
    """A sample of a large query is judged as a sample, not as the cells that it stands for."""
    p, groups = query(strange)
    one = group_p_values(p, np.ones(len(p)), groups)
    np.testing.assert_allclose(group_p_values(p, np.full(len(p), several), groups), one)


def test_no_groups() -> None:
    assert group_p_values(np.array([0.5]), np.ones(1), []).shape == (0,)


def test_p_values_of_none_and_all() -> None:
    p = np.repeat([0.0, 1.0], 20)
    found = group_p_values(p, np.ones(40), [np.arange(20), np.arange(20, 40)])
    assert found[0] < 0.05 < 0.5 < found[1]


@pytest.mark.parametrize("cells", [100, 4000])
def test_as_many_novel_cells_as_chance_makes_are_not_shifted(cells: int) -> None:
    shift, independent = novel_strangeness(0.05 * cells, 0.05, cells)
    assert shift == pytest.approx(0)
    assert 0 < independent < cells


def test_the_shift_that_makes_so_many_novel() -> None:
    """Of cells whose log odds are shifted by as much, as many are novel as were found."""
    shift, _ = novel_strangeness(300, 0.05, 1000)
    odds = np.random.default_rng(0).logistic(size=200_000) + shift
    assert np.mean(odds > np.log(0.95 / 0.05)) == pytest.approx(0.3, abs=0.005)


def test_groups_beside_others() -> None:
    strange, independent = np.array([2.0, -1.0]), np.array([50.0, 50.0])
    unlikely, likely = p_beside(strange, independent, np.array([-1.2, -1.4, -1.1]))
    assert unlikely < 0.03 < 0.2 < likely
    assert p_beside(strange[:0], independent[:0], np.array([1.0])).shape == (0,)
