"""Real splits: one batch, study, technology or condition held out, the rest the reference."""

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


def load_split(name: str, at_most: tuple[int, int] | None = None) -> Split:
    """Load a split by its name in `SPLITS`.

    Parameters
    ----------
    name
        Of the split.
    at_most
        How many reference and how many query cells to keep, spread evenly over the types.
    """
    dataset, labels, batch, is_reference = SPLITS[name]
    cells = anndata.read_h5ad(data_folder() / f"{dataset}.h5ad")
    chosen = is_reference(cells.obs)
    reference = cells[chosen == 1]
    known = cells.obs[labels].isin(reference.obs[labels].unique()).to_numpy()
    query = cells[(chosen == 0) & known]
    if at_most is not None:
        reference = reference[_spread(reference.obs[labels], at_most[0])]
        query = query[_spread(query.obs[labels], at_most[1])]
    return Split(name, reference.copy(), query.copy(), labels, batch)


def _spread(label: Any, at_most: int) -> NDArray[np.int64]:
    n_cells = len(label)
    if n_cells <= at_most:
        return np.arange(n_cells)
    shuffled = np.random.default_rng(0).random(n_cells)
    by_type = np.lexsort((shuffled, label.astype(str).to_numpy()))
    return np.sort(by_type[np.linspace(0, n_cells - 1, at_most).round().astype(int)])


Chooser = Callable[[Any], NDArray[np.int64]]


def _held_out(column: str, value: str) -> Chooser:
    return lambda obs: (obs[column] != value).to_numpy().astype(int)


def _kang_donors(obs: Any) -> NDArray[np.int64]:
    """Control cells: five donors are the reference, three the query; stimulated cells left out."""
    control = (obs["batch"] == "ctrl").to_numpy()
    donors = sorted(obs.loc[control, "donor"].unique())
    first = obs["donor"].isin(donors[:5]).to_numpy()
    return np.where(control, first.astype(int), -1)


_LUNG = ("human_lung_hlca", "cell_type_coarse", "donor")
_PBMC = ("pbmc_3studies_labelled", "cell_type", "batch")
_KANG = ("kang2018_pbmc_ctrl12k_stim806", "cell_type", "donor")
_LINES = ("cell_lines_3technologies", "cell_type", "batch")

# named for the query: dataset, label column, batch column, and which cells: 1 reference, 0 query,
# -1 neither
SPLITS: dict[str, tuple[str, str, str, Chooser]] = {
    "lung Smart-seq2": (*_LUNG, _held_out("technology", "Smart-seq2")),
    "lung 10x": (*_LUNG, _held_out("technology", "10x_v2")),
    "PBMC 10x": (*_PBMC, _held_out("batch", "10x_pbmc3k")),
    "PBMC Zheng": (*_PBMC, _held_out("batch", "Zheng2017_FACS")),
    "PBMC Kang": (*_PBMC, _held_out("batch", "Kang2018_ctrl")),
    "Kang donors": (*_KANG, _kang_donors),
    "Kang stimulated": (*_KANG, _held_out("condition", "stim")),
    "cell lines 10x": (*_LINES, _held_out("technology", "10x")),
    "cell lines CEL-seq2": (*_LINES, _held_out("technology", "CEL-seq2")),
    "cell lines Drop-seq": (*_LINES, _held_out("technology", "Drop-seq")),
}
