"""Label transfer by cellport and its peers on real splits, clean and under stress.

    python -m benchmarks.accuracy --peers-python /path/to/python    everything not yet in the cache
    python -m benchmarks.accuracy --method cellport --again         cellport alone, anew
    python -m benchmarks.accuracy --table                           tables and picture alone

Splits are in ``shared/data.py``, with at most 3,000 reference and 1,500 query cells spread evenly
over the types, so that everything runs in bounded time on two cores; query cells of types that the
reference lacks are left out. The degraded queries are in ``stress.py``, made once for all methods.
Peers (``peers.py``) get the same 2,000 genes, chosen by `select_panel` on the reference.
All models stay as they were built, but for the surgery methods, which train on each query, and
for those marked "(refitted)", built anew on the genes of each query that lacks some. Predictions
go to ``benchmarks/cache``, scores to ``benchmarks/results/accuracy.json``, the picture to
``docs/images/accuracy.png``. Seconds are those of one thread, without imports and files.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import anndata
import numpy as np

import cellport
from benchmarks.accuracy.cases import FAMILIES, OURS, Family, folder_of, prepare
from benchmarks.accuracy.scores import collect, read_rows, write_rows
from benchmarks.accuracy.stress import CONDITIONS
from benchmarks.accuracy.tables import Means, draw, epochs, tables
from benchmarks.shared.command import parser
from benchmarks.shared.data import SPLITS
from benchmarks.shared.results import IMAGES
from benchmarks.shared.timing import run_peers
from cellport.kernels.machine_code import warmup


def run(options: argparse.Namespace) -> None:
    """Make what the cache lacks, or with ``--again`` what was asked for."""
    folders = [folder_of(options.cache, name) for name in options.split]
    for name, folder in zip(options.split, folders, strict=True):
        prepare(name, folder)
    for family in options.method:
        how = FAMILIES[family]
        for seed in range(min(how.seeds, options.seeds)):
            todo = {folder: missing(how, folder, seed, options) for folder in folders}
            todo = {folder: conditions for folder, conditions in todo.items() if conditions}
            run_family(family, seed, todo, options.peers_python)


def run_family(
    family: str, seed: int, todo: dict[Path, list[str]], peers_python: str | None
) -> None:
    """Run cellport here, peers in their environment, on the folders and conditions in `todo`."""
    if family == OURS:
        for folder, conditions in todo.items():
            run_cellport(folder, seed, conditions)
            print(f"cellport {folder.name} seed {seed}", flush=True)
    elif todo and peers_python:
        jobs = [f"{folder}={','.join(conditions)}" for folder, conditions in todo.items()]
        if not run_peers(peers_python, "accuracy", family, seed, *jobs, check=False):
            print(f"{family}, seed {seed}: failed; what it finished is kept", file=sys.stderr)


def run_cellport(folder: Path, seed: int, conditions: Iterable[str]) -> None:
    """Train an atlas on the reference and map the queries, writing a prediction for each."""
    reference = anndata.read_h5ad(folder / "reference.h5ad")
    warmup()
    with tempfile.TemporaryDirectory() as place:
        began = time.process_time()
        path = cellport.train_atlas(
            reference, Path(place) / "atlas.cellport", labels="label", batch="batch", seed=seed
        )
        build = time.process_time() - began
        atlas = cellport.load_atlas(path)
        for condition in conditions:
            query = anndata.read_h5ad(folder / f"{condition}.h5ad")
            began = time.process_time()
            named = (query.X, query.var_names.tolist(), query.obs_names.tolist())
            mapping = atlas.map(named, minimum_genes=0.0)
            seconds = {"build": build, "map": time.process_time() - began}
            found = {
                "cpu_seconds": seconds,
                "label": mapping["cellport_label"].tolist(),
                "prob": np.asarray(mapping["cellport_prob"], float).round(5).tolist(),
            }
            out = folder / "predictions" / f"{OURS}.{seed}.{condition}.json"
            out.write_text(json.dumps(found))


def missing(how: Family, folder: Path, seed: int, options: argparse.Namespace) -> list[str]:
    """Conditions for which the cache lacks a prediction of this family; all of them if anew."""

    def made(condition: str) -> bool:
        names = (f"{method}.{seed}.{condition}.json" for method in how.methods)
        return all((folder / "predictions" / name).exists() for name in names)

    asked = [c for c in how.conditions if c in options.condition]
    return [c for c in asked if options.again or not made(c)]


def main() -> None:
    command = parser("accuracy", __doc__, "out table again cache peers-python")
    command.add_argument("--split", nargs="+", choices=list(SPLITS), default=list(SPLITS))
    command.add_argument("--method", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    command.add_argument("--condition", nargs="+", choices=list(CONDITIONS), default=CONDITIONS)
    command.add_argument("--seeds", type=int, default=3, help="at most so many, of those that vary")
    options = command.parse_args()
    if not options.table:
        run(options)
    before = read_rows(options.out)
    rows = collect(options.cache, before)
    if rows != before:
        write_rows(rows, options.out)
    means = Means(rows)
    print(tables(means), epochs(rows), sep="\n\n")
    if options.out == command.get_default("out"):
        draw(means, IMAGES / "accuracy.png")


if __name__ == "__main__":
    main()
