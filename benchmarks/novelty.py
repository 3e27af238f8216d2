"""Unseen cell types: each type of each dataset left out of the reference, the query holding it.

    python benchmarks/novelty.py [--peers-python PEERS/bin/python]

For each type, a reference is made of some batches without it. Two queries hold it: cells of the
same batches that were kept out of training ("within"), and the other batches ("across").
Measured is how well a score tells the unseen type from the known ones (area under the ROC curve),
the share of unseen cells found where 5 % of the known ones are called novel too, and, for
cellport, the share of unseen cells with a p-value below 0.05, and of known ones when they are
whole, thinned, or lack half the genes. The ceiling is what a classifier reaches that was shown the
unseen type: logistic regression of unseen against known cells of the same query, cross-validated.
Peers run in an environment of their own (see ``peers_novelty.py``); without it, their numbers in
the result stay. Models and peers' scores are kept in ``benchmarks/cache``; the table is rebuilt
from ``benchmarks/results/novelty.json`` with ``--table``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from splits import data_folder

from cellport.models.vae import CountVAE
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.checkpoint import run_key
from cellport.train.fit.loop import fit
from cellport.train.fit.model import batch_size_and_epochs
from cellport.train.fit.order import POOLS
from cellport.train.infer import infer
from cellport.train.labels.calibrate import held_out_share
from cellport.train.labels.left_out import answers_for_left_out_batches
from cellport.train.novelty import fit_novelty, fit_p_exponent, novelty_p
from cellport.train.reference.panel import select_panel

HERE = Path(__file__).parent
RESULT = HERE / "results" / "novelty.json"
OURS = "cellport"
FAMILIES = ("celltypist", "symphony", "scvi")
WITHIN = 0.15
FEWEST_REFERENCE, FEWEST_QUERY = 20, 10
NO_TYPE = "none"
MOST_KNOWN, MOST_UNSEEN = 1_000, 500


@dataclass(frozen=True)
class Dataset:
    """A dataset, its label column, the batch a cell is from, and whether that is reference."""

    file: str
    label: str
    batch: str
    reference: Callable[[Any], NDArray[np.bool_]]
    others: Callable[[Any], NDArray[np.bool_]]


def _kang(obs: Any, first: bool) -> NDArray[np.bool_]:
    donors = sorted(set(obs.loc[obs["batch"] == "ctrl", "donor"].astype(str)))
    chosen = donors[:5] if first else donors[5:]
    return ((obs["batch"] == "ctrl") & obs["donor"].isin(chosen)).to_numpy()


def _is(column: str, value: str) -> Callable[[Any], NDArray[np.bool_]]:
    return lambda obs: obs[column].str.startswith(value).to_numpy()


def _not(column: str, value: str) -> Callable[[Any], NDArray[np.bool_]]:
    return lambda obs: ~obs[column].str.startswith(value).to_numpy()


DATASETS = {
    "kang": Dataset(
        "kang2018_pbmc_ctrl12k_stim806", "cell_type", "donor",
        lambda obs: _kang(obs, True), lambda obs: _kang(obs, False),
    ),
    "pbmc": Dataset(
        "pbmc_3studies_labelled", "cell_type", "batch",
        _not("batch", "Zheng"), _is("batch", "Zheng"),
    ),
    "lung": Dataset(
        "human_lung_hlca", "cell_type_coarse", "donor",
        _is("batch", "HLCA_10x_v2"), _not("batch", "HLCA_10x_v2"),
    ),
    "cell lines": Dataset(
        "cell_lines_3technologies", "cell_type", "batch",
        _not("batch", "CEL"), _is("batch", "CEL"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A type left out: rows of its reference and of both queries, the unseen type in these."""

    dataset: str
    unseen: str
    cells: anndata.AnnData
    label: NDArray[np.object_]
    batch: NDArray[np.object_]
    reference: NDArray[np.int64]
    held_out: NDArray[np.bool_]
    queries: dict[str, NDArray[np.int64]]

    @property
    def folder(self) -> Path:
        """Where what was computed is kept."""
        name = f"{self.dataset}-{self.unseen}".replace("/", "_").replace(" ", "_")
        return HERE / "cache" / "novelty" / name


def cases(names: list[str], only: str | None) -> Iterator[Case]:
    """Yield every type with at least 20 cells in the reference batches, and 10 in a query."""
    for name in names:
        cells, label, batch, own, others = _labelled(name)
        for unseen in sorted(set(label[own])):
            if (own & (label == unseen)).sum() >= FEWEST_REFERENCE and only in (None, unseen):
                yield _case(name, unseen, cells, label, batch, own, others)


def _labelled(name: str) -> tuple[Any, Any, Any, Any, Any]:
    how = DATASETS[name]
    cells = anndata.read_h5ad(data_folder() / f"{how.file}.h5ad")
    label = cells.obs[how.label].astype(str).to_numpy(dtype=object)
    batch = cells.obs[how.batch].astype(str).to_numpy(dtype=object)
    return cells, label, batch, how.reference(cells.obs), how.others(cells.obs)


def _case(
    name: str, unseen: str, cells: Any, label: Any, batch: Any, own: Any, others: Any
) -> Case:
    rng = np.random.default_rng(0)
    known = label != unseen
    role = np.where(own & known, 1, 0)
    share = held_out_share(int((own & known).sum()))
    for code in np.unique(label[own & known].astype(str)):
        rows = rng.permutation(np.flatnonzero(own & (label == code)))
        within = round(WITHIN * len(rows))
        held_out = within + round(share * len(rows))
        role[rows[:within]] = 3
        role[rows[within:held_out]] = 2
    trained = np.flatnonzero((role == 1) | (role == 2))
    seen = np.isin(label, np.unique(label[trained].astype(str)))
    queries = {
        "within": np.flatnonzero((role == 3) | (own & ~known)),
        "across": np.flatnonzero(others & (seen | ~known)),
    }
    drawn = {}
    for where, rows in queries.items():
        strange, usual = rows[label[rows] == unseen], rows[label[rows] != unseen]
        if min(len(strange), len(usual)) >= FEWEST_QUERY:
            some = rng.permutation(strange)[:MOST_UNSEEN], rng.permutation(usual)[:MOST_KNOWN]
            drawn[where] = np.sort(np.concatenate(some))
    return Case(name, unseen, cells, label, batch, trained, role[trained] == 2, drawn)


def exponent_of(name: str, seed: int) -> float:
    """Exponent of p-values for a dataset's reference, from models without some of its batches.

    Measured on all its types, once for all of them: it says how far a new batch shifts known
    cells, and would cost three training runs a type.
    """
    case = _case(name, NO_TYPE, *_labelled(name))
    path = case.folder / "unseen"
    path.parent.mkdir(parents=True, exist_ok=True)
    left_out = answers_for_left_out_batches(_training_cells(case)[0], FitConfig(seed=seed), path)
    return fit_p_exponent(left_out.novelty_p if left_out else ())


def _training_cells(case: Case) -> tuple[TrainingCells, NDArray[np.int64]]:
    codes = np.unique(case.batch[case.reference].astype(str), return_inverse=True)[1]
    counts = case.cells.X[case.reference].tocsr().astype(np.float32)
    panel = select_panel(counts, codes)
    names, label = np.unique(case.label[case.reference].astype(str), return_inverse=True)
    cells = TrainingCells(
        counts=counts[:, panel].tocsr(),
        label=label.astype(np.int64),
        batch=codes.astype(np.int64),
        n_labels=len(names),
        n_batches=int(codes.max()) + 1,
        held_out=np.flatnonzero(case.held_out),
    )
    return cells, panel


def run_ours(case: Case, exponent: float, seed: int) -> tuple[dict[str, Any], NDArray[np.int64]]:
    """P-values of cellport for both queries, its false-novel rates, and the panel."""
    cells, panel = _training_cells(case)
    model = _trained(cells, FitConfig(seed=seed), case.folder)
    novelty = fit_novelty(infer(model, cells, seed), exponent)
    found: dict[str, Any] = {}
    for where, rows in case.queries.items():
        query = case.cells.X[rows].tocsr().astype(np.float32)[:, panel].tocsr()
        known = query[case.label[rows] != case.unseen]
        found[where] = {
            "p": novelty_p(model, novelty, query.toarray()).tolist(),
            "false_novel": {
                name: round(float((novelty_p(model, novelty, poorer(known)) < 0.05).mean()), 4)
                for name, poorer in STRESS.items()
            },
            "easing": round(exponent, 4),
            "ceiling": ceiling(query, case.label[rows] == case.unseen),
        }
    return found, panel


def _trained(cells: TrainingCells, config: FitConfig, folder: Path) -> CountVAE:
    _, epochs = batch_size_and_epochs(cells.counts.shape[0], config)
    key = run_key(cells, config, POOLS, epochs)
    path = folder / f"{key[:16]}.pt"
    if path.exists():
        model: CountVAE = torch.load(path, weights_only=False)
        return model
    folder.mkdir(parents=True, exist_ok=True)
    model = fit(cells, config)
    torch.save(model, path)
    return model


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


def write_for_peers(case: Case, panel: NDArray[np.int64]) -> None:
    """Leave the reference and the queries where ``peers_novelty.py`` finds them."""
    chosen = np.isin(np.arange(case.cells.n_vars), panel)
    parts = {"reference": case.reference, **case.queries}
    for name, rows in parts.items():
        part = anndata.AnnData(case.cells.X[rows])
        part.var_names = case.cells.var_names
        part.obs_names = case.cells.obs_names[rows]
        part.var["panel"] = chosen
        part.obs["label"], part.obs["batch"] = case.label[rows], case.batch[rows]
        part.write_h5ad(case.folder / f"{name}.h5ad")


def judged(case: Case, where: str, strange: NDArray[np.floating]) -> dict[str, float]:
    """Area under the ROC curve, and recall where 5 % of the known cells are called novel."""
    unseen = case.label[case.queries[where]] == case.unseen
    limit = np.quantile(strange[~unseen], 0.95)
    return {
        "auroc": round(float(roc_auc_score(unseen, strange)), 4),
        "recall": round(float((strange[unseen] > limit).mean()), 4),
    }


def run(names: list[str], only: str | None, seed: int, peers: str | None) -> list[dict[str, Any]]:
    """Measure every case; the peers take all cases in one process each."""
    chosen = [case for case in cases(names, only) if case.queries]
    exponent = {name: exponent_of(name, seed) for name in names}
    print(exponent, flush=True)
    ours = []
    for case in chosen:
        found, panel = run_ours(case, exponent[case.dataset], seed)
        ours.append(found)
        print(case.dataset, case.unseen, flush=True)
        if peers is not None and not all((case.folder / f"{f}.json").exists() for f in FAMILIES):
            write_for_peers(case, panel)
    for family in FAMILIES if peers is not None else ():
        left = [str(c.folder) for c in chosen if not (c.folder / f"{family}.json").exists()]
        command = [str(peers), str(HERE / "peers_novelty.py"), family, *left]
        subprocess.run(command, check=True)
    rows = []
    for case, found in zip(chosen, ours, strict=True):
        # 1 - p would round the strangest to the same
        scores = {OURS: {where: -np.log(np.array(one["p"])) for where, one in found.items()}}
        for family in FAMILIES if peers is not None else ():
            theirs = json.loads((case.folder / f"{family}.json").read_text())
            scores[theirs["method"]] = {w: np.array(s) for w, s in theirs["scores"].items()}
        rows += [_row(case, where, scores, found[where]) for where in case.queries]
        for path in case.folder.glob("*.h5ad"):
            path.unlink()
    return rows


def _row(case: Case, where: str, scores: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    unseen = case.label[case.queries[where]] == case.unseen
    return {
        "dataset": case.dataset,
        "unseen": case.unseen,
        "query": where,
        "unseen_cells": int(unseen.sum()),
        "known_cells": int((~unseen).sum()),
        "easing": ours["easing"],
        "false_novel": ours["false_novel"],
        "found": round(float((np.array(ours["p"])[unseen] < 0.05).mean()), 4),
        "ceiling": ours["ceiling"],
        "methods": {name: judged(case, where, s[where]) for name, s in scores.items()},
    }


def ceiling(counts: sp.csr_matrix, unseen: NDArray[np.bool_]) -> float:
    """Area that a classifier reaches which was shown the unseen type, cross-validated."""
    share = counts.toarray() / np.maximum(counts.sum(axis=1).A, 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e-3, max_iter=200))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    odds = cross_val_predict(
        model, np.log1p(1e4 * share), unseen, cv=folds, method="decision_function"
    )
    return round(float(roc_auc_score(unseen, odds)), 4)


def with_earlier_peers(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the peers' numbers of the last result where they were not run again."""
    key = ("dataset", "unseen", "query", "unseen_cells", "known_cells")
    earlier = {
        tuple(r[k] for k in key): r["methods"] for r in json.loads(RESULT.read_text())["runs"]
    }
    return [
        row | {"methods": earlier.get(tuple(row[k] for k in key), {}) | row["methods"]}
        for row in rows
    ]


def table(runs: list[dict[str, Any]]) -> str:
    """Set the result in Markdown: one line a case, then means."""
    methods = list(runs[0]["methods"])
    lines = [
        "| dataset | unseen type | query | " + " | ".join(methods) + " | ceiling |",
        "| --- | --- | --- |" + " ---: |" * (len(methods) + 1),
    ]
    for r in runs:
        cells = [f"{r['methods'][m]['auroc']:.2f}" for m in methods] + [f"{r['ceiling']:.2f}"]
        lines.append(f"| {r['dataset']} | {r['unseen']} | {r['query']} | {' | '.join(cells)} |")
    for what, name in (("auroc", "mean area"), ("recall", "mean recall at 5 %")):
        for where in ("within", "across", None):
            some = [r for r in runs if where in (None, r["query"])]
            mean = [np.mean([r["methods"][m][what] for r in some]) for m in methods]
            cells = [f"**{value:.3f}**" for value in mean]
            top = f"{np.mean([r['ceiling'] for r in some]):.3f}" if what == "auroc" else ""
            lines.append(f"| **{name}** | | {where or 'both'} | {' | '.join(cells)} | {top} |")
    lines += ["", "| cells with p < 0.05 | within | across |", "| --- | ---: | ---: |"]
    for what in ("found", *STRESS):
        rates = [
            np.mean(
                [
                    r["found"] if what == "found" else r["false_novel"][what]
                    for r in runs
                    if r["query"] == where
                ]
            )
            for where in ("within", "across")
        ]
        name = "unseen" if what == "found" else f"known, {what}"
        lines.append(f"| {name} | {rates[0]:.3f} | {rates[1]:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dataset", action="append", choices=list(DATASETS), help="all by default")
    parser.add_argument("--type", help="leave out this type only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peers-python", help="of the peers' environment; ours alone by default")
    parser.add_argument("--table", action="store_true", help="only print the table of the result")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        names = options.dataset or list(DATASETS)
        rows = with_earlier_peers(run(names, options.type, options.seed, options.peers_python))
        RESULT.write_text(json.dumps({"seed": options.seed, "runs": rows}, indent=1) + "\n")
    print(table(json.loads(RESULT.read_text())["runs"]))


if __name__ == "__main__":
    main()
