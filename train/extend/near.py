"""When cells near a new type are no longer novel.

A cell's novelty score becomes the lower one of the atlas's own and of one that its distance to the
new type gives it: a straight line, as steep as scores rise from what half of the reference's cells
reach to what a twentieth does, where distances rise from what half of the type's own cells reach to
what a twentieth does. So cells of a new type
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

    Of distances float64 [cells] from a centre that was made without each cell, and its counts. How
    high a score is that makes a cell novel depends on its depth, so the line lies as high as leaves
    a twentieth of these cells novel, each by its own.
    """
    near, far = np.quantile(reached, [1 - _USUAL, 1 - _RARE])
    usual, rare = (score_at(table, p, library) for p in (_USUAL, _RARE))
    slope = max(float(np.median(rare - usual)), 1e-3) / max(far - near, _LEAST_SPREAD * near)
    return float(slope), float(np.quantile(rare - slope * reached, _RARE))


def score_at(table: NoveltyTable, p: float, library: NDArray[np.float64]) -> NDArray[np.float64]:
    """Score that a share `p` of held-out cells of such depths reach, all genes being measured."""
    by_bin = [np.interp(-p, -table.p.astype(np.float64), levels) for levels in table.score[-1]]
    return np.asarray(np.interp(np.log1p(library), table.depth[-1], by_bin))
