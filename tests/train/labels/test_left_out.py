"""Answers for batches that were left out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.labels.left_out import answers_for_left_out_batches, batch_folds
from cellport.train.progress import Progress

CONFIG = FitConfig(n_latent=4, n_hidden=16, epochs=12, batch_size=32, device="cpu")


@pytest.fixture
def cells(tiny_cells: Any) -> TrainingCells:
    label = np.unique(tiny_cells.label, return_inverse=True)[1].astype(np.int64)
    batch = np.unique(tiny_cells.batch, return_inverse=True)[1].astype(np.int64)
    none = np.empty(0, np.int64)
    return TrainingCells(tiny_cells.counts[:, :60].tocsr(), label, batch, 3, 2, none)


@given(st.lists(st.integers(0, 7), min_size=1, max_size=60), st.integers(1, 5))
def test_folds_keep_batches_whole_and_none_is_empty(codes: list[int], folds: int) -> None:
    batch = np.array(codes)
    fold = batch_folds(batch, folds)
    assert all(len(set(fold[batch == code])) == 1 for code in set(codes))
    assert set(fold) == set(range(min(folds, len(set(codes)))))


def test_each_labelled_cell_is_answered_once_whole_and_once_degraded(cells: TrainingCells) -> None:
    label = cells.label.copy()
    label[:30] = -1
    found = answers_for_left_out_batches(replace(cells, label=label), CONFIG)
    assert found is not None
    assert len(found.label) == 2 * 210
    assert found.degraded.sum() == 210
    assert np.bincount(found.group).tolist() == (2 * np.bincount(cells.batch[30:])).tolist()
    right = found.logits.argmax(1) == found.label
    assert right[~found.degraded].mean() > 0.8
    assert right[found.degraded].mean() > 0.5


def test_novelty_is_judged_against_held_out_cells_of_the_batches_that_were_trained_on(
    cells: TrainingCells,
) -> None:
    spared = np.arange(0, 240, 3)
    found = answers_for_left_out_batches(replace(cells, held_out=spared), CONFIG)
    assert found is not None
    sizes = np.bincount(cells.batch)
    assert sorted(len(p) for p in found.novelty_p) == sorted(sizes)
    assert all(((p > 0) & (p <= 1)).all() for p in found.novelty_p)
    few = answers_for_left_out_batches(replace(cells, held_out=spared[:20]), CONFIG)
    assert few is not None
    assert not few.novelty_p


@pytest.mark.parametrize("elsewhere", [0, 3])
def test_a_type_of_one_batch_is_not_judged(cells: TrainingCells, elsewhere: int) -> None:
    alone = (cells.label == 2) & (cells.batch == 1)
    others = np.flatnonzero((cells.label == 2) & ~alone)[:elsewhere]
    keep = np.union1d(np.flatnonzero((cells.label != 2) | alone), others)
    fewer = replace(
        cells, counts=cells.counts[keep], label=cells.label[keep], batch=cells.batch[keep]
    )
    found = answers_for_left_out_batches(fewer, CONFIG)
    assert found is not None
    # of the cells elsewhere those of the other batch taught it
    assert (found.label == 2).sum() == 2 * elsewhere


def test_one_batch_or_no_labels_have_no_answer(cells: TrainingCells) -> None:
    one = replace(cells, batch=np.zeros_like(cells.batch), n_batches=1)
    bare = replace(cells, label=np.full_like(cells.label, -1), n_labels=0)
    assert answers_for_left_out_batches(one, CONFIG) is None
    assert answers_for_left_out_batches(bare, CONFIG) is None


def test_runs_are_named_and_resume(cells: TrainingCells, tmp_path: Path) -> None:
    seen: list[Progress] = []
    checkpoint = tmp_path / "a.checkpoint"
    first = answers_for_left_out_batches(cells, CONFIG, checkpoint, seen.append)
    assert {p.part for p in seen} == {"calibration 1 of 2", "calibration 2 of 2"}
    seen.clear()
    again = answers_for_left_out_batches(cells, CONFIG, checkpoint, seen.append)
    assert not seen
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.logits, again.logits)


@pytest.mark.parametrize("stray", [1, 19, 40])
def test_batches_of_few_cells_do_not_judge(cells: TrainingCells, stray: int) -> None:
    batch = (np.arange(240) >= stray).astype(np.int64)
    assert answers_for_left_out_batches(replace(cells, batch=batch), CONFIG) is None


def test_a_run_on_the_little_that_is_left_does_not_judge(cells: TrainingCells) -> None:
    """Of a batch of 60 cells and one of 190, only the answers for the 60 say something."""
    rows = np.r_[np.arange(240), np.arange(120)]
    more = replace(
        cells,
        counts=cells.counts[rows],
        label=cells.label[rows],
        batch=(np.arange(360) >= 60).astype(np.int64),
    )
    found = answers_for_left_out_batches(more, CONFIG)
    assert found is not None
    assert len(found.label) == 2 * 60
