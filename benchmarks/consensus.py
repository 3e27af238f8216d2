"""Whether several atlases together are right more often than the best of them.

    python -m benchmarks.consensus

Of datasets with three batches or more, atlases of single batches are trained, and all sets of two
and three of them heard together on cells of another batch, which no atlas knows; of blood, two
studies with names of their own. Atlases are kept in
``benchmarks/cache/consensus``; figures go to ``benchmarks/results/consensus.json`` and
``docs/mapping.md``, and with ``--table`` nothing else is done than to show them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

import cellport
from benchmarks.panels.cases import labelled
from benchmarks.panels.methods import train
from benchmarks.shared.command import measure_and_show, parser
from benchmarks.shared.data import KANG, LINES, LUNG, PBMC, Dataset, kang_donors
from benchmarks.shared.results import ROOT, facts, markdown, read
from benchmarks.shared.timing import in_turns, medians
from cellport.runtime.columns import AGREEMENT, JOINT, JOINT_PROB, LABEL, NOVEL, PROB
from cellport.train.labels.scores import expected_calibration_error

MARK, PAGE = "benchmarks.consensus", ROOT / "docs" / "mapping.md"
Which = Callable[[anndata.AnnData], NDArray[np.bool_]]
_MOST = 2500
_TIMES = 5
# what several at once cost is timed with atlases that come along, on files of so many cells
_OF_COST, _SIZES = ("blood", "lung", "human"), (2_500, 10_000, 50_000)
# one study kept 940 genes
_GENES = 0.1


def _are(column: str, *values: str) -> Which:
    return lambda cells: cells.obs[column].isin(values).to_numpy()


def _lung(donor: str) -> Which:
    return lambda cells: _are("donor", donor)(cells) & _are("technology", "10x_v2")(cells)


PARTS: dict[str, tuple[Dataset, Which]] = {
    "PBMC 10x": (PBMC, _are("batch", "10x_pbmc3k")),
    "PBMC Zheng": (PBMC, _are("batch", "Zheng2017_FACS")),
    "PBMC Kang": (PBMC, _are("batch", "Kang2018_ctrl")),
    "Kang, five donors": (KANG, lambda cells: kang_donors(cells)[0]),
    "Kang, other donors": (KANG, lambda cells: kang_donors(cells)[1]),
    "Kang stimulated": (KANG, _are("condition", "stim")),
    "lines 10x": (LINES, _are("batch", "10x_5cl")),
    "lines CEL-seq2": (LINES, _are("batch", "CEL-seq2_5cl_p3", "CEL-seq2_5cl_p2")),
    "lines CEL-seq2, others": (LINES, _are("batch", "CEL-seq2_5cl_p1", "CEL-seq2_3cl")),
    "lines Drop-seq": (LINES, _are("batch", "Drop-seq_3cl")),
    "lung donor 1": (LUNG, _lung("LCA_1")),
    "lung donor 2": (LUNG, _lung("LCA_2")),
    "lung donor 3": (LUNG, _lung("LCA_3")),
    "lung Smart-seq2": (LUNG, _are("technology", "Smart-seq2")),
}
# parts that are heard together on each other's cells
FAMILIES = tuple(
    tuple(part for part in PARTS if part.startswith(begins))
    for begins in (("PBMC", "Kang"), "lines", "lung")
)
# the control cells of all donors are those of five and of the others
SAME_CELLS = "PBMC Kang", ("Kang, five donors", "Kang, other donors")
# what the second dataset of blood calls the types of the first
ONE_NAME = {"Megakaryocytes": "Megakaryocyte/Platelet", "Dendritic cells": "Dendritic"}


def sets() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each query with all sets of two and three atlases that know none of its cells."""
    whole, halves = SAME_CELLS
    for family in FAMILIES:
        for query in family:
            same = {query, *(halves if query == whole else ()), *((whole,) * (query in halves))}
            unlike = [part for part in family if part not in same]
            for size in (2, 3):
                yield from ((query, parts) for parts in combinations(unlike, size))


@cache
def cells_of(part: str) -> anndata.AnnData:
    """Read cells of a part of a dataset, at most 2,500."""
    dataset, which = PARTS[part]
    cells = dataset.read()
    chosen = np.flatnonzero(which(cells))
    kept = np.sort(np.random.default_rng(0).permutation(len(chosen))[:_MOST])
    return labelled(cells[chosen[kept]].copy(), dataset)


def atlas_of(part: str, folder: Path) -> Path:
    """Train an atlas of a part, unless it is there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{part.replace(', ', '_').replace(' ', '_')}.cellport"
    train(cells_of(part), path, seed=0)
    return path


def same_names(labels: Any) -> NDArray[np.str_]:
    """Call types of both studies of blood alike."""
    names = [ONE_NAME.get(name, name) for name in np.asarray(labels).astype(str)]
    return np.array(
        [name.removesuffix(" cells").replace("Monocytes", "Monocyte") for name in names]
    )


def scores(truth: Any, label: Any, prob: Any) -> dict[str, float]:
    """Score labels and their probabilities."""
    truth, label = same_names(truth), same_names(label)
    right = truth == label
    f1 = f1_score(truth, label, labels=np.unique(truth), average="macro", zero_division=0)
    error = expected_calibration_error(np.asarray(prob, np.float64), right)
    return {"f1": float(f1), "accuracy": float(right.mean()), "ece": float(error)}


def run(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Hear sets of atlases on each query, and yield a row a set."""
    alone: dict[tuple[str, str], dict[str, float]] = {}
    for name, parts in sets():
        paths = [atlas_of(part, options.cache) for part in parts]
        query = cells_of(name)
        truth = query.obs["label"]
        for part, path in zip(parts, paths, strict=True):
            if (name, part) not in alone:
                mapping = cellport.load_atlas(path).map(query, minimum_genes=_GENES)
                sure = np.where(mapping[NOVEL], 0, mapping[PROB]).mean()
                alone[name, part] = scores(truth, mapping[LABEL], mapping[PROB])
                alone[name, part]["fit"] = float(sure)
        mapping = cellport.load_atlas(paths[0]).map(query, also=paths[1:], minimum_genes=_GENES)
        all_agree = mapping[AGREEMENT] > 0.99
        right = same_names(truth) == same_names(mapping[JOINT])
        row = {
            "query": name,
            "alone": {part: alone[name, part] for part in parts},
            "joint": scores(truth, mapping[JOINT], mapping[JOINT_PROB]),
            "agree": float(all_agree.mean()),
            "right_where_agreed": float(right[all_agree].mean()),
        }
        print(row, flush=True)
        yield row


def cost(options: argparse.Namespace) -> list[dict[str, float]]:
    """Seconds of processors for three single mappings of a file, and for one that hears all."""
    options.cache.mkdir(parents=True, exist_ok=True)
    path, others = options.cache / "query.h5ad", _OF_COST[1:]
    opened, found = [cellport.load_atlas(name) for name in _OF_COST], []
    for n_cells in _SIZES:
        _drawn(n_cells).write_h5ad(path, compression="gzip")
        tasks = {
            "apart": lambda: [atlas.map(path) for atlas in opened],
            "together": lambda: opened[0].map(path, also=others),
        }
        seconds = medians(in_turns(tasks, _TIMES), "cpu")
        found.append({"cells": n_cells} | seconds)
        print(found[-1], flush=True)
    path.unlink()
    return found


def _drawn(n_cells: int) -> anndata.AnnData:
    """Draw cells of a dataset with all genes, some more than once."""
    cells = Dataset("pbmc3k_10x").read()
    rows = np.random.default_rng(n_cells).integers(0, cells.n_obs, n_cells)
    drawn = anndata.AnnData(cells.X[rows], var=cells.var[[]])
    drawn.obs_names = [f"cell{i}" for i in range(n_cells)]
    return drawn


def table(made: dict[str, Any]) -> str:
    """Set what atlases say together beside what the best one says, means over a query's sets."""
    rows = [summed_up(row) for row in made["runs"]]
    shown = []
    for query in dict.fromkeys(row["query"] for row in made["runs"]):
        its = [new for old, new in zip(made["runs"], rows, strict=True) if old["query"] == query]
        mean = {name: np.mean([one[name] for one in its]) for name in its[0]}
        said = [f"{mean[name]:.2f}" for name in ("one", "fitting", "best", "joint")]
        errors = [f"{mean[name]:.2f}" for name in ("best_ece", "joint_ece", "agree")]
        shown.append([query, str(len(its)), *said, *errors, f"{mean['right_then']:.3f}"])
    mean = {name: np.mean([row[name] for row in rows]) for name in rows[0]}
    better = sum(row["joint"] >= row["best"] for row in rows)
    beside = " and ".join(f"`{name}`" for name in _OF_COST[1:])
    cost = [
        f"{row['together'] / row['apart']:.2f} on {row['cells']:,} cells" for row in made["cost"]
    ]
    text = (
        f"Over {len(rows)} sets of two and three atlases, none of which knows a cell of the query, "
        f"the joint call has a macro-F1 of {mean['joint']:.3f} on the mean, one of its atlases "
        f"{mean['one']:.3f}, the one that fits the query best {mean['fitting']:.3f}, and the best "
        f"one, which nobody knows beforehand, {mean['best']:.3f}; {better} times the joint call is "
        f"at least as good as the best. `{_OF_COST[0]}` with {beside} takes {', '.join(cost)} of "
        f"the processor time of the three one after the other ({made['date']}, {made['machine']})."
    )
    head = ["query", "sets", "one F1", "fitting F1", "best F1", "joint F1"]
    head += ["best ECE", "joint ECE", "all agree", "right then"]
    return f"{text}\n\n{markdown(head, shown, 'lrrrrrrrrr')}"


def summed_up(row: dict[str, Any]) -> dict[str, float]:
    """Return what is compared of a set: one atlas of it, that which fits, the best, all of them."""
    alone = list(row["alone"].values())
    best = max(alone, key=lambda one: one["f1"])
    return {
        "one": float(np.mean([one["f1"] for one in alone])),
        "fitting": max(alone, key=lambda one: one["fit"])["f1"],
        "best": best["f1"],
        "joint": row["joint"]["f1"],
        "best_ece": best["ece"],
        "joint_ece": row["joint"]["ece"],
        "agree": row["agree"],
        "right_then": row["right_where_agreed"],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Hear atlases together, and time it."""
    kept = read(options.out)
    # what is to be kept is looked for before a minute of work
    times = kept["cost"] if options.accuracy else None
    runs = kept["runs"] if options.cost else list(run(options))
    return facts() | {"runs": runs, "cost": times or cost(options)}


def main() -> None:
    """Run what is asked for and print the table."""
    command = parser("consensus", __doc__, "table out cache")
    part = command.add_mutually_exclusive_group()
    part.add_argument("--cost", action="store_true", help="time alone, beside the results there")
    part.add_argument("--accuracy", action="store_true", help="all but the time")
    measure_and_show(command, measure, table, PAGE, MARK)


if __name__ == "__main__":
    main()
