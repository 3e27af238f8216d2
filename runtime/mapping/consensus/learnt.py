"""What cells of a query show of which labels of other atlases are which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellport.runtime.mapping.consensus.companion import Companion
from cellport.runtime.mapping.consensus.joint import of_first
from cellport.runtime.mapping.consensus.labels_alike import LabelsAlike, joint_labels
from cellport.runtime.sources import CountSource
from cellport.runtime.sources.spread import spread_cells

_CELLS, _WINDOWS = 2000, 20


def learn_alike(
    source: CountSource, first: Companion, others: Sequence[Companion]
) -> tuple[LabelsAlike, ...]:
    """Count in up to 2,000 cells which labels of other atlases those with each label have."""
    joint, _ = joint_labels([one.atlas.manifest for one in (first, *others)])
    encoders = [one.encoder(threads=1, pool=None) for one in (first, *others)]
    sums = [np.zeros((len(joint), len(one.atlas.manifest.labels))) for one in others]
    for block in spread_cells(source, _CELLS, _WINDOWS):
        cells, *of_others = (encode(block) for encode in encoders)
        some = ~cells.empty
        prob, novel = first.opinion(cells)
        mine = of_first(prob[some], novel[some], len(joint))
        for total, theirs in zip(sums, of_others, strict=True):
            total += mine.T @ theirs.answers["label_prob"][some].astype(np.float64)
    return tuple(LabelsAlike(total) for total in sums)
