"""Datasets of the benchmark of trajectories and clusters, and what is known of their cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray
from splits import data_folder
from structure_circles import generate

from cellport.train.reference.panel import select_panel

CACHE = Path(__file__).parent / "cache" / "structure"
MOST_CELLS = 3000
# clusters of Paul et al. 2015 in the order that the authors give them, from the progenitors on
PAUL_ORDER = {
    "erythroid": ("7MEP", "6Ery", "5Ery", "4Ery", "3Ery", "2Ery", "1Ery"),
    "monocyte": ("9GMP", "10GMP", "14Mo", "15Mo"),
    "neutrophil": ("9GMP", "10GMP", "16Neu", "17Neu"),
}
PAUL_STEP = {"9GMP": 0, "10GMP": 0, "14Mo": 1, "15Mo": 1, "16Neu": 1, "17Neu": 1}


@dataclass(frozen=True)
class Dataset:
    """A file, its columns, and for a trajectory the label at its root; without a file generated."""

    file: str | None
    label: str = "cell_type"
    batch: str = "batch"
    root: str | None = None
    control: bool = False


TRAJECTORIES = {
    "linear": Dataset("simulated_linear", root="milestone_0"),
    "tree": Dataset("simulated_tree", root="milestone_1"),
    "pancreas": Dataset("mouse_pancreas_endocrinogenesis", root="Ductal"),
    "paul15": Dataset("paul15_myeloid_progenitors", root="7MEP"),
    "circle": Dataset(None, root="near side"),
    "lasso": Dataset(None, root="stem"),
}
BATCHES = {
    "lung": Dataset("human_lung_hlca", "cell_type_coarse", "donor"),
    "pbmc 3 studies": Dataset("pbmc_3studies_labelled"),
    "kang": Dataset("kang2018_pbmc_ctrl12k_stim806", batch="donor", control=True),
    "cell lines": Dataset("cell_lines_3technologies"),
}
CLUSTERS = {
    **BATCHES,
    "pbmc3k": Dataset("pbmc3k_10x"),
    "bladder": Dataset("anon_mouse_bladder_mca"),
    "pancreas": TRAJECTORIES["pancreas"],
    "paul15": TRAJECTORIES["paul15"],
}
DATASETS = {**TRAJECTORIES, **CLUSTERS}


@dataclass(frozen=True)
class Case:
    """Cells of a dataset, at most 3,000 where no trajectory is asked for.

    Attributes
    ----------
    name
        Of the dataset.
    cells
        Counts.
    label, batch
        object and int64 [cells].
    panel
        int64, positions of the genes that models are trained on.
    root
        Label at the root.
    """

    name: str
    cells: anndata.AnnData
    label: NDArray[np.object_]
    batch: NDArray[np.int64]
    panel: NDArray[np.int64]
    root: str | None

    @property
    def folder(self) -> Path:
        """Where what was computed is kept."""
        return CACHE / self.name.replace(" ", "_")


def load(name: str) -> Case:
    """Load a dataset of `DATASETS`."""
    how = DATASETS[name]
    if how.file is None:
        cells = generate(name)
    else:
        cells = anndata.read_h5ad(data_folder() / f"{how.file}.h5ad")
    if how.control:
        cells = cells[(cells.obs["batch"] == "ctrl").to_numpy()].copy()
    if how.root is None and len(cells) > MOST_CELLS:
        rows = np.random.default_rng(0).choice(len(cells), MOST_CELLS, replace=False)
        cells = cells[np.sort(rows)].copy()
    label = cells.obs[how.label].astype(str).to_numpy(dtype=object)
    batch = np.unique(cells.obs[how.batch].astype(str), return_inverse=True)[1].astype(np.int64)
    panel = select_panel(cells.X.tocsr(), batch)
    return Case(name, cells, label, batch, panel, how.root)


def write_for_peers(case: Case) -> None:
    """Leave the cells where ``peers_structure.py`` finds them."""
    case.folder.mkdir(parents=True, exist_ok=True)
    part = anndata.AnnData(case.cells.X.tocsr().astype(np.float32))
    part.obs_names, part.var_names = case.cells.obs_names, case.cells.var_names
    part.obs["label"] = case.label
    part.obs["batch"] = case.batch.astype(str)
    part.var["panel"] = np.isin(np.arange(part.n_vars), case.panel)
    if case.root is not None:
        part.uns["root_label"] = case.root
        given = _root_cell(case)
        if given is not None:
            part.uns["root"] = given
    part.write_h5ad(case.folder / "cells.h5ad")


def _root_cell(case: Case) -> int | None:
    """Cell at the root where the dataset names one: the peers are given it."""
    if "iroot" in case.cells.uns:
        return int(case.cells.uns["iroot"])
    time = case.cells.obs.get("pseudotime")
    if time is not None:
        inside = np.flatnonzero(case.label == case.root)
        return int(inside[time.to_numpy()[inside].argmin()])
    return None
