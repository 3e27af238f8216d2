"""Held-out scores of models that saw the same cells in another order, or in other minibatches."""

from __future__ import annotations

import argparse
import time
from typing import Any

import anndata
import numpy as np
import torch
from sklearn.metrics import f1_score

from benchmarks.shared.data import LUNG, PBMC
from benchmarks.shared.fitted import training_cells
from benchmarks.training.files import GENES, panel_file, whole_file
from cellport.models.vae import CountVAE
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.degrade import Degradation, degrade
from cellport.train.features.kernel import FeatureMaker
from cellport.train.fit.loop import fit
from cellport.train.fit.order import POOLS, Pools
from cellport.train.infer import TrainedEncoder, encode_layers
from cellport.train.labels.calibrate import hold_out
from cellport.train.progress import Progress
from cellport.train.reference.panel import select_panel

SIZES = (64, 128, 512)
PASSES = 15
SCORES = ("accuracy", "macro_f1", "held_out_loss")


def sampling(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cells in random order, or sorted by type and by batch, with pools smaller than in use."""
    cells = PBMC.read()
    label, batch = PBMC.codes(cells)
    counts = cells.X.tocsr().astype(np.float32)
    counts = counts[:, select_panel(counts, batch, GENES)]
    shuffled = np.random.default_rng(0).permutation(len(label))
    # of 32 blocks instead of 1,024: a pool of 500,000 cells in use is far better mixed
    small = Pools(32 * POOLS.block, POOLS.block)
    by_type, by_batch = (shuffled[np.argsort(c[shuffled], kind="stable")] for c in (label, batch))
    ways = {
        "shuffled whole": (shuffled, POOLS),
        "pools, cells in random order": (shuffled, small),
        "pools, cells sorted by type": (by_type, small),
        "pools, cells sorted by batch": (by_batch, small),
    }
    rows = []
    for way, (order, pools) in ways.items():
        scores = [
            score_in_order(counts, label, batch, order, pools, seed)
            for seed in range(options.seeds)
        ]
        row: dict[str, Any] = {"order": way, "seeds": options.seeds}
        for suffix, summary in (("", np.mean), ("_sd", np.std)):
            for name, value in zip(SCORES, summary(scores, axis=0), strict=True):
                row[name + suffix] = round(float(value), 4)
        rows.append(row)
        print(row, flush=True)
    return rows


def score_in_order(
    counts: Any, label: Any, batch: Any, order: Any, pools: Pools, seed: int
) -> tuple[float, ...]:
    """Scores of a model that saw the cells in this order, on a fifth of them that it did not."""
    held = np.zeros(len(label), bool)
    held[hold_out(label, 0.2, np.random.default_rng(seed))] = True
    held_out = np.flatnonzero(held[order])
    training = training_cells(counts[order], label[order], batch[order], held_out)
    model, losses = fit_and_watch(training, FitConfig(device="cpu", seed=seed), pools)
    _, _, logits = encode_layers(TrainedEncoder(model), training.counts[held_out])
    known, called = training.label[held_out], logits.argmax(1)
    return (known == called).mean(), f1_score(known, called, average="macro"), min(losses)


def sizes(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Minibatches of several sizes, on generated cells."""
    cells = anndata.read_h5ad(panel_file(whole_file(options.cache, options.cells)))
    label, batch = LUNG.codes(cells)
    training = training_cells(cells.X, label, batch, held_out=0)
    whole, known = (values[training.held_out] for values in (training.counts, training.label))
    poor = degrade(whole, np.random.default_rng(0), Degradation(thin_share=1, mask_share=1))
    rows = []
    for size in SIZES:
        began = time.perf_counter()
        model, losses = fit_and_watch(
            training, FitConfig(device="cpu", batch_size=size, epochs=PASSES)
        )
        row: dict[str, Any] = {"batch_size": size, "epochs": len(losses)}
        row["seconds"] = round(time.perf_counter() - began, 1)
        row["held_out_loss"] = round(min(losses), 2)
        features_of = FeatureMaker(model.encoder)
        seen = {"whole": features_of(whole), "degraded": features_of(poor.counts, poor.measured)}
        for name, features in seen.items():
            with torch.inference_mode():
                called = model.encoder.tail(torch.from_numpy(features)).logits.argmax(1).numpy()
            score = f1_score(known, called, average="macro")
            row[f"macro_f1, {name}"] = round(float(score), 4)
        rows.append(row)
        print(row, flush=True)
    return rows


def fit_and_watch(
    cells: TrainingCells, config: FitConfig, pools: Pools = POOLS
) -> tuple[CountVAE, list[float]]:
    """Return a model and its held-out loss after each epoch."""
    losses: dict[int, float] = {}

    def note(progress: Progress) -> None:
        # within an epoch there is none
        if "held_out" in progress.losses:
            losses[progress.epoch] = progress.losses["held_out"]

    return fit(cells, config, on_progress=note, pools=pools), list(losses.values())
