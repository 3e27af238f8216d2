"""Whether a group of cells is stranger than a known type of a new batch would be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number

_FREEDOM, _FARTHEST = number("novel_groups.freedom"), number("novel_groups.farthest")
_MOST_SHIFTED = number("novel_groups.most_shifted")
# variance of the log odds of a p-value that is even between 0 and 1
_OF_A_CELL = math.pi**2 / 3
# variance of a median in those of a mean, of values that are normal
_OF_MEDIAN = math.pi / 2


@dataclass(frozen=True, slots=True)
class KnownGroups:
    """How strange groups of known types are in queries of new batches, as mean log odds of p."""

    usual: float = number("novel_groups.usual")  # mean over queries
    between_queries: float = number("novel_groups.between_queries")  # standard deviation
    between_groups: float = number("novel_groups.between_groups")  # of one query, likewise


def strangeness_of_groups(
    p: NDArray[np.floating], weight: NDArray[np.floating], groups: Sequence[NDArray[np.integer]]
) -> NDArray[np.float64]:
    """How strange each group of cells is, to ask how often one of a known type would be.

    One cell says little: known cells of a new batch are strange now and then, and cells of an
    unseen type often look like its neighbours. A group is as strange as the mean log odds of its
    cells' p-values. Those of known types lie around what the query's other groups say, which its
    technology shifts together; how widely both lie was learned on other datasets.

    Parameters
    ----------
    p
        float [cells], novelty p-values of the cells.
    weight
        float [cells], cells that each stands for.
    groups
        int [its cells] for each group, rows of the cells.

    Returns
    -------
    ndarray
        float64 [2, groups]: mean log odds, and how many cells' worth that is.

    References
    ----------
    DerSimonian and Laird 1986, Controlled Clinical Trials 7:177, for effects that vary between
    studies as well as within; Higgins, Thompson and Spiegelhalter 2009, Journal of the Royal
    Statistical Society A 172:137, for what to expect of a new one: Student's t.
    """
    inside = np.clip(p.astype(np.float64), 1e-12, 1 - 1e-12)
    odds = np.clip(np.log1p(-inside) - np.log(inside), -_FARTHEST, _FARTHEST)
    strange = [np.average(odds[rows], weights=weight[rows]) for rows in groups]
    independent = [weight[rows].sum() ** 2 / (weight[rows] ** 2).sum() for rows in groups]
    return np.array([strange, independent], np.float64)


def novel_strangeness(found: float, level: float, cells: float) -> tuple[float, float]:
    """How strange cells are of which more are novel than chance makes, and what that is worth.

    So many of the `cells` were found novel, of which chance makes a share of `level` so: the shift
    of all their log odds that would bring it about, and the cells whose mean is known as well.
    """
    share = min(found / cells, 0.999)
    shift = math.log(share / (1 - share)) - math.log(level / (1 - level))
    return shift, _OF_A_CELL * cells * share * (1 - share)


def p_beside_each_other(
    strange: NDArray[np.float64], independent: NDArray[np.float64], known: KnownGroups | None = None
) -> NDArray[np.float64]:
    """P-values of the groups of a query, from `strangeness_of_groups`: float64 [groups]."""
    others = [np.delete(strange, at) for at in range(len(strange))]
    return _p(strange, independent, others, known or KnownGroups())


def p_beside(
    strange: NDArray[np.float64],
    independent: NDArray[np.float64],
    others: NDArray[np.float64],
    known: KnownGroups | None = None,
) -> NDArray[np.float64]:
    """P-values of some groups beside the other ones of their query, float64 [groups]."""
    return _p(strange, independent, [others] * len(strange), known or KnownGroups())


def _p(
    strange: NDArray[np.float64],
    independent: NDArray[np.float64],
    others: Sequence[NDArray[np.float64]],
    known: KnownGroups,
) -> NDArray[np.float64]:
    from scipy.special import stdtr

    of_known = np.array([_of_known(some, known) for some in others], np.float64).reshape(-1, 2)
    apart = np.sqrt(of_known[:, 1] + _OF_A_CELL / independent)
    return np.asarray(stdtr(_FREEDOM, (of_known[:, 0] - strange) / apart), dtype=np.float64)


def _of_known(others: NDArray[np.float64], known: KnownGroups) -> tuple[float, float]:
    """Mean and variance of how strange a known type would be beside other groups of a query."""
    shift, of_shift = known.usual, known.between_queries**2
    if len(others):
        of_median = _OF_MEDIAN * known.between_groups**2 / len(others)
        trust = of_shift / (of_shift + of_median)
        shift += trust * float(np.median(others) - known.usual)
        of_shift = trust * of_median
    # a query of unseen types alone would make each look usual
    most = known.usual + _MOST_SHIFTED * known.between_queries
    return min(shift, most), known.between_groups**2 + of_shift
