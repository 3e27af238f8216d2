"""The 2-D map: neighbours kept for cells it has not seen, and what it adds to mapping time.

    python -m benchmarks.structure.layout

Needs umap-learn. An encoder is trained on 70 % of at most 2,500 cells of a dataset, and the map
on them. The other cells are judged by trustworthiness (15 neighbours) among themselves: where
the map puts them, and where UMAP does that is fitted anew on the latent of all cells together.
Writes ``benchmarks/results/layout.json``.
"""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import umap
from sklearn.manifold import trustworthiness

from benchmarks.shared.command import parser
from benchmarks.shared.data import KANG, LUNG, PANCREAS, PBMC
from benchmarks.shared.fitted import training_cells
from benchmarks.shared.results import facts, write
from benchmarks.shared.timing import in_turns, medians, spend
from cellport.runtime.mapping.atlas import load_atlas
from cellport.train.api import train_atlas
from cellport.train.config import FitConfig
from cellport.train.fit.loop import fit
from cellport.train.infer import Fitted, infer, latent_of
from cellport.train.reference.panel import select_panel
from cellport.train.umap import N_NEIGHBORS, fit_layout, learn_layout, place

MOST_CELLS = 2500
DATASETS = {"lung": LUNG, "pbmc": PBMC, "kang": KANG, "pancreas": PANCREAS}
# their encoder is trained without labels and batches
UNLABELLED = ("pancreas",)
CONFIG = FitConfig(device="cpu")


def judge(name: str, seeds: int) -> dict[str, Any]:
    fitted, unseen_counts = trained_model(name)
    seen, unseen = fitted.latent, latent_of(fitted.encoder, unseen_counts)
    maps = []
    for seed in range(seeds):
        again = replace(fitted, seed=seed)
        maps.append(spend(lambda: learn_layout(again, CONFIG.degradation)[0]))  # noqa: B023
    scores = [trust(unseen, place(network, unseen)) for _, network in maps]
    refit, refitted = spend(lambda: refitted_umap(np.concatenate([seen, unseen])))
    return {
        "dataset": name,
        "reference_cells": len(seen),
        "held_out_cells": len(unseen),
        "map_by_seed": scores,
        "map": round(float(np.mean(scores)), 4),
        "umap_refitted_on_all": trust(unseen, refitted[len(seen) :]),
        "train_map_seconds": round(float(np.mean([took.cpu for took, _ in maps])), 1),
        "refit_umap_seconds": round(refit.cpu, 1),
    }


def trained_model(name: str) -> tuple[Fitted, sp.csr_matrix]:
    """Model of 70 % of the cells, and the counts of the others."""
    dataset = DATASETS[name]
    cells = dataset.read()
    cells = cells[np.random.default_rng(0).permutation(cells.n_obs)[:MOST_CELLS]]
    n_known = int(0.7 * cells.n_obs)
    counts = sp.csr_matrix(cells.X, dtype=np.float32)
    label, batch = dataset.codes(cells)
    if name in UNLABELLED:
        label, batch = np.full_like(label, -1), np.zeros_like(batch)
    genes = select_panel(counts[:n_known], batch[:n_known], 2000)
    training = training_cells(
        counts[:n_known, genes],
        label[:n_known],
        batch[:n_known],
        held_out=0,
        n_labels=int(label.max()) + 1,
        n_batches=int(batch.max()) + 1,
    )
    return infer(fit(training, CONFIG), training, CONFIG.seed), counts[n_known:, genes]


def trust(latent: np.ndarray, placed: np.ndarray) -> float:
    return round(float(trustworthiness(latent, placed, n_neighbors=N_NEIGHBORS)), 4)


def refitted_umap(latent: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        placed: np.ndarray = umap.UMAP(min_dist=0.5, random_state=0, n_jobs=1).fit_transform(latent)
        return placed


def time_mapping(n_cells: int, rounds: int) -> dict[str, Any]:
    """Time mapping `n_cells` from memory against the map network alone on as many latents."""
    cells = LUNG.read()
    with TemporaryDirectory() as folder:
        path = Path(folder) / "lung.cellport"
        atlas = load_atlas(train_atlas(cells, path, labels=LUNG.label, batch=LUNG.batch, epochs=5))
        rows = np.arange(n_cells) % cells.n_obs
        query = (sp.csr_matrix(cells.X)[rows], cells.var_names.to_numpy(object))
        latent = np.ascontiguousarray(atlas.file.array("reference_latent")[rows])
        network = fit_layout(latent[: cells.n_obs], latent[: cells.n_obs], 0)

        def place_in_blocks() -> None:
            for start in range(0, n_cells, 2048):
                place(network, latent[start : start + 2048])

        tasks = {"map": lambda: atlas.map(query, threads=1), "place": place_in_blocks}
        seconds = medians(in_turns(tasks, rounds), "cpu")
    return {
        "cells": n_cells,
        "map_everything_seconds": round(seconds["map"], 2),
        "of_which_2d_map_seconds": round(seconds["place"], 2),
        "added_share": round(seconds["place"] / (seconds["map"] - seconds["place"]), 3),
    }


def main() -> None:
    command = parser("structure.layout", __doc__, "out")
    command.add_argument("--dataset", nargs="+", choices=list(DATASETS), default=list(DATASETS))
    command.add_argument("--seeds", type=int, default=3)
    command.add_argument("--cells", type=int, default=100_000, help="of the timed mapping")
    options = command.parse_args()
    torch.set_num_threads(1)
    judged = []
    for name in options.dataset:
        judged.append(judge(name, options.seeds))
        print(json.dumps(judged[-1]), flush=True)
    timed = time_mapping(options.cells, rounds=3)
    print(json.dumps(timed))
    made = facts("; processor seconds") | {"trustworthiness": judged, "mapping": timed}
    write(options.out, made)


if __name__ == "__main__":
    main()
