"""Rules learned from held-out cells, and what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.atlas.manifest import Calibration, Head
from cellport.train.labels.left_out import LeftOutAnswers
from cellport.train.labels.rules import LabelRules, fit_label_rules, required_by

LABELS = ("B", "CD4 T", "CD8 T", "NK")


def _answers(n: int = 3000, groups: int = 3) -> LeftOutAnswers:
    """Calibrated answers in which the T cells are taken for one another."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (n, 4))
    best = rng.integers(0, 4, n)
    t_cell = (best == 1) | (best == 2)
    logits[np.arange(n), best] += np.where(t_cell, 0, 6)
    logits[t_cell, 1:3] += 6
    prob = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    label = (prob.cumsum(1) < rng.random((n, 1))).sum(1)
    both = np.concatenate([logits, logits]).astype(np.float32)
    return LeftOutAnswers(
        both, np.tile(label, 2), np.tile(np.arange(n) % groups, 2), np.repeat([False, True], n)
    )


def test_confused_labels_make_a_group_and_sets_cover() -> None:
    left_out = _answers()
    rules = fit_label_rules(left_out, None, LABELS, [])
    assert rules.parents == {"CD4 T": "CD4 T / CD8 T", "CD8 T": "CD4 T / CD8 T"}
    found = rules.held_out
    assert found is not None
    assert found.by == "batch"
    assert found.sets is not None
    assert found.sets.level == 0.9
    assert found.sets.coverage >= 0.88
    assert 1 <= found.sets.mean_size < 2
    assert sum(one.cells for one in found.reliability) == found.cells == 3000
    assert found.ece < 0.1


def test_named_groups_come_before_learned_ones() -> None:
    left_out = _answers()
    groups = [("lymphoid", frozenset({1, 2, 3}))]
    rules = fit_label_rules(left_out, None, LABELS, groups)
    assert set(rules.parents.values()) == {"lymphoid"}


def test_held_out_cells_stand_in_for_left_out_batches() -> None:
    cells = _answers(groups=1)
    rules = fit_label_rules(None, cells, LABELS, [])
    assert rules.held_out is not None
    assert rules.held_out.by == "cell"
    assert rules.calibration.softness == pytest.approx(0.1)


def test_nothing_held_out_gives_careful_rules() -> None:
    rules = fit_label_rules(None, None, LABELS, [])
    assert rules.held_out is None
    assert (rules.set_prob, rules.set_mass) == ((1.0,) * 4, 0.85)


def test_each_label_is_scored_by_its_own_cells() -> None:
    left_out = _answers()
    rules = fit_label_rules(left_out, None, LABELS, [])
    whole = ~left_out.degraded
    best, truth = left_out.logits[whole].argmax(axis=1), left_out.label[whole]
    found = rules.held_out
    assert found is not None
    assert set(found.by_label) == set(LABELS)
    for code, name in enumerate(LABELS):
        assert found.by_label[name].cells == (truth == code).sum()
        recall = (best[truth == code] == code).mean()
        assert found.by_label[name].recall == pytest.approx(recall)
    assert found.accuracy == pytest.approx((best == truth).mean())
    right = sum(one.cells * one.accuracy for one in found.reliability)
    assert right / found.cells == pytest.approx(found.accuracy)
    assert all(one.accuracy > 0.5 for one in found.reliability[6:] if one.cells)


def test_without_labels_nothing_is_called() -> None:
    rules = fit_label_rules(None, None, (), [])
    assert (rules.set_prob, rules.set_mass, rules.call_prob) == ((), 0.0, 0.5)
    assert rules == LabelRules()
    logits = np.array([[1, 2, 4]], np.float32)
    exact = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(rules.calibration.prob(logits), exact, rtol=1e-5)


@pytest.mark.parametrize("mass", [0.0, 0.85])
@pytest.mark.parametrize("power", [0.0, 2.0])
def test_an_older_reader_is_asked_for_what_it_must_know_alone(mass: float, power: float) -> None:
    head = Head("softmax", Calibration("none", information_power=power), (0.5,), mass)
    wanted = {"set_mass": mass > 0, "information_power": power > 0}
    assert set(required_by(head)) == {name for name, is_needed in wanted.items() if is_needed}
