"""The state of a training run on disk, so that a killed run goes on where it stopped."""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cellport.runtime.errors import OutputError, first_line


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands.

    Attributes
    ----------
    key
        Digest of data and settings; another run never resumes from this one.
    epoch
        Epochs done.
    best_loss, best_epoch, best
        The best held-out loss, its epoch, and the weights then.
    """

    key: str
    epoch: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    best: dict[str, Any] | None = None

    @classmethod
    def start(cls, key: str) -> Checkpoint:
        """Return the state before the first epoch."""
        return cls(key)

    def better(self, epoch: int, loss: float, model: nn.Module) -> Checkpoint:
        """Return this state with a new best model."""
        weights = copy.deepcopy(model.state_dict())
        return replace(self, best_loss=loss, best_epoch=epoch, best=weights)

    def after(self, epoch: int) -> Checkpoint:
        """Return this state after `epoch` (counted from 0)."""
        return replace(self, epoch=epoch + 1)


def save_checkpoint(
    path: Path, state: Checkpoint, model: nn.Module, optimiser: Any, schedule: Any
) -> None:
    """Write the run's state, replacing the last one in one step.

    Raises
    ------
    OutputError
        The disk is full or fails.
    """
    part = path.with_name(path.name + ".part")
    whole = {
        "state": {name: getattr(state, name) for name in Checkpoint.__dataclass_fields__},
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "schedule": schedule.state_dict(),
    }
    try:
        torch.save(whole, part)
        os.replace(part, path)
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"The training state cannot be written to {path}: {first_line(error)}. "
            "Free some space; the same command then goes on from the last state written."
        ) from None
    finally:
        part.unlink(missing_ok=True)


def load_checkpoint(
    path: Path, fresh: Checkpoint, model: nn.Module, optimiser: Any, schedule: Any
) -> Checkpoint:
    """Restore a run in place; return `fresh` when there is none, or it is of another run."""
    if not path.exists():
        return fresh
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
        state = Checkpoint(**saved["state"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, the run can start afresh
        return fresh
    if state.key != fresh.key:
        return fresh
    model.load_state_dict(saved["model"])
    optimiser.load_state_dict(saved["optimiser"])
    schedule.load_state_dict(saved["schedule"])
    return state
