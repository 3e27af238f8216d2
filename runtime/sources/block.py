"""The one shape in which counts travel: blocks of consecutive cells as CSR arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class CountBlock:
    """Counts of a run of consecutive cells, CSR.

    The arrays may be views of a matrix that somebody else holds: read them, never write.
    Positions within a cell may come in any order and more than once (they add up), and
    zeros may be stored.

    Attributes
    ----------
    start
        Position of the first cell in the source.
    indptr
        int64 [n_cells + 1], begins with 0.
    indices
        int32 [n_nonzero], gene positions in the source's own gene order.
    data
        float32 [n_nonzero], the values.
    """

    start: int
    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]

    @property
    def n_cells(self) -> int:
        """Number of cells in the block."""
        return len(self.indptr) - 1
