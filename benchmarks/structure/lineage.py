"""Genes along lineages and corrected expression, held against cells the atlas has not seen.

    python -m benchmarks.structure.lineage

Lineages: an atlas is trained on a random 70 % of a developmental dataset and the other 30 % are
mapped. Of the 100 genes that change most along each lineage, how many take the same course in
the query's own counts (correlation of 0.8 or more), and how many would if the query's cells were
shuffled along it.

Correction: an atlas of the package maps the whole dataset that it was made of. For every type and
batch the mean of each gene is taken, and its variance split into that between types and the rest,
which the batches make: of the measured counts, and of the corrected expression. How far the types
still differ as measured is a correlation over types and genes.

Cost: processor seconds of mapping with each option against mapping without, in turns, medians.

Writes ``benchmarks/results/lineage.json``, and the reports with ``--reports FOLDER``.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
import torch

from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG, PANCREAS, PAUL, PBMC, strings
from benchmarks.shared.results import facts, read, write
from benchmarks.shared.timing import in_turns, medians
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather.lineages import LineageCounts
from cellport.runtime.mapping.options import MapOptions
from cellport.train.api import train_atlas

# dataset and root
LINEAGES = {"pancreas": (PANCREAS, "Ductal"), "paul15": (PAUL, "7MEP")}
# atlas in the package, the dataset it was made of, and what counts as a batch
CORRECTED = {"blood": (PBMC, "batch"), "lung": (LUNG, "technology")}
SAME_COURSE = 0.8
MOST_CHANGED = 100
GENES_TIMED = 10


def lineages(name: str, folder: Path, reports: Path | None) -> tuple[dict[str, Any], Atlas, Path]:
    dataset, root = LINEAGES[name]
    cells = dataset.read()
    known = np.random.default_rng(0).random(cells.n_obs) < 0.7
    query = folder / f"{name}.h5ad"
    cells[~known].write_h5ad(query)
    path = folder / f"{name}.cellport"
    train_atlas(cells[known].copy(), path, labels=dataset.label, root=(root,), device="cpu")
    atlas = load_atlas(path)
    if reports is not None:
        map_files(atlas, query, folder / "out.h5ad", report=reports / f"{name}.html")
    found = atlas.trajectory
    assert found is not None
    own, shuffled = (agreement(atlas, query, shuffle) for shuffle in (False, True))
    level = np.log2(1 + found.expression.astype(float))
    rows = []
    for code, terminal in enumerate(found.terminals):
        top = np.argsort(-np.ptp(level[code], axis=0), kind="stable")[:MOST_CHANGED]
        rows.append(
            {
                "lineage": terminal,
                "same_course": share(own[code, top]),
                "median_correlation": round(float(np.nanmedian(own[code, top])), 3),
                "same_course_if_shuffled": share(shuffled[code, top]),
            }
        )
    return {"dataset": name, "query_cells": int((~known).sum()), "lineages": rows}, atlas, query


def share(correlation: np.ndarray) -> float:
    return round(float((correlation >= SAME_COURSE).mean()), 3)


def agreement(atlas: Atlas, query: Path, shuffle: bool) -> np.ndarray:
    found = atlas.trajectory
    assert found is not None
    counts = LineageCounts(atlas.file, found)
    stream = atlas.stream(query, keep_counts=True)
    rng = np.random.default_rng(0)
    for block in stream.blocks:
        if shuffle:
            order = rng.permutation(block.n_cells)
            for column in ("cellport_edge", "cellport_pseudotime"):
                block.obs[column] = block.obs[column][order]
        counts.add(block, stream.genes)
    return counts.found().agreement(found)


def correction(name: str) -> dict[str, Any]:
    dataset, batch = CORRECTED[name]
    atlas, cells = load_atlas(name), dataset.read()
    genes = [gene for gene in atlas.panel.symbols if gene in set(cells.var_names)]
    mapping = atlas.map(cells, corrected_expression=genes)
    measured = np.asarray(cells[:, genes].X.todense(), np.float64)
    measured *= 1e4 / np.maximum(measured.sum(axis=1, keepdims=True), 1)
    types, batches = (strings(cells, column) for column in (dataset.label, batch))
    raw, corrected = (
        means(values, types, batches) for values in (measured, mapping["X_cellport_corrected"])
    )
    of_type = [level.mean(axis=1) - level.mean(axis=(0, 1)) for level in (raw, corrected)]
    return {
        "atlas": name,
        "batches": np.unique(batches).tolist(),
        "types_in_all": len(raw),
        "genes": len(genes),
        "doubtful_genes": len(mapping.uns["cellport"]["corrected"]["doubtful_genes"]),
        "share_between_batches": {"measured": between(raw), "corrected": between(corrected)},
        "correlation_of_types": round(float(np.corrcoef(*(x.ravel() for x in of_type))[0, 1]), 3),
    }


def means(values: np.ndarray, types: np.ndarray, batches: np.ndarray) -> np.ndarray:
    """log(1 + mean) of types in batches, [types, batches, genes].

    Of types that every batch has at least 10 cells of.
    """
    names = np.unique(batches)
    common = [
        t for t in np.unique(types) if min(((types == t) & (batches == b)).sum() for b in names) > 9
    ]
    mean = [[values[(types == t) & (batches == b)].mean(axis=0) for b in names] for t in common]
    return np.log1p(np.array(mean, np.float64))


def between(level: np.ndarray) -> float:
    """Share of the variance, summed over the genes, that is not between the means of types."""
    of_types = level.mean(axis=1).var(axis=0).sum()
    return round(float(1 - of_types / level.reshape(-1, level.shape[2]).var(axis=0).sum()), 3)


def cost(atlas: Atlas, query: Path, folder: Path, rounds: int, cells: int) -> dict[str, Any]:
    one = anndata.read_h5ad(query)
    many = anndata.AnnData(sp.vstack([one.X] * (-(-cells // one.n_obs)), format="csr"))
    many.var_names = one.var_names
    big = folder / "big.h5ad"
    many.write_h5ad(big)
    genes = tuple(atlas.panel.symbols[:GENES_TIMED])
    ways: dict[str, dict[str, Any]] = {
        "alone": {},
        "report": {"report": folder / "timed.html"},
        "lineage_genes": {"lineage_genes": folder / "timed.csv"},
        "corrected_expression": {"options": MapOptions(corrected_expression=genes)},
    }
    out = folder / "timed.h5ad"
    tasks = {way: partial(map_files, atlas, big, out, **how) for way, how in ways.items()}
    seconds = medians(in_turns(tasks, rounds, warm_up=0), "cpu")
    ratio = {way: round(spent / seconds["alone"], 2) for way, spent in seconds.items()}
    alone = round(seconds["alone"], 2)
    return {"cells": many.n_obs, "processor_seconds_alone": alone, "ratio": ratio}


def main() -> None:
    command = parser("structure.lineage", __doc__, "out")
    parts = ["lineages", "cost", "correction"]
    command.add_argument("--part", nargs="+", choices=parts, default=parts)
    command.add_argument("--rounds", type=int, default=5, help="of the timed mapping")
    command.add_argument("--cells", type=int, default=20_000, help="of the timed mapping")
    command.add_argument("--reports", type=Path, help="folder for the reports of the lineages")
    command.add_argument("--on", type=Path, nargs=2, metavar=("ATLAS", "QUERY"),
                         help="time the options on these; the last lineage's if not")  # fmt: skip
    options = command.parse_args()
    torch.set_num_threads(1)
    made = read(options.out) | facts()
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        timed = (load_atlas(options.on[0]), options.on[1]) if options.on else None
        if "lineages" in options.part:
            made["lineages"] = []
            for dataset in LINEAGES:
                found, atlas, query = lineages(dataset, folder, options.reports)
                timed = timed or (atlas, query)
                made["lineages"].append(found)
                print(json.dumps(found), flush=True)
        if "cost" in options.part and timed is not None:
            made["cost"] = cost(*timed, folder, options.rounds, options.cells)
            print(json.dumps(made["cost"]), flush=True)
        if "correction" in options.part:
            made["correction"] = [correction(name) for name in CORRECTED]
            print(json.dumps(made["correction"]), flush=True)
    write(options.out, made)


if __name__ == "__main__":
    main()
