"""Tables and picture of label transfer: means over seeds, splits and conditions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.accuracy.cases import FAMILIES, OURS
from benchmarks.accuracy.scores import Row
from benchmarks.accuracy.stress import CONDITIONS
from benchmarks.shared.data import SPLITS
from benchmarks.shared.results import markdown

CLEAN, STRESSED = ("full",), tuple(CONDITIONS)[1:]
SUMMARY = ("macro_f1", "accuracy", "rare_recall", "ece", "aurc", "build_cpu_s", "map_cpu_s")
TITLES = {
    "macro_f1": "macro-F1 (higher is better)",
    "ece": "calibration error (lower is better)",
}
# of a column: the score, the conditions, and the splits, none for all
Column = tuple[str, Iterable[str], Iterable[str]]


class Means:
    """Means over seeds, by split, method and condition."""

    def __init__(self, rows: list[Row]) -> None:
        self.methods = sorted({row["method"] for row in rows})
        self.splits = [name for name in SPLITS if any(row["split"] == name for row in rows)]
        self._runs: dict[tuple[str, str, str], list[Row]] = {}
        for row in rows:
            key = (row["split"], row["method"], row["condition"])
            self._runs.setdefault(key, []).append(row)

    def mean(
        self, method: str, score: str, conditions: Iterable[str], splits: Iterable[str] = ()
    ) -> float | None:
        """Mean over splits and conditions; None if the method was not run on all of them.

        A variant, "NAME (refitted)", is as its NAME where a query has all genes.
        """
        base = method.split(" (")[0]
        values = []
        for split in splits or self.splits:
            for condition in conditions:
                runs = self._runs.get((split, method, condition))
                runs = runs or self._runs.get((split, base, condition))
                if not runs:
                    return None
                values += [np.mean([r[score] for r in runs])] if runs[0][score] is not None else []
        return float(np.mean(values)) if values else None


def tables(means: Means) -> str:
    """Summary of the clean and stressed queries, then macro-F1 by condition and by split."""
    parts = []
    shown = (("clean", CLEAN), ("stressed", STRESSED))
    for title, conditions in shown:
        columns = {name: (name, conditions, ()) for name in SUMMARY}
        parts.append(f"### {title}\n\n" + table(means, columns))
    parts += surgery_table(means)
    by_condition = {c: ("macro_f1", (c,), ()) for c in CONDITIONS}
    parts.append("### macro-F1 by condition\n\n" + table(means, by_condition))
    for title, conditions in shown:
        by_split = {s: ("macro_f1", conditions, (s,)) for s in means.splits}
        parts.append(f"### macro-F1 by split, {title}\n\n" + table(means, by_split))
    return "\n\n".join(parts)


def surgery_table(means: Means) -> list[str]:
    """All methods on the splits and conditions where the surgery methods were run."""
    surgery = FAMILIES["surgery"]
    splits = [
        split
        for split in means.splits
        if all(
            means.mean(method, "macro_f1", surgery.conditions, (split,)) is not None
            for method in surgery.methods
        )
    ]
    if not splits:
        return []
    columns: dict[str, Column] = {c: ("macro_f1", (c,), splits) for c in surgery.conditions}
    for name in ("ece", "map_cpu_s"):
        columns[name] = (name, surgery.conditions, splits)
    return [f"### with surgery: {', '.join(splits)}\n\n" + table(means, columns)]


def table(means: Means, columns: Mapping[str, Column]) -> str:
    """Best mean of the first column first."""
    cells = {
        method: [means.mean(method, *how) for how in columns.values()] for method in means.methods
    }
    complete = [method for method in cells if cells[method][0] is not None]
    best_first = sorted(complete, key=lambda m: cells[m][0] or 0, reverse=True)
    rows = [[m, *("" if v is None else f"{v:.3f}" for v in cells[m])] for m in best_first]
    return markdown(["method", *columns], rows)


def epochs(rows: list[Row]) -> str:
    """How long the neural peers were trained, on references and on queries."""
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows if row["epochs"]):
        runs = [row for row in rows if row["method"] == method]
        built = [row["epochs"] for row in runs]
        mapped = {row["map_epochs"] for row in runs} - {None}
        on_query = f", {max(mapped)} on each query" if mapped else ""
        lines.append(f"{method}: {min(built)}-{max(built)} epochs on a reference{on_query}")
    return "\n".join(lines)


def draw(means: Means, path: Path) -> None:
    """Draw clean and stressed means beside each other, the methods as they are when stressed."""
    clean = {m: means.mean(m, "macro_f1", CLEAN) for m in means.methods if "(zeros)" not in m}
    stressed = {m: means.mean(m, "macro_f1", STRESSED) for m in clean}
    order = sorted((m for m in clean if clean[m]), key=lambda m: (stressed[m] or 0, clean[m] or 0))
    figure = Figure(figsize=(10, 0.36 * len(order) + 1.3), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), TITLES.items(), strict=True):
        shown = [[means.mean(m, name, c) for m in order] for c in (CLEAN, STRESSED)]
        good, poor = np.array(shown, dtype=float)
        axes.hlines(order, good, poor, color="#bbbbbb", lw=2, zorder=1)
        axes.scatter(good, order, color="#0072b2", s=55, label="clean queries", zorder=2)
        axes.scatter(poor, order, color="#d55e00", s=55, marker="D", label="stressed", zorder=2)
        axes.set_title(title, loc="left", fontsize=11)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color="#eeeeee")
        axes.set_axisbelow(True)
        for word in axes.get_yticklabels():
            word.set_fontweight("bold" if word.get_text() == OURS else "normal")
    axes.set_xlim(left=0)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
