"""Trajectories, clusters and batch correction beside other tools.

    python -m benchmarks.structure --peers-python PEERS/bin/python

(a) Trajectories: a model is trained on 70 % of the cells and the other 30 % are mapped; DPT and
Palantir order all cells at once. (b) Clusters: those of the atlas beside Leiden on principal
components and on latents of scVI, at the one resolution that is best for each of these over all
datasets. (c) scIB scores of the latent beside scVI, SCANVI, Harmony and PCA. Peers run in an
environment of their own (see ``peers.py``). Models and the peers' answers are kept in
``benchmarks/cache/structure``; ``--table`` prints the tables of ``results/structure.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from typing import Any

import torch

from benchmarks.shared.command import parser
from benchmarks.shared.results import IMAGES, facts, read, write
from benchmarks.shared.timing import run_peers
from benchmarks.structure import clusters, trajectories
from benchmarks.structure.cases import BATCHES, CLUSTERS, TRAJECTORIES, Case, leave_for_peers, load
from benchmarks.structure.models import OURS, Trained, fitted, model_path
from benchmarks.structure.picture import draw
from benchmarks.structure.tables import Rows, tables
from cellport.train.structure.fit import Structure

PARTS = ("trajectories", "clusters", "scib")


def measure_trajectories(case: Case, options: argparse.Namespace) -> dict[str, Rows]:
    peers(options.peers_python, trajectories.PEERS, range(options.seeds), case)
    rows = ours(trajectories, case, options)
    return {"trajectories": rows + of_seeds(trajectories.of_peers, case, options.seeds)}


def measure_clusters(case: Case, options: argparse.Namespace) -> dict[str, Rows]:
    in_batches = case.name in BATCHES
    families = clusters.CORRECTING if in_batches else clusters.EMBEDDING
    peers(options.peers_python, families, range(options.seeds), case)
    rows = ours(clusters, case, options)
    # they take all embeddings of a folder
    peers(options.peers_python, ("leiden", "scib") if in_batches else ("leiden",), (0,), case)
    return {
        "clusters": rows + of_seeds(clusters.of_peers, case, options.seeds),
        "scib": of_seeds(clusters.scib, case, options.seeds) if in_batches else [],
    }


def ours(part: Any, case: Case, options: argparse.Namespace) -> Rows:
    """Rows of cellport, with `--cached` of those models only that are kept."""
    rows = []
    for seed in range(options.seeds):
        for with_labels in OURS:
            kept = model_path(case, seed, with_labels, part.TRAINED_ON).exists()
            if kept or not options.cached:
                rows.append(part.of_ours(case, seed, with_labels))
                print(case.name, seed, rows[-1][part.SHOWN], flush=True)
    return rows


def of_seeds(read_rows: Callable[[Case, int], Rows], case: Case, seeds: int) -> Rows:
    return [row for seed in range(seeds) for row in read_rows(case, seed)]


def peers(python: str | None, families: Iterable[str], seeds: Iterable[int], case: Case) -> None:
    if python is None:
        return
    leave_for_peers(case)
    for family in families:
        for seed in seeds:
            run_peers(python, "structure", family, seed, case.folder)


MEASURES = {
    "trajectories": (TRAJECTORIES, measure_trajectories),
    "clusters": (CLUSTERS, measure_clusters),
}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure some parts on some datasets, or what needs no training."""
    found: dict[str, Rows] = {part: [] for part in PARTS}
    for part in options.part:
        datasets, measure = MEASURES[part]
        for name in datasets:
            if options.dataset is None or name in options.dataset:
                for rows_of, rows in measure(load(name), options).items():
                    found[rows_of] += rows
    return facts() | found


def joined(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Add to what was found the earlier rows of datasets and methods that were not run."""
    rows = {}
    for part in PARTS:
        have = {(row["dataset"], row["method"]) for row in found[part]}
        kept = [r for r in before.get(part, ()) if (r["dataset"], r["method"]) not in have]
        order = list(TRAJECTORIES if part == "trajectories" else CLUSTERS)
        rows[part] = sorted(kept + found[part], key=lambda row: order.index(row["dataset"]))
    return found | rows


def shown(case: Case) -> tuple[Case, Trained, Structure]:
    return case, *fitted(case, 0, False, trajectories.TRAINED_ON)


def main() -> None:
    """Run what is asked for and print the tables."""
    command = parser("structure", __doc__, "out table peers-python")
    command.add_argument("--dataset", action="append", help="all by default; others keep theirs")
    command.add_argument("--part", nargs="+", choices=list(MEASURES), default=list(MEASURES))
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--cached", action="store_true", help="train no models that are not kept")
    command.add_argument("--picture", action="store_true", help="only draw the trajectories")
    options = command.parse_args()
    torch.set_num_threads(1)
    measured = not options.table and not options.picture
    if measured:
        write(options.out, joined(read(options.out), run(options)))
    kept = options.out == command.get_default("out")
    if options.picture or (measured and kept and "trajectories" in options.part):
        draw([shown(load(name)) for name in TRAJECTORIES], IMAGES / "structure.png")
    print(tables(read(options.out)))


if __name__ == "__main__":
    main()
