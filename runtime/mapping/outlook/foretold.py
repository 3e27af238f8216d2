"""What made-up cells foretell, held to what was measured on cells that the atlas had not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.mapping.outlook.confusion import Confusion

# held-out cells of a label below which their recall is left aside: a share of 0.9 of ten has a
# standard error of 0.09
_ENOUGH = 10


@dataclass(frozen=True, slots=True)
class Foretold:
    """How well labels would be told, in cells mixed as the reference is."""

    recall: NDArray[np.float64]  # [labels], share of a label's cells that are given it
    f1: NDArray[np.float64]  # [labels]
    accuracy: float  # share of cells whose label is right
    macro_f1: float  # mean F1 of the labels that the reference has cells of


def foretell(found: Confusion, usual: Confusion, manifest: Manifest) -> Foretold:
    """Foretell of some genes what was measured with all, less what made-up cells lose without them.

    Made-up cells are as clear as the decoder has them, and no real batch is; but what they lose
    with fewer genes and counts, real ones lose too. So the recall of each label is the held-out
    one times what made-up cells keep of theirs. F1 goes by its mean over the labels alone: it
    depends on all others, and was nearer so (`benchmarks.outlook`). Where too few cells were held
    out, made-up cells are taken as they are.

    Parameters
    ----------
    found
        Of made-up cells with the genes.
    usual
        Of those with all genes and as many counts as cells of a reference have.
    """
    recall_by, f1_by = np.ones(len(manifest.labels)), 1.0
    held_out = manifest.held_out
    if held_out is not None and not held_out.doubt:
        f1_by = held_out.macro_f1 / max(usual.macro_f1, 1e-9)
        for code, label in enumerate(manifest.labels):
            score = held_out.by_label.get(label)
            if score is not None and score.cells >= _ENOUGH and usual.recall[code] > 0:
                recall_by[code] = score.recall / usual.recall[code]
    recall = np.minimum(1, found.recall * recall_by)
    f1 = np.minimum(1, found.f1 * f1_by)
    accuracy = float(found.common @ recall)
    return Foretold(recall, f1, accuracy, float(f1[found.common > 0].mean()))
