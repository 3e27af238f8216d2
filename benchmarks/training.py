"""Training from disk: memory, cells a second beside scvi-tools, and what shuffled blocks cost.

    python benchmarks/training.py memory --folder FOLDER [--cells 500000]
    python benchmarks/training.py speed --folder FOLDER --peers-python /path/to/peers/bin/python
    python benchmarks/training.py sampling
    python benchmarks/training.py sizes --folder FOLDER
    python benchmarks/training.py kills [--times 20]

``memory`` runs the whole ``cellport train`` on generated cells for one epoch and reports its peak
resident memory. ``speed`` measures training steps of cellport, counts on disk and in memory, and of
scvi-tools, all on the same cells, genes and network size, in turn: with the same minibatches, and
each with its own default. ``sampling`` trains
on real cells sorted by type and by batch, with pools far smaller than those in use. ``sizes``
trains on 100,000 generated cells in minibatches of several sizes. ``kills`` ends
training at random moments and compares the atlas that the same command then makes.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import torch
from mapping import timed
from numpy.typing import NDArray
from sklearn.metrics import f1_score
from splits import data_folder
from tiled import make_file

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "training.json"
LABELS, BATCH = "cell_type_coarse", "donor"
GENES = 2000
SCVI_BATCH_SIZE = 128


def generated(folder: Path, n_cells: int) -> Path:
    """Return a file of so many generated cells, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"tiled_{n_cells}.h5ad"
    if not path.exists():
        part = path.with_suffix(".part")
        make_file(part, n_cells, None)
        part.rename(path)
    return path


# --- memory


def measure_memory(options: argparse.Namespace) -> dict[str, Any]:
    path = generated(options.folder, options.cells)
    command = [
        sys.executable, "-m", "cellport", "train", str(path), "-o",
        str(options.folder / "memory.cellport"), "--labels", LABELS, "--batch", BATCH,
        "--epochs", "1", "--batch-size", str(options.batch_size), "--device", "cpu",
    ]  # fmt: skip
    run = timed(command)
    return {
        "cells": options.cells,
        "file_gb": round(path.stat().st_size / 1e9, 2),
        "peak_mb": round(run.memory_mb),
        "wall_s": round(run.wall, 1),
        "cpu_s": round(run.cpu, 1),
    }


# --- speed


def measure_speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    from cellport.train.fit.model import default_batch_size

    path = generated(options.folder, options.cells)
    panel = panel_file(path)
    rows = []
    own = default_batch_size(options.cells), SCVI_BATCH_SIZE
    for batch_size, of_peer in [*((size, size) for size in options.batch_sizes), own]:
        asked = [str(path), str(panel), str(batch_size), str(options.steps)]
        todo = {"cellport": [sys.executable, __file__, "worker", *asked]}
        if options.peers_python:
            script = str(HERE / "peers_training.py")
            asked = [str(panel), str(of_peer), str(options.steps)]
            todo["scvi-tools"] = [options.peers_python, script, *asked]
        rates: dict[str, list[dict[str, float]]] = {}
        for _ in range(options.rounds):
            for command in todo.values():
                for name, rate in json.loads(_output(command)).items():
                    rates.setdefault(name, []).append(rate)
        row: dict[str, Any] = {"batch_size": batch_size, "batch_size of scvi-tools": of_peer}
        for name, found in rates.items():
            for clock in ("wall", "cpu"):
                row[f"{name}, cells/s by {clock}"] = round(
                    statistics.median(rate[clock] for rate in found)
                )
        rows.append(row)
        print(row)
    return rows


def panel_file(path: Path) -> Path:
    """Write the panel's genes of the first 100,000 cells to a file of their own, once."""
    from cellport.train.reference.panel import select_panel
    from cellport.train.reference.reference import read_reference

    panel = path.with_name(f"panel_{path.name}")
    if not panel.exists():
        reference = read_reference(path, LABELS, BATCH)
        genes = select_panel(reference.counts, reference.batch, GENES)
        cells = anndata.read_h5ad(path, backed="r")[:100_000].to_memory()[:, genes].copy()
        cells.write_h5ad(panel)
    return panel


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1]


def worker(path: Path, panel: Path, batch_size: int, steps: int) -> None:
    """Print the cells a second of training steps, counts on disk and in memory in turn."""
    from cellport.train.cells import TrainingCells
    from cellport.train.config import FitConfig
    from cellport.train.reference.chunks import chunks
    from cellport.train.reference.reference import read_reference
    from cellport.train.reference.scratch import panel_counts

    # as the command does
    sys.setswitchinterval(0.0005)
    reference = read_reference(path, LABELS, BATCH)
    names = anndata.read_h5ad(panel, backed="r").var_names
    genes = np.flatnonzero(np.isin(reference.gene_columns["index"].astype(str), names))
    parts = chunks(reference.counts, genes)
    shape = reference.counts.shape[0], len(genes)
    with panel_counts(parts, shape, path.with_suffix(f".scratch{batch_size}"), 0) as stored:
        nobody = np.empty(0, np.int64)
        runs = {}
        for name, counts in (("disk", stored), ("memory", stored[:])):
            cells = TrainingCells(
                counts,
                reference.label,
                reference.batch,
                len(reference.labels),
                len(reference.batches),
                nobody,
            )
            runs[name] = _steps(cells, FitConfig(batch_size=batch_size, epochs=1, device="cpu"))
        spent: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for _ in range(5):
            for name, run in runs.items():
                spent[name].append(_spend(run, steps // 5))
    found = {}
    for name, times in spent.items():
        wall, cpu = (sum(part) for part in zip(*times[1:], strict=True))
        trained = (len(times) - 1) * (steps // 5) * batch_size
        found[f"cellport, counts on {name}" if name == "disk" else "cellport, counts in memory"] = {
            "wall": trained / wall,
            "cpu": trained / cpu,
        }
    print(json.dumps(found))


def _steps(cells: Any, config: Any) -> Iterator[None]:
    """Take one training step, exactly as `fit` does, each time it is asked."""
    from cellport.runtime.base.prefetch import prefetch
    from cellport.train.fit import loop as module
    from cellport.train.fit.order import Pools
    from cellport.train.fit.processes import connect
    from cellport.train.fit.threads import few_threads

    run = module._Run(connect("cpu", config.precision), cells, config, Pools())
    run.wrapped.train()
    with few_threads(run.batch_size * cells.counts.shape[1]):
        for step, ready in enumerate(prefetch(run.minibatches(), 0)):
            run.train_step(0, step, ready)
            yield


def _spend(run: Iterator[None], steps: int) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(run)
    return time.perf_counter() - wall, time.process_time() - cpu


# --- sampling


def _codes(cells: anndata.AnnData, column: str) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = cells.obs[column].astype("category").cat.codes.to_numpy(np.int64)
    return codes


def measure_sampling(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Held-out scores of models that saw the same cells in another order."""
    from cellport.train.cells import TrainingCells
    from cellport.train.config import FitConfig
    from cellport.train.fit.loop import fit
    from cellport.train.fit.order import POOLS, Pools
    from cellport.train.infer import encode_layers
    from cellport.train.labels.calibrate import hold_out
    from cellport.train.reference.panel import select_panel

    cells = anndata.read_h5ad(data_folder() / "pbmc_3studies_labelled.h5ad")
    label, batch = _codes(cells, "cell_type"), _codes(cells, "batch")
    counts = cells.X.tocsr().astype(np.float32)
    counts = counts[:, select_panel(counts, batch, GENES)]
    shuffled = np.random.default_rng(0).permutation(len(label))
    # of 32 blocks instead of 1,024: a pool of 500,000 cells in use is far better mixed
    small = Pools(32 * POOLS.block, POOLS.block)
    by_type, by_batch = (shuffled[np.argsort(c[shuffled], kind="stable")] for c in (label, batch))
    ways = {
        "shuffled whole": (shuffled, POOLS),
        "pools, cells in random order": (shuffled, small),
        "pools, cells sorted by type": (by_type, small),
        "pools, cells sorted by batch": (by_batch, small),
    }
    rows = []
    for way, (order, pools) in ways.items():
        scores: list[list[float]] = []
        for seed in range(options.seeds):
            held = np.zeros(len(label), bool)
            held[hold_out(label, 0.2, np.random.default_rng(seed))] = True
            training = TrainingCells(
                counts[order], label[order], batch[order], int(label.max()) + 1,
                int(batch.max()) + 1, np.flatnonzero(held[order]),
            )  # fmt: skip
            losses: list[float] = []
            model = fit(
                training,
                FitConfig(device="cpu", seed=seed),
                on_progress=lambda progress: losses.append(progress.losses.get("held_out", np.inf)),  # noqa: B023
                pools=pools,
            )
            _, _, logits = encode_layers(model, training.counts[training.held_out])
            known, called = training.label[training.held_out], logits.argmax(1)
            scores.append(
                [(known == called).mean(), f1_score(known, called, average="macro"), min(losses)]
            )
        mean, sd = np.mean(scores, axis=0), np.std(scores, axis=0)
        names = ("accuracy", "macro_f1", "held_out_loss")
        rows.append(
            {"order": way, "seeds": options.seeds}
            | {name: round(float(value), 4) for name, value in zip(names, mean, strict=True)}
            | {f"{name}_sd": round(float(v), 4) for name, v in zip(names, sd, strict=True)}
        )
        print(rows[-1])
    return rows


# --- sizes


def measure_sizes(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Held-out scores of models that saw the same cells in larger and smaller minibatches."""
    from cellport.train.cells import TrainingCells
    from cellport.train.config import FitConfig
    from cellport.train.degrade import Degradation, degrade
    from cellport.train.features.kernel import FeatureMaker
    from cellport.train.fit.loop import fit
    from cellport.train.labels.calibrate import held_out_share, hold_out

    cells = anndata.read_h5ad(panel_file(generated(options.folder, options.cells)))
    label, batch = _codes(cells, LABELS), _codes(cells, BATCH)
    share = held_out_share(len(label))
    training = TrainingCells(
        cells.X.tocsr().astype(np.float32), label, batch, int(label.max()) + 1,
        int(batch.max()) + 1, hold_out(label, share, np.random.default_rng(0)),
    )  # fmt: skip
    whole = training.counts[training.held_out]
    poor = degrade(whole, np.random.default_rng(0), Degradation(thin_share=1, mask_share=1))
    rows = []
    for size in (64, 128, 512):
        losses: dict[int, float] = {}
        began = time.perf_counter()
        model = fit(
            training,
            FitConfig(device="cpu", batch_size=size),
            on_progress=lambda progress: losses.update(_held_out(progress)),  # noqa: B023
        )
        row: dict[str, Any] = {"batch_size": size, "epochs": len(losses)}
        row["seconds"] = round(time.perf_counter() - began, 1)
        row["held_out_loss"] = round(min(losses.values()), 2)
        features_of = FeatureMaker(model.encoder)
        seen = {"whole": features_of(whole), "degraded": features_of(poor.counts, poor.measured)}
        for name, features in seen.items():
            with torch.inference_mode():
                called = model.encoder.tail(torch.from_numpy(features)).logits.argmax(1).numpy()
            score = f1_score(training.label[training.held_out], called, average="macro")
            row[f"macro_f1, {name}"] = round(float(score), 4)
        rows.append(row)
        print(row, flush=True)
    return rows


def _held_out(progress: Any) -> dict[int, float]:
    """Held-out loss after an epoch; nothing of reports within one."""
    loss = progress.losses.get("held_out")
    return {} if loss is None else {progress.epoch: loss}


# --- kills


def measure_kills(options: argparse.Namespace) -> dict[str, Any]:
    """Kill training at random moments; whether the same command then makes the same atlas."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    cells = anndata.read_h5ad(data_folder() / "pbmc_3studies_labelled.h5ad")[::8].copy()
    cells.write_h5ad(folder / "kills.h5ad")
    out = folder / "kills.cellport"
    # the counts go to the scratch file, and the state is saved often within an epoch
    settings = {
        "labels": "cell_type", "batch": "batch", "epochs": 15, "n_genes": 500, "device": "cpu",
        "in_memory": 0, "save_seconds": 0.2,
    }  # fmt: skip
    start = f"from cellport import train_atlas; train_atlas(*sys.argv[1:], **{settings})"
    files = [str(folder / "kills.h5ad"), str(out)]
    command = [sys.executable, "-c", f"import sys; {start}", *files]

    def atlas() -> tuple[str, float]:
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        found = hashlib.sha256(out.read_bytes()).hexdigest()
        out.unlink()
        return found, time.perf_counter() - began

    undisturbed, seconds = atlas()
    chance = random.Random(options.seed)
    same = killed = 0
    for _ in range(options.times):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(chance.uniform(0.1, 0.95) * seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
        out.unlink(missing_ok=True)
        same += atlas()[0] == undisturbed
    left = [path.name for path in folder.glob("kills.cellport*")]
    return {"times": options.times, "killed": killed, "same_atlas": same, "left_behind": left}


def main() -> None:
    if sys.argv[1:2] == ["worker"]:
        path, panel, batch_size, steps = sys.argv[2:]
        worker(Path(path), Path(panel), int(batch_size), int(steps))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["memory", "speed", "sampling", "sizes", "kills"])
    parser.add_argument("--folder", type=Path, default=HERE / "cache" / "training")
    parser.add_argument("--cells", type=int, default=500_000)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[128, 512])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers-python")
    options = parser.parse_args()
    measure = {
        "memory": measure_memory,
        "speed": measure_speed,
        "sampling": measure_sampling,
        "sizes": measure_sizes,
        "kills": measure_kills,
    }
    found = measure[options.what](options)
    print(json.dumps(found, indent=1))
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[options.what] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": "2 shared processors",
        "result": found,
    }
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
