"""Answers of a trained model for many cells, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.vae import CountVAE
from cellport.train.cells import PanelCounts, TrainingCells
from cellport.train.degrade import Degradation, degrade
from cellport.train.features.kernel import FeatureMaker

Answer = TypeVar("Answer")
# cells at a time: dense counts of 1,024 cells take 8 MB
CHUNK = 1024


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, and the cells it was trained on as it sees them."""

    model: CountVAE  # in evaluation mode, on the CPU
    cells: TrainingCells  # what it was trained on, with the cells held out of it
    latent: NDArray[np.float32]  # float32 [cells, latent], latent mean of each
    seed: int  # random choices of what is fitted on top of the model start from it


def infer(model: CountVAE, cells: TrainingCells, seed: int) -> Fitted:
    """Put the cells that a model was trained on through it."""
    return Fitted(model, cells, latent_of(model, cells.counts), seed)


def each_chunk(
    n_cells: int, answer: Callable[[slice], Answer], size: int = CHUNK
) -> Iterator[tuple[slice, Answer]]:
    """Yield each chunk of the cells with the answer for it, computed in inference mode."""
    for start in range(0, max(n_cells, 1), size):
        chunk = slice(start, start + size)
        with torch.inference_mode():
            found = answer(chunk)
        yield chunk, found


def in_chunks(
    n_cells: int, answer: Callable[[slice], tuple[Tensor, ...]], size: int = CHUNK
) -> tuple[NDArray[np.float32], ...]:
    """Put the answers for each chunk together: float32 [cells, ...] for each tensor [n, ...]."""
    arrays: tuple[NDArray[np.float32], ...] = ()
    for chunk, parts in each_chunk(n_cells, answer, size):
        # each into one array: many small ones among the large ones of each step would scatter
        # the heap, a gigabyte for half a million cells
        arrays = arrays or tuple(np.empty((n_cells, *p.shape[1:]), np.float32) for p in parts)
        for array, part in zip(arrays, parts, strict=True):
            array[chunk] = part.numpy()
    return arrays


def latent_of(model: CountVAE, counts: PanelCounts) -> NDArray[np.float32]:
    """Latent mean of all cells, float32 [cells, latent]."""
    features_of = FeatureMaker(model.encoder)
    (latent,) = in_chunks(
        counts.shape[0],
        lambda chunk: (model.encoder.tail(torch.from_numpy(features_of(counts[chunk]))).mean,),
    )
    return latent


def encode_cells(
    model: CountVAE,
    counts: PanelCounts,
    rows: NDArray[np.int64],
    size: int,
    degradation: Degradation | None,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Encode some cells of all: latent mean and logits of the labels, float32 [rows, ...] each.

    They are degraded, `size` of them together, so that these lack the same genes; without a
    degradation they are encoded whole.
    """
    features_of = FeatureMaker(model.encoder)

    def answer(chunk: slice) -> tuple[Tensor, Tensor]:
        some, measured = counts[rows[chunk]], None
        if degradation is not None:
            poorer = degrade(some, rng, degradation)
            some, measured = poorer.counts, poorer.measured
        encoded = model.encoder.tail(torch.from_numpy(features_of(some, measured)))
        return encoded.mean, encoded.logits

    latent, logits = in_chunks(len(rows), answer, size)
    return latent, logits


def encode_layers(
    model: CountVAE, counts: sp.csr_matrix | NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Linear features, latent mean and logits of the labels, float32 [n, ...] each.

    Of raw counts float32 [n, genes], NaN where a gene was not measured.
    """

    def answer(chunk: slice) -> tuple[Tensor, Tensor, Tensor]:
        some = counts[chunk]
        dense = some if isinstance(some, np.ndarray) else some.toarray()
        values, _ = model.encoder.normalise(torch.from_numpy(dense))
        features = values @ model.encoder.basis
        encoded = model.encoder.tail(features)
        return features, encoded.mean, encoded.logits

    features, latent, logits = in_chunks(counts.shape[0], answer)
    return features, latent, logits
