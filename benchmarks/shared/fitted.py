"""Models fitted without `train_atlas`, and what they were fitted to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import Fitted, infer
from cellport.train.labels.calibrate import held_out_share, hold_out

Codes = NDArray[np.int64]


def training_cells(
    counts: sp.csr_matrix, label: Codes, batch: Codes, held_out: Codes | int, **numbers: int
) -> TrainingCells:
    """Cells on their panel; held out are given rows, or as many as `train_atlas` takes by a seed.

    There are as many labels and batches as occur, if ``n_labels`` and ``n_batches`` do not say it.
    """
    if isinstance(held_out, int):
        rng = np.random.default_rng(held_out)
        held_out = hold_out(label, held_out_share(len(label)), rng)
    n_labels = numbers.get("n_labels", int(label.max()) + 1)
    n_batches = numbers.get("n_batches", int(batch.max()) + 1)
    return TrainingCells(_float32(counts), label, batch, n_labels, n_batches, held_out)


def fitted(cells: TrainingCells, config: FitConfig, path: Path) -> Fitted:
    """Model of these cells, trained where `path` does not hold it; remove that to train anew."""
    if path.exists():
        return infer(torch.load(path, weights_only=False), cells, config.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    model = fit(cells, config)
    torch.save(model, path)
    return infer(model, cells, config.seed)


def write_for_peers(
    path: Path, cells: anndata.AnnData, label: Any, batch: Any, panel: Codes, **uns: Any
) -> None:
    """Leave cells where peers find them, with the genes of the panel marked in ``var``."""
    part = anndata.AnnData(_float32(cells.X), uns=uns)
    part.obs_names, part.var_names = cells.obs_names, cells.var_names
    part.obs["label"], part.obs["batch"] = label, batch
    part.var["panel"] = np.isin(np.arange(part.n_vars), panel)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.write_h5ad(path)


def _float32(counts: sp.csr_matrix) -> sp.csr_matrix:
    return counts.tocsr().astype(np.float32, copy=False)
