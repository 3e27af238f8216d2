from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from cellport.runtime.mapping.outlook.confusion import Confusion
from cellport.runtime.mapping.outlook.merged_labels import merge_labels


def confusion(given: list[list[float]], common: list[float] | None = None) -> Confusion:
    n = len(given)
    return Confusion(np.array(given), np.full(n, 1 / n) if common is None else np.array(common))


@st.composite
def confusions(draw: st.DrawFn) -> Confusion:
    n = draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    given = rng.dirichlet(np.full(n, draw(st.sampled_from([0.1, 1.0]))), n)
    return Confusion((given + 2 * np.eye(n)) / 3, rng.dirichlet(np.ones(n)))


def test_only_labels_that_are_taken_for_each_other_are_merged() -> None:
    found = merge_labels(
        confusion([[0.7, 0.3, 0, 0], [0.3, 0.7, 0, 0], [0, 0, 0.99, 0.01], [0, 0, 0.01, 0.99]])
    )
    assert_array_equal(found, [0, 0, 1, 2])


def test_a_rare_label_that_nobody_recognises_does_not_join_those_that_are_sure() -> None:
    given = [[0.99, 0.01, 0], [0.01, 0.99, 0], [0.5, 0.5, 0]]
    assert_array_equal(merge_labels(confusion(given, [0.495, 0.495, 0.01])), [0, 1, 2])


def test_cells_that_get_no_label_are_no_reason_to_merge_others() -> None:
    assert_array_equal(merge_labels(confusion([[0.5, 0], [0, 0.5]])), [0, 1])


@given(confusions(), st.floats(0.5, 0.999))
def test_merged_labels_are_as_sure_as_was_asked(found: Confusion, sure: float) -> None:
    group = merge_labels(found, sure)
    assert found.merged(group).accuracy >= sure - 1e-9
    # numbered by their first labels
    first = [int(np.flatnonzero(group == code)[0]) for code in range(group.max() + 1)]
    assert first == sorted(first)
    if found.accuracy >= sure:
        assert_array_equal(group, np.arange(len(group)))


@given(confusions(), st.integers(0, 1 << 30))
def test_merging_keeps_every_cell(found: Confusion, seed: int) -> None:
    group: NDArray[np.int64] = np.random.default_rng(seed).integers(0, 3, len(found.given))
    group = np.unique(group, return_inverse=True)[1]
    merged = found.merged(group)
    assert_allclose(merged.common.sum(), 1)
    assert_allclose(merged.mixed.sum(), found.mixed.sum())
    assert merged.accuracy >= found.accuracy - 1e-12
