"""Unseen cell types: each type of each dataset left out of the reference, the query holding it.

    python -m benchmarks.novelty [--peers-python PEERS/bin/python]

For each type, a reference is made of some batches without it. Two queries hold it: cells of the
same batches that were kept out of training ("within"), and the other batches ("across").
Measured is how well a score tells the unseen type from the known ones (area under the ROC curve),
the share of unseen cells found where 5 % of the known ones are called novel too, and, for
cellport, the share of unseen cells with a p-value below 0.05, and of known ones when they are
whole, thinned, or lack half the genes. Groups that a report would tell of are looked at too, by
what the other datasets say of known ones (``groups.py``). The ceiling is what a classifier reaches
that was shown the unseen type: logistic regression of unseen against known cells of the same query,
cross-validated. Peers run in an environment of their own (see ``peers.py``); without it, their
numbers in the result stay. Models and peers' scores are kept in ``benchmarks/cache/novelty``; the
table is rebuilt from ``benchmarks/results/novelty.json`` with ``--table``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import astuple
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from benchmarks.novelty.cases import DATASETS, Case, cases, leave_for_peers
from benchmarks.novelty.groups import learned, told
from benchmarks.novelty.ours import Ours, exponent_of, run_ours
from benchmarks.novelty.tables import Rows, tables
from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, read, write
from benchmarks.shared.timing import run_peers

OURS = "cellport"
FAMILIES = ("celltypist", "symphony", "scvi")


def run(options: argparse.Namespace) -> Rows:
    """Measure every case; the peers take all cases in one process each."""
    python, seed = options.peers_python, options.seed
    chosen = list(cases(options.dataset, options.type))
    exponent = {name: exponent_of(name, seed) for name in options.dataset}
    print(exponent, flush=True)
    ours: list[Ours] = []
    for case in chosen:
        ours.append(run_ours(case, exponent[case.whole.name], seed))
        print(case.whole.name, case.unseen, flush=True)
        if python is not None and lacking(case):
            leave_for_peers(case, ours[-1].panel)
    for family in FAMILIES if python is not None else ():
        left = [case.folder for case in chosen if family in lacking(case)]
        run_peers(python, "novelty", family, *left)
    rows = []
    of_dataset = {
        name: [
            query
            for case, one in zip(chosen, ours, strict=True)
            if case.whole.name == name
            for query in one.mapped.values()
        ]
        for name in options.dataset
    }
    print("known groups:", learned(list(of_dataset.values())), flush=True)
    for case, one in zip(chosen, ours, strict=True):
        others = [queries for name, queries in of_dataset.items() if name != case.whole.name]
        known, found = learned(others or list(of_dataset.values())), one.found
        # 1 - p would round the strangest to the same
        scores = {OURS: {where: -np.log(np.array(one["p"])) for where, one in found.items()}}
        if python is not None:
            scores |= scores_of_peers(case)
        rows += [
            row_of(case, where, scores, found[where])
            | {"groups": told(one.mapped[where], known), "known_groups": astuple(known)}
            for where in case.queries
        ]
        for path in case.folder.glob("*.h5ad"):
            path.unlink()
    return rows


def lacking(case: Case) -> list[str]:
    """Families whose scores are not kept."""
    return [family for family in FAMILIES if not (case.folder / f"{family}.json").exists()]


def scores_of_peers(case: Case) -> dict[str, dict[str, NDArray[np.floating]]]:
    scores = {}
    for family in FAMILIES:
        found = json.loads((case.folder / f"{family}.json").read_text())
        scores[found["method"]] = {w: np.array(s) for w, s in found["scores"].items()}
    return scores


def row_of(case: Case, where: str, scores: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    unseen = case.is_unseen(where)
    return {
        "dataset": case.whole.name,
        "unseen": case.unseen,
        "query": where,
        "unseen_cells": int(unseen.sum()),
        "known_cells": int((~unseen).sum()),
        "easing": ours["easing"],
        "false_novel": ours["false_novel"],
        "found": round(float((np.array(ours["p"])[unseen] < 0.05).mean()), 4),
        "ceiling": ours["ceiling"],
        "methods": {name: judged(unseen, strange[where]) for name, strange in scores.items()},
    }


def judged(unseen: NDArray[np.bool_], strange: NDArray[np.floating]) -> dict[str, float]:
    """Area under the ROC curve, and recall where 5 % of the known cells are called novel."""
    limit = np.quantile(strange[~unseen], 0.95)
    return {
        "auroc": round(float(roc_auc_score(unseen, strange)), 4),
        "recall": round(float((strange[unseen] > limit).mean()), 4),
    }


def with_earlier_peers(rows: Rows, before: Rows) -> Rows:
    """Add the peers' numbers of the last result where they were not run again."""
    key = ("dataset", "unseen", "query", "unseen_cells", "known_cells")
    earlier = {tuple(r[k] for k in key): r["methods"] for r in before}
    return [
        row | {"methods": earlier.get(tuple(row[k] for k in key), {}) | row["methods"]}
        for row in rows
    ]


def main() -> None:
    """Run what is asked for and print the tables."""
    command = parser("novelty", __doc__, "out table peers-python")
    command.add_argument("--dataset", nargs="+", choices=list(DATASETS), default=list(DATASETS))
    command.add_argument("--type", help="leave out this type only")
    command.add_argument("--seed", type=int, default=0)
    options = command.parse_args()
    torch.set_num_threads(1)
    if not options.table:
        rows = with_earlier_peers(run(options), read(options.out).get("runs", []))
        write(options.out, facts() | {"seed": options.seed, "runs": rows})
    print(tables(read(options.out)["runs"]))


if __name__ == "__main__":
    main()
