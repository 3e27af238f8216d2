"""Ways to label a query, all called alike, each timing its own phases."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from splits import Split

import cellport
from cellport.train.panel import select_panel


@dataclass(frozen=True)
class Prediction:
    """Labels of the query cells, their probabilities, and the seconds each phase took."""

    label: NDArray[np.object_]
    prob: NDArray[np.floating]
    seconds: dict[str, float]


def predict_cellport(split: Split, seed: int) -> Prediction:
    """Train an atlas and map the query on it, through files as a user would."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        path = cellport.train_atlas(
            split.reference,
            Path(folder) / "atlas.cellport",
            labels=split.labels,
            batch=split.batch,
            seed=seed,
        )
        trained = time.perf_counter()
        atlas = cellport.load_atlas(path)
        opened = time.perf_counter()
        mapping = atlas.map(split.query)
        mapped = time.perf_counter()
    seconds = {"build": trained - began, "open": opened - trained, "map": mapped - opened}
    return Prediction(mapping["cellport_label"], mapping["cellport_prob"], seconds)


def predict_logistic(split: Split, seed: int) -> Prediction:
    """L2 logistic regression on standardised log counts of the genes that cellport chooses."""
    began = time.perf_counter()
    batch = split.reference.obs[split.batch].astype("category").cat.codes.to_numpy()
    genes = select_panel(split.reference.X.tocsr(), batch)
    reference = _log_normalised(split.reference.X[:, genes])
    mean, sd = reference.mean(0), reference.std(0) + 1e-6
    model = LogisticRegression(C=0.01, max_iter=500, random_state=seed)
    model.fit(
        np.clip((reference - mean) / sd, -10, 10),
        split.reference.obs[split.labels].astype(str).to_numpy(dtype=object),
    )
    built = time.perf_counter()
    query = np.clip((_log_normalised(split.query.X[:, genes]) - mean) / sd, -10, 10)
    prob = model.predict_proba(query)
    seconds = {"build": built - began, "map": time.perf_counter() - built}
    return Prediction(model.classes_[prob.argmax(1)], prob.max(1), seconds)


def _log_normalised(counts: sp.csr_matrix) -> NDArray[np.float64]:
    library = np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)
    return np.log1p((sp.diags(1e4 / library) @ counts).toarray())


METHODS: dict[str, Callable[[Split, int], Prediction]] = {
    "cellport": predict_cellport,
    "logistic regression": predict_logistic,
}
