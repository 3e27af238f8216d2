"""The loops of the first layer: from the non-zeros of a cell to its hidden units."""

from __future__ import annotations

from typing import Any

import numpy as np

from .first_layer import LANES, TILE
from .jit import part
from .normalise import log_normalise_row
from .vector import add_weighted_rows, lowest_bit


@part
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


@part
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


@part
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


@part
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


@part
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
    columns: Any,
    values: Any,
    slot: Any,
    ends: Any,
    last: Any,
    start: int,
    stop: int,
) -> None:
    """Fill the rows ``start:stop`` of `hidden`, `library` and `detected`.

    Arguments up to `detected` are those of `cellport.kernels.first_layer.encode`. The rest is
    room to work in: `columns` int32 and `values` float32 for the non-zeros of a tile, `slot` int32
    [n_rows] and `ends` int64 [TILE + 1], both 0, `last` float32 [LANES].
    """
    width = hidden.shape[1]
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
        for slab in range(len(weight)):
            low = slab * LANES
            high = min(low + LANES, width)
            for r in range(rows):
                out = hidden[first + r, low:high] if high - low == LANES else last
                add_weighted_rows(
                    weight[slab], columns, values, ends[r], ends[r + 1], bias[low:], out
                )
                if high - low < LANES:
                    for h in range(low, high):
                        hidden[first + r, h] = last[h - low]
