"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.draws import seed_draws
from cellport.models.vae import CountVAE, Losses
from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.errors import TrainingError, first_line
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.degrade import degrade
from cellport.train.features.kernel import FeatureMaker
from cellport.train.fit.asked import asked_genes
from cellport.train.fit.checkpoint import (
    Checkpoint,
    read_checkpoint,
    restore,
    run_key,
    save_checkpoint,
)
from cellport.train.fit.minibatch import (
    Minibatch,
    MinibatchMaker,
    known_labels,
    possible_labels,
)
from cellport.train.fit.model import (
    batch_size_and_epochs,
    build_model,
    label_weights,
    new_optimiser,
)
from cellport.train.fit.order import POOLS, Pools, minibatches
from cellport.train.fit.processes import added_up, ask, connect, share_of
from cellport.train.fit.threads import few_threads
from cellport.train.progress import OnProgress, Progress, unwatched

# how often a long epoch is shown
_SHOW_SECONDS = 2.0
# cells of a step that judges; of half a million held-out ones the losses take megabytes
_CHUNK = 1024
# the loss of fewer held-out cells is too noisy to stop by, or to choose weights by
_FEWEST_JUDGES = 30


def fit(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    on_progress: OnProgress = unwatched,
    save_seconds: float = 60.0,
    pools: Pools = POOLS,
) -> CountVAE:
    """Train the model; continue from `checkpoint` when it holds this very run.

    Where torchrun started several processes, this is called in the first of them, while the
    others are in `follow`.

    Parameters
    ----------
    cells, config, pools
        What to train on and how, and how many cells are shuffled together.
    checkpoint, save_seconds
        File for the state after each epoch, and so often within long ones; None to keep none.
    on_progress
        Called after each epoch, and each few seconds.

    Returns
    -------
    CountVAE
        The best model on the held-out cells, where there are 30 or more, else the last one; on
        the CPU, in evaluation mode.

    Raises
    ------
    TrainingError
        The loss is not finite, or CUDA was asked for and is not there.
    """
    fabric = connect(config.device, config.precision)
    try:
        fabric.broadcast((cells, config, pools))
        return _Run(fabric, cells, config, pools, checkpoint, on_progress, save_seconds).finish()
    except RuntimeError as error:
        if fabric.world_size == 1:
            raise
        raise TrainingError(
            f"The training processes lost each other ({first_line(error)}). What another one has "
            "said tells why; the same command goes on from the last state written."
        ) from None


def follow(config: FitConfig) -> None:
    """Take part in every `fit` of the first process, until it calls `dismiss`."""
    fabric = connect(config.device, config.precision)
    try:
        while (job := ask(fabric)) is not None:
            _Run(fabric, *job).finish()
    except (RuntimeError, TrainingError):
        # the first process has ended, and said why
        raise SystemExit(1) from None


def dismiss(config: FitConfig) -> None:
    """Let the processes that `follow` go."""
    connect(config.device, config.precision).broadcast(None)


class _Run:
    """A training run and where it stands; only the first process has a checkpoint and tells."""

    def __init__(
        self,
        fabric: Fabric,
        cells: TrainingCells,
        config: FitConfig,
        pools: Pools,
        checkpoint: Path | None = None,
        on_progress: OnProgress = unwatched,
        save_seconds: float = math.inf,
    ) -> None:
        self.fabric, self.cells, self.config, self.pools = fabric, cells, config, pools
        self.checkpoint, self.on_progress = checkpoint, on_progress
        self.save_seconds = save_seconds
        torch.manual_seed(config.seed)
        self.model = build_model(cells, config)
        self.batch_size, self.epochs = batch_size_and_epochs(cells.counts.shape[0], config)
        # what a zero-inflated count is depends on all genes
        whole = config.likelihood != "nb"
        self.parts_of_genes = 1 if whole else min(config.gene_parts, cells.counts.shape[1])
        self.rows = cells.trained
        self.steps = math.ceil(len(self.rows) / self.batch_size)
        optimiser = new_optimiser(self.model, config)
        # the schedule divides by zero when its rise ends on step 0, as it does with 5 steps
        total_steps = max(10, self.epochs * self.steps + 1)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, config.learning_rate, total_steps=total_steps, pct_start=0.2
        )
        self.wrapped, self.optimiser = fabric.setup(self.model, optimiser)
        self.parts = {
            "model": self.model, "optimiser": self.optimiser, "schedule": self.schedule,
        }  # fmt: skip
        members = None if cells.coarse is None else cells.coarse.members
        known = known_labels(cells, self.rows)
        weight = torch.from_numpy(label_weights(known, cells.n_labels, members))
        features = FeatureMaker(self.model.encoder)
        self.maker = MinibatchMaker(cells, features, weight, possible_labels(cells))
        self.state = Checkpoint(run_key(cells, config, pools, self.epochs))

    def finish(self) -> CountVAE:
        """Go on from what the first process finds in its checkpoint; return the best model."""
        path = self.checkpoint
        found = None if path is None else read_checkpoint(path, self.state.key)
        saved = self.fabric.broadcast(found)
        if saved is not None:
            self.state = restore(saved, self.parts)
        with few_threads(self.batch_size * self.cells.counts.shape[1]):
            while self.state.epoch < self.epochs:
                self._train_epoch()
        if self.state.best is not None:
            self.model.load_state_dict(self.state.best)
        return self.model.cpu().eval()

    def _train_epoch(self) -> None:
        """Train the rest of the epoch that the run stands in, judge the model, save and tell."""
        epoch = self.state.epoch
        totals = self._train()
        held_out = self._held_out_loss()
        self.state = self._judged(epoch, held_out)
        self._save()
        losses = _named(totals / self.steps)
        if held_out is not None:
            losses["held_out"] = held_out
        self.on_progress(Progress(epoch + 1, self.epochs, losses))

    def _train(self) -> NDArray[np.float64]:
        """Take the steps that are left of the epoch; return the sums of its losses."""
        epoch = self.state.epoch
        self.wrapped.train()
        totals = np.zeros(len(Losses._fields)) + (self.state.totals or 0.0)
        saved = shown = time.monotonic()
        # one is made while the last is trained on
        coming = prefetch(self.minibatches(), 0)
        for done, ready in enumerate(coming, start=self.state.step + 1):
            totals += self.train_step(epoch, done - 1, ready)
            now = time.monotonic()
            if now > saved + self.save_seconds:
                self.state = self.state.within(epoch, done, totals)
                self._save()
                saved = now
            if now > shown + _SHOW_SECONDS:
                losses = _named(totals / done)
                self.on_progress(Progress(epoch, self.epochs, losses, done / self.steps))
                shown = now
        return totals

    def _judged(self, epoch: int, held_out: float | None) -> Checkpoint:
        """State after an epoch: the best model so far, and whether that is enough."""
        state, config = self.state, self.config
        judged = held_out is not None and len(self.cells.held_out) >= _FEWEST_JUDGES
        if held_out is not None and judged and held_out <= state.best_loss:
            state = state.better(epoch, held_out, self.model)
        patience = max(5, math.ceil(config.patience * self.epochs))
        waited = judged and epoch - state.best_epoch >= patience
        # a run that has stopped early has nothing left to resume
        stops = waited and self._warmth(epoch, self.steps - 1) >= 1
        return state.within(self.epochs if stops else epoch + 1, 0, ())

    def minibatches(self) -> Iterator[Minibatch]:
        """Make the rest of the minibatches of the epoch that the run stands in."""
        seed, epoch, first = self.config.seed, self.state.epoch, self.state.step
        todo = minibatches(
            self.cells.counts, self.rows, self.steps, [seed, epoch], first, self.pools
        )
        for step, (chosen, whole) in enumerate(todo, start=first):
            rng = np.random.default_rng([seed, epoch, step])
            of_torch = int(rng.integers(1 << 62))
            seen = degrade(whole, rng, self.config.degradation)
            share = share_of(self.fabric, len(chosen))
            genes = asked_genes(whole.shape[1], self.parts_of_genes, [seed, epoch], step)
            yield self.maker.make(chosen, whole, seen, share, of_torch, genes)

    def train_step(self, epoch: int, step: int, ready: Minibatch) -> NDArray[np.float64]:
        """Take a step and return the losses of the whole minibatch."""
        seed_draws(ready.seed, self.fabric.device)
        losses, loss = self._losses(ready, self._warmth(epoch, step))
        total = added_up(self.fabric, torch.stack([*losses, loss]).detach())
        *parts, value = total.tolist()
        if not math.isfinite(value):
            raise TrainingError(
                f"The loss became {value} in epoch {epoch + 1}; "
                "try a smaller learning rate (--learning-rate)."
            )
        self.optimiser.zero_grad()
        # gradients are averaged over processes, and each has a part of the sum
        self.fabric.backward(loss * self.fabric.world_size)
        self.fabric.clip_gradients(self.wrapped, self.optimiser, max_norm=20.0)
        self.optimiser.step()
        self.schedule.step()
        return np.asarray(parts)

    def _warmth(self, epoch: int, step: int) -> float:
        warm_up = self.config.kl_warmup * self.epochs * self.steps
        return min(1.0, (epoch * self.steps + step + 1) / warm_up)

    def _losses(self, ready: Minibatch, warmth: float) -> tuple[Losses, Tensor]:
        """Losses of a minibatch, and what is to become small."""
        losses: Losses = self.wrapped(*ready.to(self.fabric.device)[:-1])
        of_labels = self.config.label_weight * losses.label
        return losses, losses.reconstruction + warmth * losses.kl + of_labels

    def _held_out_loss(self) -> float | None:
        held_out = self.cells.held_out
        if not len(held_out):
            return None
        self.wrapped.eval()
        torch.manual_seed(self.config.seed)
        total = torch.zeros((), device=self.fabric.device)
        with torch.no_grad():
            for start in range(0, len(held_out), _CHUNK):
                chosen = held_out[start : start + _CHUNK]
                whole = self.cells.counts[chosen]
                share = share_of(self.fabric, len(chosen))
                _, loss = self._losses(self.maker.make(chosen, whole, None, share), 1.0)
                total += loss * len(chosen)
        return float(added_up(self.fabric, total)) / len(held_out)

    def _save(self) -> None:
        if self.checkpoint is not None:
            save_checkpoint(self.checkpoint, self.state, self.parts)


def _named(losses: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(Losses._fields, losses.tolist(), strict=True))
