"""What is compared: methods, and the files of a split that all of them get."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.stress import CONDITIONS, degrade
from benchmarks.shared.data import codes, load_split, strings
from cellport.train.reference.panel import select_panel

AT_MOST = (3000, 1500)
OURS = "cellport"


@dataclass(frozen=True)
class Family:
    """Methods that are built together, in how many runs, and on which queries they are tried.

    One run for a method that gives the same each time; names are those of their predictions.
    """

    methods: tuple[str, ...]
    seeds: int = 1
    conditions: tuple[str, ...] = tuple(CONDITIONS)


SURGERY_CONDITIONS = ("full", "umi300", "missing80")
FAMILIES = {
    "logistic": Family(("logistic regression",)),
    "pca": Family(("PCA + kNN",)),
    "celltypist": Family(("CellTypist",)),
    "symphony": Family(("symphonypy",)),
    "ingest": Family(("scanpy ingest",)),
    OURS: Family((OURS,), seeds=3),
    "scvi": Family(("scVI + kNN",), seeds=3),
    "surgery": Family(("scVI surgery + kNN", "SCANVI surgery"), conditions=SURGERY_CONDITIONS),
}


def folder_of(cache: Path, split: str) -> Path:
    """Where the files of a split are kept."""
    return cache / split.replace(" ", "_")


def prepare(name: str, folder: Path) -> None:
    """Write the reference, the degraded queries and the true labels of a split, once."""
    if (folder / "truth.json").exists():
        return
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    reference, query, dataset = load_split(name, AT_MOST)
    for cells, prefix in ((reference, ""), (query, "query ")):
        label, batch = (cells.obs[column].astype(str) for column in (dataset.label, dataset.batch))
        cells.obs = cells.obs[[]].assign(label=label, batch=prefix + batch)
    reference.var["panel"] = in_panel(reference)
    for condition, stress in CONDITIONS.items():
        poorer = degrade(query, stress)
        poorer.var["panel"] = in_panel(reference[:, poorer.var_names])
        poorer.write_h5ad(folder / f"{condition}.h5ad", compression="gzip")
    reference.write_h5ad(folder / "reference.h5ad", compression="gzip")
    number = reference.obs["label"].value_counts().to_dict()
    known = {"truth": query.obs["label"].tolist(), "reference": number}
    (folder / "truth.json").write_text(json.dumps(known))


def in_panel(reference: anndata.AnnData) -> NDArray[np.bool_]:
    """Whether each gene is among the 2,000 that are chosen on this reference."""
    chosen = np.zeros(reference.n_vars, dtype=bool)
    chosen[select_panel(reference.X.tocsr(), codes(strings(reference, "batch")))] = True
    return chosen
