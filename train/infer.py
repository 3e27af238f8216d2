"""Answers of a trained model for many cells, chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.feature_layout import FeatureLayout
from cellport.models.vae import CountVAE
from cellport.train.cells import PanelCounts, TrainingCells
from cellport.train.degrade import Degradation, degrade
from cellport.train.features.kernel import FeatureMaker

Answer = TypeVar("Answer")
# cells at a time: dense counts of 1,024 cells take 8 MB
CHUNK = 1024


class CellEncoder(Protocol):
    """What turns counts into features, a latent and scores of labels, whoever trained it.

    Counts are those of the panel genes, in its order. Further columns may follow which only tell
    how much else there is of a cell.
    """

    @property
    def n_genes(self) -> int:
        """Number of panel genes, the first columns of the counts."""
        ...

    @property
    def layout(self) -> FeatureLayout:
        """Which features are what."""
        ...

    def features(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Features float32 [n, features] of CSR [n, columns], of which some were `measured`."""
        ...

    def features_of_dense(self, counts: Tensor) -> Tensor:
        """Features of float [n, columns], NaN where a gene was not measured."""
        ...

    def tail(self, features: Tensor) -> Any:
        """Answer for features with ``mean``, float [n, latent], and ``logits``, [n, labels]."""
        ...


class TrainedEncoder:
    """The encoder of a model that was trained here."""

    def __init__(self, model: CountVAE) -> None:
        self._model = model
        self.features = FeatureMaker(model.encoder)
        self.tail = model.encoder.tail

    @property
    def n_genes(self) -> int:
        """Number of panel genes."""
        return self._model.config.n_genes

    @property
    def layout(self) -> FeatureLayout:
        """Which features are what."""
        return self._model.config.features

    def features_of_dense(self, counts: Tensor) -> Tensor:
        """Features of float [n, genes], NaN where a gene was not measured."""
        values, _ = self._model.encoder.normalise(counts)
        features: Tensor = values @ self._model.encoder.basis
        return features


class EncodedCells(Protocol):
    """Cells as an encoder sees them: what novelty, the map and label rules are fitted to."""

    @property
    def encoder(self) -> CellEncoder:
        """What they were put through."""
        ...

    @property
    def cells(self) -> TrainingCells:
        """The cells, and which were held out."""
        ...

    @property
    def latent(self) -> NDArray[np.float32]:
        """Latent mean of each, float32 [cells, latent]."""
        ...

    @property
    def seed(self) -> int:
        """What random choices start from."""
        ...


@dataclass(frozen=True, slots=True)
class Encoded:
    """Cells put through an encoder, whoever trained it."""

    encoder: CellEncoder
    cells: TrainingCells
    latent: NDArray[np.float32]  # float32 [cells, latent], latent mean of each
    seed: int


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained model, and the cells it was trained on as it sees them."""

    model: CountVAE  # in evaluation mode, on the CPU
    cells: TrainingCells  # what it was trained on, with the cells held out of it
    latent: NDArray[np.float32]  # float32 [cells, latent], latent mean of each
    seed: int  # random choices of what is fitted on top of the model start from it

    @property
    def encoder(self) -> CellEncoder:
        """The model's encoder."""
        return TrainedEncoder(self.model)


def infer(model: CountVAE, cells: TrainingCells, seed: int) -> Fitted:
    """Put the cells that a model was trained on through it."""
    return Fitted(model, cells, latent_of(TrainedEncoder(model), cells.counts), seed)


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


def latent_of(encoder: CellEncoder, counts: PanelCounts) -> NDArray[np.float32]:
    """Latent mean of all cells, float32 [cells, latent]."""
    (latent,) = in_chunks(
        counts.shape[0],
        lambda chunk: (encoder.tail(torch.from_numpy(encoder.features(counts[chunk]))).mean,),
    )
    return latent


def encode_cells(
    encoder: CellEncoder,
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

    def answer(chunk: slice) -> tuple[Tensor, Tensor]:
        some, measured = counts[rows[chunk]], None
        if degradation is not None:
            poorer = degrade(some, rng, degradation)
            some, measured = poorer.counts, poorer.measured
        encoded = encoder.tail(torch.from_numpy(encoder.features(some, measured)))
        return encoded.mean, encoded.logits

    latent, logits = in_chunks(len(rows), answer, size)
    return latent, logits


def encode_layers(
    encoder: CellEncoder,
    counts: sp.csr_matrix | NDArray[np.float32],
    measured: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Linear features, latent mean and logits of the labels, float32 [n, ...] each.

    Of raw counts float32 [n, genes], CSR, in which these genes, bool [genes], were `measured`; or
    dense ones, NaN where a gene was not, which takes several times as long.
    """

    def answer(chunk: slice) -> tuple[Tensor, Tensor, Tensor]:
        some = counts[chunk]
        if isinstance(some, np.ndarray):
            features = encoder.features_of_dense(torch.from_numpy(some))
        else:
            features = torch.from_numpy(encoder.features(some, measured))
        encoded = encoder.tail(features)
        return features, encoded.mean, encoded.logits

    features, latent, logits = in_chunks(counts.shape[0], answer)
    return features, latent, logits
