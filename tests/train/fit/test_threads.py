from __future__ import annotations

import pytest
import torch
from threadpoolctl import threadpool_info

from cellport.train.fit.threads import few_threads


def _of_blas() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


@pytest.mark.parametrize(("values", "threads"), [(64 * 2000, 1), (1024 * 2000, 2), (10**9, 3)])
def test_a_step_has_the_threads_that_it_can_feed(values: int, threads: int) -> None:
    before, of_blas = torch.get_num_threads(), _of_blas()
    torch.set_num_threads(3)
    try:
        with few_threads(values):
            assert torch.get_num_threads() == threads
            assert set(_of_blas()) == {1}
        assert torch.get_num_threads() == 3
        assert _of_blas() == of_blas
    finally:
        torch.set_num_threads(before)
