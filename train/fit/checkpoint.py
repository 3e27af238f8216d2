"""The state of a training run on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from cellport.runtime.base.files import PendingOutput, plain_errors
from cellport.runtime.version import __version__
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.order import Pools


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands."""

    key: str  # digest of data and settings; another run never resumes from this one
    # epochs done, and minibatches done of the next one
    epoch: int = 0
    step: int = 0
    totals: tuple[float, ...] = ()  # sums of the losses over those minibatches
    # the best held-out loss, its epoch, and the weights then
    best_loss: float = float("inf")
    best_epoch: int = 0
    best: dict[str, Any] | None = None

    def better(self, epoch: int, loss: float, model: nn.Module) -> Checkpoint:
        """Return this state with a new best model."""
        weights = copy.deepcopy(model.state_dict())
        return replace(self, best_loss=loss, best_epoch=epoch, best=weights)

    def within(self, epoch: int, step: int, totals: Iterable[float]) -> Checkpoint:
        """Return this state within `epoch`, before `step` (both counted from 0)."""
        return replace(self, epoch=epoch, step=step, totals=tuple(map(float, totals)))


def run_key(cells: TrainingCells, config: FitConfig, pools: Pools, epochs: int) -> str:
    """Digest of everything that decides the result, so that only the same run resumes.

    The version is part of it: another one may have another model.
    """
    sizes = (cells.counts.shape, cells.n_labels, cells.n_batches)
    digest = hashlib.sha256(repr((__version__, config, pools, epochs, sizes)).encode())
    counts: Any = cells.counts
    if sp.issparse(counts):
        for array in (counts.data, counts.indices, counts.indptr):
            digest.update(np.ascontiguousarray(array).tobytes())
    else:
        digest.update(counts.digest.encode())
    coarse = (cells.coarse.members, cells.coarse.group) if cells.coarse else ()
    for array in (cells.label, cells.batch, cells.held_out, *coarse):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save_checkpoint(path: Path, state: Checkpoint, parts: Mapping[str, Any]) -> None:
    """Write the run's state and that of its model and the like, replacing the last in one step.

    Raises
    ------
    OutputError
        The disk is full or fails.
    """
    whole = {
        "state": {name: getattr(state, name) for name in Checkpoint.__dataclass_fields__},
        **{name: part.state_dict() for name, part in parts.items()},
    }
    sentence = (
        "The training state cannot be written to {path}: {system}. Free some space; the same "
        "command then goes on from the last state written."
    )
    # only one process of a run saves, and what it left when it was killed is written over
    with plain_errors(path, sentence), PendingOutput(path, alone=True) as hidden:
        torch.save(whole, hidden)


def read_checkpoint(path: Path, key: str) -> dict[str, Any] | None:
    """Return what was saved of the run with this key; None where there is nothing of it."""
    if not path.exists():
        return None
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state = Checkpoint(**saved["state"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the run can start afresh
        return None
    return saved if state.key == key else None


def restore(saved: Mapping[str, Any], parts: Mapping[str, Any]) -> Checkpoint:
    """Put a run back where it was saved, and return its state."""
    for name, part in parts.items():
        part.load_state_dict(saved[name])
    return Checkpoint(**saved["state"])
