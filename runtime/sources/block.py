"""The one shape in which counts travel: blocks of consecutive cells as CSR arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


class CountSource(Protocol):
    """A matrix of counts that can be read in blocks of cells, in bounded memory.

    Attributes
    ----------
    description
        File and field in words, for messages: ``query.h5ad, layers['counts']``.
    n_cells, n_genes
        Shape of the matrix.
    gene_columns
        Candidate gene names, each an object array of str [n_genes]: ``index`` first, then
        every text column of ``var``. An empty name belongs to no gene (an antibody, say).
    notes
        What was repaired or chosen, one plain sentence each, for the report.
    layer
        Name under which the same matrix can be asked for again.
    seekable
        Whether cells from the middle can be read without reading all before them.
    """

    description: str
    n_cells: int
    n_genes: int
    gene_columns: Mapping[str, NDArray[np.object_]]
    notes: list[str]
    layer: str
    seekable: bool

    def blocks(
        self, block_cells: int, start: int = 0, stop: int | None = None
    ) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop`` in order, at most `block_cells` a block.

        Deep cells make shorter blocks (see `csr_checks.MAX_NONZEROS`). Structure and values
        of every block are checked before it leaves.
        """
        ...

    def cell_names(self, start: int, stop: int) -> NDArray[np.object_]:
        """Names of the cells ``start:stop``, object array of str."""
        ...

    def obs_column(self, name: str) -> NDArray[np.object_]:
        """Return a whole column of ``obs`` as an object array of str, missing values as ''."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...
