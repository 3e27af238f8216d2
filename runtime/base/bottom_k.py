"""A sample of cells in bounded memory that does not depend on how they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# an array with an entry a cell, or a scipy CSR matrix with a row a cell
Values = Any
_CSR = ("data", "indices", "indptr")


class BottomK:
    """The cells whose positions have the smallest hashes, and values of them.

    Which cells these are depends on the positions alone: any cut into blocks, in any order, and
    any joining of parts gives the same. They stand in the order of their hashes, so that the
    first few of them are such a sample too.

    `most` cells are kept, their positions in `position`, int64 [k]. `fields` are the values to keep
    of each: arrays and CSR matrices of no cells, whose types and widths hold for all that come.

    References
    ----------
    Cohen and Kaplan 2007, PODC, "Summarizing data using bottom-k sketches".
    """

    def __init__(self, most: int, **fields: Values) -> None:
        self.position = np.empty(0, np.int64)
        self._hash = np.empty(0, np.uint64)
        self._most = most
        self._fields = fields

    def __len__(self) -> int:
        return len(self.position)

    def __getitem__(self, field: str) -> Values:
        """Values of the cells kept, [k, ...]."""
        return self._fields[field]

    def by_position(self, field: str) -> Values:
        """Values of the cells kept, in the order of their positions."""
        return self._fields[field][np.argsort(self.position)]

    def entering(self, position: NDArray[np.integer]) -> NDArray[np.int64]:
        """Tell which of some new cells may be kept, so that values are needed of those alone.

        `position` is int [n], no two alike; what returns are rows of it, ascending.
        """
        if len(self) < self._most:
            return np.arange(len(position))
        return np.flatnonzero(spread_out(position) < self._hash[-1])

    def add(self, position: NDArray[np.integer], **values: Values) -> None:
        """Take in the `values`, [n, ...] of every field, of new cells.

        Those that `entering` does not name may be left out.
        """
        rows = self.entering(position)
        if not len(rows):
            return
        entering = position[rows]
        hashed = np.concatenate([self._hash, spread_out(entering)])
        best = np.argsort(hashed)[: self._most]
        self._hash = hashed[best]
        self.position = np.concatenate([self.position, entering])[best]
        for name, field in self._fields.items():
            self._fields[name] = _stacked(field, values[name][rows])[best]

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what is kept as plain arrays, for `join` elsewhere."""
        arrays = {"position": self.position}
        for name, field in self._fields.items():
            if _is_csr(field):
                arrays |= {f"{name}.{part}": getattr(field, part) for part in _CSR}
            else:
                arrays[name] = field
        return arrays

    def join(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in what another one, of the same fields, kept of other cells of the same whole."""
        values = {}
        for name, field in self._fields.items():
            if _is_csr(field):
                shape = len(state["position"]), field.shape[1]
                values[name] = type(field)(tuple(state[f"{name}.{part}"] for part in _CSR), shape)
            else:
                values[name] = state[name]
        self.add(state["position"], **values)


def spread_out(position: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Hash positions to uint64, one to one and without pattern.

    References
    ----------
    Steele, Lea and Flood 2014, OOPSLA, "Fast splittable pseudorandom number generators": the
    finaliser of SplitMix64.
    """
    x = position.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)), dtype=np.uint64)


def _is_csr(field: Values) -> bool:
    return hasattr(field, "indptr")


def _stacked(kept: Values, more: Values) -> Values:
    if not _is_csr(kept):
        return np.concatenate([kept, more.astype(kept.dtype, copy=False)])
    import scipy.sparse as sp

    return sp.vstack([kept, more.astype(kept.dtype, copy=False)], format="csr")
