"""Trajectories, clusters and batch correction beside other tools.

    python benchmarks/structure.py --peers-python PEERS/bin/python

(a) Trajectories: a model is trained on 70 % of the cells and the other 30 % are mapped; DPT and
Palantir order all cells at once. (b) Clusters: those of the atlas beside Leiden on principal
components and on latents of scVI, at the one resolution that is best for each of these over all
datasets. (c) scIB scores of the latent beside scVI, SCANVI, Harmony and PCA. Peers run in an
environment of their own (see ``peers_structure.py``). Models and the peers' answers are kept in
``benchmarks/cache/structure``; ``--table`` prints the tables of ``results/structure.json``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from structure_cases import BATCHES, CLUSTERS, TRAJECTORIES, Case, load, write_for_peers
from structure_models import Trained, model_path, train
from structure_picture import draw
from structure_tables import tables
from structure_truth import coverage, milestone_graph, ranked, shown_names

from cellport.train.structure.fit import Structure, fit_structure
from cellport.train.structure.roots import RootChoice

HERE = Path(__file__).parent
RESULT = HERE / "results" / "structure.json"
PICTURE = HERE.parent / "docs" / "images" / "structure.png"
TRAINED_ON = 0.7
MACHINE = "2 shared processors"
ORDERED_BY = ("dpt", "palantir")
EMBEDDED_BY = ("pca", "scvi")
CORRECTED_BY = ("pca", "harmony", "scvi", "scanvi")
OURS = {False: "cellport", True: "cellport_labels"}


def answers(structure: Structure, latent: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Answers of the structure's head for float32 [cells, latent]."""
    with torch.inference_mode():
        return [answer.numpy() for answer in structure.head(torch.from_numpy(latent))]


def fitted(case: Case, seed: int, with_labels: bool, share: float) -> tuple[Trained, Structure]:
    """Model and structure of a share of the cells; without labels they serve to name the root."""
    made = train(case, seed, with_labels, share)
    roots = RootChoice((case.root,) if case.root is not None else ())
    return made, fit_structure(made.fitted, made.known, roots)


def trajectory(case: Case, seed: int, with_labels: bool) -> dict[str, Any]:
    """Pseudotime of cells that the model has not seen, its intervals, and the backbone."""
    made, structure = fitted(case, seed, with_labels, TRAINED_ON)
    trained = np.setdiff1d(np.arange(len(case.label)), made.unseen)
    time_of_trained = answers(structure, made.fitted.latent)[3]
    _, edge, _, time, sd, _ = answers(structure, made.unseen_latent)
    found = {
        "dataset": case.name,
        "seed": seed,
        "method": OURS[with_labels],
        "spearman": ranked(case, made.unseen, time),
        "coverage": coverage(case, trained, time_of_trained, made.unseen, time, sd),
        "median_sd": round(float(np.median(sd)), 4),
        "off_trajectory": round(float((edge.sum(axis=1) < 0.5).mean()), 4),
        "edges": structure.summary["edges"],
    }
    truth = milestone_graph(case)
    if truth is not None:
        found["backbone_right"] = drawn_graph(structure) == truth
    return found


def drawn_graph(structure: Structure) -> Counter[frozenset[str]]:
    """Edges of the backbone found; the far side of a circle, named twice, is one milestone."""
    shown = shown_names(structure.summary)
    ends = [edge.split(" -> ") for edge in structure.summary["edges"]]
    return Counter(frozenset(shown[name] for name in pair) for pair in ends)


def peer_trajectories(case: Case, seed: int) -> list[dict[str, Any]]:
    """Rank correlation of the peers' pseudotime of all cells."""
    rows = []
    everything = np.arange(len(case.label))
    for name in ORDERED_BY:
        path = case.folder / f"{name}.{seed}.npz"
        if path.exists():
            time = np.load(path)["pseudotime"]
            time = np.where(np.isfinite(time), time, np.nanmax(time[np.isfinite(time)]))
            row = {"dataset": case.name, "seed": seed, "method": name}
            rows.append(row | {"spearman": ranked(case, everything, time)})
    return rows


def clusters(case: Case, seed: int, with_labels: bool) -> dict[str, Any]:
    """Agreement of the clusters of an atlas of all cells with their labels."""
    made, structure = fitted(case, seed, with_labels, 1.0)
    np.savez(case.folder / f"{OURS[with_labels]}.{seed}.npz", embedding=made.fitted.latent)
    found = answers(structure, made.fitted.latent)[0].argmax(axis=1)
    row = {"dataset": case.name, "seed": seed, "method": OURS[with_labels]}
    return row | {"clusters": len(structure.summary["cluster_names"]), **agreement(case, found)}


def peer_clusters(case: Case, seed: int) -> list[dict[str, Any]]:
    """Agreement of Leiden on embeddings, a row for each resolution."""
    rows = []
    for name in (*EMBEDDED_BY, *OURS.values()):
        path = case.folder / "clusters" / f"{name}.{seed}.npz"
        if path.exists():
            for resolution, found in np.load(path).items():
                row = {"dataset": case.name, "seed": seed, "method": f"Leiden on {name}"}
                row |= {"resolution": float(resolution), "clusters": int(found.max()) + 1}
                rows.append(row | agreement(case, found))
    return rows


def agreement(case: Case, found: NDArray[np.integer]) -> dict[str, float]:
    """Compare with the labels: adjusted Rand index and normalised mutual information."""
    return {
        "ari": round(float(adjusted_rand_score(case.label, found)), 4),
        "nmi": round(float(normalized_mutual_info_score(case.label, found)), 4),
    }


def scib(case: Case, seed: int) -> list[dict[str, Any]]:
    """Read the scIB scores of every embedding that has them."""
    rows = []
    for name in (*OURS.values(), *CORRECTED_BY):
        path = case.folder / "scib" / f"{name}.{seed}.json"
        if path.exists():
            row = {"dataset": case.name, "seed": seed, "method": name}
            rows.append(row | {"scores": json.loads(path.read_text())})
    return rows


def run(
    seeds: list[int], parts: list[str], only: list[str] | None, peers: str | None, cached: bool
) -> dict[str, Any]:
    """Measure some parts on some datasets, or what needs no training."""
    result: dict[str, Any] = {
        "date": datetime.date.today().isoformat(),
        "machine": MACHINE,
        "trajectories": [],
        "clusters": [],
        "scib": [],
    }
    for name in TRAJECTORIES if "trajectories" in parts else ():
        if only is None or name in only:
            case = load(name)
            _peers(peers, ORDERED_BY, seeds, case)
            for seed in seeds:
                for with_labels in OURS:
                    if cached and not model_path(case, seed, with_labels, TRAINED_ON).exists():
                        continue
                    result["trajectories"].append(trajectory(case, seed, with_labels))
                    print(name, seed, result["trajectories"][-1]["spearman"], flush=True)
                result["trajectories"] += peer_trajectories(case, seed)
    for name in CLUSTERS if "clusters" in parts else ():
        if only is None or name in only:
            case = load(name)
            families = CORRECTED_BY if name in BATCHES else EMBEDDED_BY
            _peers(peers, families, seeds, case)
            for seed in seeds:
                for with_labels in OURS:
                    if cached and not model_path(case, seed, with_labels, 1.0).exists():
                        continue
                    result["clusters"].append(clusters(case, seed, with_labels))
                    print(name, seed, result["clusters"][-1]["ari"], flush=True)
            _peers(peers, ("leiden", *(("scib",) if name in BATCHES else ())), seeds[:1], case)
            for seed in seeds:
                result["clusters"] += peer_clusters(case, seed)
                result["scib"] += scib(case, seed) if name in BATCHES else []
    return result


def joined(before: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Add to what was found the earlier rows of datasets and methods that were not run."""
    rows = {}
    for part in ("trajectories", "clusters", "scib"):
        have = {(row["dataset"], row["method"]) for row in found[part]}
        kept = [row for row in before[part] if (row["dataset"], row["method"]) not in have]
        order = list(TRAJECTORIES if part == "trajectories" else CLUSTERS)
        rows[part] = sorted(kept + found[part], key=lambda row: order.index(row["dataset"]))
    return found | rows


def _peers(python: str | None, families: tuple[str, ...], seeds: list[int], case: Case) -> None:
    if python is None:
        return
    if not (case.folder / "cells.h5ad").exists():
        write_for_peers(case)
    alone = dict.fromkeys(("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
    for family in families:
        for seed in seeds:
            command = [python, str(HERE / "peers_structure.py"), family, str(seed)]
            subprocess.run([*command, str(case.folder)], check=True, env=os.environ | alone)


def main() -> None:
    """Run what is asked for and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", action="append", help="all by default; others keep theirs")
    parser.add_argument(
        "--part", action="append", choices=["trajectories", "clusters"], help="both by default"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--peers-python", help="of the peers' environment; ours alone by default")
    parser.add_argument("--cached", action="store_true", help="train no models that are not kept")
    parser.add_argument("--picture", action="store_true", help="only draw the trajectories")
    parser.add_argument("--table", action="store_true", help="only print the tables of the result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    seeds = list(range(options.seeds))
    parts = options.part or ["trajectories", "clusters"]
    if not options.table and not options.picture:
        result = run(seeds, parts, options.dataset, options.peers_python, options.cached)
        if RESULT.exists():
            result = joined(json.loads(RESULT.read_text()), result)
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    if options.picture or (not options.table and "trajectories" in parts):
        cases = [(load(name), *fitted(load(name), 0, False, TRAINED_ON)) for name in TRAJECTORIES]
        draw(cases, PICTURE)
    print(tables(json.loads(RESULT.read_text())))


if __name__ == "__main__":
    main()
