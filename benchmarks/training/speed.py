"""Training steps of cellport, counts on disk and in memory, and of scvi-tools, in turn.

    python -m benchmarks.training.speed FILE PANEL BATCH_SIZE STEPS    cellport's, in a process

All train on the same cells, genes and network size: with the same minibatches, and each with its
own default.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anndata
import numpy as np

from benchmarks.shared.data import LUNG
from benchmarks.shared.timing import in_turns, module, output
from benchmarks.training.files import panel_file, whole_file
from cellport.runtime.base.prefetch import prefetch
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit import loop
from cellport.train.fit.model import default_batch_size
from cellport.train.fit.order import POOLS
from cellport.train.fit.processes import connect
from cellport.train.fit.threads import few_threads
from cellport.train.reference.chunks import chunks
from cellport.train.reference.reference import read_reference
from cellport.train.reference.scratch import panel_counts

SCVI_BATCH_SIZE = 128
TURNS = 5


def speed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Cells a second of each, medians of rounds."""
    path = whole_file(options.cache, options.cells)
    panel, steps = panel_file(path), options.steps
    rows = []
    own = default_batch_size(options.cells), SCVI_BATCH_SIZE
    for batch_size, of_peer in [*((size, size) for size in options.batch_sizes), own]:
        todo = [module("training.speed", path, panel, batch_size, steps)]
        if options.peers_python:
            how = (panel, of_peer, steps)
            todo.append(module("training.peers", *how, python=options.peers_python))
        rates: dict[str, list[dict[str, float]]] = {}
        for _ in range(options.rounds):
            for command in todo:
                for name, rate in json.loads(output(command)).items():
                    rates.setdefault(name, []).append(rate)
        row: dict[str, Any] = {"batch_size": batch_size, "batch_size of scvi-tools": of_peer}
        for name, found in rates.items():
            for clock in ("wall", "cpu"):
                median = statistics.median(rate[clock] for rate in found)
                row[f"{name}, cells/s by {clock}"] = round(median)
        rows.append(row)
        print(row)
    return rows


def rates_of_cellport(
    path: Path, panel: Path, batch_size: int, steps: int
) -> dict[str, dict[str, float]]:
    """Cells a second of training steps, counts on disk and in memory in turn."""
    reference = read_reference(path, LUNG.label, LUNG.batch)
    names = anndata.read_h5ad(panel, backed="r").var_names
    genes = np.flatnonzero(np.isin(reference.gene_columns["index"].astype(str), names))
    parts = chunks(reference.counts, genes)
    shape = reference.counts.shape[0], len(genes)
    config = FitConfig(batch_size=batch_size, epochs=1, device="cpu")
    a_turn = steps // TURNS
    scratch = path.with_suffix(f".scratch{batch_size}")
    with panel_counts(parts, shape, scratch, in_memory=0) as stored:
        numbers = len(reference.labels), len(reference.batches)
        nobody = np.empty(0, np.int64)
        cells = TrainingCells(stored, reference.label, reference.batch, *numbers, nobody)
        runs = {
            "cellport, counts on disk": steps_of(cells, config),
            "cellport, counts in memory": steps_of(replace(cells, counts=stored[:]), config),
        }
        tasks = {name: partial(take, run, a_turn) for name, run in runs.items()}
        spent = in_turns(tasks, TURNS - 1)
    trained = (TURNS - 1) * a_turn * batch_size
    return {
        name: {clock: trained / sum(getattr(t, clock) for t in turns) for clock in ("wall", "cpu")}
        for name, turns in spent.items()
    }


def steps_of(cells: TrainingCells, config: FitConfig) -> Iterator[None]:
    """Take one training step, exactly as `fit` does, each time it is asked."""
    run = loop._Run(connect("cpu", config.precision), cells, config, POOLS)
    run.wrapped.train()
    with few_threads(run.batch_size * cells.counts.shape[1]):
        for step, ready in enumerate(prefetch(run.minibatches(), 0)):
            run.train_step(0, step, ready)
            yield


def take(run: Iterator[None], steps: int) -> None:
    for _ in range(steps):
        next(run)


if __name__ == "__main__":
    # as the command does
    sys.setswitchinterval(0.0005)
    file, panel, *numbers = sys.argv[1:]
    print(json.dumps(rates_of_cellport(Path(file), Path(panel), *map(int, numbers))))
