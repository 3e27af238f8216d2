"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from cellport.models.normalise import PanelNormaliser
from cellport.models.vae import CountVAE, Likelihood, Losses, ModelConfig
from cellport.runtime.errors import TrainingError
from cellport.train.augment import Degradation, degrade
from cellport.train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint


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
        Cells a step.
    learning_rate
        Peak of the one-cycle schedule.
    weight_decay, skip_weight_decay
        Of the network, and of the linear skip from genes to labels.
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
    batch_size: int = 64
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
        float32 CSR [cells, panel genes], raw counts.
    label, batch
        int64 [cells]; label -1 where unknown.
    n_labels, n_batches
        Number of categories.
    held_out
        int64, rows kept out of training, for early stopping and calibration.
    """

    counts: sp.csr_matrix
    label: NDArray[np.int64]
    batch: NDArray[np.int64]
    n_labels: int
    n_batches: int
    held_out: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Progress:
    """State of the loop after an epoch, for a progress bar."""

    epoch: int
    epochs: int
    losses: dict[str, float]
    part: str = "model"


def fit(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None = None,
    report: Callable[[Progress], None] | None = None,
) -> CountVAE:
    """Train the model; continue from `checkpoint` when it holds this very run.

    Parameters
    ----------
    cells
        The training cells.
    config
        How to train.
    checkpoint
        File for the state after each epoch; None to keep none.
    report
        Called after each epoch.

    Returns
    -------
    CountVAE
        The best model on the held-out cells, on the CPU, in evaluation mode.

    Raises
    ------
    TrainingError
        The loss is not finite, or CUDA was asked for and is not there.
    """
    with _torch_threads(config.batch_size * cells.counts.shape[1]):
        return _fit(cells, config, checkpoint, report)


def _fit(
    cells: TrainingCells,
    config: FitConfig,
    checkpoint: Path | None,
    report: Callable[[Progress], None] | None,
) -> CountVAE:
    fabric = _fabric(config)
    torch.manual_seed(config.seed)
    model = build_model(cells, config)
    epochs = config.epochs or default_epochs(cells.counts.shape[0], config.batch_size)
    rows = np.setdiff1d(np.arange(cells.counts.shape[0]), cells.held_out)
    steps = math.ceil(len(rows) / config.batch_size)
    optimiser = _optimiser(model, config)
    # the schedule divides by zero when its rise ends on step 0, as it does with 5 steps
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, config.learning_rate, total_steps=max(10, epochs * steps + 1), pct_start=0.2
    )
    wrapped, optimiser = fabric.setup(model, optimiser)
    weight = torch.from_numpy(label_weights(cells.label[rows], cells.n_labels)).to(fabric.device)

    state = Checkpoint.start(run_key(cells, config, epochs))
    if checkpoint is not None:
        state = load_checkpoint(checkpoint, state, model, optimiser, schedule)
    patience = max(5, math.ceil(config.patience * epochs))

    for epoch in range(state.epoch, epochs):
        torch.manual_seed(config.seed * 1_000_003 + epoch)
        wrapped.train()
        totals = np.zeros(3)
        order = np.random.default_rng([config.seed, epoch]).permutation(rows)
        for step, chosen in enumerate(np.array_split(order, steps)):
            rng = np.random.default_rng([config.seed, epoch, step])
            whole = cells.counts[chosen]
            degraded = degrade(whole, rng, config.degradation)
            batch = _tensors(cells, chosen, degraded, whole.toarray())
            losses: Losses = wrapped(*[t.to(fabric.device) for t in batch], weight)
            warmth = min(1.0, (epoch * steps + step + 1) / (config.kl_warmup * epochs * steps))
            loss = losses.reconstruction + warmth * losses.kl + config.label_weight * losses.label
            if not torch.isfinite(loss):
                raise TrainingError(
                    f"The loss became {loss.item()} in epoch {epoch + 1}; "
                    "try a smaller learning rate (--learning-rate)."
                )
            optimiser.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(wrapped, optimiser, max_norm=20.0)
            optimiser.step()
            schedule.step()
            totals += [float(term.detach()) for term in losses]
        held = _held_out_loss(wrapped, cells, config, fabric, weight)
        if held is not None and held <= state.best_loss:
            state = state.better(epoch, held, model)
        stops = held is not None and epoch - state.best_epoch >= patience and warmth >= 1
        # a run that has stopped early has nothing left to resume
        state = state.after(epochs - 1 if stops else epoch)
        if checkpoint is not None:
            save_checkpoint(checkpoint, state, model, optimiser, schedule)
        if report is not None:
            named = dict(zip(Losses._fields, totals / steps, strict=True))
            if held is not None:
                named["held_out"] = held
            report(Progress(epoch + 1, epochs, named))
        if stops:
            break
    if state.best is not None:
        model.load_state_dict(state.best)
    return model.cpu().eval()


def default_epochs(n_cells: int, batch_size: int) -> int:
    """Enough passes for about 1,000 steps, at least 15 and at most 100."""
    steps = math.ceil(n_cells / batch_size)
    return int(np.clip(math.ceil(1000 / steps), 15, 100))


def build_model(cells: TrainingCells, config: FitConfig) -> CountVAE:
    """Return an untrained model with the reference's normalisation in it."""
    normaliser = fit_normaliser(cells.counts)
    model = CountVAE(
        ModelConfig(
            n_genes=cells.counts.shape[1],
            n_batches=cells.n_batches,
            n_labels=cells.n_labels,
            n_hidden=config.n_hidden,
            n_latent=config.n_latent,
            dropout=config.dropout,
            likelihood=config.likelihood,
        ),
        normaliser,
    )
    with torch.no_grad():
        model.decoder.share.bias.copy_(torch.log(normaliser.share + 1e-7))
    return model


def fit_normaliser(counts: sp.csr_matrix, target_sum: float = 1e4) -> PanelNormaliser:
    """Measure mean share, mean and spread of each gene over the reference cells."""
    library = np.maximum(np.asarray(counts.sum(axis=1), dtype=np.float64).ravel(), 1e-6)
    shares = sp.diags(1.0 / library) @ counts.astype(np.float64)
    share = np.asarray(shares.mean(axis=0)).ravel()
    logged = (shares * target_sum).tocsr()
    logged.data = np.log1p(logged.data)
    mean = np.asarray(logged.mean(axis=0)).ravel()
    square = np.asarray(logged.multiply(logged).mean(axis=0)).ravel()
    sd = np.sqrt(np.maximum(square - mean**2, 0))
    # a gene seen in a handful of cells must not shout, nor one that hardly varies
    sd = np.maximum(sd, np.maximum(0.05, mean / 10))
    share_of_panel, mean_value, spread = (
        torch.from_numpy(values.astype(np.float32)) for values in (share / share.sum(), mean, sd)
    )
    return PanelNormaliser(share_of_panel, mean_value, spread, target_sum)


def label_weights(label: NDArray[np.int64], n_labels: int) -> NDArray[np.float32]:
    """1 / sqrt(frequency) of each label, mean 1 over labelled cells, float32 [labels]."""
    number = np.bincount(label[label >= 0], minlength=n_labels)
    weight = 1 / np.sqrt(np.maximum(number, 1))
    if number.sum():
        weight *= number.sum() / (weight * number).sum()
    return weight.astype(np.float32)


def run_key(cells: TrainingCells, config: FitConfig, epochs: int) -> str:
    """Digest of everything that decides the result, so that only the same run resumes."""
    import hashlib

    sizes = (cells.counts.shape, cells.n_labels, cells.n_batches)
    digest = hashlib.sha256(repr((config, epochs, sizes)).encode())
    counts = cells.counts
    for array in (
        counts.data, counts.indices, counts.indptr, cells.label, cells.batch, cells.held_out,
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


@contextmanager
def _torch_threads(values_a_step: int) -> Iterator[None]:
    """Use no more threads than a step can feed: on a busy machine idle ones cost the most."""
    before = torch.get_num_threads()
    torch.set_num_threads(max(1, min(before, values_a_step // 500_000)))
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _fabric(config: FitConfig) -> Fabric:
    if config.device == "cuda" and not torch.cuda.is_available():
        raise TrainingError("--device cuda: torch finds no CUDA device here; use --device cpu.")
    cuda = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    fabric = Fabric(accelerator="cuda" if cuda else "cpu", devices=1, precision=config.precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric


def _optimiser(model: CountVAE, config: FitConfig) -> torch.optim.Optimizer:
    skip = list(model.encoder.skip.parameters())
    others = [p for p in model.parameters() if all(p is not s for s in skip)]
    return torch.optim.AdamW(
        [
            {"params": others, "weight_decay": config.weight_decay},
            {"params": skip, "weight_decay": config.skip_weight_decay},
        ],
        lr=config.learning_rate,
        fused=True,
    )


def _tensors(
    cells: TrainingCells,
    rows: NDArray[np.integer],
    degraded: NDArray[np.float32],
    whole: NDArray[np.float32],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch = nn.functional.one_hot(torch.from_numpy(cells.batch[rows]), cells.n_batches)
    return (
        torch.from_numpy(degraded),
        torch.from_numpy(whole),
        batch.float(),
        torch.from_numpy(cells.label[rows]),
    )


def _held_out_loss(
    model: Any, cells: TrainingCells, config: FitConfig, fabric: Fabric, weight: Tensor
) -> float | None:
    if not len(cells.held_out):
        return None
    model.eval()
    torch.manual_seed(config.seed)
    total = 0.0
    with torch.no_grad():
        for chosen in _chunks(cells.held_out, 1024):
            whole = cells.counts[chosen].toarray()
            batch = _tensors(cells, chosen, whole, whole)
            losses: Losses = model(*[t.to(fabric.device) for t in batch], weight)
            loss = losses.reconstruction + losses.kl + config.label_weight * losses.label
            total += float(loss) * len(chosen)
    return total / len(cells.held_out)


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
