"""Answers for reference cells from models that saw neither them nor their batch.

A model is surer of cells from the batches it was trained on than of anybody's query, so what
decides probabilities, label sets, calls and novelty is measured on batches that were left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cellport.train.cells import TrainingCells, at_random
from cellport.train.config import FitConfig
from cellport.train.degrade import Degradation
from cellport.train.fit.loop import fit
from cellport.train.infer import (
    CellEncoder,
    Encoded,
    EncodedCells,
    TrainedEncoder,
    encode_cells,
    latent_of,
)
from cellport.train.novelty import FEWEST_HELD_OUT, NoveltyConfig, fit_novelty, novelty_p
from cellport.train.progress import OnProgress, unwatched

# a run of fewer would say nothing, as a reference of fewer is refused
_FEWEST_CELLS = 20
# cells that are degraded together: they miss the same genes
_DEGRADED_TOGETHER = 256


@dataclass(frozen=True, slots=True)
class LeftOutConfig:
    """How batches are left out."""

    # groups of batches, each of which costs a training run
    folds: int = 3
    # cells of a run, and cells it answers for: more add time and no certainty
    most_trained: int = 20_000
    most_judged: int = 5_000
    # a type of fewer cells is all but unseen itself, and the atlas may have more of it
    familiar: int = 20
    # of a type with so many cells in the atlas, a run that was trained on fewer than these says
    # nothing: two acinar cells of two donors are no measure of 210, nearly all of a third
    fewest_of_familiar: int = 5
    # fewer judged cells say too little: a share of 0.9 of so many has a standard error of
    # sqrt(0.9 * 0.1 / 50) = 0.04
    fewest_judged: int = 50
    # least share of the cells to train on: of fewer, a run says nothing of the atlas's own model.
    # The largest of three batches may still be left out where it has four cells of five
    least_trained: float = 0.2


@dataclass(frozen=True, slots=True)
class LeftOutAnswers:
    """Labelled cells and what a model that was not trained on them makes of them."""

    # float32 [2n, labels]: the cells as measured, then the same cells degraded
    logits: NDArray[np.float32]
    # int64 [2n], the truth; every one a label that the model was trained on
    label: NDArray[np.int64]
    group: NDArray[np.int64]  # int64 [2n], which training run answered
    degraded: NDArray[np.bool_]  # bool [2n]
    # float32 [its cells] for each training run: novelty p-values of the cells as measured, where
    # the run was trained on 20 cells of their type, against held-out cells of the batches it was
    # trained on. Runs with too few of either have none
    novelty_p: tuple[NDArray[np.float32], ...] = ()


def batch_folds(batch: NDArray[np.int64], folds: int) -> NDArray[np.int64]:
    """Deal whole batches int64 [cells] into at most `folds` groups of about as many cells.

    Returns the group of each cell, int64 [cells]; all 0 where there is one batch.
    """
    cells = np.bincount(batch)
    fold_of = np.zeros(len(cells), np.int64)
    load = np.zeros(min(folds, int(np.count_nonzero(cells))), np.int64)
    for code in np.argsort(-cells, kind="stable"):
        fold_of[code] = load.argmin()
        load[fold_of[code]] += cells[code]
    return fold_of[batch]


def answers_for_left_out_batches(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    on_progress: OnProgress = unwatched,
    save_seconds: float = 60.0,
    how: LeftOutConfig = LeftOutConfig(),
) -> LeftOutAnswers | None:
    """Train once without each group of batches and answer for the cells left out.

    `checkpoint` is that of the atlas: each run keeps its own beside it. There are no answers where
    there are no labels, fewer than two batches, or none that is large enough to judge.
    """
    fold_of = batch_folds(cells.batch, how.folds)
    folds = int(fold_of.max()) + 1
    if folds < 2 or not cells.n_labels:
        return None
    parts: list[LeftOutAnswers] = []
    for number in range(folds):
        rng = np.random.default_rng([config.seed, number])
        fold = _split(cells, fold_of == number, rng, how)
        if fold is None:
            continue
        model = fit(
            _subset(cells, fold.trained),
            replace(config, seed=config.seed + number + 1),
            checkpoint and checkpoint.with_name(f"{checkpoint.name}.{number}"),
            _named(on_progress, f"calibration {number + 1} of {folds}"),
            save_seconds,
        )
        encoder = TrainedEncoder(model)
        answers = _answers(encoder, cells, fold.judged, number, config.degradation, rng)
        parts.append(replace(answers, novelty_p=_novelty_p(encoder, cells, fold, config.seed, how)))
    return _together(parts) if parts else None


def answers_by_batch(
    encoded: EncodedCells, degradation: Degradation, how: LeftOutConfig = LeftOutConfig()
) -> LeftOutAnswers | None:
    """Answer for the labelled cells of each group of batches by an encoder made elsewhere.

    No training run costs anything here, so every labelled cell may judge; with one batch there is
    one group. None where no cell has a label.
    """
    cells = encoded.cells
    fold_of = batch_folds(cells.batch, how.folds)
    parts: list[LeftOutAnswers] = []
    for number in range(int(fold_of.max()) + 1):
        rng = np.random.default_rng([encoded.seed, number])
        inside = fold_of == number
        judged = at_random(np.flatnonzero(inside & (cells.label >= 0)), how.most_judged, rng)
        if len(judged):
            parts.append(_answers(encoded.encoder, cells, judged, number, degradation, rng))
    return _together(parts) if parts else None


def novelty_of_left_out_batches(
    encoded: EncodedCells, how: LeftOutConfig = LeftOutConfig()
) -> tuple[NDArray[np.float32], ...]:
    """Novelty p-values, float32 [cells] for each group of batches, against the other batches."""
    cells = encoded.cells
    fold_of = batch_folds(cells.batch, how.folds)
    if not fold_of.any():
        return ()
    found: list[NDArray[np.float32]] = []
    for number in range(int(fold_of.max()) + 1):
        rng = np.random.default_rng([encoded.seed, number])
        fold = _split(cells, fold_of == number, rng, how)
        if fold is not None:
            found += _novelty_p(encoded.encoder, cells, fold, encoded.seed, how)
    return tuple(found)


def _named(on_progress: OnProgress, part: str) -> OnProgress:
    return lambda progress: on_progress(replace(progress, part=part))


@dataclass(frozen=True, slots=True)
class _Fold:
    """Rows that a model is trained on, that it spares, and that it answers for."""

    trained: NDArray[np.int64]
    spared: NDArray[np.int64]
    judged: NDArray[np.int64]


def _split(
    cells: TrainingCells, left_out: NDArray[np.bool_], rng: np.random.Generator, how: LeftOutConfig
) -> _Fold | None:
    """Split the cells for a model that does not see those left out; None where either are few."""
    inside = np.flatnonzero(~left_out)
    spared = np.intersect1d(inside, cells.held_out)
    trained = at_random(np.setdiff1d(inside, spared), how.most_trained, rng)
    known, number = np.unique(cells.label[trained], return_counts=True)
    in_all = np.bincount(cells.label + 1)[known + 1]  # cells without a label are -1
    fair = known[(number >= how.fewest_of_familiar) | (in_all < how.familiar)]
    answerable = left_out & (cells.label >= 0) & np.isin(cells.label, fair)
    judged = at_random(np.flatnonzero(answerable), how.most_judged, rng)
    if len(trained) < _FEWEST_CELLS or len(known[known >= 0]) < 2:
        return None
    if len(judged) < how.fewest_judged or len(inside) < how.least_trained * len(left_out):
        return None
    return _Fold(trained, spared, judged)


def _novelty_p(
    encoder: CellEncoder, cells: TrainingCells, fold: _Fold, seed: int, how: LeftOutConfig
) -> tuple[NDArray[np.float32], ...]:
    """Novelty p-values of cells of familiar types; none where they or the spared are too few."""
    known, number = np.unique(cells.label[fold.trained], return_counts=True)
    familiar = fold.judged[np.isin(cells.label[fold.judged], known[number >= how.familiar])]
    if min(len(fold.spared), len(familiar)) < FEWEST_HELD_OUT:
        return ()
    seen = _subset(cells, np.concatenate([fold.trained, fold.spared]), len(fold.spared))
    encoded = Encoded(encoder, seen, latent_of(encoder, seen.counts), seed)
    novelty = fit_novelty(encoded, config=NoveltyConfig(shares=(1.0,)))
    return (novelty_p(encoder, novelty, cells.counts[familiar]),)


def _together(parts: list[LeftOutAnswers]) -> LeftOutAnswers:
    return LeftOutAnswers(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.label for part in parts]),
        np.concatenate([part.group for part in parts]),
        np.concatenate([part.degraded for part in parts]),
        tuple(p for part in parts for p in part.novelty_p),
    )


def answers_for_held_out_cells(
    fitted: EncodedCells, degradation: Degradation
) -> LeftOutAnswers | None:
    """Answer for the labelled cells held out of training: all to judge by where there is one batch.

    None where there are none.
    """
    cells = fitted.cells
    judged = cells.held_out[cells.label[cells.held_out] >= 0]
    if not len(judged) or not cells.n_labels:
        return None
    rng = np.random.default_rng(fitted.seed)
    return _answers(fitted.encoder, cells, judged, 0, degradation, rng)


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
        coarse=cells.coarse and cells.coarse.of(rows),
    )


def _answers(
    encoder: CellEncoder,
    cells: TrainingCells,
    rows: NDArray[np.int64],
    group: int,
    degradation: Degradation,
    rng: np.random.Generator,
) -> LeftOutAnswers:
    """Answer for some cells, as they were measured and degraded."""
    logits = [
        encode_cells(encoder, cells.counts, rows, _DEGRADED_TOGETHER, how, rng)[1]
        for how in (None, degradation)
    ]
    return LeftOutAnswers(
        np.concatenate(logits),
        np.tile(cells.label[rows], 2),
        np.full(2 * len(rows), group),
        np.repeat([False, True], len(rows)),
    )
