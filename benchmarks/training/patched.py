"""Training with other limits than those in use, or step by step: what no setting does.

    python -m benchmarks.training.patched train ...

That is ``cellport train`` with its counts on disk and its state saved five times a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cellport.cli import main
from cellport.train.fit import loop, order
from cellport.train.fit.loop import FitConfig, TrainingCells
from cellport.train.fit.processes import connect
from cellport.train.fit.threads import few_threads
from cellport.train.reference import scratch

# cells of a pool, and of a block in it
IN_USE = order.POOL_CELLS, order.BLOCK_CELLS


def counts_on_disk() -> None:
    """Keep no counts in memory, however few."""
    scratch.IN_MEMORY = 0


def saved_often() -> None:
    """Save the state of training every 0.2 seconds."""
    loop._SAVE_SECONDS = 0.2


@contextmanager
def pools(cells: int, block: int) -> Iterator[None]:
    """Draw minibatches from pools of so many cells, in blocks of so many."""
    order.POOL_CELLS, order.BLOCK_CELLS = cells, block
    try:
        yield
    finally:
        order.POOL_CELLS, order.BLOCK_CELLS = IN_USE


def steps_of(cells: TrainingCells, config: FitConfig) -> Iterator[None]:
    """Take one training step, exactly as `fit` does, each time it is asked."""
    run = loop._Run(connect("cpu", config.precision), cells, config)
    run.wrapped.train()
    with few_threads(run.batch_size * cells.counts.shape[1]):
        for step, ready in enumerate(order.ahead(run.minibatches())):
            run.train_step(0, step, ready)
            yield


if __name__ == "__main__":
    counts_on_disk()
    saved_often()
    main()
