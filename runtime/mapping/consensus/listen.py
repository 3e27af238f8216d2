"""What cells of a query show of several atlases, and of which labels of theirs are which.

Same as `web/page/src/mapping/consensus/listen.ts`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cellport.runtime.decisions import whole
from cellport.runtime.mapping.consensus.companion import Companion
from cellport.runtime.mapping.consensus.encoder import on_all
from cellport.runtime.mapping.consensus.joint import of_first
from cellport.runtime.mapping.consensus.labels_alike import joint_labels
from cellport.runtime.mapping.encode import EncodedCells, joined
from cellport.runtime.mapping.query import Heard
from cellport.runtime.sources import CountSource
from cellport.runtime.sources.spread import spread_cells, spread_windows

_CELLS, _WINDOWS = whole("consensus.cells"), whole("consensus.windows")
_BLOCK = 2048


def listen(
    source: CountSource, first: Companion, others: Sequence[Companion], threads: int
) -> tuple[Heard, EncodedCells | None]:
    """Count in some cells what atlases say, and which labels those with each label have.

    Where the counts are in memory all cells are encoded for it, and what the atlases say of them
    comes too: so none is encoded twice.
    """
    with ThreadPoolExecutor(threads) as pool:
        encode, *beside = (one.encoder(threads, pool) for one in (first, *others))
        on_every = on_all(encode, beside)
        if not source.in_memory:
            some = map(on_every, spread_cells(source, _CELLS, _WINDOWS))
            return _heard(first, others, some), None
        cells = joined([on_every(block) for block in source.blocks(_BLOCK)])
    windows = spread_windows(source.n_cells, _CELLS, _WINDOWS)
    return _heard(first, others, (cells.rows(*window) for window in windows)), cells


def _heard(first: Companion, others: Sequence[Companion], parts: Iterable[EncodedCells]) -> Heard:
    atlases = (first, *others)
    joint, _ = joint_labels([one.atlas.manifest for one in atlases])
    sums = [np.zeros((len(joint), len(one.atlas.manifest.labels))) for one in others]
    sure, n_cells = np.zeros(len(atlases)), 0
    for cells in parts:
        some = ~cells.empty
        encoded = (cells, *cells.others)
        said = [one.opinion(its) for one, its in zip(atlases, encoded, strict=True)]
        sure += [float(np.where(o.novel, 0, o.prob.max(axis=1))[some].sum()) for o in said]
        n_cells += int(some.sum())
        mine = of_first(said[0].prob[some], said[0].novel[some], len(joint))
        for total, theirs in zip(sums, said[1:], strict=True):
            total += mine.T @ theirs.prob[some].astype(np.float64)
    alike = tuple(tuple(map(tuple, total.tolist())) for total in sums)
    return Heard(tuple((sure / max(n_cells, 1)).tolist()), alike)
