"""Training with other limits than those in use: the one place that sets what is no setting.

python -m benchmarks.training.patched train ...    ``cellport train``, with counts on disk and
its state saved five times a second
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cellport.cli import main
from cellport.train.fit import loop, order
from cellport.train.reference import scratch


def counts_on_disk() -> None:
    """Keep no counts in memory, however few."""
    scratch.IN_MEMORY = 0


def saved_often() -> None:
    """Save the state of training every 0.2 seconds."""
    loop._SAVE_SECONDS = 0.2


@contextmanager
def pools(cells: int, block: int) -> Iterator[None]:
    """Draw minibatches from pools of so many cells, in blocks of so many."""
    before = order.POOL_CELLS, order.BLOCK_CELLS
    order.POOL_CELLS, order.BLOCK_CELLS = cells, block
    try:
        yield
    finally:
        order.POOL_CELLS, order.BLOCK_CELLS = before


if __name__ == "__main__":
    counts_on_disk()
    saved_often()
    main()
