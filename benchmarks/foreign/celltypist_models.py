"""Models trained by celltypist, and what ``celltypist.annotate`` says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anndata
import celltypist
import numpy as np
import scanpy as sc
import scipy.sparse as sp

from benchmarks.foreign.cells import GENES, Cells
from benchmarks.foreign.kept import Fixture

# of scikit-learn before 0.22, in the text opcodes of protocol 2
OLD_NAMES = {
    b"sklearn.linear_model._logistic": b"sklearn.linear_model.logistic",
    b"sklearn.preprocessing._data": b"sklearn.preprocessing.data",
}


@dataclass(frozen=True)
class Plan:
    """What a model is trained on, and how."""

    settings: dict[str, Any] = field(default_factory=dict)
    two: bool = False
    dtype: type = np.float64
    genes: tuple[str, ...] = tuple(GENES)
    plain_strings: bool = False
    old_names: bool = False


# two symbols stand twice, one of them with the poor query, the other with neither
TWICE = tuple(["CD3E" if gene == "CD3D" else gene for gene in GENES])
PLANS = {
    "celltypist_two": Plan(two=True),
    "celltypist_eight": Plan(),
    "celltypist_float32": Plan({"solver": "saga"}, dtype=np.float32, plain_strings=True),
    "celltypist_no_mean": Plan({"with_mean": False}),
    "celltypist_duplicates": Plan(genes=TWICE),
    "celltypist_sgd": Plan({"use_SGD": True, "random_state": 0}),
    "celltypist_sgd_two": Plan({"use_SGD": True, "random_state": 0}, two=True),
    "celltypist_selected": Plan({"feature_selection": True, "top_genes": 6, "random_state": 0}),
    "celltypist_old_names": Plan(old_names=True),
}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model, keep it and its answers."""
    celltypist.logger.set_level(50)
    plan = PLANS[name]
    np.random.seed(0)
    reference = every["reference"]
    label: Any = reference.label
    if plan.two:
        label = np.where(np.isin(label, ["T cell", "NK cell"]), "lymphoid; T, NK", "Another")
    label = label if plan.plain_strings else label.astype(object)
    cells = log_counts(reference, plan.dtype)
    model = celltypist.train(
        cells.X, label, np.array(plan.genes, dtype=object), date="2026-11-29",
        details="generated cells", source="benchmarks.foreign", version="v1", **plan.settings,
    )  # fmt: skip
    fixture = Fixture(
        folder, "celltypist", "celltypist scikit-learn numpy",
        options=plan.settings, classes=[str(c) for c in model.cell_types],
        genes=[str(gene) for gene in model.features],
    )  # fmt: skip
    model.write(str(folder / "model.pkl"))
    if plan.old_names:
        rename(folder / "model.pkl")
    for which in ("query", "poor"):
        answer(fixture, model, which, every[which])
    fixture.write()


def answer(fixture: Fixture, model: Any, which: str, cells: Cells) -> None:
    """Annotate some cells in both modes, and vote over groups that are given."""
    asked: dict[str, Any] = {"cells": which}
    try:
        best = celltypist.annotate(log_counts(cells), model=model)
    except ValueError as error:
        fixture.add(which, asked | {"refused": str(error)})
        return
    matched = celltypist.annotate(log_counts(cells), model=model, mode="prob match")
    named = zip(cells.donor, cells.batch, strict=True)
    groups = np.array([f"{donor} {batch}" for donor, batch in named])
    voted = celltypist.annotate(
        log_counts(cells), model=model, majority_voting=True, over_clustering=groups, min_prop=0.4
    )
    asked |= {"groups": "DONOR BATCH", "min_prop": 0.4}
    fixture.add(
        which, asked, decision=best.decision_matrix, probability=best.probability_matrix,
        best=best.predicted_labels["predicted_labels"],
        matched=matched.predicted_labels["predicted_labels"],
        voted=voted.predicted_labels["majority_voting"],
    )  # fmt: skip


def log_counts(cells: Cells, dtype: type = np.float64) -> anndata.AnnData:
    """Return log1p of counts per 10,000 over all genes, dense as celltypist makes them."""
    made = anndata.AnnData(sp.csr_matrix(cells.counts.astype(dtype)))
    made.var_names = cells.genes
    sc.pp.normalize_total(made, target_sum=1e4)
    sc.pp.log1p(made)
    made.X = made.X.toarray()
    return made


def rename(path: Path) -> None:
    """Write a model anew with the module names of scikit-learn before 0.22."""
    import pickle

    text = pickle.dumps(pickle.loads(path.read_bytes()), protocol=2)
    for now, then in OLD_NAMES.items():
        text = text.replace(b"c" + now + b"\n", b"c" + then + b"\n")
    path.write_bytes(text)
