"""Label transfer by cellport and its peers on real splits, clean and under stress.

    python benchmarks/accuracy.py --peers-python /path/to/python    everything not yet in the cache
    python benchmarks/accuracy.py --method cellport --again         cellport alone, anew
    python benchmarks/accuracy.py --table                           tables and picture alone

Splits are in ``splits.py``, with at most 3,000 reference and 1,500 query cells spread evenly over
the types, so that everything runs in bounded time on two cores; query cells of types that the
reference lacks are left out. The degraded queries are in ``stress.py``, made once for all methods.
Peers (``peers_accuracy.py``) get the same 2,000 genes, chosen by `select_panel` on the reference.
All models stay as they were built, but for the surgery methods, which train on each query, and
for those marked "(refitted)", built anew on the genes of each query that lacks some. Predictions
go to ``benchmarks/cache``, scores to ``benchmarks/results/accuracy.json``, the picture to
``docs/images/accuracy.png``. Seconds are those of one thread, without imports and files.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import datetime
import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray
from splits import SPLITS, load_split
from stress import CONDITIONS, degrade

import cellport
from cellport.kernels.machine_code import warmup
from cellport.train.labels.scores import label_scores
from cellport.train.reference.panel import select_panel

HERE = Path(__file__).resolve().parent
AT_MOST = (3000, 1500)
RARE = 0.03
OURS = "cellport"
KEYS = ("split", "method", "seed", "condition")
SCORES = ("accuracy", "macro_f1", "rare_recall", "ece", "aurc")
COLUMNS = (*KEYS, *SCORES, "build_cpu_s", "map_cpu_s", "epochs", "map_epochs")
Row = dict[str, Any]


@dataclass(frozen=True)
class Family:
    """Methods that are built together, how often, and on which queries.

    Attributes
    ----------
    methods
        Names under which predictions are written.
    seeds
        How many runs; one for a method that gives the same each time.
    conditions
        Of the query.
    """

    methods: tuple[str, ...]
    seeds: int = 1
    conditions: tuple[str, ...] = tuple(CONDITIONS)


SURGERY_CONDITIONS = ("full", "umi300", "missing80")
FAMILIES = {
    "logistic": Family(("logistic regression",)),
    "pca": Family(("PCA + kNN",)),
    "celltypist": Family(("CellTypist",)),
    "symphony": Family(("symphonypy",)),
    "ingest": Family(("scanpy ingest",)),
    OURS: Family((OURS,), seeds=3),
    "scvi": Family(("scVI + kNN",), seeds=3),
    "surgery": Family(("scVI surgery + kNN", "SCANVI surgery"), conditions=SURGERY_CONDITIONS),
}


def prepare(name: str, folder: Path) -> None:
    """Write the reference, the degraded queries and the true labels of a split, once."""
    if (folder / "truth.json").exists():
        return
    (folder / "predictions").mkdir(parents=True, exist_ok=True)
    split = load_split(name, AT_MOST)
    for cells, prefix in ((split.reference, ""), (split.query, "query ")):
        batch = prefix + cells.obs[split.batch].astype(str)
        cells.obs = cells.obs[[]].assign(label=cells.obs[split.labels].astype(str), batch=batch)
    reference, truth = split.reference, split.query.obs["label"]
    reference.var["panel"] = in_panel(reference)
    for condition, stress in CONDITIONS.items():
        query = degrade(split.query, stress)
        query.var["panel"] = in_panel(reference[:, query.var_names])
        query.write_h5ad(folder / f"{condition}.h5ad", compression="gzip")
    reference.write_h5ad(folder / "reference.h5ad", compression="gzip")
    known = {"truth": list(truth), "reference": reference.obs["label"].value_counts().to_dict()}
    (folder / "truth.json").write_text(json.dumps(known))


def in_panel(reference: anndata.AnnData) -> NDArray[np.bool_]:
    """Whether each gene is among the 2,000 that are chosen on this reference."""
    batch = reference.obs["batch"].astype("category").cat.codes.to_numpy()
    chosen = np.zeros(reference.n_vars, dtype=bool)
    chosen[select_panel(reference.X.tocsr(), batch)] = True
    return chosen


def run_cellport(folder: Path, seed: int, conditions: Iterable[str]) -> None:
    """Train an atlas on the reference and map the queries, writing a prediction for each."""
    reference = anndata.read_h5ad(folder / "reference.h5ad")
    warmup()
    with tempfile.TemporaryDirectory() as place:
        began = time.process_time()
        path = cellport.train_atlas(
            reference, Path(place) / "atlas.cellport", labels="label", batch="batch", seed=seed
        )
        build = time.process_time() - began
        atlas = cellport.load_atlas(path)
        for condition in conditions:
            query = anndata.read_h5ad(folder / f"{condition}.h5ad")
            began = time.process_time()
            named = (query.X, query.var_names.tolist(), query.obs_names.tolist())
            mapping = atlas.map(named, minimum_genes=0.0)
            seconds = {"build": build, "map": time.process_time() - began}
            found = {
                "cpu_seconds": seconds,
                "label": mapping["cellport_label"].tolist(),
                "prob": np.asarray(mapping["cellport_prob"], float).round(5).tolist(),
            }
            out = folder / "predictions" / f"{OURS}.{seed}.{condition}.json"
            out.write_text(json.dumps(found))


def run_peers(python: str, family: str, seed: int, todo: dict[Path, list[str]]) -> None:
    """Run one family in the peers' interpreter, for the folders and conditions in `todo`."""
    jobs = [f"{folder}={','.join(conditions)}" for folder, conditions in todo.items()]
    command = [python, str(HERE / "peers_accuracy.py"), family, str(seed), *jobs]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    if subprocess.run(command, env=one_thread, check=False).returncode:
        print(f"{family}, seed {seed}: failed; what it had finished is kept", file=sys.stderr)


def run(options: argparse.Namespace) -> None:
    """Make what the cache lacks, or with ``--again`` what was asked for."""
    folders = {name: options.cache / name.replace(" ", "_") for name in options.split}
    for name, folder in folders.items():
        prepare(name, folder)
    for family in options.method:
        how = FAMILIES[family]
        for seed in range(min(how.seeds, options.seeds)):
            todo = {folder: missing(how, folder, seed, options) for folder in folders.values()}
            todo = {folder: conditions for folder, conditions in todo.items() if conditions}
            if family == OURS:
                for folder, conditions in todo.items():
                    run_cellport(folder, seed, conditions)
                    print(f"cellport {folder.name} seed {seed}", flush=True)
            elif todo and options.peers_python:
                run_peers(options.peers_python, family, seed, todo)


def missing(how: Family, folder: Path, seed: int, options: argparse.Namespace) -> list[str]:
    """Conditions for which the cache lacks a prediction of this family; all of them if anew."""

    def made(condition: str) -> bool:
        names = (f"{method}.{seed}.{condition}.json" for method in how.methods)
        return all((folder / "predictions" / name).exists() for name in names)

    asked = [c for c in how.conditions if c in options.condition]
    return [c for c in asked if options.again or not made(c)]


def collect(cache: Path, rows: list[Row]) -> list[Row]:
    """Scores of all predictions in the cache, and the given ones of which it has none."""
    found = {tuple(row[key] for key in KEYS): row for row in rows}
    for name in SPLITS:
        folder = cache / name.replace(" ", "_")
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


class Scores:
    """Means over seeds, by split, method and condition."""

    def __init__(self, rows: list[Row]) -> None:
        self.methods = sorted({row["method"] for row in rows})
        self.splits = [name for name in SPLITS if any(row["split"] == name for row in rows)]
        runs: dict[tuple[str, str, str], list[Row]] = {}
        for row in rows:
            runs.setdefault((row["split"], row["method"], row["condition"]), []).append(row)
        self._runs = runs

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


CLEAN, STRESSED = ("full",), tuple(CONDITIONS)[1:]
SUMMARY = ("macro_f1", "accuracy", "rare_recall", "ece", "aurc", "build_cpu_s", "map_cpu_s")


def tables(scores: Scores) -> str:
    """Summary of the clean and stressed queries, then macro-F1 by condition and by split."""
    parts = []
    shown = (("clean", CLEAN), ("stressed", STRESSED))
    for title, conditions in shown:
        columns = {name: (name, conditions, ()) for name in SUMMARY}
        parts.append(f"### {title}\n\n" + table(scores, columns))
    parts += surgery_table(scores)
    by_condition = {c: ("macro_f1", (c,), ()) for c in CONDITIONS}
    parts.append("### macro-F1 by condition\n\n" + table(scores, by_condition))
    for title, conditions in shown:
        by_split = {s: ("macro_f1", conditions, (s,)) for s in scores.splits}
        parts.append(f"### macro-F1 by split, {title}\n\n" + table(scores, by_split))
    return "\n\n".join(parts)


def surgery_table(scores: Scores) -> list[str]:
    """All methods on the splits and conditions where the surgery methods were run."""
    surgery = FAMILIES["surgery"]
    splits = [
        split
        for split in scores.splits
        if all(
            scores.mean(method, "macro_f1", surgery.conditions, (split,)) is not None
            for method in surgery.methods
        )
    ]
    if not splits:
        return []
    columns = {c: ("macro_f1", (c,), splits) for c in surgery.conditions}
    for name in ("ece", "map_cpu_s"):
        columns[name] = (name, surgery.conditions, splits)
    return [f"### with surgery: {', '.join(splits)}\n\n" + table(scores, columns)]


def table(scores: Scores, columns: Mapping[str, tuple[str, Iterable[str], Iterable[str]]]) -> str:
    """Markdown, best mean of the first column first."""
    cells = {
        method: [scores.mean(method, *how) for how in columns.values()] for method in scores.methods
    }
    complete = [method for method in cells if cells[method][0] is not None]
    lines = [f"| method | {' | '.join(columns)} |", "| --- |" + " ---: |" * len(columns)]
    for method in sorted(complete, key=lambda m: cells[m][0] or 0, reverse=True):
        words = ["" if v is None else f"{v:.3f}" for v in cells[method]]
        lines.append(f"| {method} | {' | '.join(words)} |")
    return "\n".join(lines)


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


def draw(scores: Scores, path: Path) -> None:
    """Macro-F1 and calibration error of each method, clean and stressed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    clean = {m: scores.mean(m, "macro_f1", CLEAN) for m in scores.methods if "(zeros)" not in m}
    stressed = {m: scores.mean(m, "macro_f1", STRESSED) for m in clean}
    order = sorted((m for m in clean if clean[m]), key=lambda m: (stressed[m] or 0, clean[m] or 0))
    figure = Figure(figsize=(10, 0.36 * len(order) + 1.3), layout="constrained")
    FigureCanvasAgg(figure)
    titles = {
        "macro_f1": "macro-F1 (higher is better)",
        "ece": "calibration error (lower is better)",
    }
    for axes, (name, title) in zip(figure.subplots(1, 2, sharey=True), titles.items(), strict=True):
        means = [[scores.mean(m, name, c) for m in order] for c in (CLEAN, STRESSED)]
        good, poor = np.array(means, dtype=float)
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


def read_rows(path: Path) -> list[Row]:
    """Rows of an earlier result file; none where there is no file."""
    if not path.exists():
        return []
    made = json.loads(path.read_text())
    return [dict(zip(made["columns"], row, strict=True)) for row in made["runs"]]


def write_rows(rows: list[Row], path: Path) -> None:
    """Write the result file, a run a line."""
    head = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, shared",
        "cellport": cellport.__version__,
        "columns": COLUMNS,
    }
    lines = ",\n".join(json.dumps([row[name] for name in COLUMNS]) for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(head)[:-1] + ', "runs": [\n' + lines + "\n]}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", nargs="+", choices=list(SPLITS), default=list(SPLITS))
    parser.add_argument("--method", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--condition", nargs="+", choices=list(CONDITIONS), default=CONDITIONS)
    parser.add_argument("--seeds", type=int, default=3, help="at most so many, of those that vary")
    parser.add_argument("--again", action="store_true", help="also what is in the cache")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--peers-python", help="interpreter with the peers; without it: cellport")
    parser.add_argument("--cache", type=Path, default=HERE / "cache" / "accuracy")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "accuracy.json")
    options = parser.parse_args()
    if not options.table:
        run(options)
    rows = collect(options.cache, read_rows(options.out))
    write_rows(rows, options.out)
    scores = Scores(rows)
    print(tables(scores), epochs(rows), sep="\n\n")
    draw(scores, HERE.parent / "docs" / "images" / "accuracy.png")


if __name__ == "__main__":
    main()
