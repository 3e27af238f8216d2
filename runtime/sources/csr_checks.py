"""Checks on CSR arrays from files, made before anything indexes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.block import CountBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

# positions and values of non-zeros
Pair: TypeAlias = "tuple[NDArray[np.int32], NDArray[np.float32]]"

# Most non-zeros of a block (64 MB of positions and values), unless one cell has more.
MAX_NONZEROS = 8_000_000
# More than any transcriptome, peak set or metagenome panel; a file that claims more is hostile.
MAX_GENES = 10_000_000


class Array(Protocol):
    """What h5py datasets, zarr arrays and numpy arrays have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each axis."""

    @property
    def dtype(self) -> Any:
        """Type of the elements."""

    def __getitem__(self, key: Any) -> Any:
        """Read a range as a numpy array."""


def rows_a_chunk(array: Array) -> int:
    """Return how many rows are inflated together; 1 where nothing is."""
    chunks = getattr(array, "chunks", None)
    return int(chunks[0]) if chunks else 1


def as_counts(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return numbers as float32; what does not fit becomes infinite and fails the gate."""
    if values.dtype.kind not in "biuf":
        raise InputError(say("gate.not_numbers"))
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32, copy=False)


def as_positions(values: NDArray[Any], limit: int) -> NDArray[np.int32]:
    """Return positions as int32, checked to lie in ``0:limit`` before they are narrowed."""
    if values.dtype.kind not in "iu":
        raise InputError(f"positions of type {values.dtype} are not integers")
    native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    # a negative number is a large one without its sign, so that one pass tells both
    least_outside = min(limit, np.iinfo(native.dtype).max + 1)
    if values.size and int(native.view(f"u{native.dtype.itemsize}").max()) >= least_outside:
        raise InputError(f"a position lies outside 0 to {limit - 1}")
    return native.astype(np.int32, copy=False)


def cut(pointers: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Cut rows into runs of at most `MAX_NONZEROS` values, at least one row each."""
    start, n_rows = 0, len(pointers) - 1
    while start < n_rows:
        stop = int(np.searchsorted(pointers, pointers[start] + MAX_NONZEROS, side="right")) - 1
        stop = min(max(stop, start + 1), n_rows)
        yield start, stop
        start = stop


def row_limit(n_genes: int) -> int:
    """Return the most stored values that a cell may have: duplicates allowed, absurdity not."""
    return max(n_genes, MAX_NONZEROS)


def split(block: CountBlock, block_cells: int) -> Iterator[CountBlock]:
    """Yield a large block as blocks of at most `block_cells` cells and `MAX_NONZEROS` values."""
    for first in range(0, block.n_cells, block_cells):
        pointers = block.indptr[first : first + block_cells + 1]
        for start, stop in cut(pointers):
            low, high = pointers[start], pointers[stop]
            yield CountBlock(
                start=block.start + first + start,
                indptr=pointers[start : stop + 1] - low,
                indices=block.indices[low:high],
                data=block.data[low:high],
            )
