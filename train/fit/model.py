"""What a training run starts from: the untrained model, its optimiser, and how long to train."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.vae import CountVAE, ModelConfig
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.features.basis import fit_basis
from cellport.train.features.normaliser import fit_normaliser

# seen by the model, in 15 passes over a million or fewer over more. Where it was measured, on
# 95,000 generated cells (``benchmarks.training sizes``), macro-F1 was as high after a tenth of
# these; with millions it was not yet (``benchmarks.scaling.millions``)
_ENOUGH_CELLS = 15_000_000


def default_batch_size(n_cells: int) -> int:
    """64 cells a step up to 90,000 cells, then about 1,000 steps a pass, of at most 512 cells.

    A step of many cells costs less a cell, and a large reference has steps enough.
    """
    return int(2 ** np.clip(round(math.log2(max(n_cells, 1) / 1000)), 6, 9))


def default_epochs(n_cells: int, batch_size: int) -> int:
    """Enough passes for about 1,000 steps, at least 15 and at most 400.

    From a million cells on, each is seen less often, once at least.
    """
    steps = math.ceil(n_cells / batch_size)
    passes = int(np.clip(math.ceil(1000 / steps), 15, 400))
    return min(passes, max(1, round(_ENOUGH_CELLS / n_cells)))


def batch_size_and_epochs(n_cells: int, config: FitConfig) -> tuple[int, int]:
    """Cells a step and passes over the cells, as asked for or by the number of cells."""
    batch_size = config.batch_size or default_batch_size(n_cells)
    return batch_size, config.epochs or default_epochs(n_cells, batch_size)


def build_model(cells: TrainingCells, config: FitConfig) -> CountVAE:
    """Return an untrained model with the reference's normalisation and linear features in it."""
    normaliser = fit_normaliser(cells.counts)
    layout, weights = fit_basis(normaliser, cells)
    model = CountVAE(
        ModelConfig(
            n_genes=cells.counts.shape[1],
            n_batches=cells.n_batches,
            features=layout,
            n_hidden=config.n_hidden,
            n_latent=config.n_latent,
            dropout=config.dropout,
            likelihood=config.likelihood,
        ),
        normaliser,
        weights,
    )
    with torch.no_grad():
        model.decoder.share.bias.copy_(torch.log(normaliser.share + 1e-7))
    return model


def label_weights(
    label: NDArray[np.int64], n_labels: int, members: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Frequency of each label to the power -3/4, mean 1 over labelled cells, float32 [labels].

    Coarser labels, which count on from the last, have their `members`, bool [coarser ones, labels].
    Their cells are taken to be of these as other cells are, and weigh as much as these on average.
    """
    number = np.bincount(label[label >= 0], minlength=n_labels)
    if members is None:
        weight = np.maximum(number, 1) ** -0.75
    else:
        share = members * (number[:n_labels] + 1e-9)
        share /= share.sum(axis=1, keepdims=True)
        number = np.bincount(label[label >= 0], minlength=n_labels + len(members))
        expected = number[:n_labels] + number[n_labels:] @ share
        weight = np.maximum(expected, 1) ** -0.75
        weight = np.concatenate([weight, share @ weight])
    if number.sum():
        weight *= number.sum() / (weight * number).sum()
    return weight.astype(np.float32)


def new_optimiser(model: CountVAE, config: FitConfig) -> torch.optim.Optimizer:
    """AdamW, with a weight decay of its own for the linear skip."""
    skip = list(model.encoder.tail.skip.parameters())
    others = [p for p in model.parameters() if all(p is not s for s in skip)]
    return torch.optim.AdamW(
        [
            {"params": others, "weight_decay": config.weight_decay},
            {"params": skip, "weight_decay": config.skip_weight_decay},
        ],
        lr=config.learning_rate,
        fused=True,
    )
