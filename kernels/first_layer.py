"""First encoder layer straight from the raw counts of a query: no intermediate matrix.

One pass over the non-zeros of a cell selects the panel genes, sums the library, log-normalises
and multiplies with the rows of the weight matrix that the cell needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import frozen, kernel
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


@kernel
def first_layer(
    indptr: Any,
    indices: Any,
    data: Any,
    panel_column: Any,
    distinct: bool,
    weight: Any,
    cap: Any,
    bias: Any,
    target: float,
    hidden: Any,
    library: Any,
    detected: Any,
    start: int,
    stop: int,
) -> None:
    """Fill the rows ``start:stop`` of `hidden`, `library` and `detected`; see `encode`."""
    width = hidden.shape[1]
    slot = np.zeros(len(cap), np.int32)
    room = 0
    for i in range(start, stop):
        room = max(room, indptr[i + 1] - indptr[i])
    columns = np.empty(room + 1, np.int32)
    values = np.empty(room + 1, np.float32)
    for i in range(start, stop):
        n = 0
        previous = -1
        ascending = True
        for k in range(indptr[i], indptr[i + 1]):
            gene = indices[k]
            ascending &= gene > previous
            previous = gene
            columns[n] = panel_column[gene]
            values[n] = data[k]
            n += columns[n] >= 0
        if not (distinct and ascending):
            merged = 0
            for k in range(n):
                column = columns[k]
                at = slot[column]
                if at < merged and columns[at] == column:
                    values[at] += values[k]
                else:
                    slot[column] = merged
                    columns[merged] = column
                    values[merged] = values[k]
                    merged += 1
            n = merged
        total = 0.0
        positive = 0
        for k in range(n):
            total += values[k]
            positive += values[k] > 0
        library[i] = total
        detected[i] = positive
        hidden[i] = bias
        if not total > 0:
            continue
        scale = np.float32(target / total)
        for k in range(n):
            column = columns[k]
            value = min(np.log1p(values[k] * scale), cap[column])
            for h in range(width):
                hidden[i, h] += value * weight[column, h]


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """A first layer made ready for one query's gene order; see `prepare`."""

    panel_column: NDArray[np.int32]
    distinct: bool
    weight: NDArray[np.float32]
    cap: NDArray[np.float32]
    bias: NDArray[np.float32]
    target: float


def prepare(
    panel_column: NDArray[Any],
    weight: NDArray[Any],
    cap: NDArray[Any],
    bias: NDArray[Any],
    target: float,
) -> FirstLayer:
    """Arrange a first layer once, for any number of blocks of one query.

    Parameters
    ----------
    panel_column
        Integer [n_query_genes], panel position of each query gene or -1; query genes with the
        same position are summed.
    weight
        float32 [n_panel, n_hidden].
    cap
        float32 [n_panel], largest log-normalised value of each gene.
    bias
        float32 [n_hidden].
    target
        Counts that a cell is scaled to.

    Returns
    -------
    FirstLayer
        What `encode` needs.
    """
    panel_column = frozen(panel_column, np.int32)
    used = panel_column[panel_column >= 0]
    return FirstLayer(
        panel_column=panel_column,
        distinct=len(np.unique(used)) == len(used),
        weight=frozen(weight, np.float32),
        cap=frozen(cap, np.float32),
        bias=frozen(bias, np.float32),
        target=float(target),
    )


def encode(
    layer: FirstLayer,
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int32]]:
    """Apply the first layer to raw counts.

    Parameters
    ----------
    layer
        From `prepare`.
    indptr, indices, data
        CSR counts of the query in its own gene order, checked by
        `cellport.kernels.check.check_structure`; indices in any order, a gene any number of
        times in a cell (summed).
    threads, pool
        As in `cellport.kernels.rows.over_rows`. A cell gives the same bits whatever the threads,
        the block and its place in it.

    Returns
    -------
    hidden
        float32 [n_cells, n_hidden]: ``bias + sum of min(log1p(count * target / library), cap) *
        weight`` over the panel genes; ``bias`` for a cell without counts in the panel.
    library
        float64 [n_cells], counts over the panel.
    detected
        int32 [n_cells], panel genes with a count above 0.
    """
    n_cells = len(indptr) - 1
    hidden = np.empty((n_cells, len(layer.bias)), np.float32)
    library = np.empty(n_cells, np.float64)
    detected = np.empty(n_cells, np.int32)
    over_rows(
        first_layer,
        frozen(indptr, np.int64),
        frozen(indices),
        frozen(data),
        layer.panel_column,
        layer.distinct,
        layer.weight,
        layer.cap,
        layer.bias,
        layer.target,
        hidden,
        library,
        detected,
        threads=threads,
        pool=pool,
    )
    return hidden, library, detected


def encode_first_layer(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    panel_column: NDArray[Any],
    weight: NDArray[Any],
    cap: NDArray[Any],
    bias: NDArray[Any],
    target: float,
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int32]]:
    """`prepare` and `encode` in one call; parameters and results are theirs."""
    layer = prepare(panel_column, weight, cap, bias, target)
    return encode(layer, indptr, indices, data, threads=threads, pool=pool)
