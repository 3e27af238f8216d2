"""Labels of a small panel: by an atlas of all genes, and by models made for its genes alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import anndata
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import cellport
from benchmarks.panels.cases import Panel
from cellport.train.config import AtlasConfig, FitConfig


class Called(NamedTuple):
    """Labels of the query's cells and how sure they are, object and float [cells]."""

    label: NDArray[np.object_]
    prob: NDArray[np.floating]
    novel: float | None = None  # share of the cells that are called novel


def by_atlas(atlas: Path, panel: Panel, seed: int) -> dict[str, Called]:
    """Map on an atlas of all genes, and on one trained for these, each also rescaled."""
    genes = panel.reference.var_names.intersection(panel.query.var_names)
    made_for = atlas.with_name(f"{atlas.stem}_{panel.genes}.cellport")
    train(panel.reference[:, genes].copy(), made_for, seed)
    found = {}
    for name, path in (("cellport", atlas), ("cellport (trained for it)", made_for)):
        opened = cellport.load_atlas(path)
        for how, rescale in (("", False), (", rescaled", True)):
            mapping = opened.map(panel.query, minimum_genes=0, rescale_genes=rescale)
            label = np.asarray(mapping["cellport_label"]).astype(str).astype(object)
            novel = float(np.mean(mapping["cellport_novel"]))
            found[name + how] = Called(label, mapping["cellport_prob"], novel)
    return found


def train(reference: anndata.AnnData, path: Path, seed: int) -> None:
    """Train an atlas unless it is there."""
    if not path.exists():
        how = AtlasConfig(labels="label", batch="batch", fit=FitConfig(seed=seed))
        cellport.train_atlas(reference, path, how)


def refitted(panel: Panel) -> dict[str, Called]:
    """Logistic regression on these genes, as it is and with each gene standardised on the query."""
    genes = panel.reference.var_names.intersection(panel.query.var_names)
    label = panel.reference.obs["label"].to_numpy(str)
    known, asked = (cells[:, genes].X.toarray() for cells in (panel.reference, panel.query))
    size = np.median(known.sum(axis=1))
    known, asked = (_logarithms(values, size) for values in (known, asked))
    mean, sd = known.mean(axis=0), known.std(axis=0) + 1e-6
    of_query = (asked - asked.mean(axis=0)) / (asked.std(axis=0) + 1e-6)
    model = LogisticRegression(C=1.0, max_iter=2000).fit((known - mean) / sd, label)
    found = {}
    for how, values in (("", (asked - mean) / sd), (", genes standardised", of_query)):
        prob = model.predict_proba(values)
        names = model.classes_[prob.argmax(axis=1)].astype(object)
        found[f"logistic regression (refitted{how})"] = Called(names, prob.max(axis=1))
    return found


def _logarithms(counts: NDArray[np.floating], size: float) -> NDArray[np.floating]:
    values: NDArray[np.floating] = np.log1p(
        counts * (size / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    )
    return values
