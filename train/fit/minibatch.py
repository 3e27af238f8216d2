"""Minibatches as the model takes them: features of degraded cells, counts of whole ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.draws import Share
from cellport.models.likelihood import SparseCounts, sparse_counts
from cellport.models.vae import cell_weights
from cellport.train.cells import TrainingCells
from cellport.train.degrade import Degraded
from cellport.train.features.kernel import FeatureMaker


class Minibatch(NamedTuple):
    """What the model takes of a minibatch, or of this process's share of it."""

    features: Tensor  # float [n, features], of the cells as the encoder is to see them
    counts: SparseCounts  # the cells as they were measured
    batch: Tensor  # float [n, batches], one-hot
    # int64 and float [n]
    labels: Tensor
    label_weight: Tensor
    share: Share | None  # which cells of the minibatch these are; all when None
    possible: Tensor | None  # bool [n, labels], those that a cell may have, where some are coarse
    genes: Tensor | None  # int64, those that `counts` are of, where the others are not asked for
    seed: int  # what torch's random numbers start from in the step

    def to(self, device: torch.device) -> Minibatch:
        """Return the same on a device."""
        moved = {name: getattr(self, name).to(device) for name in self._fields[:5]}
        maybe = {name: getattr(self, name) for name in ("possible", "genes")}
        moved |= {name: None if part is None else part.to(device) for name, part in maybe.items()}
        return self._replace(**moved)


def known_labels(cells: TrainingCells, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Labels of some cells, int64 [rows]: coarser ones count on from the last, -1 is none."""
    label = cells.label[rows]
    if cells.coarse is None:
        return label
    group = cells.coarse.group[rows]
    return np.where(group >= 0, cells.n_labels + group, label)


def possible_labels(cells: TrainingCells) -> Tensor | None:
    """Which labels cells of each label may have, as `MinibatchMaker` takes it."""
    if cells.coarse is None:
        return None
    parts = (np.eye(cells.n_labels, dtype=bool), cells.coarse.members, np.ones((1, cells.n_labels)))
    return torch.from_numpy(np.concatenate(parts).astype(bool))


class MinibatchMaker(NamedTuple):
    """What minibatches are made with."""

    cells: TrainingCells
    features: FeatureMaker
    label_weight: Tensor  # float [labels], and of the coarser ones behind them
    # bool [labels + coarser ones + 1, labels], the labels that each may be; all at the last, which
    # stands for none. None where no cell has a coarser one
    possible: Tensor | None = None

    def make(
        self,
        chosen: NDArray[np.int64],
        whole: sp.csr_matrix,
        seen: Degraded | None = None,
        share: Share | None = None,
        seed: int = 0,
        genes: NDArray[np.int64] | None = None,
    ) -> Minibatch:
        """Put a share of a minibatch together; without one, all of it.

        Parameters
        ----------
        chosen, whole
            int64 [cells], all of the minibatch, and float32 CSR [cells, genes], their counts.
        seen
            What the encoder sees of them; the whole counts when None.
        genes
            Those whose counts the decoder is asked for, int64; all when None.
        """
        own = slice(None) if share is None else slice(share.start, share.stop)
        label = torch.from_numpy(self.cells.label[chosen])
        known = torch.from_numpy(known_labels(self.cells, chosen))
        of_batch = torch.from_numpy(self.cells.batch[chosen[own]])
        counts, degraded, measured = whole, whole, None
        if seen is not None:
            degraded, measured = seen.counts, seen.measured
        if share is not None:
            counts, degraded = counts[own], degraded[own]
        if genes is not None:
            counts = counts[:, genes]
        csr = counts.indptr.astype(np.int64), counts.indices.astype(np.int64), counts.data
        return Minibatch(
            torch.from_numpy(self.features(degraded, measured)),
            sparse_counts(*map(torch.from_numpy, csr)),
            torch.nn.functional.one_hot(of_batch, self.cells.n_batches).float(),
            label[own],
            cell_weights(known, self.label_weight)[own],
            share,
            None if self.possible is None else self.possible[known[own]],
            None if genes is None else torch.from_numpy(genes),
            seed,
        )
