"""Rules learned from held-out cells, and what they say of themselves."""

from __future__ import annotations

import numpy as np
import pytest

from cellport.train.labels.left_out import LeftOutAnswers
from cellport.train.labels.rules import fit_label_rules

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
