"""What it costs that the decoder is asked for a share of the genes, or that there are fewer steps.

References of many cells are drawn from real ones, thinned a little so that no two are alike; the
queries are real cells of another study, technology or donors, and hold a type that was left out.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.shared.data import SPLITS, codes, strings
from benchmarks.shared.fitted import training_cells
from benchmarks.training.files import GENES
from cellport.models.vae import CountVAE
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.degrade import Degradation, degrade
from cellport.train.fit import loop
from cellport.train.infer import TrainedEncoder, encode_layers, infer
from cellport.train.novelty import fit_novelty, novelty_p
from cellport.train.progress import Progress
from cellport.train.reference.panel import select_panel

NAMES = ("Kang donors", "PBMC 10x", "lung Smart-seq2")
# cells a step, passes, and into how many parts the genes are dealt
WAYS = {
    "64 cells a step, 15 passes": (64, 15, 1),
    "128 cells a step, 10 passes": (128, 10, 1),
    "128 cells a step, 10 passes, half of the genes": (128, 10, 2),
    "128 cells a step, 10 passes, a quarter of the genes": (128, 10, 4),
}
BINS = 10


class Case(NamedTuple):
    """A reference without a type, and a query that holds it."""

    cells: TrainingCells
    counts: sp.csr_matrix
    # int64 and bool [query cells]: a label that is meaningless where the type is not known
    label: NDArray[np.int64]
    known: NDArray[np.bool_]


def shares(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Score each way to train on each reference and seed."""
    torch.set_num_threads(1)
    rows = []
    for seed in range(options.seeds):
        for name in NAMES:
            case = case_of(name, options.cells, seed)
            for way, how in WAYS.items():
                row = {"way": way, "query": name, "seed": seed} | scores(case, *how, seed)
                rows.append(row)
                print(row, flush=True)
    return rows + means(rows)


def case_of(name: str, n_cells: int, seed: int) -> Case:
    """Leave out the type that most of the query is of, if at most a fifth of the reference."""
    dataset, parts = SPLITS[name]
    cells = dataset.read()
    label, batch = (strings(cells, column) for column in (dataset.label, dataset.batch))
    in_reference, in_query = parts(cells)
    sizes = {
        kind: int((in_query & (label == kind)).sum())
        for kind in sorted(set(label[in_reference]))
        if 20 <= (in_reference & (label == kind)).sum() < 0.2 * in_reference.sum()
    }
    unseen = max(sizes, key=lambda kind: sizes[kind])
    rows = np.flatnonzero(in_reference & (label != unseen))
    query = np.flatnonzero(in_query & np.isin(label, [*set(label[rows]), unseen]))
    counts = cells.X.tocsr().astype(np.float32)
    counts = counts[:, select_panel(counts[rows], codes(batch[rows]), GENES)]
    kinds = np.unique(label[rows].astype(str))
    drawn, own = drawn_again(counts[rows], n_cells)
    training = training_cells(
        drawn, np.searchsorted(kinds, label[rows].astype(str))[own], codes(batch[rows])[own], seed
    )
    of_query = np.searchsorted(kinds, label[query].astype(str))
    return Case(training, counts[query], of_query, label[query] != unseen)


def drawn_again(counts: sp.csr_matrix, n_cells: int) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Draw so many of the cells, each with half to all of its counts; and which they are."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, counts.shape[0], n_cells)
    cells = counts[rows]
    kept = np.repeat(rng.uniform(0.5, 1.0, n_cells), np.diff(cells.indptr))
    cells.data = rng.binomial(cells.data.astype(np.int64), kept).astype(np.float32)
    cells.eliminate_zeros()
    return cells, rows


def scores(case: Case, batch_size: int, passes: int, parts: int, seed: int) -> dict[str, float]:
    """Train one way and ask the query, whole and degraded."""
    config = FitConfig(
        device="cpu", seed=seed, epochs=passes, batch_size=batch_size, gene_parts=parts
    )
    began, losses = time.process_time(), []

    def note(progress: Progress) -> None:
        losses.append(progress.losses.get("held_out", np.inf))

    model = loop.fit(case.cells, config, on_progress=note)
    found = {"cpu_s": time.process_time() - began, "held_out_loss": min(losses)}
    poor = Degradation(thin_share=1, mask_share=1, mask_declared=1)
    poorer = degrade(case.counts, np.random.default_rng(0), poor)
    found |= of_labels(model, case, case.counts, None, "whole")
    found |= of_labels(model, case, poorer.counts, poorer.measured, "degraded")
    novelty = fit_novelty(infer(model, case.cells, seed))
    p = novelty_p(TrainedEncoder(model), novelty, case.counts)
    found["novelty_auroc"] = float(roc_auc_score(~case.known, -np.log(p)))
    return {name: round(value, 4) for name, value in found.items()}


def of_labels(
    model: CountVAE,
    case: Case,
    counts: sp.csr_matrix,
    measured: NDArray[np.bool_] | None,
    name: str,
) -> dict[str, float]:
    """Macro-F1 and calibration error, before any calibration, of the cells of known types."""
    known, truth = case.known, case.label[case.known]
    _, _, logits = encode_layers(TrainedEncoder(model), counts[known], measured)
    called = logits.argmax(axis=1)
    prob = torch.softmax(torch.from_numpy(logits), dim=1).amax(dim=1).numpy()
    found = {
        f"macro_f1, {name}": float(
            f1_score(truth, called, labels=np.unique(truth), average="macro")
        )
    }
    of_bin = np.minimum((prob * BINS).astype(int), BINS - 1)
    gaps = [
        abs(prob[inside].sum() - (called == truth)[inside].sum())
        for inside in (of_bin == which for which in range(BINS))
    ]
    found[f"ece, {name}"] = float(sum(gaps)) / len(truth)
    return found


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean of each score over queries and seeds, and the standard deviation of a seed."""
    found = []
    for way in WAYS:
        own = [row for row in rows if row["way"] == way]
        row: dict[str, Any] = {"way": way, "query": "mean"}
        for name in own[0].keys() - {"way", "query", "seed"}:
            values = np.array([[r[name] for r in own if r["query"] == query] for query in NAMES])
            row[name] = round(float(values.mean()), 4)
            row[f"{name}_sd"] = round(
                float(np.sqrt(values.var(axis=1, ddof=values.shape[1] > 1).mean())), 4
            )
        found.append(row)
        print(row, flush=True)
    return found
