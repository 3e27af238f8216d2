"""P-values of cellport for the queries, how often they are false, and the ceiling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.novelty.cases import NO_TYPE, Case, labelled, left_out
from benchmarks.novelty.groups import Mapped, mapped
from benchmarks.shared.data import codes
from benchmarks.shared.fitted import fitted, training_cells
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.checkpoint import run_key
from cellport.train.fit.model import batch_size_and_epochs
from cellport.train.fit.order import POOLS
from cellport.train.infer import encode_layers
from cellport.train.labels.left_out import answers_for_left_out_batches
from cellport.train.novelty import fit_novelty, fit_p_exponent, novelty_p
from cellport.train.reference.panel import select_panel


def exponent_of(name: str, seed: int) -> float:
    """Exponent of p-values for a dataset's reference, from models without some of its batches.

    Measured on all its types, once for all of them: it says how far a new batch shifts known
    cells, and would cost three training runs a type.
    """
    case = left_out(labelled(name), NO_TYPE)
    path = case.folder / "unseen"
    path.parent.mkdir(parents=True, exist_ok=True)
    found = answers_for_left_out_batches(cells_of(case)[0], FitConfig(seed=seed), path)
    return fit_p_exponent(found.novelty_p if found else ())


def cells_of(case: Case) -> tuple[TrainingCells, NDArray[np.int64]]:
    """Cells of the reference on its panel, and the panel."""
    rows, whole = case.reference, case.whole
    batch, label = codes(whole.batch[rows]), codes(whole.label[rows])
    counts = whole.cells.X[rows].tocsr().astype(np.float32)
    panel = select_panel(counts, batch)
    held_out = np.flatnonzero(case.held_out)
    return training_cells(counts[:, panel], label, batch, held_out), panel


@dataclass(frozen=True)
class Ours:
    """What cellport makes of a case."""

    found: dict[str, Any]  # p-values of both queries, and its false-novel rates
    mapped: dict[str, Mapped]  # both queries as the atlas sees them
    panel: NDArray[np.int64]


def run_ours(case: Case, exponent: float, seed: int) -> Ours:
    """Map both queries of a case."""
    cells, panel = cells_of(case)
    config = FitConfig(seed=seed)
    _, epochs = batch_size_and_epochs(cells.counts.shape[0], config)
    path = case.folder / f"{run_key(cells, config, POOLS, epochs)[:16]}.pt"
    made = fitted(cells, config, path)
    encoder, novelty = made.encoder, fit_novelty(made, exponent)
    found: dict[str, Any] = {}
    seen: dict[str, Mapped] = {}
    for where, rows in case.queries.items():
        query = case.whole.cells.X[rows].tocsr().astype(np.float32)[:, panel].tocsr()
        unseen = case.is_unseen(where)
        known = query[~unseen]
        p = novelty_p(encoder, novelty, query.toarray())
        with torch.inference_mode():
            _, latent, logits = encode_layers(encoder, query, None)
        seen[where] = mapped(
            made,
            latent,
            p,
            called=logits.argmax(axis=1),
            label=case.whole.label[rows],
            unseen=unseen,
        )
        found[where] = {
            "p": p.tolist(),
            "false_novel": {
                name: round(float((novelty_p(encoder, novelty, poorer(known)) < 0.05).mean()), 4)
                for name, poorer in STRESS.items()
            },
            "easing": round(exponent, 4),
            "ceiling": ceiling(query, unseen),
        }
    return Ours(found, seen, panel)


def _thinned(depth: int) -> Callable[[sp.csr_matrix], NDArray[np.float32]]:
    def thin(counts: sp.csr_matrix) -> NDArray[np.float32]:
        whole = np.rint(counts.toarray()).astype(np.int64)
        kept = np.minimum(1, depth / np.maximum(whole.sum(axis=1, keepdims=True), 1))
        drawn: NDArray[np.float32] = np.random.default_rng(depth).binomial(whole, kept)
        return drawn.astype(np.float32)

    return thin


def _half_the_genes(counts: sp.csr_matrix) -> NDArray[np.float32]:
    values: NDArray[np.float32] = counts.toarray()
    values[:, np.random.default_rng(0).random(values.shape[1]) < 0.5] = np.nan
    return values


STRESS: dict[str, Callable[[sp.csr_matrix], NDArray[np.float32]]] = {
    "whole": lambda counts: counts.toarray(),
    "1,000 UMI": _thinned(1000),
    "300 UMI": _thinned(300),
    "half the genes": _half_the_genes,
}


def ceiling(counts: sp.csr_matrix, unseen: NDArray[np.bool_]) -> float:
    """Area that a classifier reaches which was shown the unseen type, cross-validated."""
    share = counts.toarray() / np.maximum(np.asarray(counts.sum(axis=1)), 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    odds = cross_val_predict(
        model, np.log1p(1e4 * share), unseen, cv=folds, method="decision_function"
    )
    return round(float(roc_auc_score(unseen, odds)), 4)
