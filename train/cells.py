"""The cells that a model is trained on, and the choosing of some of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


class PanelCounts(Protocol):
    """Counts of the panel genes, of which some cells at a time are wanted.

    A float32 CSR matrix is one, and so is `cellport.train.reference.scratch.StoredCounts`.
    """

    @property
    def shape(self) -> tuple[int, int]:
        """Cells and genes."""
        ...

    def __getitem__(self, rows: Any) -> sp.csr_matrix:
        """Return cells, by a slice or int [n] positions, as float32 CSR [n, genes]."""
        ...


@dataclass(frozen=True, slots=True)
class CoarseLabels:
    """Cells that are known only to have one of several labels: those below a coarser one."""

    names: tuple[str, ...]  # the coarser labels
    members: NDArray[np.bool_]  # bool [coarser labels, labels], which labels are below each
    group: NDArray[np.int64]  # int64 [cells], position in `names`, -1 of all other cells

    def of(self, rows: NDArray[np.int64]) -> CoarseLabels:
        """Return what is known of some of the cells."""
        return replace(self, group=self.group[rows])


@dataclass(frozen=True, slots=True)
class TrainingCells:
    """Panel counts and integer codes."""

    counts: PanelCounts  # float32 [cells, panel genes], raw counts: a CSR matrix, or on disk
    # int64 [cells]; label -1 where unknown
    label: NDArray[np.int64]
    batch: NDArray[np.int64]
    # number of categories
    n_labels: int
    n_batches: int
    # int64, rows kept out of training, for early stopping and calibration
    held_out: NDArray[np.int64]
    coarse: CoarseLabels | None = None  # of cells whose label is -1; None where there are none

    @property
    def trained(self) -> NDArray[np.int64]:
        """Rows that are trained on, int64, ascending."""
        return np.setdiff1d(np.arange(self.counts.shape[0]), self.held_out)


def at_random(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the rows, or so many of them at random, in order; draws only where it must choose."""
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def evenly(n_cells: int, most: int) -> NDArray[np.int64]:
    """Return at most so many positions of `n_cells`, spread evenly from first to last, int64."""
    return np.linspace(0, n_cells - 1, min(n_cells, most)).astype(np.int64)


def every_nth(n_cells: int, most: int) -> NDArray[np.int64]:
    """Return all of `n_cells` positions, or at most so many at even steps from the first."""
    return np.arange(0, n_cells, max(1, -(-n_cells // most)), dtype=np.int64)
