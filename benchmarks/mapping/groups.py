"""Measure whether the label of most cells of a group is nearer the truth than a cell's own.

    python -m benchmarks.mapping.groups --peers-python /path/to/python

Each split's reference becomes a model of CellTypist, which is where the custom comes from, and is
made an atlas by ``cellport convert``; with ``--trained`` it becomes an atlas of cellport's too. All
cells of the query are mapped with ``--groups auto`` and with clusters of their own as a user has
them: Leiden on neighbours among principal components, at the resolution by which CellTypist
clusters for its vote.
"""

from __future__ import annotations

import random
import subprocess
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import f1_score
from sklearn.neighbors import kneighbors_graph

import cellport
from benchmarks.shared.command import parser
from benchmarks.shared.data import SPLITS, load_split, strings
from benchmarks.shared.results import ROOT, facts, fill, markdown, read, write
from cellport.runtime.convert.write import convert_model

AT_MOST = 3000
PAGE, MARK = ROOT / "docs" / "mapping.md", "benchmarks.mapping.groups"
# below so many cells, this resolution (`celltypist.annotate`); 25 and 30 above the last
RESOLUTIONS = {5_000: 5, 20_000: 10, 40_000: 15, 100_000: 20}
# shares of all cells below which a type is rare
RARE = 0.03
MODEL = """
import sys
import celltypist
import scanpy
celltypist.logger.set_level(50)
cells = scanpy.read_h5ad(sys.argv[1])
scanpy.pp.normalize_total(cells, target_sum=1e4)
scanpy.pp.log1p(cells)
scanpy.pp.highly_variable_genes(cells, n_top_genes=2000)
cells = cells[:, cells.var["highly_variable"]]
celltypist.train(cells, "label", check_expression=False, n_jobs=1).write(sys.argv[2])
"""


def celltypist_atlas(split: str, folder: Path, peers_python: str) -> Path:
    """Train CellTypist on a split's reference and convert its model, once."""
    made = folder / f"{split.replace(' ', '_')}.celltypist.cellport"
    model = folder / f"{split.replace(' ', '_')}.pkl"
    if made.exists():
        return made
    if not model.exists():
        reference, _, dataset = load_split(split, (AT_MOST, 1))
        part = anndata.AnnData(reference.X, var=reference.var[[]])
        part.obs["label"] = strings(reference, dataset.label)
        part.write_h5ad(model.with_suffix(".h5ad"))
        how = [peers_python, "-c", MODEL, str(model.with_suffix(".h5ad")), str(model)]
        subprocess.run(how, check=True)
    convert_model(model, made)
    return made


def trained_atlas(split: str, folder: Path) -> Path:
    """Train cellport on a split's reference, once."""
    made = folder / f"{split.replace(' ', '_')}.trained.cellport"
    if not made.exists():
        reference, _, dataset = load_split(split, (AT_MOST, 1))
        cellport.train_atlas(reference, made, labels=dataset.label, batch=dataset.batch)
    return made


def leiden(counts: sp.csr_matrix) -> NDArray[np.int64]:
    """Cluster cells as users do before they vote, int64 [cells]."""
    import igraph

    igraph.set_random_number_generator(random.Random(0))
    total = np.maximum(np.asarray(counts.sum(axis=1)), 1)
    logged = sp.csr_matrix(counts.multiply(1e4 / total)).log1p()
    spread = np.asarray(logged.power(2).mean(axis=0) - np.square(logged.mean(axis=0)))[0]
    genes = np.argsort(-spread)[:2000]
    parts = PCA(30, random_state=0).fit_transform(logged[:, genes].toarray())
    edges = kneighbors_graph(parts, 15).tocoo()
    graph = igraph.Graph(len(parts), np.column_stack([edges.row, edges.col]).tolist()).simplify()
    below = [resolution for n, resolution in RESOLUTIONS.items() if len(parts) < n]
    found = graph.community_leiden("modularity", resolution=below[0], n_iterations=4)
    return np.array(found.membership, np.int64)


def measured(atlas: Path, query: anndata.AnnData, truth: NDArray[np.object_]) -> dict[str, Any]:
    """Scores of the cells' own labels, and of their groups'."""
    opened = cellport.load_atlas(atlas)
    auto = opened.map(query, groups="auto", minimum_genes=0.0)
    stated = opened.map(query, groups="clusters", minimum_genes=0.0)
    groups = {"auto": auto["cellport_group"], "clusters": strings(query, "clusters")}
    found: dict[str, Any] = {"own": scores(truth, auto["cellport_label"])}
    for name, mapping in (("auto", auto), ("clusters", stated)):
        label, share = mapping["cellport_group_label"], mapping["cellport_group_share"]
        found[name] = scores(truth, np.where(label == None, "", label))  # noqa: E711
        agreed = np.where(share >= 0.8, label, mapping["cellport_label"])
        found[name] |= {"groups": len({*groups[name]}), "agreed": scores(truth, agreed)}
    return found


def scores(truth: NDArray[np.object_], label: NDArray[np.object_]) -> dict[str, float | None]:
    """Accuracy, macro-F1 over the query's types, and mean F1 of its rare ones."""
    types, cells = np.unique(truth.astype(str), return_counts=True)
    said = label.astype(str)
    each = f1_score(truth.astype(str), said, labels=types, average=None, zero_division=0)
    rare = cells < RARE * len(truth)
    return {
        "accuracy": float((said == truth).mean()),
        "macro_f1": float(each.mean()),
        "rare_f1": float(each[rare].mean()) if rare.any() else None,
    }


def table(found: dict[str, Any]) -> str:
    """Set the results as they stand in the page."""
    head = ["query", "cells", "own label", "auto", "clusters", "own", "auto", "clusters"]
    head += ["auto", "clusters"]
    rows = []
    for split, row in found["splits"].items():
        ways = [row["celltypist"][way] for way in ("own", "auto", "clusters")]
        f1 = [f"{100 * way['macro_f1']:.1f}" for way in ways]
        right = [f"{100 * way['accuracy']:.1f}" for way in ways]
        groups = [f"{way['groups']}" for way in ways[1:]]
        rows.append([split, f"{row['cells']:,}", *f1, *right, *groups])
    rows.append(["**mean**", "", *_means(found, "macro_f1"), *_means(found, "accuracy"), "", ""])
    note = (
        "Macro-F1 (first three columns) and accuracy (next three) of a cell's own label and "
        "those of its groups, in %, and the number of groups; of all cells of each query."
    )
    made = f"*{found['date']}, from `python -m benchmarks.mapping.groups`.*"
    return f"{note}\n\n{markdown(head, rows)}\n\n{made}"


def _means(found: dict[str, Any], score: str) -> list[str]:
    rows = [row["celltypist"] for row in found["splits"].values()]
    return [
        f"{100 * np.mean([row[way][score] for row in rows]):.1f}"
        for way in ("own", "auto", "clusters")
    ]


def main() -> None:
    command = parser("mapping.groups", __doc__, "out table again cache peers-python")
    command.add_argument("--trained", action="store_true", help="atlases of cellport's own too")
    options = command.parse_args()
    kept = read(options.out)
    splits: dict[str, Any] = {} if options.again else kept.get("splits", {})
    options.cache.mkdir(parents=True, exist_ok=True)
    for split in () if options.table else SPLITS:
        done = splits.get(split, {})
        wanted = {"celltypist": bool(options.peers_python), "trained": options.trained}
        kinds = [kind for kind, asked in wanted.items() if asked and kind not in done]
        if not kinds:
            continue
        _, query, dataset = load_split(split)
        truth = strings(query, dataset.label)
        query.obs["clusters"] = leiden(query.X.tocsr()).astype(str)
        for kind in kinds:
            if kind == "celltypist":
                atlas = celltypist_atlas(split, options.cache, options.peers_python)
            else:
                atlas = trained_atlas(split, options.cache)
            done[kind] = measured(atlas, query, truth)
            print(split, kind, done[kind], flush=True)
        splits[split] = done | {"cells": query.n_obs}
        write(options.out, facts() | {"splits": splits})
    found = read(options.out)
    if options.out == command.get_default("out"):
        fill(PAGE, MARK, table(found))
    print(table(found))


if __name__ == "__main__":
    main()
