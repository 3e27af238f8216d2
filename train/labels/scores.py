"""How good labels are: accuracy, macro-F1 and expected calibration error."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from cellport.runtime.atlas.manifest import ReliabilityBin


def label_scores(
    truth: NDArray[np.object_], predicted: NDArray[np.object_], prob: NDArray[np.floating]
) -> dict[str, float]:
    """Score predicted names of labels, of which `prob` [cells] is how sure they are.

    Returns ``accuracy``, ``macro_f1`` (mean over the labels in `truth`) and ``ece``.
    """
    right = truth == predicted
    macro = f1_score(truth, predicted, average="macro", labels=np.unique(truth), zero_division=0)
    return {
        "accuracy": float(right.mean()),
        "macro_f1": float(macro),
        "ece": expected_calibration_error(prob, right),
    }


def expected_calibration_error(
    prob: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over equal-width bins of confidence.

    References
    ----------
    Guo et al. 2017, ICML, "On calibration of modern neural networks".
    """
    return sum(
        abs(one.accuracy - one.confidence) * (one.cells / len(prob))
        for one in reliability(prob, right, bins)
    )


def reliability(
    prob: NDArray[np.floating], right: NDArray[np.bool_], bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """How often labels of each confidence are right: the reliability diagram as a table.

    Bins are of equal width; confidence and accuracy are 0 where one is empty.
    """
    bin_of = np.clip((np.asarray(prob) * bins).astype(int), 0, bins - 1)
    return tuple(
        ReliabilityBin(
            low=b / bins,
            high=(b + 1) / bins,
            cells=int(inside.sum()),
            confidence=float(prob[inside].mean()) if inside.any() else 0.0,
            accuracy=float(right[inside].mean()) if inside.any() else 0.0,
        )
        for b in range(bins)
        for inside in [bin_of == b]
    )
