"""Real splits: train on some batches of a dataset, map the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Split:
    """Reference and query cells of one dataset; every query type is in the reference.

    Attributes
    ----------
    name
        Of the split.
    reference, query
        AnnData with raw counts in ``X``.
    labels, batch
        Columns of ``obs``.
    """

    name: str
    reference: anndata.AnnData
    query: anndata.AnnData
    labels: str
    batch: str


def data_folder() -> Path:
    """Where the datasets lie: ``CELLPORT_DATA``, or ``shared/data`` beside the checkout."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CELLPORT_DATA", default))
    if not folder.is_dir():
        raise SystemExit(f"The datasets are not at {folder}; set CELLPORT_DATA.")
    return folder


def load_split(name: str) -> Split:
    """Load a split by its name in `SPLITS`."""
    dataset, labels, batch, is_reference = SPLITS[name]
    cells = anndata.read_h5ad(data_folder() / f"{dataset}.h5ad")
    chosen = is_reference(cells.obs)
    reference = cells[chosen == 1].copy()
    known = cells.obs[labels].isin(reference.obs[labels].unique()).to_numpy()
    return Split(name, reference, cells[(chosen == 0) & known].copy(), labels, batch)


Chooser = Callable[[Any], NDArray[np.int64]]


def _value_in(column: str, *values: str) -> Chooser:
    return lambda obs: obs[column].isin(values).to_numpy().astype(int)


def _kang_donors(obs: Any) -> NDArray[np.int64]:
    """Control cells: five donors are the reference, three the query; stimulated cells left out."""
    control = (obs["batch"] == "ctrl").to_numpy()
    donors = sorted(obs.loc[control, "donor"].unique())
    first = obs["donor"].isin(donors[:5]).to_numpy()
    return np.where(control, first.astype(int), -1)


# dataset, label column, batch column, and which cells: 1 reference, 0 query, -1 neither
SPLITS: dict[str, tuple[str, str, str, Chooser]] = {
    "lung": ("human_lung_hlca", "cell_type_coarse", "donor", _value_in("batch", "HLCA_10x_v2")),
    "pbmc": (
        "pbmc_3studies_labelled",
        "cell_type",
        "batch",
        lambda obs: (~obs["batch"].str.contains("Zheng")).to_numpy().astype(int),
    ),
    "kang": ("kang2018_pbmc_ctrl12k_stim806", "cell_type", "donor", _kang_donors),
    "cell_lines": (
        "cell_lines_3technologies",
        "cell_type",
        "batch",
        lambda obs: (obs["technology"] == "10x").to_numpy().astype(int),
    ),
}
