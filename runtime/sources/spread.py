"""Some cells of a source, spread evenly over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.memory import frame_of_names, matrix_of_object
from cellport.runtime.sources.source import Beside, CountSource

_BLOCK = 2048


def spread_windows(n_cells: int, most: int, windows: int) -> list[tuple[int, int]]:
    """Return first and last of evenly spread windows of cells; one of all where they are few."""
    if n_cells <= most:
        return [(0, n_cells)]
    size = most // windows
    starts = [(n_cells - size) * window // (windows - 1) for window in range(windows)]
    return [(start, start + size) for start in starts]


def spread_cells(source: CountSource, most: int, windows: int) -> Iterator[CountBlock]:
    """Yield the cells of evenly spread windows, `most` in all; all where they are few."""
    if source.n_cells <= most:
        yield from source.blocks(_BLOCK)
        return
    found = spread_windows(source.n_cells, most, windows)
    if source.seekable:
        for start, stop in found:
            yield from source.blocks(stop - start, start, stop)
        return
    for block in source.blocks(_BLOCK):
        for start, stop in found:
            first, last = start - block.start, stop - block.start
            if last > 0 and first < block.n_cells:
                yield _rows(block, max(first, 0), min(last, block.n_cells))


def spread_source(source: CountSource, most: int, windows: int) -> CountSource:
    """Read `spread_cells` into memory, as a source of these cells alone; the other is closed."""
    import scipy.sparse as sp

    try:
        blocks = [_rows(one, 0, one.n_cells) for one in spread_cells(source, most, windows)]
        names = [source.cell_names(one.start, one.start + one.n_cells) for one in blocks]
    finally:
        source.close()
    shape = [(one.n_cells, source.n_genes) for one in blocks]
    counts = sp.vstack(
        [
            sp.csr_matrix((one.data, one.indices, one.indptr), rows, copy=False)
            for one, rows in zip(blocks, shape, strict=True)
        ],
        format="csr",
    )
    where = source.description
    return replace(
        source,
        n_cells=counts.shape[0],
        seekable=True,
        in_memory=True,
        beside=Beside(),
        _matrix=matrix_of_object(counts, where, threads=1),
        _cells=frame_of_names(np.concatenate(names).tolist(), where),
        _close=lambda: None,
    )


def _rows(block: CountBlock, first: int, last: int) -> CountBlock:
    start, stop = block.indptr[first], block.indptr[last]
    indptr = block.indptr[first : last + 1] - start
    # a copy: what a source yields may lie in memory that the next block takes
    indices, data = block.indices[start:stop].copy(), block.data[start:stop].copy()
    return CountBlock(block.start + first, indptr, indices, data)
