"""Models of the benchmark of trajectories and clusters, kept once they are trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.shared import fitted as models
from benchmarks.structure.cases import Case
from cellport.train.config import FitConfig
from cellport.train.infer import Fitted, latent_of
from cellport.train.reference.panel import select_panel
from cellport.train.structure.fit import CellAnnotation, Structure, fit_structure
from cellport.train.structure.roots import RootChoice

# ours, without labels and with them
OURS = {False: "cellport", True: "cellport_labels"}


@dataclass(frozen=True)
class Trained:
    """A model with its cells, what these are called, and cells that it has not seen."""

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
    panel = case.panel if share == 1 else select_panel(counts[rows], case.batch[rows])
    learned = label.astype(np.int64) if with_labels else np.full(len(label), -1)
    n_batches = int(case.batch.max()) + 1
    seen = counts[rows][:, panel]
    cells = models.training_cells(seen, learned, case.batch[rows], seed, n_batches=n_batches)
    path = model_path(case, seed, with_labels, share)
    made = models.fitted(cells, FitConfig(seed=seed), path)
    cell_names = case.cells.obs_names.to_numpy(dtype=object)[rows]
    known = CellAnnotation(label.astype(np.int64), tuple(labels), cell_names)
    unseen_latent = latent_of(made.encoder, counts[unseen][:, panel])
    return Trained(made, known, unseen, unseen_latent)


def fitted(case: Case, seed: int, with_labels: bool, share: float) -> tuple[Trained, Structure]:
    """Model and structure of a share of the cells; without labels they serve to name the root."""
    made = train(case, seed, with_labels, share)
    roots = RootChoice((case.root,) if case.root is not None else ())
    return made, fit_structure(made.fitted, made.known, roots)


def answers(structure: Structure, latent: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Answers of the structure's head for float32 [cells, latent]."""
    with torch.inference_mode():
        return [answer.numpy() for answer in structure.head(torch.from_numpy(latent))]


def model_path(case: Case, seed: int, with_labels: bool, share: float) -> Path:
    """Where a model is kept; remove it to train anew."""
    how = "labels" if with_labels else "none"
    return case.folder / "models" / f"{how}.{seed}.{round(100 * share)}.pt"
