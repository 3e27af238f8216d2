"""First encoder layer straight from the raw counts of a query: no intermediate matrix.

One pass over the non-zeros of a cell selects the panel genes, sums the library, log-normalises
and multiplies with the rows of the weight matrix that the cell needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import frozen, kernel
from .normalise import log_normalise_row
from .rows import over_rows
from .vector import LANES, add_weighted_rows, lowest_bit

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


TILE = 128
"""Cells that share one pass over a slice of the weights while it is in the L2 cache."""


@kernel
def _select(genes: Any, counts: Any, in_panel: Any, found: Any, values: Any) -> Any:
    """Copy the genes of the panel and their counts to the front of `found` and `values`."""
    # Membership of 64 entries becomes a word first: a branch or a store an entry costs more.
    n = np.uint64(0)
    size = np.uint64(len(genes))
    first = np.uint64(0)
    while first < size:
        word = np.uint64(0)
        if size - first >= np.uint64(64):
            for eighth in range(8):
                byte = np.uint64(0)
                for j in range(8):
                    gene = np.uint32(genes[first + np.uint64(8 * eighth + j)])
                    byte |= np.uint64(in_panel[gene]) << np.uint64(j)
                word |= byte << np.uint64(8 * eighth)
        else:
            for j in range(size - first):
                gene = np.uint32(genes[first + np.uint64(j)])
                word |= np.uint64(in_panel[gene]) << np.uint64(j)
        while word:
            at = first + lowest_bit(word)
            found[n] = genes[at]
            values[n] = counts[at]
            n += np.uint64(1)
            word &= word - np.uint64(1)
        first += np.uint64(64)
    return np.int64(n)


@kernel
def _to_rows(genes: Any, row: Any) -> bool:
    """Replace genes by rows of the weights in place; tell whether the genes were ascending."""
    ascending = True
    previous = -1
    for k in range(len(genes)):
        gene = genes[k]
        ascending &= gene > previous
        previous = gene
        genes[k] = row[np.uint32(gene)]
    return ascending


@kernel
def _merge(columns: Any, values: Any, slot: Any) -> int:
    """Sum the values of equal columns in place; the number of columns left."""
    # slot[column] is where the column was put last; checking it there spares clearing slot.
    n = 0
    for k in range(len(columns)):
        column = np.uint32(columns[k])
        at = slot[column]
        if at < n and columns[at] == column:
            values[at] += values[k]
        else:
            slot[column] = n
            columns[n] = column
            values[n] = values[k]
            n += 1
    return n


@kernel
def _library_and_detected(values: Any) -> tuple[float, int]:
    """Sum of the values, and how many of them are above 0."""
    # Two chains of additions overlap in the processor; one would wait for itself.
    even, odd = 0.0, 0.0
    for k in range(len(values) // 2):
        even += values[2 * k]
        odd += values[2 * k + 1]
    if len(values) % 2:
        even += values[len(values) - 1]
    positive = 0
    for k in range(len(values)):
        positive += values[k] > 0
    return even + odd, positive


@kernel
def _room(indptr: Any, start: int, stop: int) -> int:
    """Most non-zeros in a tile of rows."""
    room = 0
    for first in range(start, stop, TILE):
        room = max(room, indptr[min(first + TILE, stop)] - indptr[first])
    return room


@kernel
def first_layer(
    indptr: Any,
    indices: Any,
    data: Any,
    in_panel: Any,
    row: Any,
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
    room = _room(indptr, start, stop)
    columns = np.empty(room, np.int32)
    values = np.empty(room, np.float32)
    slot = np.zeros(len(cap), np.int32)
    ends = np.zeros(TILE + 1, np.int64)
    last = np.empty(LANES, np.float32)
    for first in range(start, stop, TILE):
        rows = min(TILE, stop - first)
        for r in range(rows):
            i = first + r
            begin, end = indptr[i], indptr[i + 1]
            c = columns[ends[r] :]
            v = values[ends[r] :]
            n = _select(indices[begin:end], data[begin:end], in_panel, c, v)
            ascending = _to_rows(c[:n], row)
            if not (distinct and ascending):
                n = _merge(c[:n], v[:n], slot)
            v = v[:n]
            total, detected[i] = _library_and_detected(v)
            library[i] = total
            if total > 0:
                log_normalise_row(v, c[:n], cap, np.float32(target / total))
            else:
                n = 0
            ends[r + 1] = ends[r] + n
        for part in range(len(weight)):
            low = part * LANES
            high = min(low + LANES, width)
            for r in range(rows):
                out = hidden[first + r, low:high] if high - low == LANES else last
                add_weighted_rows(
                    weight[part], columns, values, ends[r], ends[r + 1], bias[low:], out
                )
                if high - low < LANES:
                    for h in range(low, high):
                        hidden[first + r, h] = last[h - low]


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """A first layer made ready for one query's gene order; see `prepare`.

    Attributes
    ----------
    in_panel
        uint8 [n_query_genes], 1 for genes of the panel.
    row
        int32 [n_query_genes], row of `weight` and `cap`, or -1.
    distinct
        Whether no two query genes share a row.
    weight
        float32 [parts, n_rows, LANES], the hidden units in parts of `LANES`, padded with 0; only
        the panel genes that the query has.
    cap
        float32 [n_rows].
    bias
        float32 [parts * LANES].
    n_hidden
        Hidden units before padding.
    target
        Counts that a cell is scaled to.
    """

    in_panel: NDArray[np.uint8]
    row: NDArray[np.int32]
    distinct: bool
    weight: NDArray[np.float32]
    cap: NDArray[np.float32]
    bias: NDArray[np.float32]
    n_hidden: int
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
    in_panel = panel_column >= 0
    used = panel_column[in_panel]
    # Weights in the order of the query's genes: a cell then walks through them forwards.
    panel, first = np.unique(used, return_index=True)
    panel = panel[np.argsort(first)]
    rank = np.zeros(len(weight), np.int32)
    rank[panel] = np.arange(len(panel))
    rows = np.where(in_panel, rank[panel_column], -1)
    n_hidden = weight.shape[1]
    parts = -(-n_hidden // LANES)
    padded = np.zeros((len(panel), parts * LANES), np.float32)
    padded[:, :n_hidden] = weight[panel]
    return FirstLayer(
        in_panel=frozen(in_panel, np.uint8),
        row=frozen(rows, np.int32),
        distinct=len(panel) == len(used),
        weight=frozen(padded.reshape(len(panel), parts, LANES).transpose(1, 0, 2)),
        cap=frozen(cap[panel], np.float32),
        bias=frozen(np.pad(bias, (0, parts * LANES - n_hidden)), np.float32),
        n_hidden=n_hidden,
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
        `cellport.kernels.check.check_structure`; any numeric types (indices are taken as int32,
        data as float32); indices in any order, a gene any number of times in a cell (summed).
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
    hidden = np.empty((n_cells, layer.n_hidden), np.float32)
    library = np.empty(n_cells, np.float64)
    detected = np.empty(n_cells, np.int32)
    over_rows(
        first_layer,
        frozen(indptr, np.int64),
        frozen(indices, np.int32),
        frozen(data, np.float32),
        layer.in_panel,
        layer.row,
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
