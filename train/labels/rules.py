"""How the atlas speaks of labels: probabilities, label tree, sets and calls, with their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.label_sets import within_mass
from cellport.runtime.atlas.manifest import Head, HeldOut, LabelScore, SetScores
from cellport.train.labels.calibrate import (
    LABELS,
    Calibration,
    LabelConfig,
    calibrate,
    call_threshold,
    reached_level,
)
from cellport.train.labels.left_out import LeftOutAnswers
from cellport.train.labels.scores import label_scores, reliability
from cellport.train.labels.tree import Group, groups_of_confusions, nested


@dataclass(frozen=True, slots=True)
class LabelRules:
    """What turns logits into labels, sets and calls."""

    calibration: Calibration = field(default_factory=Calibration)  # logits to probabilities
    parents: dict[str, str] = field(default_factory=dict)  # the label tree
    # least probability at which each label enters a cell's set, and what the probabilities of those
    # before it do not reach where it does
    set_prob: tuple[float, ...] = ()
    set_mass: float = 0.0
    # share of cells like the held-out ones whose set holds their label
    set_level: float = LABELS.set_level
    call_prob: float = 0.5  # least probability of a called label or group
    held_out: HeldOut | None = None  # what held-out cells say of all this


def required_by(head: Head) -> dict[str, str]:
    """Return what a head asks of those that map with it: name, and the version of cellport."""
    needs = {
        "set_mass": head.set_mass,
        "information_power": head.calibration.information_power,
    }
    return {name: "0.1.0" for name, is_needed in needs.items() if is_needed}


def fit_label_rules(
    by_batch: LeftOutAnswers | None,
    by_cell: LeftOutAnswers | None,
    labels: tuple[str, ...],
    groups: Sequence[Group],
    config: LabelConfig = LABELS,
) -> LabelRules:
    """Learn the rules from held-out cells; without labels there are none.

    Answers for cells of batches left out count where there are any, else those for the held-out
    cells. Where the maker named no groups, labels that the model takes for one another make some.
    """
    if not labels:
        return LabelRules()
    calibration = calibrate(by_batch, by_cell, config)
    judged = by_batch or by_cell
    # the mass alone decides
    least = (1.0,) * len(labels)
    if judged is None:
        return LabelRules(calibration, nested(groups, labels), least, config.set_mass)
    prob = calibration.prob(judged.logits)
    whole = ~judged.degraded
    confused = groups_of_confusions(prob[whole], judged.label[whole], labels)
    parents = nested(groups or confused, labels)
    sets = _coverage(prob, judged, config)
    return LabelRules(
        calibration,
        parents,
        least,
        config.set_mass,
        sets.level,
        call_threshold(prob, judged.label, labels, parents, config),
        _scores(prob[whole], judged.label[whole], labels, sets, by_batch is not None),
    )


def _scores(
    prob: NDArray[np.floating],
    truth: NDArray[np.int64],
    labels: tuple[str, ...],
    sets: SetScores,
    by_batch: bool,
) -> HeldOut:
    names = np.asarray(labels, dtype=object)
    best, sure = prob.argmax(axis=1), prob.max(axis=1)
    by_label = {
        names[code]: LabelScore(inside.sum().item(), (best[inside] == code).mean().item())
        for code in np.unique(truth)
        for inside in [truth == code]
    }
    return HeldOut(
        by="batch" if by_batch else "cell",
        cells=len(truth),
        by_label=by_label,
        reliability=reliability(sure, best == truth),
        sets=sets,
        **label_scores(names[truth], names[best], sure),
    )


def _coverage(prob: NDArray[np.floating], judged: LeftOutAnswers, config: LabelConfig) -> SetScores:
    """Coverage and size of label sets."""
    within = within_mass(prob, config.set_mass)
    holds, size = within[np.arange(len(prob)), judged.label], within.sum(axis=1)
    whole = ~judged.degraded
    return SetScores(
        level=reached_level(prob, judged.label, config),
        coverage=float(holds[whole].mean()),
        mean_size=float(size[whole].mean()),
        coverage_degraded=float(holds[judged.degraded].mean()),
        mean_size_degraded=float(size[judged.degraded].mean()),
    )
