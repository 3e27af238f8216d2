"""Labels that a panel of genes cannot tell apart, put together until labels can be believed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.mapping.outlook.confusion import Confusion

# labels are merged until so many cells are given the right group; real cells are right a little
# less often than made-up ones, and of them .95 are to be (`benchmarks.outlook`)
_SURE = 0.97
# pairs that are weighed for each merger, those with most cells between them
_PAIRS = 30
_TINY = 1e-12


def merge_labels(confusion: Confusion, sure: float = _SURE) -> NDArray[np.int64]:
    """Return the group of each label, int64 [labels], numbered by their first labels.

    Of cells mixed as the reference is, a share `sure` is to be given the right group. Until it is,
    those two groups are merged that cost least: of what calls tell of labels, the mutual
    information, for each cell that is then right.
    """
    group = np.arange(len(confusion.given))
    while (found := confusion.merged(group)).accuracy < sure:
        between = np.triu(found.mixed + found.mixed.T, 1)
        pairs = np.argsort(-between, axis=None, kind="stable")[:_PAIRS]
        likely = [divmod(int(pair), len(between)) for pair in pairs if between.flat[pair] > 0]
        if not likely:
            break
        told = _told(found.mixed)
        costs = [
            (told - _told(_without(found.mixed, one, other))) / between[one, other]
            for one, other in likely
        ]
        one, other = likely[int(np.argmin(costs))]
        group = np.unique(np.where(group == other, one, group), return_inverse=True)[1]
    return group


def _without(mixed: NDArray[np.float64], one: int, other: int) -> NDArray[np.float64]:
    """Add the row and column of one group to those of another, and leave it out."""
    merged = mixed.copy()
    merged[one] += merged[other]
    merged[:, one] += merged[:, other]
    return np.delete(np.delete(merged, other, 0), other, 1)


def _told(mixed: NDArray[np.float64]) -> float:
    """Mutual information of labels and labels given, in nats."""
    alone = mixed.sum(axis=1, keepdims=True) * mixed.sum(axis=0)
    some = mixed > _TINY
    return float((mixed[some] * np.log(mixed[some] / alone[some])).sum())
