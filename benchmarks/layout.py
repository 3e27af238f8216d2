"""The 2-D map: neighbours kept for cells it has not seen, and what it adds to mapping time.

    python benchmarks/layout.py

Needs umap-learn. An encoder is trained on 70 % of at most 2,500 cells of a dataset, and the map
on them. The other cells are judged by trustworthiness (15 neighbours) among themselves: where
the map puts them, and where UMAP does that is fitted anew on the latent of all cells together.
Writes ``benchmarks/results/layout.json``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
import torch
import umap
from sklearn.manifold import trustworthiness
from splits import data_folder

import cellport
from cellport.runtime.mapping.atlas import load_atlas
from cellport.train.api import train_atlas
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import Fitted, latent_of
from cellport.train.labels.calibrate import held_out_share, hold_out
from cellport.train.reference.panel import select_panel
from cellport.train.reference.reference import read_reference
from cellport.train.umap import N_NEIGHBORS, fit_layout, learn_layout, place

RESULTS = Path(__file__).parent / "results"
MOST_CELLS = 2500
# dataset, labels and batch; the encoder of the last is trained without labels
DATASETS = {
    "lung": ("human_lung_hlca", "cell_type_coarse", "donor"),
    "pbmc": ("pbmc_3studies_labelled", "cell_type", "batch"),
    "kang": ("kang2018_pbmc_ctrl12k_stim806", "cell_type", "donor"),
    "pancreas": ("mouse_pancreas_endocrinogenesis", None, None),
}


def seconds_of(work: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, which a busy machine changes least."""
    began = time.process_time()
    made = work()
    return time.process_time() - began, made


def trust(latent: np.ndarray, placed: np.ndarray) -> float:
    return round(float(trustworthiness(latent, placed, n_neighbors=N_NEIGHBORS)), 4)


def refitted_umap(latent: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return umap.UMAP(min_dist=0.5, random_state=0, n_jobs=1).fit_transform(latent)


def judge(name: str, seeds: int) -> dict[str, Any]:
    dataset, labels, batch = DATASETS[name]
    cells = anndata.read_h5ad(data_folder() / f"{dataset}.h5ad")
    rows = np.random.default_rng(0).permutation(cells.n_obs)[:MOST_CELLS]
    whole = read_reference(cells[rows].copy(), labels, batch)
    counts = sp.csr_matrix(cells.X[rows], dtype=np.float32)
    n_known = int(0.7 * len(rows))
    label, batch_code = whole.label[:n_known], whole.batch[:n_known]
    genes = select_panel(counts[:n_known], batch_code, 2000)
    held_out = hold_out(label, held_out_share(n_known), np.random.default_rng(0))
    training = TrainingCells(
        counts[:n_known, genes].tocsr(),
        label,
        batch_code,
        len(whole.labels),
        len(whole.batches),
        held_out,
    )
    config = FitConfig(device="cpu")
    model = fit(training, config)
    latent = latent_of(model, counts[:, genes].tocsr())
    unseen = latent[n_known:]
    maps = []
    for seed in range(seeds):
        fitted = Fitted(model, training, latent[:n_known], seed)
        maps.append(seconds_of(lambda: learn_layout(fitted, config.degradation)[0]))  # noqa: B023
    scores = [trust(unseen, place(network, unseen)) for _, network in maps]
    umap_seconds, refitted = seconds_of(lambda: refitted_umap(latent))
    return {
        "dataset": name,
        "reference_cells": n_known,
        "held_out_cells": len(unseen),
        "map_by_seed": scores,
        "map": round(float(np.mean(scores)), 4),
        "umap_refitted_on_all": trust(unseen, refitted[n_known:]),
        "train_map_seconds": round(float(np.mean([seconds for seconds, _ in maps])), 1),
        "refit_umap_seconds": round(umap_seconds, 1),
    }


def time_mapping(n_cells: int, rounds: int) -> dict[str, Any]:
    """Time mapping `n_cells` from memory against the map network alone on as many latents."""
    labels, batch = "cell_type_coarse", "donor"
    cells = anndata.read_h5ad(data_folder() / "human_lung_hlca.h5ad")
    with TemporaryDirectory() as folder:
        path = train_atlas(
            cells, Path(folder) / "lung.cellport", labels=labels, batch=batch, epochs=5
        )
        atlas = load_atlas(path)
        rows = np.arange(n_cells) % cells.n_obs
        counts = sp.csr_matrix(cells.X)[rows]
        query = (counts, cells.var_names.to_numpy(object))
        latent = np.ascontiguousarray(atlas.file.array("reference_latent")[rows])
        network = fit_layout(latent[: cells.n_obs], latent[: cells.n_obs], 0)

        def place_in_blocks() -> None:
            for start in range(0, n_cells, 2048):
                place(network, latent[start : start + 2048])

        atlas.map(query, threads=1)
        mapping, placing = [], []
        for _ in range(rounds):
            mapping.append(seconds_of(lambda: atlas.map(query, threads=1))[0])
            placing.append(seconds_of(place_in_blocks)[0])
    return {
        "cells": n_cells,
        "map_everything_seconds": round(float(np.median(mapping)), 2),
        "of_which_2d_map_seconds": round(float(np.median(placing)), 2),
        "added_share": round(
            float(np.median(placing)) / (np.median(mapping) - np.median(placing)), 3
        ),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", action="append", choices=list(DATASETS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cells", type=int, default=100_000, help="of the timed mapping")
    parser.add_argument("--out", type=Path, default=RESULTS / "layout.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    judged = []
    for name in options.dataset or DATASETS:
        judged.append(judge(name, options.seeds))
        print(json.dumps(judged[-1]), flush=True)
    timed = time_mapping(options.cells, rounds=3)
    print(json.dumps(timed))
    made = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}; processor seconds",
        "cellport": cellport.__version__,
        "trustworthiness": judged,
        "mapping": timed,
    }
    options.out.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
