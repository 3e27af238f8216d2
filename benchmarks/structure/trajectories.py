"""Pseudotime, its intervals and the backbone, beside what peers make of all cells."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from benchmarks.structure.cases import Case
from benchmarks.structure.models import OURS, answers, fitted
from benchmarks.structure.truth import coverage, milestone_graph, ranked, shown_names
from cellport.train.structure.fit import Structure

TRAINED_ON = 0.7
SHOWN = "spearman"
PEERS = ("dpt", "palantir")


def of_ours(case: Case, seed: int, with_labels: bool) -> dict[str, Any]:
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


def of_peers(case: Case, seed: int) -> list[dict[str, Any]]:
    """Rank correlation of the peers' pseudotime of all cells."""
    rows = []
    everything = np.arange(len(case.label))
    for name in PEERS:
        path = case.folder / f"{name}.{seed}.npz"
        if path.exists():
            time = np.load(path)["pseudotime"]
            time = np.where(np.isfinite(time), time, np.nanmax(time[np.isfinite(time)]))
            row = {"dataset": case.name, "seed": seed, "method": name}
            rows.append(row | {"spearman": ranked(case, everything, time)})
    return rows
