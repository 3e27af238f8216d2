"""Which genes the decoder is asked for in a step.

Of a minibatch of many cells a share of the genes tells the decoder as much as all genes of a
smaller one do, and what a step costs grows with the cells times the genes asked for. The genes are
dealt to the steps, so that after a few of them each gene was asked for once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def asked_genes(
    n_genes: int, parts: int, seed: Sequence[int], step: int
) -> NDArray[np.int64] | None:
    """Choose the genes of a step, int64, ascending; None for all of them.

    In every `parts` steps from the first on, each gene comes once.
    """
    if parts == 1:
        return None
    deal = np.random.default_rng([*seed, step // parts, parts])
    return np.sort(deal.permutation(n_genes)[step % parts :: parts])
