"""Answers for reference cells from models that saw neither them nor their batch.

A model is surer of cells from the batches it was trained on than of anybody's query, so what
decides probabilities, label sets, calls and novelty is measured on batches that were left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellport.models.vae import CountVAE
from cellport.train.degrade import Degradation
from cellport.train.features.kernel import encode_cells
from cellport.train.fit.loop import FitConfig, Progress, TrainingCells, fit
from cellport.train.novelty import FEWEST_HELD_OUT, fit_novelty, novelty_p

# batches are left out in so many groups, each costing a training run
FOLDS = 3
# more cells than these add time and no certainty
_MOST_TRAINED = 20_000
_MOST_JUDGED = 5_000
_FEWEST_CELLS = 20
# a type of fewer cells is all but unseen itself, and the atlas may have more of it
_FAMILIAR = 20
_CHUNK = 256


@dataclass(frozen=True, slots=True)
class Unseen:
    """Labelled cells and what a model that never saw their batch makes of them.

    Attributes
    ----------
    logits
        float32 [2n, labels]: the cells as measured, then the same cells degraded.
    label
        int64 [2n], the truth; every one a label that the model was trained on.
    group
        int64 [2n], which training run answered.
    degraded
        bool [2n].
    novelty_p
        float32 [its cells] for each training run: novelty p-values of the cells as measured,
        where the run was trained on 20 cells of their type, against held-out cells of the
        batches it was trained on. Runs with too few of either have none.
    """

    logits: NDArray[np.float32]
    label: NDArray[np.int64]
    group: NDArray[np.int64]
    degraded: NDArray[np.bool_]
    novelty_p: tuple[NDArray[np.float32], ...] = ()


def batch_folds(batch: NDArray[np.int64], folds: int = FOLDS) -> NDArray[np.int64]:
    """Deal whole batches into at most `folds` groups of about equal numbers of cells.

    Parameters
    ----------
    batch
        int64 [cells].

    Returns
    -------
    ndarray
        int64 [cells], group of each cell; all 0 where there is one batch.
    """
    cells = np.bincount(batch)
    fold_of = np.zeros(len(cells), np.int64)
    load = np.zeros(min(folds, int(np.count_nonzero(cells))), np.int64)
    for code in np.argsort(-cells, kind="stable"):
        fold_of[code] = load.argmin()
        load[fold_of[code]] += cells[code]
    return fold_of[batch]


def answers_for_unseen_batches(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Unseen | None:
    """Train once without each group of batches and answer for the cells left out.

    Parameters
    ----------
    cells
        The whole reference.
    config
        How the atlas itself is trained.
    checkpoint
        Of the atlas; each run keeps its own beside it.
    report
        Called after each epoch of each run.

    Returns
    -------
    Unseen or None
        None where there are fewer than two batches, or no labels.
    """
    fold_of = batch_folds(cells.batch)
    folds = int(fold_of.max()) + 1
    if folds < 2 or not cells.n_labels:
        return None
    parts: list[Unseen] = []
    strange: list[NDArray[np.float32]] = []
    for fold in range(folds):
        rng = np.random.default_rng([config.seed, fold])
        inside = np.flatnonzero(fold_of != fold)
        spared = np.intersect1d(inside, cells.held_out)
        trained = _some(np.setdiff1d(inside, spared), _MOST_TRAINED, rng)
        known, n_trained = np.unique(cells.label[trained], return_counts=True)
        answerable = (fold_of == fold) & (cells.label >= 0) & np.isin(cells.label, known)
        judged = _some(np.flatnonzero(answerable), _MOST_JUDGED, rng)
        if len(trained) < _FEWEST_CELLS or len(known[known >= 0]) < 2 or not len(judged):
            continue
        part = f"calibration {fold + 1} of {folds}"
        model = fit(
            _subset(cells, trained),
            replace(config, seed=config.seed + fold + 1),
            None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{fold}"),
            None if report is None else _named(report, part),
        )
        parts.append(_answers(model, cells, judged, fold, config, rng))
        familiar = judged[np.isin(cells.label[judged], known[n_trained >= _FAMILIAR])]
        if min(len(spared), len(familiar)) >= FEWEST_HELD_OUT:
            known_cells = _subset(cells, np.concatenate([trained, spared]), len(spared))
            novelty = fit_novelty(model, known_cells, config.seed, shares=(1.0,))
            strange.append(novelty_p(model, novelty, cells.counts[familiar].toarray()))
    if not parts:
        return None
    return Unseen(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.group for part in parts]),
        np.concatenate([part.degraded for part in parts]),
        tuple(strange),
    )


def answers_for_held_out_cells(
    model: CountVAE, cells: TrainingCells, config: FitConfig
) -> Unseen | None:
    """Answer for the cells held out of training: what there is to judge by with one batch.

    Returns
    -------
    Unseen or None
        None where no labelled cell was held out.
    """
    judged = cells.held_out[cells.label[cells.held_out] >= 0]
    if not len(judged) or not cells.n_labels:
        return None
    return _answers(model, cells, judged, 0, config, np.random.default_rng(config.seed))


def _named(report: Callable[[Progress], None], part: str) -> Callable[[Progress], None]:
    return lambda progress: report(replace(progress, part=part))


def _some(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def _subset(cells: TrainingCells, rows: NDArray[np.int64], held_out: int = 0) -> TrainingCells:
    """Keep some of the cells; the last `held_out` rows are held out."""
    batches, batch = np.unique(cells.batch[rows], return_inverse=True)
    return replace(
        cells,
        counts=cells.counts[rows],
        label=cells.label[rows],
        batch=batch.astype(np.int64),
        n_batches=len(batches),
        held_out=np.arange(len(rows) - held_out, len(rows)),
    )


def _answers(
    model: CountVAE,
    cells: TrainingCells,
    rows: NDArray[np.int64],
    group: int,
    config: FitConfig,
    rng: np.random.Generator,
) -> Unseen:
    whole = _logits(model, cells, rows, None, rng)
    degraded = _logits(model, cells, rows, config.degradation, rng)
    return Unseen(
        np.concatenate([whole, degraded]),
        np.tile(cells.label[rows], 2),
        np.full(2 * len(rows), group),
        np.repeat([False, True], len(rows)),
    )


def _logits(
    model: CountVAE,
    cells: TrainingCells,
    rows: NDArray[np.int64],
    degradation: Degradation | None,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    encoded = encode_cells(model.encoder, cells.counts, rows, _CHUNK, degradation, rng)
    return np.concatenate([part.logits.numpy() for part in encoded])
