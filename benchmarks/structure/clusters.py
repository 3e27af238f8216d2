"""Clusters of an atlas beside Leiden's on embeddings, and scIB scores of the embeddings."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from benchmarks.structure.cases import Case
from benchmarks.structure.models import OURS, answers, fitted

TRAINED_ON = 1.0
SHOWN = "ari"
EMBEDDING = ("pca", "scvi")
CORRECTING = ("pca", "harmony", "scvi", "scanvi")


def of_ours(case: Case, seed: int, with_labels: bool) -> dict[str, Any]:
    """Agreement of the clusters of an atlas of all cells with their labels."""
    made, structure = fitted(case, seed, with_labels, TRAINED_ON)
    np.savez(case.folder / f"{OURS[with_labels]}.{seed}.npz", embedding=made.fitted.latent)
    found = answers(structure, made.fitted.latent)[0].argmax(axis=1)
    row = {"dataset": case.name, "seed": seed, "method": OURS[with_labels]}
    return row | {"clusters": len(structure.summary["cluster_names"]), **agreement(case, found)}


def of_peers(case: Case, seed: int) -> list[dict[str, Any]]:
    """Agreement of Leiden on embeddings, a row for each resolution."""
    rows = []
    for name in (*EMBEDDING, *OURS.values()):
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
    for name in (*OURS.values(), *CORRECTING):
        path = case.folder / "scib" / f"{name}.{seed}.json"
        if path.exists():
            row = {"dataset": case.name, "seed": seed, "method": name}
            rows.append(row | {"scores": json.loads(path.read_text())})
    return rows
