"""Scores of the predictions in the cache, and the result file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases import folder_of
from benchmarks.shared.data import SPLITS
from benchmarks.shared.results import facts, read, write_text
from cellport.train.labels.scores import label_scores

RARE = 0.03
KEYS = ("split", "method", "seed", "condition")
SCORES = ("accuracy", "macro_f1", "rare_recall", "ece", "aurc")
COLUMNS = (*KEYS, *SCORES, "build_cpu_s", "map_cpu_s", "epochs", "map_epochs")
Row = dict[str, Any]


def collect(cache: Path, rows: list[Row]) -> list[Row]:
    """Scores of all predictions in the cache, and the given ones of which it has none."""
    found = {tuple(row[key] for key in KEYS): row for row in rows}
    for name in SPLITS:
        folder = folder_of(cache, name)
        if not (folder / "truth.json").exists():
            continue
        known = json.loads((folder / "truth.json").read_text())
        for path in sorted((folder / "predictions").glob("*.json")):
            method, seed, condition = path.stem.rsplit(".", 2)
            row: Row = {"split": name, "method": method, "seed": int(seed), "condition": condition}
            row |= score(known, json.loads(path.read_text()))
            found[tuple(row[key] for key in KEYS)] = row
    return [found[key] for key in sorted(found)]


def score(known: dict[str, Any], found: dict[str, Any]) -> Row:
    """All figures of one prediction."""
    truth = np.array(known["truth"], dtype=object)
    label = np.array(found["label"], dtype=object)
    prob, right = np.array(found["prob"]), truth == label
    number = known["reference"]
    fewest = RARE * sum(number.values())
    rare = [name for name in np.unique(truth) if number[name] < fewest]
    scores: Row = dict(label_scores(truth, label, prob))
    scores["rare_recall"] = (
        float(np.mean([right[truth == name].mean() for name in rare])) if rare else None
    )
    scores["aurc"] = area_under_risk_coverage(prob, right)
    seconds = found["cpu_seconds"]
    scores |= {"build_cpu_s": seconds["build"], "map_cpu_s": seconds["map"]}
    scores |= {name: found.get(name) for name in ("epochs", "map_epochs")}
    return {name: round(v, 4) if isinstance(v, float) else v for name, v in scores.items()}


def area_under_risk_coverage(prob: NDArray[np.floating], right: NDArray[np.bool_]) -> float:
    """Mean share of errors among the most confident cells, over all coverages.

    Cells of one confidence count as if in random order.

    References
    ----------
    Geifman and El-Yaniv 2017, NeurIPS, "Selective classification for deep neural networks".
    """
    _, group = np.unique(-prob, return_inverse=True)
    share_wrong = np.bincount(group, ~right) / np.bincount(group)
    errors = np.cumsum(share_wrong[np.sort(group)])
    return float(np.mean(errors / np.arange(1, len(prob) + 1)))


def read_rows(path: Path) -> list[Row]:
    """Rows of an earlier result file; none where there is no file."""
    made = read(path)
    return [dict(zip(made["columns"], row, strict=True)) for row in made.get("runs", ())]


def write_rows(rows: list[Row], path: Path) -> None:
    """Write the result file, a run a line."""
    head = json.dumps(facts() | {"columns": COLUMNS})
    lines = ",\n".join(json.dumps([row[name] for name in COLUMNS]) for row in rows)
    write_text(path, head[:-1] + ', "runs": [\n' + lines + "\n]}\n")
