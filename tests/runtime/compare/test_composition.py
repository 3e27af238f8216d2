"""Changes of composition: what was planted is found, what is not there is not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.compare.composition import Composition, changes, log_ratios, mean_changes
from cellport.runtime.compare.design import Design, Samples, designs

TYPES = ("B", "CD4 T", "CD8 T", "NK", "monocyte", "dendritic")


def cohort(n: int, seed: int, fold: float = 1.0, spread: float = 0.3) -> Composition:
    """Cells of n + n samples of which each has its own composition; B cells change."""
    rng = np.random.default_rng(seed)
    share = np.array([0.1, 0.35, 0.2, 0.1, 0.2, 0.05]) * np.exp(rng.normal(0, spread, (2 * n, 6)))
    share[n:, 0] *= fold
    share /= share.sum(axis=1, keepdims=True)
    cells = [rng.multinomial(size, p) for size, p in zip(rng.integers(800, 4000, 2 * n), share,
                                                         strict=True)]  # fmt: skip
    return Composition("type", TYPES, names(n), np.array(cells, float))


def names(n: int) -> tuple[str, ...]:
    return tuple(f"s{at}" for at in range(2 * n))


def design(n: int) -> Design:
    (made,) = designs(Samples(names(n), ("a",) * n + ("b",) * n))
    return made


def test_false_positives_are_as_rare_as_promised() -> None:
    """Within what 600 cohorts leave to chance; benchmarks.compare measures it."""
    p = [one.p for seed in range(600) for one in changes(cohort(4, seed), design(4))]
    assert 0.035 < np.mean(np.array(p) < 0.05) < 0.065


def test_a_planted_change_is_found_and_measured() -> None:
    found = [changes(cohort(6, seed, fold=2.0), design(6)) for seed in range(100)]
    b_cells = [of[0] for of in found]
    assert np.mean([one.p < 0.05 for one in b_cells]) > 0.8
    assert np.mean([one.change for one in b_cells]) == pytest.approx(1.0, abs=0.05)
    assert 0.9 < np.mean([one.low < 1.0 < one.high for one in b_cells]) <= 1
    # the types that did not change take no part in it
    others = [one.change for of in found for one in of[1:]]
    assert abs(np.mean(others)) < 0.3


@given(st.integers(0, 100), st.floats(0.1, 10))
@settings(max_examples=20)
def test_a_log_ratio_does_not_know_how_many_cells_were_taken(seed: int, times: float) -> None:
    cells = np.random.default_rng(seed).integers(500, 900, (4, 5)).astype(float)
    np.testing.assert_allclose(log_ratios(cells * 100), log_ratios(cells * 100 * times), atol=1e-3)


def test_two_categories_are_odds() -> None:
    cells = np.array([[10.0, 90.0], [40.0, 60.0]]) * 1e6
    odds = np.log2(cells[:, 0] / cells[:, 1])
    np.testing.assert_allclose(log_ratios(cells)[:, 0], odds, rtol=1e-6)


def test_rare_categories_and_empty_samples() -> None:
    made = cohort(4, 0)
    rare = np.column_stack([made.cells, np.eye(8)[0]])
    composition = Composition("type", (*TYPES, "rare"), made.samples, rare)
    *known, last = changes(composition, design(4))
    assert all(math.isfinite(one.p) and not one.note for one in known)
    assert math.isnan(last.p)
    assert last.note == "fewer than 2 cells a sample on average"
    # a sample without any cell is no sample
    rare[:3] = 0
    found = changes(composition, design(4))
    assert all(math.isnan(one.p) and one.note for one in found)
    assert "'a' has 1 sample" in found[0].note


@given(st.integers(0, 100), st.integers(2, 5))
@settings(max_examples=20)
def test_means_are_of_the_shares_of_samples(seed: int, n: int) -> None:
    made = cohort(n, seed)
    made.cells[0] = made.cells[n] = 0  # of samples with cells
    share = (made.cells / made.cells.sum(axis=1, keepdims=True).clip(1)).round(12)
    for at, one in enumerate(changes(made, design(n))):
        assert one.mean_reference == pytest.approx(share[1:n, at].mean())
        assert one.mean_level == pytest.approx(share[n + 1 :, at].mean())


def test_a_category_of_two_cells_a_sample_is_tested_and_of_fewer_is_not() -> None:
    made = cohort(4, 0)
    for cells, is_tested in ((16.0, True), (15.0, False)):
        rare = np.column_stack([made.cells, np.eye(8)[0] * cells])
        *_, last = changes(Composition("type", (*TYPES, "rare"), made.samples, rare), design(4))
        assert math.isfinite(last.p) == is_tested
        assert (last.note == "") == is_tested


def test_where_a_side_has_no_cells_there_is_its_mean_alone() -> None:
    made = cohort(4, 0)
    shares = made.shares[4:].mean(axis=0)
    made.cells[:4] = 0
    for at, one in enumerate(changes(made, design(4))):
        assert one.mean_level == pytest.approx(shares[at])
        assert math.isnan(one.mean_reference)
        assert math.isnan(one.change)
        assert "'a' has 0 samples" in one.note


def test_without_enough_samples_the_change_is_that_of_the_means() -> None:
    made = cohort(2, 0, fold=8.0)
    log = log_ratios(made.cells)
    for at, one in enumerate(changes(made, design(2))):
        assert one.change == pytest.approx(log[2:, at].mean() - log[:2, at].mean())


def test_without_enough_samples_there_is_a_change_and_no_p() -> None:
    found = changes(cohort(2, 0), design(2))
    assert all(math.isnan(one.p) and math.isnan(one.low) for one in found)
    assert all(math.isfinite(one.change) and "No p-value" in one.note for one in found)


def test_means_of_pseudotime() -> None:
    rng = np.random.default_rng(0)
    early = {f"s{at}": float(rng.normal(0.3 if at < 4 else 0.6, 0.05)) for at in range(8)}
    part = {name: value for name, value in early.items() if name not in ("s0", "s1", "s2")}
    found = mean_changes("pseudotime mean", {"mean": early, "few": part}, design(4))
    assert found[0].p < 0.01
    assert found[0].change == pytest.approx(0.3, abs=0.1)
    assert math.isnan(found[1].p)
    assert "'a' has 1 sample" in found[1].note


def test_pairs_see_what_differs_within_them() -> None:
    rng = np.random.default_rng(1)
    of_patient = rng.normal(0, 1.5, (6, 6))
    share = np.exp(np.concatenate([of_patient, of_patient]) + rng.normal(0, 0.1, (12, 6)))
    share[6:, 0] *= 1.6
    cells = np.round(5000 * share / share.sum(axis=1, keepdims=True)) + 5
    composition = Composition("type", TYPES, names(6), cells)
    samples = Samples(names(6), ("a",) * 6 + ("b",) * 6, tuple("123456123456"))
    (paired,) = designs(samples)
    assert changes(composition, paired)[0].p < 0.001
    assert changes(composition, design(6))[0].p > 0.05
