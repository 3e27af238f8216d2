"""Several processes, started by torchrun, that train one model together.

The first process does everything that one process alone would do; the others take part in the
training loops that it starts, and wait in between.
"""

from __future__ import annotations

import atexit
import os
from datetime import timedelta
from functools import cache
from typing import Any

import torch
import torch.distributed
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch import Tensor

from cellport.models.draws import Share
from cellport.runtime.errors import TrainingError

# the first process may read, calibrate and write for hours before the others are needed
_PATIENCE = timedelta(days=30)


def processes() -> int:
    """Return how many processes torchrun started; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Tell whether this process is the one that reads, reports and writes."""
    return int(os.environ.get("RANK", "0")) == 0


@cache
def connect(device: str, precision: str) -> Fabric:
    """Choose the device, and meet the other processes where there are some.

    Raises
    ------
    TrainingError
        CUDA was asked for and is not there.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch finds no CUDA device here; use --device cpu.")
    cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    strategy: Any = "auto"
    if processes() > 1:
        strategy = DDPStrategy(
            process_group_backend="cpu:gloo,cuda:nccl" if cuda else "gloo",
            timeout=_PATIENCE,
            broadcast_buffers=False,
        )
    fabric = Fabric(
        accelerator="cuda" if cuda else "cpu",
        devices=here,
        num_nodes=processes() // here,
        strategy=strategy,
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    if processes() > 1:
        # gloo's threads must be gone before the interpreter is, or they abort the process
        atexit.register(_leave)
    return fabric


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def share_of(fabric: Fabric, n_cells: int) -> Share | None:
    """Return this process's cells of a minibatch of `n_cells`; None where it has them all."""
    world, rank = fabric.world_size, fabric.global_rank
    if world == 1:
        return None
    return Share(n_cells * rank // world, n_cells * (rank + 1) // world, n_cells)


def added_up(fabric: Fabric, values: Tensor) -> Tensor:
    """Return the sum of float [n] over the processes."""
    total = fabric.all_reduce(values, reduce_op="sum")
    assert isinstance(total, Tensor)
    return total


def ask(fabric: Fabric) -> Any:
    """Return what the first process sends."""
    return fabric.broadcast(None)
