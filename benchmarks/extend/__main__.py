"""Types added to a finished atlas from 20 and 100 cells, beside an atlas trained with these cells.

    python -m benchmarks.extend

Of each dataset two types are left out: one is added, the other stays unknown. A cell in three is
neither trained on nor added but asked. Measured are macro-F1 over the asked cells of known types,
the accuracy on those of the old types before and after, the share of the added type that is given
it, how well novelty tells cells of the type that is still unknown from all others, and calibration.
An atlas trained with the same cells is asked the same. Then, how long it takes on 100,000 old and
1,000 new cells. Atlases are kept in ``benchmarks/cache/extend``; the tables are made again from
``benchmarks/results/extend.json`` with ``--table``.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score, roc_auc_score

from benchmarks.extend.cases import DATASETS, NUMBERS, Case, cases
from benchmarks.extend.checks import drawn_like, moved, poor_cells, twins
from benchmarks.extend.large import large_atlas
from benchmarks.extend.tables import MARK, PAGE, tables
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.results import facts, read
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.train.extend.api import extend
from cellport.train.labels.scores import expected_calibration_error


def measured(case: Case, folder: Path) -> list[dict[str, Any]]:
    """Extend, and train anew, with each number of cells."""
    before = case.trained(folder, 0)
    rows = []
    for number in NUMBERS:
        new = case.new_cells(number)
        row: dict[str, Any] = {
            "dataset": case.dataset, "added": case.added, "unknown": case.unknown,
            "asked_for": number, "cells": len(new), "before": scores(case, before),
        }  # fmt: skip
        out = case.path(folder, number).with_suffix(".extended")
        began = time.perf_counter()
        try:
            made = extend(before, case.cells[new].copy(), out, labels=DATASETS[case.dataset].label)
        except InputError as refused:
            row["refused"] = str(refused)
        else:
            row["seconds"] = round(time.perf_counter() - began, 2)
            one = made.types[0]
            row["judged"] = {"recall": one.recall, "auroc": round(one.auroc, 4), "lost": made.lost}
            row["extended"] = scores(case, out)
            out.unlink()
        row["trained"] = scores(case, case.trained(folder, number))
        print(row, flush=True)
        rows.append(row)
    return rows


def scores(case: Case, path: Path) -> dict[str, float]:
    """Ask an atlas for the cells that nobody has seen."""
    mapped = Atlas(open_atlas_file(path)).map(case.cells[case.asked].copy())
    label = case.label[case.asked]
    best = np.asarray(mapped["cellport_label"], object)
    prob = np.asarray(mapped["cellport_prob"], np.float64)
    p = np.asarray(mapped["cellport_novelty_p"], np.float64)
    strange, added = label == case.unknown, label == case.added
    known, old = ~strange, ~strange & ~added
    names = np.unique(label[known].astype(str))
    f1 = f1_score(label[known], best[known], average="macro", labels=names, zero_division=0)
    right = best == label
    found = {
        "macro_f1": f1,
        "old_accuracy": right[old].mean(),
        "recall": right[added].mean(),
        "ece": expected_calibration_error(prob[known], right[known]),
        "auroc_unknown": area(strange, p),
        "novel_added": (p[added] < 0.05).mean(),
        "novel_old": (p[old] < 0.05).mean(),
        "novel_unknown": (p[strange] < 0.05).mean(),
    }
    return {name: round(float(value), 4) for name, value in found.items()}


def area(strange: NDArray[np.bool_], p: NDArray[np.floating]) -> float:
    """Area under the ROC curve of strange cells, by their novelty p-values."""
    return float(roc_auc_score(strange, -np.log(np.maximum(p, 1e-40))))


def timed(folder: Path) -> dict[str, Any]:
    """Extend an atlas of 100,000 reference cells by 1,000 cells, three times."""
    path, new = large_atlas(folder)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        made = extend(path, new, folder / "large.extended", labels="cell_type")
        seconds.append(round(time.perf_counter() - began, 2))
    (folder / "large.extended").unlink()
    return {
        "seconds": sorted(seconds)[1],
        "old_cells": open_atlas_file(path).manifest.provenance.cells,
        "new_cells": new.n_obs,
        "types": [one.label for one in made.types],
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for, beside what was measured before."""
    before = read(options.out)
    rows = [
        row
        for case in cases(options.dataset, options.type)
        if not options.cached or all(case.path(options.cache, n).exists() for n in (0, *NUMBERS))
        for row in measured(case, options.cache)
    ]
    done = {(row["dataset"], row["added"]) for row in rows}
    kept = [one for one in before.get("runs", []) if (one["dataset"], one["added"]) not in done]
    found = facts() | {"runs": [*kept, *rows]}
    for name, measure in CHECKS.items():
        wanted = name in options.check
        found[name] = measure(options.cache) if wanted else before.get(name, [])
    return found


def of_first_cases(
    measure: Callable[[Case, Path], Any],
) -> Callable[[Path], list[Any]]:
    """Measure on the first case of each dataset."""
    return lambda folder: [
        row for name in DATASETS for case in first(name) for row in measure(case, folder)
    ]


def first(name: str) -> Iterator[Case]:
    """Yield the first case of a dataset."""
    yield from itertools.islice(cases([name]), 1)


CHECKS: dict[str, Callable[[Path], Any]] = {
    "large": timed,
    "poor": lambda folder: poor_cells(next(first("pbmc")), folder),
    "twins": of_first_cases(twins),
    "drawn": of_first_cases(lambda case, folder: [drawn_like(case, folder)]),
    "moved": lambda folder: list(moved(folder)),
}


def main() -> None:
    """Run what is asked for and print the tables."""
    command = parser("extend", __doc__, "out table cache")
    command.add_argument("--dataset", nargs="*", choices=list(DATASETS), default=list(DATASETS))
    command.add_argument("--type", help="add this type only")
    command.add_argument("--cached", action="store_true", help="only where atlases are there")
    command.add_argument("--check", nargs="*", choices=list(CHECKS), default=list(CHECKS))
    measure_and_show(command, run, tables, PAGE, MARK)


if __name__ == "__main__":
    main()
