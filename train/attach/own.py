"""What an atlas trained on the reference cells would gain, on cells held out of both."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.base.files import Place
from cellport.runtime.base.names import joinable
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.train.api import train_atlas
from cellport.train.cells import at_random
from cellport.train.config import AtlasSettings
from cellport.train.labels.calibrate import hold_out
from cellport.train.labels.left_out import LeftOutConfig, batch_folds
from cellport.train.labels.scores import label_scores
from cellport.train.progress import OnProgress
from cellport.train.reference.chunks import chunks
from cellport.train.reference.reference import Reference

LABEL, BATCH = "label of the reference", "batch of the reference"
_LEFT_OUT = LeftOutConfig()
# share of the cells that are held out where no batch can be
_SHARE = 0.2
_SCORES = ("accuracy", "macro_f1", "ece")


@dataclass(frozen=True, slots=True)
class HeldCells:
    """Cells that neither sees before it is judged by them."""

    kept: NDArray[np.int64]  # int64, rows that the atlas is trained on, and the model fitted to
    judged: NDArray[np.int64]  # int64, rows of labels that both know
    by: str  # ``batch`` or ``cell``
    batches: tuple[str, ...]  # those that were left out whole


def compare_own(
    cells: Reference,
    matched: Reference,
    settings: AtlasSettings,
    attach: Callable[[Any, Place], Path],
    on_progress: OnProgress,
) -> dict[str, Any]:
    """Train an atlas on a part of the reference, and judge it and the model by the rest.

    Parameters
    ----------
    cells, matched
        The reference with its own labels, and with the model's.
    settings
        Of the atlas; its columns of labels and batches are `LABEL` and `BATCH`.
    attach
        Makes an atlas of the model with reference cells, at a place.
    on_progress
        Called as training goes on.

    Returns
    -------
    What was held out, and accuracy, macro-F1 and calibration error of both.

    Raises
    ------
    InputError
        There are no labels of the model, or too few cells of them.
    """
    held = hold_cells(cells, matched, settings.get("seed", 0))
    rest, test = (_adata(cells, rows) for rows in (held.kept, held.judged))
    with TemporaryDirectory(prefix="cellport-") as folder:
        fitted = attach(rest, Path(folder) / "model.cellport")
        own = train_atlas(
            rest, Path(folder) / "own.cellport", on_progress=_named(on_progress),
            **settings,
        )  # fmt: skip
        truth = ((matched, fitted), (cells, own))
        scores = [_scores(path, test, named, held.judged) for named, path in truth]
    return {
        "held_out": held.by,
        "batches": list(held.batches),
        "cells": len(held.judged),
        "trained_on": len(held.kept),
        "model": scores[0],
        "own": scores[1],
    }


def hold_cells(cells: Reference, matched: Reference, seed: int) -> HeldCells:
    """Hold out the smallest group of batches that has cells enough, or a fifth of the cells.

    Raises
    ------
    InputError
        Labels that both know have too few cells to judge by.
    """
    rng = np.random.default_rng(seed)
    fold_of = batch_folds(cells.batch, _LEFT_OUT.folds)
    by_size = np.argsort(np.bincount(fold_of), kind="stable").tolist()
    for code in by_size if fold_of.any() else ():
        held = _held(cells, matched, np.flatnonzero(fold_of == code), "batch", rng)
        if len(held.judged) >= _LEFT_OUT.fewest_judged:
            return held
    held = _held(cells, matched, hold_out(cells.label, _SHARE, rng), "cell", rng)
    if len(held.judged) < _LEFT_OUT.familiar:
        raise InputError(
            f"{cells.description}: {len(held.judged)} cells of labels that the model knows can be "
            "held out, too few to compare it with an own atlas."
        )
    return held


def _held(
    cells: Reference,
    matched: Reference,
    rows: NDArray[np.int64],
    by: str,
    rng: np.random.Generator,
) -> HeldCells:
    kept = np.setdiff1d(np.arange(len(cells.label)), rows)
    kept = at_random(kept, _LEFT_OUT.most_trained, rng)
    known = np.isin(cells.label[rows], cells.label[kept]) & (matched.label[rows] >= 0)
    judged = at_random(rows[known], _LEFT_OUT.most_judged, rng)
    batches = tuple(cells.batches[code] for code in np.unique(cells.batch[rows]))
    return HeldCells(kept, judged, by, batches if by == "batch" else ())


def _adata(cells: Reference, rows: NDArray[np.int64]) -> Any:
    """Return some of the cells in memory, with all that is known of them."""
    import pandas as pd
    from anndata import AnnData

    label, batch = (np.array([*names, ""], object) for names in (cells.labels, cells.batches))
    columns = {name: values[rows] for name, values in cells.annotations.items()}
    columns |= {LABEL: label[cells.label[rows]], BATCH: batch[cells.batch[rows]]}
    names = {key: values for key, values in cells.gene_columns.items() if key != "index"}
    genes = pd.DataFrame(names, index=pd.Index(cells.gene_columns["index"].astype(str)))
    obs = pd.DataFrame(columns, index=pd.Index(cells.cell_names[rows].astype(str)))
    with warnings.catch_warnings():
        # of genes of one name; they are added up
        warnings.simplefilter("ignore", UserWarning)
        return AnnData(_counts(cells, rows), obs, genes)


def _counts(cells: Reference, rows: NDArray[np.int64]) -> sp.csr_matrix:
    parts, done = [], 0
    for some in chunks(cells.counts):
        inside = rows[(done <= rows) & (rows < done + some.shape[0])] - done
        parts.append(some[inside])
        done += some.shape[0]
    return sp.vstack(parts, format="csr")


def _scores(path: Path, test: Any, named: Reference, rows: NDArray[np.int64]) -> dict[str, float]:
    found = Atlas(open_atlas_file(path)).map(test)
    truth = np.array([joinable(named.labels[code]) for code in named.label[rows]], object)
    best = np.array([joinable(str(one)) for one in found["cellport_label"]], object)
    scores = label_scores(truth, best, np.asarray(found["cellport_prob"], np.float64))
    return {name: round(scores[name], 4) for name in _SCORES}


def _named(on_progress: OnProgress) -> OnProgress:
    return lambda progress: on_progress(replace(progress, part=f"own atlas, {progress.part}"))
