"""When cells near a new type are no longer novel.

A cell's novelty score becomes the lower one of the atlas's own and of one that its distance to the
new type gives it: at the distance that half of that type's own cells reach, the score that half of
the reference's cells reach, and so at a twentieth, on the line through both. So cells of a new type
are as seldom novel as those of an old one, and no other cell is more novel than before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.novelty_table import NoveltyTable
from cellport.train.extend.linear import distance

_USUAL, _RARE = 0.5, 0.05
# of distances that hardly differ
_LEAST_SPREAD = 0.05


@dataclass(frozen=True, slots=True)
class Near:
    """Distance to each new type, and the score that it gives."""

    axes: NDArray[np.float64]  # [width, axes]
    centre: NDArray[np.float64]  # [new types, axes]
    # [new types]: score = slope distance + start
    slope: NDArray[np.float64]
    start: NDArray[np.float64]

    def score(self, at: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
        """Novelty score of cells float64 [cells, width], of which the atlas's own is known."""
        of_type = self.slope * distance(at, self.axes, self.centre) + self.start
        return np.asarray(np.minimum(own, of_type.min(axis=1)))


def fit_line(
    reached: NDArray[np.float64], library: NDArray[np.float64], table: NoveltyTable
) -> tuple[float, float]:
    """Slope and start of the line from the distances of a type's cells to scores.

    Of distances float64 [cells] from a centre that was made without each cell, and its counts.
    """
    near, far = np.quantile(reached, [1 - _USUAL, 1 - _RARE])
    low, high = (score_at(table, p, float(np.median(library))) for p in (_USUAL, _RARE))
    slope = max(high - low, 1e-3) / max(far - near, _LEAST_SPREAD * near)
    return slope, low - slope * near


def score_at(table: NoveltyTable, p: float, library: float) -> float:
    """Score that a share `p` of held-out cells of this depth reach, all genes being measured."""
    by_bin = [np.interp(-p, -table.p.astype(np.float64), levels) for levels in table.score[-1]]
    return float(np.interp(np.log1p(library), table.depth[-1], by_bin))
