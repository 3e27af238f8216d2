"""Models of the benchmark of trajectories and clusters, kept once they are trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from structure_cases import Case

from cellport.models.vae import CountVAE
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import Fitted, infer, latent_of
from cellport.train.labels.calibrate import held_out_share, hold_out
from cellport.train.reference.panel import select_panel
from cellport.train.structure.fit import CellAnnotation


@dataclass(frozen=True)
class Trained:
    """A model with the cells it was made for, and the latent of cells that it has not seen.

    Attributes
    ----------
    fitted
        The model and the cells it was trained on.
    known
        What they are called.
    unseen
        int64, rows of the case that the model was not made for.
    unseen_latent
        float32 [unseen, latent].
    """

    fitted: Fitted
    known: CellAnnotation
    unseen: NDArray[np.int64]
    unseen_latent: NDArray[np.float32]


def train(case: Case, seed: int, with_labels: bool, share: float = 1.0) -> Trained:
    """Train as ``cellport train`` does on a random share of the cells.

    Without labels the model learns of none, and their names serve only to name a root.
    """
    rng = np.random.default_rng(seed)
    counts = case.cells.X.tocsr().astype(np.float32)
    chosen = rng.random(counts.shape[0]) < share
    rows, unseen = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    labels, label = np.unique(case.label[rows].astype(str), return_inverse=True)
    batch = case.batch[rows]
    panel = case.panel if share == 1 else select_panel(counts[rows], batch)
    label = label.astype(np.int64)
    learned = label if with_labels else np.full(len(label), -1)
    cells = TrainingCells(
        counts=counts[rows][:, panel].tocsr(),
        label=learned,
        batch=batch,
        n_labels=len(labels) if with_labels else 0,
        n_batches=int(case.batch.max()) + 1,
        held_out=hold_out(learned, held_out_share(len(learned)), np.random.default_rng(seed)),
    )
    path = model_path(case, seed, with_labels, share)
    model = _fitted(path, cells, FitConfig(seed=seed))
    names = case.cells.obs_names.to_numpy(dtype=object)[rows]
    known = CellAnnotation(label, tuple(labels), names)
    unseen_latent = latent_of(model, counts[unseen][:, panel].tocsr())
    return Trained(infer(model, cells, seed), known, unseen, unseen_latent)


def model_path(case: Case, seed: int, with_labels: bool, share: float) -> Path:
    """Where a model is kept; remove it to train anew."""
    how = "labels" if with_labels else "none"
    return case.folder / "models" / f"{how}.{seed}.{round(100 * share)}.pt"


def _fitted(path: Path, cells: TrainingCells, config: FitConfig) -> CountVAE:
    if path.exists():
        model: CountVAE = torch.load(path, weights_only=False)
        return model
    path.parent.mkdir(parents=True, exist_ok=True)
    model = fit(cells, config)
    torch.save(model, path)
    return model
