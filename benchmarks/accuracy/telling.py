"""Whether a panel that holds the genes which tell types from all others tells them better.

    python -m benchmarks.accuracy.telling [--seeds 2]

Batches of datasets with all their genes are left out in turn (of one batch, three cells in ten).
The panel is chosen on the others by variance alone, and as `cellport train` chooses it; a model of
either labels the cells left out, whole, with 300 counts, and with half of the genes. Figures go to
``benchmarks/results/telling.json`` and ``docs/training.md``, and with ``--table`` nothing else is
done than to show them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.accuracy.stress import present_genes, thin
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.data import LUNG, PBMC, Dataset, codes, strings
from benchmarks.shared.fitted import training_cells
from benchmarks.shared.results import ROOT, facts, markdown
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import TrainedEncoder, encode_layers
from cellport.train.labels.scores import label_scores
from cellport.train.reference.panel import select_panel

MARK, PAGE = "benchmarks.accuracy.telling", ROOT / "docs" / "training.md"
# with the column whose batches are left out; None where three cells in ten are
CASES: dict[str, tuple[Dataset, str | None]] = {
    "lung, 20 types, a donor left out": (LUNG, "donor"),
    "lung, 20 types, a technology": (LUNG, "technology"),
    "lung, 37 types, a donor": (Dataset("human_lung_hlca", batch="donor"), "donor"),
    "pancreas, 12 types, a donor": (Dataset("human_pancreas_3donors", batch="donor"), "donor"),
    "PBMC, 8 types, a study": (PBMC, "batch"),
    "bladder, 16 types, some cells": (Dataset("anon_mouse_bladder_mca"), None),
    "cortex, 11 types, some cells": (Dataset("mouse_cortex_550cells"), None),
}
WAYS = ("variance", "telling")
CONDITIONS = ("whole", "300 counts", "half the genes")
_TESTED = 0.3


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Judge both panels on all that is left out."""
    rows = []
    for name in CASES:
        for seed in range(options.seeds):
            for row in run(name, seed):
                print(row, flush=True)
                rows.append(row)
    return facts() | {"runs": rows}


def run(name: str, seed: int) -> Iterator[dict[str, Any]]:
    """Yield a row a batch left out and way to choose the panel."""
    dataset, column = CASES[name]
    cells = dataset.read()
    counts = cells.X.tocsr().astype(np.float32)
    label, batch = (strings(cells, one) for one in (dataset.label, dataset.batch))
    for left_out in _left_out(None if column is None else strings(cells, column), len(label)):
        known = np.flatnonzero(~left_out)
        types = np.unique(label[known].astype(str))
        asked = np.flatnonzero(left_out & np.isin(label.astype(str), types))
        code = np.searchsorted(types, label[known].astype(str)).astype(np.int64)
        of_batch = codes(batch[known])
        for way in WAYS:
            told = code if way == "telling" else None
            panel = select_panel(counts[known], of_batch, label=told)
            part = training_cells(counts[known][:, panel], code, of_batch, seed)
            encoder = TrainedEncoder(fit(part, FitConfig(seed=seed)))
            for condition in CONDITIONS:
                query, measured = poorer(counts[asked], panel, condition)
                logits = encode_layers(encoder, query, measured)[2]
                best = types[logits.argmax(axis=1)].astype(object)
                scores = label_scores(label[asked], best, np.ones(len(best)))
                yield {
                    "cells": name,
                    "seed": seed,
                    "asked": len(asked),
                    "way": way,
                    "condition": condition,
                    "macro_f1": round(scores["macro_f1"], 4),
                    "accuracy": round(scores["accuracy"], 4),
                }


def _left_out(batch: NDArray[np.object_] | None, n_cells: int) -> Iterator[NDArray[np.bool_]]:
    if batch is None:
        yield np.random.default_rng(0).random(n_cells) < _TESTED
    else:
        yield from (batch == one for one in np.unique(batch))


def poorer(
    counts: sp.csr_matrix, panel: NDArray[np.int64], condition: str
) -> tuple[sp.csr_matrix, NDArray[np.bool_]]:
    """Return counts of the panel in cells as the condition has them, and the genes measured."""
    measured = np.ones(counts.shape[1], bool)
    if condition == "300 counts":
        counts = thin(counts, 300, np.random.default_rng(0))
    if condition == "half the genes":
        measured[:] = False
        measured[present_genes(counts.shape[1], 0.5, 0)] = True
    return (counts[:, panel] @ sp.diags(measured[panel].astype(np.float32))).tocsr(), measured[
        panel
    ]


def table(made: dict[str, Any]) -> str:
    """Set macro-F1 of both panels side by side, means over what is left out and the seeds."""
    rows = made["runs"]
    found = {
        (name, way, condition): np.mean([
            row["macro_f1"]
            for row in rows
            if (row["cells"], row["way"], row["condition"]) == (name, way, condition)
        ])
        for name in CASES
        for way in WAYS
        for condition in CONDITIONS
    }  # fmt: skip

    def of(names: Sequence[str]) -> list[str]:
        return [
            " → ".join(f"{np.mean([found[one, way, how] for one in names]):.3f}" for way in WAYS)
            for how in CONDITIONS
        ]

    shown = [*([name, *of([name])] for name in CASES), ["mean", *of([*CASES])]]
    seeds = len({row["seed"] for row in rows})
    said = f"*{made['date']}, {made['machine']}; {seeds} seeds; 2,000 genes.*"
    return f"{markdown(('cells', *CONDITIONS), shown)}\n\n{said}"


def main() -> None:
    """Run what is asked for and print the table."""
    command = parser("accuracy.telling", __doc__, "table out")
    command.add_argument("--seeds", type=int, default=2)
    measure_and_show(command, measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
