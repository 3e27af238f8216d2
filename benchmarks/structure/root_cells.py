"""Where trajectories start when one cell is named, whichever of the earliest it is.

    python -m benchmarks.structure.root_cells

Of each dataset some cells are taken in turn as ``--root-cell``: those of the lowest true
pseudotime, or of the label at the root. Counted are those from which pseudotime of unseen cells is
more than .1 worse, in rank correlation, than from the label, and how many of these a note tells of.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import torch

from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, write
from benchmarks.structure.cases import Case, load
from benchmarks.structure.models import OURS, Trained, answers, train
from benchmarks.structure.trajectories import TRAINED_ON
from benchmarks.structure.truth import ranked
from cellport.train.structure.fit import Structure, fit_structure
from cellport.train.structure.roots import RootChoice

DATASETS = ("linear", "tree", "pancreas", "paul15")
WORSE = 0.1


def early_cells(case: Case, made: Trained) -> list[str]:
    """Names of the cells that are taken as roots."""
    rows = np.setdiff1d(np.arange(len(case.label)), made.unseen)
    obs = case.cells.obs.iloc[rows]
    if "pseudotime" in obs:
        early = np.argsort(obs["pseudotime"].to_numpy(), kind="stable")
    else:
        of_label = np.flatnonzero(case.label[rows] == case.root)
        early = np.random.default_rng(0).permutation(of_label)
    return [str(name) for name in made.known.names[early]]


def of_roots(
    case: Case, seed: int, with_labels: bool, trained_on: float, cells: int
) -> dict[str, Any]:
    made = train(case, seed, with_labels, trained_on)

    def fitted(roots: RootChoice) -> tuple[float, Structure]:
        structure = fit_structure(made.fitted, made.known, roots)
        time = answers(structure, made.unseen_latent)[3]
        return ranked(case, made.unseen, time)["mean"], structure

    assert case.root is not None
    by_label, _ = fitted(RootChoice((case.root,)))
    names = early_cells(case, made)[:cells]
    found = [fitted(RootChoice(cells=(name,))) for name in names]
    right = np.array([score for score, _ in found])
    noted = np.array([bool(structure.summary["notes"]) for _, structure in found])
    worse = right < by_label - WORSE
    return {
        "dataset": case.name,
        "seed": seed,
        "method": OURS[with_labels],
        "by_label": by_label,
        "by_cell": round(float(right.mean()), 4),
        "least": round(float(right.min()), 4),
        "worse": int(worse.sum()),
        "worse_and_noted": int((worse & noted).sum()),
        "noted": int(noted.sum()),
    }


def main() -> None:
    command = parser("structure.root_cells", __doc__, "out")
    command.add_argument("--seeds", type=int, default=1)
    command.add_argument("--trained-on", type=float, default=TRAINED_ON, help="share of the cells")
    command.add_argument("--cells", type=int, default=40, help="taken as roots")
    options: argparse.Namespace = command.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in DATASETS:
        for seed in range(options.seeds):
            for with_labels in OURS:
                how = options.trained_on, options.cells
                rows.append(of_roots(load(name), seed, with_labels, *how))
                print(rows[-1], flush=True)
    write(options.out, facts() | {"root_cells": rows})


if __name__ == "__main__":
    main()
