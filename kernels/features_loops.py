"""The loops of the linear features: from the non-zeros of a cell to sums of rows of the basis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import part
from .lanes import LANES, TILE
from .normalise import log_normalise_row, scale_row
from .vector import add_weighted_rows, add_weighted_rows_widely, lowest_bit

if TYPE_CHECKING:
    from .signatures import LinearFeatures


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
    """Replace genes by rows of the basis in place; tell whether the genes were ascending."""
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
def _total(values: Any) -> float:
    # Two chains of additions overlap in the processor; one would wait for itself.
    even, odd = 0.0, 0.0
    for k in range(len(values) // 2):
        even += values[2 * k]
        odd += values[2 * k + 1]
    if len(values) % 2:
        even += values[len(values) - 1]
    return even + odd


@part
def _counted(genes: Any, counts: Any, counted: Any) -> float:
    total = 0.0
    for k in range(len(genes)):
        total += counts[k] * counted[np.uint32(genes[k])]
    return total


@part
def _with_twins(columns: Any, values: Any, n: int, twin: Any) -> int:
    """Put rows of genes that come twice behind the others; the number of columns then."""
    last = n
    for k in range(last):
        row = twin[np.uint32(columns[k])]
        while row >= 0:
            columns[n] = row
            values[n] = values[k]
            n += 1
            row = twin[np.uint32(row)]
    return n


@part
def _gather(of: LinearFeatures, first: int, cells: int) -> None:
    """Lay the log-normalised counts of a tile, and their rows of the basis, one after another."""
    for r in range(cells):
        i = first + r
        begin, end = of.indptr[i], of.indptr[i + 1]
        columns = of.columns[of.ends[r] :]
        values = of.values[of.ends[r] :]
        n = _select(of.indices[begin:end], of.data[begin:end], of.in_panel, columns, values)
        ascending = _to_rows(columns[:n], of.row)
        if not (of.distinct and ascending):
            n = _merge(columns[:n], values[:n], of.slot)
        total = _total(values[:n])
        of.library[i] = total
        if of.twins:
            n = _with_twins(columns, values, n, of.twin)
        values = values[:n]
        if total > 0:
            if of.divisor == 0:
                total = 1.0
            elif of.divisor == 2:
                total = _counted(of.indices[begin:end], of.data[begin:end], of.counted)
            scale = np.float32(of.target / total)
            if of.logged:
                log_normalise_row(values, columns[:n], of.cap, scale)
            else:
                scale_row(values, columns[:n], of.cap, scale)
        else:
            n = 0
        of.ends[r + 1] = of.ends[r] + n


@part
def _multiply(of: LinearFeatures, first: int, cells: int) -> None:
    """Sum the rows of the basis for each cell of a tile, a part of the features at a time."""
    width = of.features.shape[1]
    for slab in range(len(of.basis)):
        low = slab * LANES
        high = min(low + LANES, width)
        for r in range(cells):
            out = of.features[first + r, low:high] if high - low == LANES else of.last
            if of.wide:
                add_weighted_rows_widely(
                    of.basis[slab], of.columns, of.values, of.ends[r], of.ends[r + 1],
                    of.offset[slab], out,
                )  # fmt: skip
            else:
                add_weighted_rows(
                    of.basis[slab], of.columns, of.values, of.ends[r], of.ends[r + 1],
                    of.offset[slab], out,
                )  # fmt: skip
            if high - low < LANES:
                for h in range(low, high):
                    of.features[first + r, h] = of.last[h - low]


@part
def linear_features(of: LinearFeatures) -> None:
    """Fill the rows ``start:stop`` of `features` and `library`."""
    for first in range(of.start, of.stop, TILE):
        cells = min(TILE, of.stop - first)
        _gather(of, first, cells)
        _multiply(of, first, cells)
