"""Which genes the decoder is asked for in a step.

Of a minibatch of many cells a share of the genes tells the decoder as much as all genes of a
smaller one do, and what a step costs grows with the cells times the genes asked for. The genes are
dealt to the steps, so that after a few of them each gene was asked for once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# counts that the decoder is to foretell in a step: those of 64 cells of 2,000 genes, the minibatch
# and the panel of a usual reference, which are asked for whole
_COUNTS_A_STEP = 1 << 17
# labels and novelty are as right with a quarter of the genes (``benchmarks.training shares``); with
# fewer it was not measured
_MOST_PARTS = 4


def number_of_parts(n_genes: int, batch_size: int) -> int:
    """Into how many parts the genes are dealt; 1 where all are asked for in each step."""
    parts = round(n_genes * batch_size / _COUNTS_A_STEP)
    return max(1, min(parts, _MOST_PARTS, n_genes))


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
