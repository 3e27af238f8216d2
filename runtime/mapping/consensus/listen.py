"""What cells of a query show of several atlases, and of which labels of theirs are which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellport.runtime.mapping.consensus.companion import Companion
from cellport.runtime.mapping.consensus.joint import of_first
from cellport.runtime.mapping.consensus.labels_alike import joint_labels
from cellport.runtime.mapping.query import Heard
from cellport.runtime.sources import CountSource
from cellport.runtime.sources.spread import spread_cells

_CELLS, _WINDOWS = 2000, 20


def listen(source: CountSource, first: Companion, others: Sequence[Companion]) -> Heard:
    """Count in up to 2,000 cells what atlases say, and which labels those with each label have."""
    atlases = (first, *others)
    joint, _ = joint_labels([one.atlas.manifest for one in atlases])
    encoders = [one.encoder(threads=1, pool=None) for one in atlases]
    sums = [np.zeros((len(joint), len(one.atlas.manifest.labels))) for one in others]
    sure, n_cells = np.zeros(len(atlases)), 0
    for block in spread_cells(source, _CELLS, _WINDOWS):
        encoded = [encode(block) for encode in encoders]
        some = ~encoded[0].empty
        said = [one.opinion(cells) for one, cells in zip(atlases, encoded, strict=True)]
        sure += [float(np.where(o.novel, 0, o.prob.max(axis=1))[some].sum()) for o in said]
        n_cells += int(some.sum())
        mine = of_first(said[0].prob[some], said[0].novel[some], len(joint))
        for total, theirs in zip(sums, said[1:], strict=True):
            total += mine.T @ theirs.prob[some].astype(np.float64)
    return Heard(tuple((sure / max(n_cells, 1)).tolist()), tuple(sums))
