"""Datasets of the benchmark of trajectories and clusters, and what is known of their cells."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.data import KANG, LINES, LUNG, PANCREAS, PAUL, PBMC, Dataset, codes, strings
from benchmarks.shared.fitted import write_for_peers
from benchmarks.shared.results import CACHE
from benchmarks.structure.circles import generate
from cellport.train.reference.panel import select_panel

MOST_CELLS = 3000
# clusters of Paul et al. 2015 in the order that the authors give them, from the progenitors on
PAUL_ORDER = {
    "erythroid": ("7MEP", "6Ery", "5Ery", "4Ery", "3Ery", "2Ery", "1Ery"),
    "monocyte": ("9GMP", "10GMP", "14Mo", "15Mo"),
    "neutrophil": ("9GMP", "10GMP", "16Neu", "17Neu"),
}
PAUL_STEP = {"9GMP": 0, "10GMP": 0, "14Mo": 1, "15Mo": 1, "16Neu": 1, "17Neu": 1}


@dataclass(frozen=True)
class Source:
    """A dataset, or None where cells are generated, and for a trajectory the label at its root."""

    dataset: Dataset | None
    root: str | None = None
    control: bool = False


TRAJECTORIES = {
    "linear": Source(Dataset("simulated_linear"), root="milestone_0"),
    "tree": Source(Dataset("simulated_tree"), root="milestone_1"),
    "pancreas": Source(PANCREAS, root="Ductal"),
    "paul15": Source(PAUL, root="7MEP"),
    "circle": Source(None, root="near side"),
    "lasso": Source(None, root="stem"),
}
BATCHES = {
    "lung": Source(LUNG),
    "pbmc 3 studies": Source(PBMC),
    "kang": Source(KANG, control=True),
    "cell lines": Source(LINES),
}
CLUSTERS = {
    **BATCHES,
    "pbmc3k": Source(Dataset("pbmc3k_10x")),
    "bladder": Source(Dataset("anon_mouse_bladder_mca")),
    "pancreas": TRAJECTORIES["pancreas"],
    "paul15": TRAJECTORIES["paul15"],
}


@dataclass(frozen=True)
class Case:
    """Cells of a dataset, at most 3,000 where no trajectory is asked for.

    The panel are positions of the genes that models are trained on, the root is a label.
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
        return CACHE / "structure" / self.name.replace(" ", "_")


def load(name: str) -> Case:
    """Load a dataset of `TRAJECTORIES` or `CLUSTERS`."""
    how = {**TRAJECTORIES, **CLUSTERS}[name]
    cells = generate(name) if how.dataset is None else how.dataset.read()
    columns = how.dataset or Dataset("")
    if how.control:
        cells = cells[(cells.obs["batch"] == "ctrl").to_numpy()].copy()
    if how.root is None and len(cells) > MOST_CELLS:
        rows = np.random.default_rng(0).choice(len(cells), MOST_CELLS, replace=False)
        cells = cells[np.sort(rows)].copy()
    label, batch = strings(cells, columns.label), codes(strings(cells, columns.batch))
    return Case(name, cells, label, batch, select_panel(cells.X.tocsr(), batch), how.root)


def leave_for_peers(case: Case) -> None:
    """Write ``cells.h5ad`` for the peers, once."""
    path = case.folder / "cells.h5ad"
    if not path.exists():
        named = {"root_label": case.root, "root": _root_cell(case)}
        roots = {name: value for name, value in named.items() if value is not None}
        batch = case.batch.astype(str)
        write_for_peers(path, case.cells, case.label, batch, case.panel, **roots)


def _root_cell(case: Case) -> int | None:
    """Cell at the root where the dataset names one: the peers are given it."""
    if case.root is None:
        return None
    if "iroot" in case.cells.uns:
        return int(case.cells.uns["iroot"])
    time = case.cells.obs.get("pseudotime")
    if time is not None:
        inside = np.flatnonzero(case.label == case.root)
        return int(inside[time.to_numpy()[inside].argmin()])
    return None
