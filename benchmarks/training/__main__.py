"""Training from disk: memory, cells a second beside scvi-tools, and what shuffled blocks cost.

    python -m benchmarks.training memory [--cells 500000]
    python -m benchmarks.training speed --peers-python /path/to/peers/bin/python
    python -m benchmarks.training sampling
    python -m benchmarks.training sizes
    python -m benchmarks.training shares [--cells 10000]
    python -m benchmarks.training parts [--cells 100000]
    python -m benchmarks.training kills [--times 20]

``memory`` runs the whole ``cellport train`` on generated cells for one epoch and reports its peak
resident memory. ``speed`` measures training steps of cellport, counts on disk and in memory, and of
scvi-tools, all on the same cells, genes and network size, in turn: with the same minibatches, and
each with its own default. ``sampling`` trains on real cells sorted by type and by batch, with pools
far smaller than those in use. ``sizes`` trains on 100,000 generated cells in minibatches of several
sizes. ``shares`` trains with the decoder asked for a share of the genes, and in fewer steps, on
references drawn from real cells. ``parts`` tells what the steps of the whole command cost.
``kills`` ends training at random moments and compares the atlas that the same command then makes.
Generated files are kept in ``--cache``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG, PBMC
from benchmarks.shared.results import add
from benchmarks.shared.timing import kill_after, timed
from benchmarks.training.files import whole_file
from benchmarks.training.parts import parts
from benchmarks.training.scores import sampling, sizes
from benchmarks.training.shares import shares
from benchmarks.training.speed import speed

# with counts on disk, and the state saved often within an epoch
TRAIN = f"""
import sys
import cellport
cellport.train_atlas(
    *sys.argv[1:], labels="{PBMC.label}", batch="{PBMC.batch}", epochs=15, n_genes=500,
    device="cpu", in_memory=0, save_seconds=0.2,
)
"""


def memory(options: argparse.Namespace) -> dict[str, Any]:
    """Peak memory of the whole command."""
    path = whole_file(options.cache, options.cells)
    how = f"--labels {LUNG.label} --batch {LUNG.batch} --batch-size {options.batch_size}"
    out = str(options.cache / "memory.cellport")
    command = [sys.executable, "-m", "cellport", "train", str(path), "-o", out, *how.split()]
    run = timed([*command, "--epochs", "1", "--device", "cpu"])
    return {
        "cells": options.cells,
        "file_gb": round(path.stat().st_size / 1e9, 2),
        "peak_mb": round(run.memory_mb),
        "wall_s": round(run.wall, 1),
        "cpu_s": round(run.cpu, 1),
    }


def kills(options: argparse.Namespace) -> dict[str, Any]:
    """Kill training so many times; whether the atlas is that of an undisturbed run."""
    folder: Path = options.cache
    folder.mkdir(parents=True, exist_ok=True)
    reference, out = folder / "kills.h5ad", folder / "kills.cellport"
    PBMC.read()[::8].copy().write_h5ad(reference)
    command = [sys.executable, "-c", TRAIN, str(reference), str(out)]

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
        killed += kill_after(command, chance.uniform(0.1, 0.95) * seconds)
        out.unlink(missing_ok=True)
        same += atlas()[0] == undisturbed
    left = [path.name for path in folder.glob("kills.cellport*")]
    return {"times": options.times, "killed": killed, "same_atlas": same, "left_behind": left}


MEASURES = {
    measure.__name__: measure for measure in (memory, speed, sampling, sizes, shares, parts, kills)
}


def main() -> None:
    command = parser("training", __doc__, "out cache peers-python")
    command.add_argument("what", choices=list(MEASURES))
    command.add_argument("--cells", type=int, default=500_000)
    command.add_argument("--batch-size", type=int, default=128)
    command.add_argument("--batch-sizes", type=int, nargs="+", default=[128, 512])
    command.add_argument("--steps", type=int, default=200)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--seeds", type=int, default=5)
    command.add_argument("--times", type=int, default=20)
    command.add_argument("--seed", type=int, default=0)
    options = command.parse_args()
    found = MEASURES[options.what](options)
    print(json.dumps(found, indent=1))
    add(options.out, options.what, {"result": found})


if __name__ == "__main__":
    main()
