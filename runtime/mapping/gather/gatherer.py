"""What sums over mapped cells, whatever the size of the blocks and whoever maps them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.columns import MappedBlock
from cellport.runtime.genes.match import GeneMatch

# whole numbers add up to the same sum in any order: a count per 10,000, or a unit of the latent
# or of probability, in these parts
PARTS = 1 << 16


class Gatherer(ABC):
    """Sums, and some cells kept, of blocks of mapped cells.

    All it has found is in `sums`, whole numbers that add up, and `kept`, the cells with the
    smallest hashes, so that what several of them found on parts of the cells can be added up, in
    any order and on any machine, to what one of them finds on all.
    """

    sums: dict[str, NDArray[np.int64]]
    kept: dict[str, BottomK]

    @abstractmethod
    def add(self, block: MappedBlock, genes: GeneMatch) -> None:
        """Take in a block.

        Parameters
        ----------
        block
            Mapped; its start counts through all queries.
        genes
            Which genes of its query feed the panel.
        """

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that was found, as plain arrays."""
        state: dict[str, NDArray[Any]] = dict(self.sums)
        for name, kept in self.kept.items():
            state |= {f"{name}.{part}": array for part, array in kept.state().items()}
        return state

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add what another one found, from its `state`."""
        for name, total in self.sums.items():
            total += state[name]
        for name, kept in self.kept.items():
            start = f"{name}."
            kept.join(
                {key.removeprefix(start): a for key, a in state.items() if key.startswith(start)}
            )


def in_parts(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Numbers as whole parts, whose sum does not depend on the order."""
    return np.asarray(np.rint(values.astype(np.float64) * PARTS), dtype=np.int64)
