"""How the atlas speaks of labels: probabilities, label tree, sets and calls, with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.train.labels.calibrate import (
    LABELS,
    Calibration,
    LabelConfig,
    calibrate,
    call_threshold,
    reached_level,
    set_thresholds,
)
from cellport.train.labels.left_out import LeftOutAnswers
from cellport.train.labels.scores import label_scores, reliability
from cellport.train.labels.tree import Group, groups_of_confusions, nested


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What turns logits into labels, sets and calls."""

    calibration: Calibration = field(default_factory=Calibration)  # logits to probabilities
    parents: dict[str, str] = field(default_factory=dict)  # the label tree
    set_prob: tuple[float, ...] = ()  # least probability at which each label enters a cell's set
    # share of cells like the held-out ones whose set holds their label
    set_level: float = LABELS.set_level
    call_prob: float = 0.5  # least probability of a called label or group
    # what held-out cells say of all this, for the manifest and the card
    scores: dict[str, Any] = field(default_factory=lambda: {"cells": 0})


def fit_label_rules(
    by_batch: LeftOutAnswers | None,
    by_cell: LeftOutAnswers | None,
    labels: tuple[str, ...],
    groups: Sequence[Group],
    config: LabelConfig = LABELS,
) -> LabelRules:
    """Learn the rules from held-out cells.

    Parameters
    ----------
    by_batch, by_cell
        Answers for cells of batches left out, and for the held-out cells; the former are judged
        by where there are any.
    labels
        Names of the labels; without any there are no rules.
    groups
        Groups of labels that the maker named; without any, labels that the model takes for
        one another make groups.
    config
        What the rules are held to.
    """
    if not labels:
        return LabelRules()
    calibration = calibrate(by_batch, config)
    judged = by_batch or by_cell
    if judged is None:
        return LabelRules(calibration, nested(groups, labels), (1.0,) * len(labels))
    prob = calibration.prob(judged.logits)
    whole = ~judged.degraded
    level = reached_level(prob, judged.label, config)
    confused = groups_of_confusions(prob[whole], judged.label[whole], labels)
    parents = nested(groups or confused, labels)
    return LabelRules(
        calibration,
        parents,
        set_thresholds(prob, judged.label, config),
        level,
        call_threshold(prob, judged.label, labels, parents, config),
        _scores(prob[whole], judged.label[whole], labels)
        | {
            "by": "cell" if by_batch is None else "batch",
            "conformal": {"level": level} | _coverage(prob, judged, config),
        },
    )


def _scores(
    prob: NDArray[np.floating], truth: NDArray[np.int64], labels: tuple[str, ...]
) -> dict[str, Any]:
    names = np.asarray(labels, dtype=object)
    best = prob.argmax(axis=1)
    scores: dict[str, Any] = dict(label_scores(names[truth], names[best], prob.max(axis=1)))
    scores["cells"] = len(truth)
    scores["by_label"] = {
        names[code]: {
            "cells": int((truth == code).sum()),
            "recall": float((best[truth == code] == code).mean()),
        }
        for code in np.unique(truth)
    }
    scores["reliability"] = reliability(prob.max(axis=1), best == truth)
    return scores


def _coverage(
    prob: NDArray[np.floating], judged: LeftOutAnswers, config: LabelConfig
) -> dict[str, float]:
    """Coverage and size of label sets whose thresholds were fitted on the other groups."""
    part = judged.group if judged.group.max() > judged.group.min() else _halves(judged)
    within = np.zeros(prob.shape, bool)
    for code in np.unique(part):
        inside = part == code
        least = set_thresholds(prob[~inside], judged.label[~inside], config)
        within[inside] = prob[inside] >= least
    rows = np.arange(len(prob))
    within[rows, prob.argmax(axis=1)] = True
    whole = ~judged.degraded
    return {
        "coverage": float(within[rows, judged.label][whole].mean()),
        "coverage_degraded": float(within[rows, judged.label][judged.degraded].mean()),
        "mean_size": float(within[whole].sum(axis=1).mean()),
        "mean_size_degraded": float(within[judged.degraded].sum(axis=1).mean()),
    }


def _halves(judged: LeftOutAnswers) -> NDArray[np.int64]:
    cells = len(judged.label) // 2
    return np.tile(np.arange(cells) % 2, 2)
