"""What several atlases say of a cell together.

Same as `web/page/src/mapping/consensus/joint.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number
from cellport.runtime.mapping.consensus.products import rows_times

_SHARED = number("consensus.shared")
_STRANGE = number("consensus.strange")
_STRANGE_IF_NOVEL = number("consensus.strange_if_novel")
_LEAST = number("consensus.least")
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Translation:
    """What the labels of one atlas say of joint labels."""

    # float64 [labels, joint labels]: of cells with a label, the share of each joint one; rows add
    # up to 1
    into: NDArray[np.float64]
    # [joint labels], the share of each in cells of the query; what evidence is held against
    base: NDArray[np.float64]


def of_first(
    prob: NDArray[np.floating], novel: NDArray[np.bool_], n_joint: int
) -> NDArray[np.float64]:
    """Return the first atlas's probabilities of joint labels, [cells, joint labels].

    Its own labels come first among those. The rest get, alike, what is not theirs.
    """
    n_cells, own = prob.shape
    joint = np.zeros((n_cells, n_joint))
    beyond = n_joint - own
    strange = np.where(novel, _STRANGE_IF_NOVEL, _STRANGE) if beyond else np.zeros(n_cells)
    joint[:, :own] = prob * (1 - strange)[:, np.newaxis]
    joint[:, own:] = (strange / max(beyond, 1))[:, np.newaxis]
    return joint


def translation(cells: NDArray[np.float64], places: NDArray[np.int64], n_first: int) -> Translation:
    """Make up how another atlas's labels translate.

    A label that both have by name or term is itself, but for cells of those labels of the first
    that the other lacks: these are what the query's cells show, and so is all of a label that only
    the other has, the share of whose cells that are unlike the first atlas stay by its name.

    Parameters
    ----------
    cells
        float64 [joint labels, labels], as `LabelsAlike.cells` says.
    places
        int64 [labels], the joint label that each is.
    n_first
        Labels of the first atlas, the first of the joint ones.
    """
    n_joint, n_labels = cells.shape
    unknown = ~np.isin(np.arange(n_joint), places)
    total = cells.sum(axis=0)
    into = np.zeros((n_labels, n_joint))
    for label, place in enumerate(places.tolist()):
        share = cells[:, label] / max(total[label], _TINY)
        if place < n_first:
            into[label, unknown] = share[unknown]
            into[label, place] = 1 - into[label].sum()
        else:
            into[label, :n_first] = share[:n_first]
            into[label, place] = 1 - into[label].sum()
    mixed = total / max(total.sum(), _TINY)
    return Translation(into, mixed @ into)


def evidence(
    prob: NDArray[np.floating], novel: NDArray[np.bool_], how: Translation
) -> NDArray[np.float64]:
    """Return how many times as probable another atlas makes each joint label, [cells, joint]."""
    said = rows_times(prob, how.into) / np.maximum(how.base, _TINY)
    said = np.where(how.base > _TINY, said, 1.0)
    doubt = np.where(novel, _STRANGE_IF_NOVEL, _STRANGE)[:, np.newaxis]
    return np.asarray(np.maximum((1 - doubt) * said + doubt, _LEAST))


def together(
    first: NDArray[np.float64],
    others: Sequence[NDArray[np.float64]],
    fits: Sequence[float],
) -> NDArray[np.float64]:
    """Return the joint probabilities, [cells, joint labels].

    Evidence is multiplied, each weighing less the more atlases there are: what they were trained on
    and what they get wrong is not independent. An atlas weighs by the square of how well it fits
    the query.

    Parameters
    ----------
    first
        Probabilities of the first atlas, [cells, joint labels].
    others
        `evidence` of the others.
    fits
        As `Heard.fits` says.

    References
    ----------
    Genest and Zidek 1986, Statistical Science, "Combining probability distributions: a critique and
    an annotated bibliography" (logarithmic pools).
    """
    weight = np.square(np.maximum(fits, _TINY))
    weight *= len(weight) ** (1 - _SHARED) / weight.sum()
    score = weight[0] * np.log(np.maximum(first, _TINY))
    for one, its in zip(others, weight[1:], strict=True):
        score += its * np.log(one)
    score -= score.max(axis=1, keepdims=True)
    joint = np.exp(score)
    return np.asarray(joint / joint.sum(axis=1, keepdims=True))
