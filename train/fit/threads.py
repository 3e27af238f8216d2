"""How many threads training uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

# so many values of a minibatch keep a thread busy
_VALUES_A_THREAD = 1_000_000


@contextmanager
def few_threads(values_a_step: int) -> Iterator[None]:
    """Use no more of torch's threads than a step can feed, and one of numpy's.

    Threads that share a step wait for each other, and those of a busy machine for the slowest;
    the next minibatch is made meanwhile, on a thread of its own, whose matrix products are too
    small to be shared out. The values of a step are its cells times genes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, values_a_step // _VALUES_A_THREAD)))
    try:
        with threadpool_limits(1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)
