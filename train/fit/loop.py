"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from cellport.models.draws import seed_draws
from cellport.models.vae import CountVAE, Likelihood, Losses
from cellport.runtime.errors import TrainingError, first_line
from cellport.train.degrade import Degradation, degrade
from cellport.train.features.kernel import feature_maker
from cellport.train.fit.checkpoint import (
    Checkpoint,
    read_checkpoint,
    restore,
    run_key,
    save_checkpoint,
)
from cellport.train.fit.minibatch import Maker, Minibatch
from cellport.train.fit.model import (
    batch_size_and_epochs,
    build_model,
    label_weights,
    new_optimiser,
)
from cellport.train.fit.order import PanelCounts, ahead, minibatches
from cellport.train.fit.processes import added_up, ask, connect, share_of
from cellport.train.fit.threads import few_threads

# how often a long epoch is saved, and shown
_SAVE_SECONDS = 60.0
_SHOW_SECONDS = 2.0
_CHUNK = 1024

# the loss of fewer held-out cells is too noisy to stop by, or to choose weights by
_FEWEST_JUDGES = 30


@dataclass(frozen=True, slots=True)
class FitConfig:
    """How to train.

    Attributes
    ----------
    n_latent, n_hidden, dropout, likelihood
        As in `ModelConfig`.
    epochs
        Passes over the cells; chosen from their number when None.
    batch_size
        Cells a step; chosen from the number of cells when None.
    learning_rate
        Peak of the one-cycle schedule.
    weight_decay, skip_weight_decay
        Of the network, and of the linear skip from features to labels.
    label_weight
        Weight of the label loss beside the evidence lower bound.
    kl_warmup
        Share of the steps over which the KL term grows to its full weight.
    patience
        Share of the epochs without a better held-out loss after which training stops.
    seed
        Of every random choice.
    device
        ``auto``, ``cpu`` or ``cuda``.
    precision
        As Lightning Fabric names it, for example ``32-true`` or ``bf16-mixed``.
    degradation
        What the encoder must withstand.
    """

    n_latent: int = 30
    n_hidden: int = 128
    dropout: float = 0.1
    likelihood: Likelihood = "nb"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    skip_weight_decay: float = 0.01
    label_weight: float = 50.0
    kl_warmup: float = 0.3
    patience: float = 0.3
    seed: int = 0
    device: str = "auto"
    precision: str = "32-true"
    degradation: Degradation = field(default_factory=Degradation)

    def __post_init__(self) -> None:
        """Refuse settings that would quietly mean something else.

        Raises
        ------
        TrainingError
            A setting is not one of its choices, or not positive.
        """
        choices = {"likelihood": ("nb", "zinb"), "device": ("auto", "cpu", "cuda")}
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise TrainingError(
                    f"{name} must be {' or '.join(allowed)}, not {getattr(self, name)!r}."
                )
        for name in ("n_latent", "n_hidden", "batch_size", "learning_rate", "epochs"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise TrainingError(f"{name} must be above 0, not {value!r}.")


@dataclass(frozen=True, slots=True)
class TrainingCells:
    """What the loop trains on: panel counts and integer codes.

    Attributes
    ----------
    counts
        float32 [cells, panel genes], raw counts: a CSR matrix, or on disk.
    label, batch
        int64 [cells]; label -1 where unknown.
    n_labels, n_batches
        Number of categories.
    held_out
        int64, rows kept out of training, for early stopping and calibration.
    """

    counts: PanelCounts
    label: NDArray[np.int64]
    batch: NDArray[np.int64]
    n_labels: int
    n_batches: int
    held_out: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Progress:
    """State of the loop, for a progress bar.

    Attributes
    ----------
    epoch, epochs
        Epochs done, and their number.
    losses
        Means over the last epoch, or over what is done of the next.
    within
        Share of the next epoch that is done.
    part
        Which model is trained.
    unit
        What is counted: an epoch, or a cell while the reference is read.
    note
        Something to say once.
    """

    epoch: int
    epochs: int
    losses: dict[str, float]
    within: float = 0.0
    part: str = "model"
    unit: str = "epoch"
    note: str = ""


def fit(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> CountVAE:
    """Train the model; continue from `checkpoint` when it holds this very run.

    Where torchrun started several processes, this is called in the first of them, while the
    others are in `follow`.

    Parameters
    ----------
    cells
        The training cells.
    config
        How to train.
    checkpoint
        File for the state after each epoch, and each minute; None to keep none.
    report
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
        fabric.broadcast((cells, config))
        return _fit(fabric, cells, config, checkpoint, report)
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
            _fit(fabric, *job)
    except (RuntimeError, TrainingError):
        # the first process has ended, and said why
        raise SystemExit(1) from None


def dismiss(config: FitConfig) -> None:
    """Let the processes that `follow` go."""
    connect(config.device, config.precision).broadcast(None)


def _fit(
    fabric: Fabric,
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> CountVAE:
    run = _Run(fabric, cells, config)
    run.resume(checkpoint)
    with few_threads(run.batch_size * cells.counts.shape[1]):
        while run.state.epoch < run.epochs:
            run.train_epoch(checkpoint, report)
    if run.state.best is not None:
        run.model.load_state_dict(run.state.best)
    return run.model.cpu().eval()


class _Run:
    """A training run and where it stands."""

    def __init__(self, fabric: Fabric, cells: TrainingCells, config: FitConfig) -> None:
        self.fabric, self.cells, self.config = fabric, cells, config
        torch.manual_seed(config.seed)
        n_cells = cells.counts.shape[0]
        self.model = build_model(cells, config)
        self.batch_size, self.epochs = batch_size_and_epochs(n_cells, config)
        self.rows = np.setdiff1d(np.arange(n_cells), cells.held_out)
        self.steps = math.ceil(len(self.rows) / self.batch_size)
        optimiser = new_optimiser(self.model, config)
        # the schedule divides by zero when its rise ends on step 0, as it does with 5 steps
        total_steps = max(10, self.epochs * self.steps + 1)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, config.learning_rate, total_steps=total_steps, pct_start=0.2
        )
        self.wrapped, self.optimiser = fabric.setup(self.model, optimiser)
        label = cells.label[self.rows]
        weight = torch.from_numpy(label_weights(label, cells.n_labels))
        self.maker = Maker(cells, feature_maker(self.model.encoder), weight)
        self.state = Checkpoint.start(run_key(cells, config, self.epochs))

    def resume(self, checkpoint: Path | None) -> None:
        """Go on from what the first process finds in its checkpoint."""
        saved = None if checkpoint is None else read_checkpoint(checkpoint, self.state.key)
        saved = self.fabric.broadcast(saved)
        if saved is not None:
            self.state = restore(saved, self.model, self.optimiser, self.schedule)

    def train_epoch(
        self, checkpoint: Path | None, report: Callable[[Progress], None] | None
    ) -> None:
        """Train the rest of the epoch that the run stands in, and judge the model."""
        epoch, config = self.state.epoch, self.config
        self.wrapped.train()
        totals = np.zeros(len(Losses._fields)) + (self.state.totals or 0.0)
        saved = shown = time.monotonic()
        for step, ready in enumerate(ahead(self.minibatches()), start=self.state.step):
            totals += self.train_step(epoch, step, ready)
            now = time.monotonic()
            if checkpoint is not None and now > saved + _SAVE_SECONDS:
                self.state = self.state.within(epoch, step, totals)
                self._save(checkpoint)
                saved = now
            if report is not None and now > shown + _SHOW_SECONDS:
                losses = dict(zip(Losses._fields, totals / (step + 1), strict=True))
                report(Progress(epoch, self.epochs, losses, (step + 1) / self.steps))
                shown = now
        held = self._held_out_loss()
        judged = held is not None and len(self.cells.held_out) >= _FEWEST_JUDGES
        if held is not None and judged and held <= self.state.best_loss:
            self.state = self.state.better(epoch, held, self.model)
        patience = max(5, math.ceil(config.patience * self.epochs))
        waited = judged and epoch - self.state.best_epoch >= patience
        # a run that has stopped early has nothing left to resume
        stops = waited and self._warmth(epoch, self.steps - 1) >= 1
        self.state = self.state.after(self.epochs - 1 if stops else epoch)
        if checkpoint is not None:
            self._save(checkpoint)
        if report is not None:
            named = dict(zip(Losses._fields, totals / self.steps, strict=True))
            if held is not None:
                named["held_out"] = held
            report(Progress(epoch + 1, self.epochs, named))

    def minibatches(self) -> Iterator[Minibatch]:
        """Make the rest of the minibatches of the epoch that the run stands in."""
        seed, epoch, first = self.config.seed, self.state.epoch, self.state.step
        todo = minibatches(self.cells.counts, self.rows, self.steps, [seed, epoch], first)
        for step, (chosen, whole) in enumerate(todo, start=first):
            rng = np.random.default_rng([seed, epoch, step])
            of_torch = int(rng.integers(1 << 62))
            seen = degrade(whole, rng, self.config.degradation)
            share = share_of(self.fabric, len(chosen))
            yield self.maker.make(chosen, whole, seen, share, of_torch)

    def train_step(self, epoch: int, step: int, ready: Minibatch) -> NDArray[np.float64]:
        """Take a step and return the losses of the whole minibatch."""
        config = self.config
        seed_draws(ready.seed, self.fabric.device)
        losses = self._losses(ready)
        warmth = self._warmth(epoch, step)
        loss = losses.reconstruction + warmth * losses.kl + config.label_weight * losses.label
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

    def _losses(self, ready: Minibatch) -> Losses:
        losses: Losses = self.wrapped(*ready.to(self.fabric.device)[:-1])
        return losses

    def _held_out_loss(self) -> float | None:
        held_out, config = self.cells.held_out, self.config
        if not len(held_out):
            return None
        self.wrapped.eval()
        torch.manual_seed(config.seed)
        total = torch.zeros((), device=self.fabric.device)
        with torch.no_grad():
            for start in range(0, len(held_out), _CHUNK):
                chosen = held_out[start : start + _CHUNK]
                whole = self.cells.counts[chosen]
                share = share_of(self.fabric, len(chosen))
                losses = self._losses(self.maker.make(chosen, whole, None, share))
                loss = losses.reconstruction + losses.kl + config.label_weight * losses.label
                total += loss * len(chosen)
        return float(added_up(self.fabric, total)) / len(held_out)

    def _save(self, checkpoint: Path) -> None:
        save_checkpoint(checkpoint, self.state, self.model, self.optimiser, self.schedule)
