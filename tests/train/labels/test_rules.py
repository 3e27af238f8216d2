"""Rules learned from held-out cells, and what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.atlas.label_sets import within_mass
from cellport.runtime.atlas.manifest import Calibration, Head
from cellport.train.labels.calibrate import calibrate, call_threshold, reached_level
from cellport.train.labels.left_out import LeftOutAnswers
from cellport.train.labels.rules import LabelRules, fit_label_rules, required_by
from cellport.train.labels.scores import label_scores
from cellport.train.labels.tree import groups_of_confusions, nested

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


@pytest.mark.parametrize("by_batch", [False, True])
def test_whole_cells_tell_how_good_labels_are_and_degraded_ones_of_sets_alone(
    by_batch: bool,
) -> None:
    whole = _answers(600)
    degraded = whole.degraded
    # in a fifth of the degraded cells each label has the scores of another
    turned = degraded & (np.arange(len(degraded)) % 5 == 0)
    logits = np.where(turned[:, np.newaxis], whole.logits[:, ::-1], whole.logits)
    answers = LeftOutAnswers(logits, whole.label, whole.group, degraded)
    rules = fit_label_rules(answers if by_batch else None, answers, LABELS, [])
    prob = calibrate(answers if by_batch else None, answers).prob(logits)
    within = within_mass(prob, 0.85)
    holds = within[np.arange(len(prob)), answers.label]
    found = rules.held_out
    assert found is not None
    assert found.sets is not None
    assert found.sets.coverage == pytest.approx(holds[~degraded].mean())
    assert found.sets.coverage_degraded == pytest.approx(holds[degraded].mean())
    assert found.sets.mean_size == pytest.approx(within[~degraded].sum(axis=1).mean())
    assert found.sets.mean_size_degraded == pytest.approx(within[degraded].sum(axis=1).mean())
    assert found.sets.level == rules.set_level == reached_level(prob, answers.label)
    assert rules.call_prob == call_threshold(prob, answers.label, LABELS, rules.parents)
    names = np.array(LABELS, object)
    part = prob[~degraded]
    scores = label_scores(
        names[answers.label[~degraded]], names[part.argmax(axis=1)], part.max(axis=1)
    )
    assert found.accuracy == pytest.approx(scores["accuracy"])
    assert found.macro_f1 == pytest.approx(scores["macro_f1"])
    assert found.ece == pytest.approx(scores["ece"])
    assert found.cells == (~degraded).sum()
    by_part = [
        nested(groups_of_confusions(prob[part], answers.label[part], LABELS), LABELS)
        for part in (~degraded, degraded)
    ]
    assert rules.parents == by_part[0] != by_part[1]
