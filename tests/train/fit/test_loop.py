from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from cellport.models.vae import CountVAE
from cellport.runtime.errors import TrainingError
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit import loop as fit_module
from cellport.train.fit.loop import fit
from cellport.train.progress import Progress

QUICK = FitConfig(n_latent=4, n_hidden=16, epochs=4, batch_size=32, device="cpu")


def _cells(n: int = 150, genes: int = 25, seed: int = 0, **changes: Any) -> TrainingCells:
    rng = np.random.default_rng(seed)
    label, batch = rng.integers(0, 3, n), rng.integers(0, 2, n)
    rate = rng.gamma(0.8, 3, (3, genes))
    cells = TrainingCells(
        counts=sp.csr_matrix(rng.poisson(rate[label]).astype(np.float32)),
        label=label,
        batch=batch,
        n_labels=3,
        n_batches=2,
        held_out=np.arange(0, n, 5),
    )
    return replace(cells, **changes)


def _same(one: CountVAE, other: CountVAE) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class KilledError(Exception):
    pass


def _killed_after(epochs: int) -> Any:
    def on_progress(progress: Progress) -> None:
        if progress.epoch == epochs:
            raise KilledError

    return on_progress


def test_loss_falls_and_labels_are_learnt() -> None:
    seen: list[Progress] = []
    cells = _cells()
    model = fit(cells, replace(QUICK, epochs=25), on_progress=seen.append)
    assert [progress.epoch for progress in seen] == list(range(1, len(seen) + 1))
    first, last = seen[0].losses, seen[-1].losses
    for name in ("reconstruction", "label", "held_out"):
        assert last[name] < first[name], name
    with torch.inference_mode():
        logits = model.encoder(torch.from_numpy(cells.counts.toarray())).logits
    right = logits.argmax(1).numpy()[cells.held_out] == cells.label[cells.held_out]
    assert right.mean() > 0.8
    assert not model.training


def test_same_seed_same_weights_bit_for_bit_and_another_seed_differs() -> None:
    one = fit(_cells(), QUICK)
    assert _same(one, fit(_cells(), QUICK))
    assert not _same(one, fit(_cells(), replace(QUICK, seed=1)))


def test_a_decoder_asked_for_a_share_of_the_genes_learns_them_all(tmp_path: Path) -> None:
    seen: list[Progress] = []
    config, checkpoint = replace(QUICK, epochs=25, gene_parts=3), tmp_path / "state"
    whole = fit(_cells(), config, on_progress=seen.append)
    assert seen[-1].losses["held_out"] < 0.9 * seen[0].losses["held_out"]
    with pytest.raises(KilledError):
        fit(_cells(), config, checkpoint, on_progress=_killed_after(3))
    assert _same(whole, fit(_cells(), config, checkpoint))


def test_zero_inflated_counts_are_asked_for_whole() -> None:
    seen: list[Progress] = []
    fit(
        _cells(), replace(QUICK, likelihood="zinb", epochs=1, gene_parts=3), on_progress=seen.append
    )
    assert np.isfinite(seen[-1].losses["reconstruction"])


def test_the_caller_s_random_state_does_not_matter() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    one = fit(_cells(), QUICK)
    torch.manual_seed(2)
    np.random.seed(2)
    assert _same(one, fit(_cells(), QUICK))


NO_LABELS = {"label": np.full(150, -1), "n_labels": 0}
SOME_LABELS = {"label": np.where(np.arange(150) % 3, -1, _cells().label)}
ALL_UNKNOWN = {"label": np.full(150, -1)}
ONE_BATCH = {"batch": np.zeros(150, np.int64), "n_batches": 1}
NONE_HELD_OUT = {"held_out": np.empty(0, np.int64)}


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
@pytest.mark.parametrize(
    "changes",
    [NO_LABELS, SOME_LABELS, ALL_UNKNOWN, ONE_BATCH, NONE_HELD_OUT],
    ids=["no labels", "some labels", "all unknown", "one batch", "none held out"],
)
def test_trains_on(changes: dict[str, Any], likelihood: Any) -> None:
    seen: list[Progress] = []
    cells = _cells(**changes)
    model = fit(cells, replace(QUICK, likelihood=likelihood), on_progress=seen.append)
    assert seen[-1].losses["reconstruction"] < seen[0].losses["reconstruction"]
    assert ("held_out" in seen[0].losses) == bool(len(cells.held_out))
    with torch.inference_mode():
        encoded = model.encoder(torch.from_numpy(cells.counts.toarray()))
    assert encoded.logits.shape == (150, cells.n_labels)
    assert all(torch.isfinite(part).all() for part in encoded)


@pytest.mark.parametrize(("cells", "epochs"), [(20, 1), (20, 4), (40, 2), (1, 2), (33, 2)])
def test_few_steps_train(cells: int, epochs: int) -> None:
    few = _cells(cells, held_out=np.empty(0, np.int64))
    model = fit(few, replace(QUICK, epochs=epochs))
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_empty_cells_and_silent_genes_train() -> None:
    cells = _cells()
    counts = cells.counts.toarray()
    counts[:20] = 0
    counts[:, 3] = 0
    model = fit(replace(cells, counts=sp.csr_matrix(counts)), QUICK)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def _with_losses(monkeypatch: pytest.MonkeyPatch, losses: list[float]) -> None:
    """Make the held-out loss of epoch 0, 1, ... what is listed."""
    left = list(losses)
    monkeypatch.setattr(fit_module._Run, "_held_out_loss", lambda _: left.pop(0))


def test_early_stopping_returns_the_best_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(QUICK, epochs=12)
    weights: list[dict[str, Any]] = []
    seen: list[Progress] = []
    build = fit_module.build_model
    made = SimpleNamespace()

    def keep(*arguments: Any) -> CountVAE:
        made.model = build(*arguments)
        return made.model

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        weights.append({k: v.clone() for k, v in made.model.state_dict().items()})

    monkeypatch.setattr(fit_module, "build_model", keep)
    _with_losses(monkeypatch, [5, 4, 3, 6, 6, 6, 6, 6, 6, 6, 6, 6])
    model = fit(_cells(), long, on_progress=on_progress)
    assert len(seen) == 8  # five epochs without a better one
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights[2][name])
    assert any(not torch.equal(v, weights[-1][k]) for k, v in model.state_dict().items())


def test_a_few_held_out_cells_neither_stop_nor_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    long = replace(QUICK, epochs=12)
    few = _cells(held_out=np.arange(29))
    _with_losses(monkeypatch, [1] + [2] * 11)
    seen: list[Progress] = []
    one = fit(few, long, on_progress=seen.append)
    assert len(seen) == 12
    _with_losses(monkeypatch, [2] * 11 + [1])
    assert _same(one, fit(few, long))


@pytest.mark.parametrize("epochs", [1, 3])
def test_resumed_run_is_the_undisturbed_one(tmp_path: Path, epochs: int) -> None:
    whole = fit(_cells(), QUICK)
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KilledError):
        fit(_cells(), QUICK, checkpoint, _killed_after(epochs))
    seen: list[Progress] = []
    resumed = fit(_cells(), QUICK, checkpoint, seen.append)
    assert [progress.epoch for progress in seen] == list(range(epochs + 1, 5))
    assert _same(whole, resumed)


def test_run_killed_within_an_epoch_goes_on_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fit(_cells(), QUICK)
    monkeypatch.setattr(fit_module, "_SHOW_SECONDS", -1)
    checkpoint = tmp_path / "run.checkpoint"

    def kill(progress: Progress) -> None:
        if progress.epoch == 1 and progress.within > 0.3:
            raise KilledError

    with pytest.raises(KilledError):
        fit(_cells(), QUICK, checkpoint, kill, save_seconds=-1)
    seen: list[Progress] = []
    assert _same(whole, fit(_cells(), QUICK, checkpoint, seen.append))
    assert seen[0].epoch == 1
    assert seen[0].within > 0.5


def test_run_killed_twice_resumes(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    for epochs in (1, 3):
        with pytest.raises(KilledError):
            fit(_cells(), QUICK, checkpoint, _killed_after(epochs))
    assert _same(fit(_cells(), QUICK), fit(_cells(), QUICK, checkpoint))


def test_early_stopped_run_resumes_as_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    long = replace(QUICK, epochs=12)
    _with_losses(monkeypatch, [3, 2, 6, 6, 6, 6, 6, 6])
    stopped = fit(_cells(), long, checkpoint)
    _with_losses(monkeypatch, [1] * 12)
    seen: list[Progress] = []
    assert _same(stopped, fit(_cells(), long, checkpoint, seen.append))
    assert not seen


def test_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    undisturbed = fit(_cells(), QUICK)
    for config, cells in [(replace(QUICK, seed=7), _cells()), (QUICK, _cells(seed=1))]:
        with pytest.raises(KilledError):
            fit(cells, config, checkpoint, _killed_after(2))
        assert _same(undisturbed, fit(_cells(), QUICK, checkpoint))


def test_checkpoint_of_another_version_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    with monkeypatch.context() as before:
        before.setattr("cellport.train.fit.checkpoint.__version__", "0.0.9")
        with pytest.raises(KilledError):
            fit(_cells(), QUICK, checkpoint, _killed_after(2))
    seen: list[Progress] = []
    fit(_cells(), QUICK, checkpoint, seen.append)
    assert seen[0].epoch == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: b"nonsense",
        lambda data: data[: len(data) // 2],
        lambda data: data[:2000] + bytes(500) + data[2500:],
    ],
    ids=["empty", "nonsense", "cut off", "overwritten"],
)
def test_damaged_checkpoint_is_ignored(tmp_path: Path, damage: Any) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KilledError):
        fit(_cells(), QUICK, checkpoint, _killed_after(2))
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    assert _same(fit(_cells(), QUICK), fit(_cells(), QUICK, checkpoint))


def test_checkpoint_holds_no_code(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run.checkpoint"
    fit(_cells(), QUICK, checkpoint)
    saved = torch.load(checkpoint, weights_only=True)
    assert saved["state"]["epoch"] == 4
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]


@pytest.mark.parametrize("label_weight", [float("inf"), float("nan")])
def test_loss_that_is_not_finite_stops_the_run(label_weight: float, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"epoch 1; try a smaller learning rate"):
        fit(_cells(), replace(QUICK, label_weight=label_weight), tmp_path / "run.checkpoint")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("likelihood", ["nb", "zinb"])
def test_trains_in_mixed_precision(likelihood: Any) -> None:
    seen: list[Progress] = []
    config = replace(QUICK, precision="bf16-mixed", likelihood=likelihood, epochs=8)
    fit(_cells(), config, on_progress=seen.append)
    assert seen[-1].losses["held_out"] < seen[0].losses["held_out"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_cuda_without_a_card_is_refused() -> None:
    with pytest.raises(TrainingError, match="--device cpu"):
        fit(_cells(), replace(QUICK, device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_trains_and_resumes_on_cuda(tmp_path: Path, precision: str) -> None:
    seen: list[Progress] = []
    config = replace(QUICK, device="cuda", precision=precision, epochs=8)
    checkpoint = tmp_path / "run.checkpoint"
    with pytest.raises(KilledError):
        fit(_cells(), config, checkpoint, _killed_after(3))
    model = fit(_cells(), config, checkpoint, seen.append)
    assert [progress.epoch for progress in seen] == list(range(4, 9))
    assert seen[-1].losses["held_out"] < seen[0].losses["held_out"]
    assert {value.device.type for value in model.state_dict().values()} == {"cpu"}
