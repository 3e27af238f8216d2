"""What held-out cells say of the label probabilities: how sure to be, and when to call."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from cellport.models.calibrated import calibrated_probabilities
from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.train.labels.left_out import LeftOutAnswers

# a label with fewer cells than this keeps them all for training
_SPARE = 10
# so many cells that a twentieth of them are enough to judge by
_MANY = 1000
# of scores that are hundreds, as those of SGD, or fractions
_LOG_TEMPERATURES = (-4.6, 6.9)
# answers fewer than this do not tell how soft probabilities should be
_FEWEST_JUDGES = 20


@dataclass(frozen=True, slots=True)
class LabelConfig:
    """What labels, sets and calls are held to."""

    # share of the cells whose label set is to hold their label, at least
    set_level: float = 0.9
    # probability up to which the most probable labels are in a set. Sets hold more than that, for
    # the last label is in it whole. On 25 queries in 13 conditions each, of .75 to .95, it is what
    # brings the mean coverage nearest to `set_level` in each condition, however shallow
    set_mass: float = 0.85
    # how much less the word of few genes counts. Of 25 queries cut to 33 and 100 genes that tell
    # labels apart, calibration errors fell from .25 and .18 to .10 and .13 on the mean, and stayed
    # about as they were with half or a fifth of all genes; leaving each dataset out, 1.9 is best
    information_power: float = 2.0
    # share of what tells labels apart below which genes are too few: of 26 queries cut to chosen or
    # random genes, those that hold .7 to .8 keep .89 of the right calls on the mean, and .6 to .7
    # keep .79
    least_information: float = 0.75
    # share of the calls that are to be right, and the bounds of the threshold that makes them so
    call_level: float = 0.9
    call_bounds: tuple[float, float] = (0.5, 0.8)
    # what left-out technologies and studies ask for, as a rule, and at most
    usual_softness: float = 0.1
    most_softness: float = 1.0
    # of so many judged cells it is believed that a model is too modest, and sharpened at most so
    # far: where types are many and cells of each few
    fewest_to_sharpen: int = 100
    least_temperature: float = 0.3


LABELS = LabelConfig()


@dataclass(frozen=True, slots=True)
class Calibration:
    """How logits become probabilities."""

    # what `calibrated_probabilities` takes off log-odds; 0 leaves them as they are
    softness: float = 0.0
    temperature: float = 1.0  # what logits are divided by before, at most 1

    def prob(self, logits: NDArray[np.floating]) -> NDArray[np.float32]:
        """Calibrated probabilities, float32 [cells, labels]."""
        tensor = torch.from_numpy(np.ascontiguousarray(logits, np.float32)) / self.temperature
        return calibrated_probabilities(tensor, self.softness).numpy()


def hold_out(label: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose cells to keep out of training: rows, int64, ascending.

    The same share of every label int64 [cells] that has at least 10 cells; -1, unknown, is a
    label like any other.
    """
    chosen = []
    for value in np.unique(label):
        rows = np.flatnonzero(label == value)
        if len(rows) >= _SPARE:
            chosen.append(rng.choice(rows, round(share * len(rows)), replace=False))
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


def held_out_share(n_cells: int) -> float:
    """Share of the cells to keep out of training: a twentieth, or of fewer than 1,000 a tenth."""
    return 0.05 if n_cells >= _MANY else 0.1


def calibrate(
    left_out: LeftOutAnswers | None,
    held_out: LeftOutAnswers | None = None,
    config: LabelConfig = LABELS,
) -> Calibration:
    """Fit the calibration to cells of batches that a model did not know, whole and degraded.

    Cells of the batches that a model knows are no judges: they are easier than any query. So
    may be a batch that was left out, where all are donors of one study; the softness is the
    mean of what left-out batches ask for and of what is usual. With one batch it is the latter.

    A model of many types with few cells each is too modest, and so are its answers for cells that
    it did not see: where many judge, logits are divided by the temperature that these ask for, if
    that is below 1; by its root, which is half as far, where they are of batches that it knows.
    """
    if left_out is None:
        temperature = _sharpening(held_out, config) ** 0.5
    else:
        temperature = _sharpening(left_out, config)
    if left_out is None:
        return Calibration(config.usual_softness, temperature)
    prob = Calibration(temperature=temperature).prob(left_out.logits)
    right = prob.argmax(axis=1) == left_out.label
    asked = fit_softness(prob.max(axis=1), right, balanced(left_out.group), config)
    return Calibration((asked + config.usual_softness) / 2, temperature)


def _sharpening(judged: LeftOutAnswers | None, config: LabelConfig) -> float:
    if judged is None or np.count_nonzero(~judged.degraded) < config.fewest_to_sharpen:
        return 1.0
    asked = fit_temperature(judged.logits, judged.label, balanced(judged.group))
    return float(np.clip(asked, config.least_temperature, 1.0))


def fit_temperature(
    logits: NDArray[np.floating], label: NDArray[np.int64], weight: NDArray[np.floating]
) -> float:
    """Temperature by which scores of a model made elsewhere become the likeliest log-odds.

    Of scores float [cells, labels], true labels int64 [cells], and what each cell weighs, float
    [cells]. Where scores are one by one (one against the rest), or of a model that is far too sure,
    it brings them to where `fit_softness` starts from.

    References
    ----------
    Guo et al. 2017, ICML, "On calibration of modern neural networks".
    """
    scores = torch.from_numpy(np.ascontiguousarray(logits, np.float64))
    truth, weights = torch.from_numpy(label), torch.from_numpy(weight)

    def loss(log_temperature: float) -> float:
        log_prob = torch.log_softmax(scores / np.exp(log_temperature), dim=1)
        return float(-(weights * log_prob[torch.arange(len(truth)), truth]).sum())

    best = minimize_scalar(loss, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x))


def fit_softness(
    prob: NDArray[np.floating],
    right: NDArray[np.bool_],
    weight: NDArray[np.floating],
    config: LabelConfig = LABELS,
) -> float:
    """Softness that makes best labels most likely, between 0 and 1.

    Of best labels' probabilities float [cells], those above one half, whether they are `right`,
    bool [cells], and what each cell weighs, float [cells].
    """
    above = prob > 0.5
    if above.sum() < _FEWEST_JUDGES:
        return config.usual_softness
    inside = np.clip(prob[above].astype(np.float64), 0, 1 - 1e-7)
    odds = np.log(inside / (1 - inside))
    sign = np.where(right[above], -1.0, 1.0)

    def loss(softness: float) -> float:
        softened = odds / (1 + softness * odds)
        return float((weight[above] * np.logaddexp(0, sign * softened)).sum())

    best = minimize_scalar(loss, bounds=(0.0, config.most_softness), method="bounded")
    return float(best.x)


def balanced(group: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weights that give every group the same total, float64 [cells]."""
    return 1 / np.bincount(group)[group]


def reached_level(
    prob: NDArray[np.floating], label: NDArray[np.int64], config: LabelConfig = LABELS
) -> float:
    """Share of cells whose set holds their label, in whole percent: what an atlas may promise.

    That which sets are made for, or more where the best label, which every set holds, is right more
    often by itself.
    """
    right = float((prob.argmax(axis=1) == label).mean())
    return max(config.set_level, math.floor(100 * right) / 100)


def call_threshold(
    prob: NDArray[np.floating],
    label: NDArray[np.int64],
    labels: tuple[str, ...],
    parents: dict[str, str],
    config: LabelConfig = LABELS,
) -> float:
    """Least probability, between 0.5 and 0.8, at which `call_level` of the calls are right.

    Of calibrated probabilities float [cells, labels] of held-out cells and their labels int64
    [cells]. A call of a group in the label tree is right when the cell's label is in it.
    """
    tree = build_tree(labels, parents)
    rows = np.arange(len(label))
    member = np.column_stack([tree.members[label], np.zeros(len(label))])
    for threshold in np.arange(*config.call_bounds, 0.01):
        called = call_deepest(tree, prob.astype(np.float32), float(threshold))
        made = called < len(tree.nodes)
        if not made.any() or member[rows, called][made].mean() >= config.call_level:
            return round(float(threshold), 2)
    return config.call_bounds[1]
