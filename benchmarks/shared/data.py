"""The datasets: where they lie, which columns they have, and how they are split."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Dataset:
    """A file with raw counts in ``X``, and the columns of ``obs`` that name type and batch."""

    file: str
    label: str = "cell_type"
    batch: str = "batch"

    @property
    def path(self) -> Path:
        """In the folder ``CELLPORT_DATA``, or in ``shared/data`` beside the checkout."""
        default = Path(__file__).resolve().parents[3] / "shared" / "data"
        return Path(os.environ.get("CELLPORT_DATA", default)) / f"{self.file}.h5ad"

    def read(self) -> anndata.AnnData:
        """Read the whole file."""
        if not self.path.exists():
            raise SystemExit(f"{self.path} is not there; CELLPORT_DATA names another folder.")
        return anndata.read_h5ad(self.path)

    def codes(self, cells: anndata.AnnData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Type and batch of each cell, as positions among the sorted names."""
        return codes(strings(cells, self.label)), codes(strings(cells, self.batch))


LUNG = Dataset("human_lung_hlca", "cell_type_coarse", "donor")
PBMC = Dataset("pbmc_3studies_labelled")
KANG = Dataset("kang2018_pbmc_ctrl12k_stim806", batch="donor")
LINES = Dataset("cell_lines_3technologies")
PANCREAS = Dataset("mouse_pancreas_endocrinogenesis")
PAUL = Dataset("paul15_myeloid_progenitors")
HUMAN_PANCREAS = Dataset("human_pancreas_3donors")
CORD_BLOOD = Dataset("cord_blood_500genes")
CORTEX = Dataset("mouse_cortex_550cells")


def strings(cells: anndata.AnnData, column: str) -> NDArray[np.object_]:
    """Return a column of ``obs``, object [cells]."""
    found: NDArray[np.object_] = cells.obs[column].astype(str).to_numpy(dtype=object)
    return found


def codes(values: NDArray[np.object_]) -> NDArray[np.int64]:
    """Return the position of each value among the sorted different ones, int64 [cells]."""
    return np.unique(values.astype(str), return_inverse=True)[1].astype(np.int64)


# which cells are the reference, and which the query
Parts = Callable[[anndata.AnnData], tuple[Mask, Mask]]


def _held_out(column: str, value: str) -> Parts:
    def parts(cells: anndata.AnnData) -> tuple[Mask, Mask]:
        held_out = (cells.obs[column] == value).to_numpy()
        return ~held_out, held_out

    return parts


def kang_donors(cells: anndata.AnnData) -> tuple[Mask, Mask]:
    """Control cells of `KANG`: those of its first five donors, and those of the others."""
    control = (cells.obs["batch"] == "ctrl").to_numpy()
    first = cells.obs["donor"].isin(sorted(cells.obs.loc[control, "donor"].unique())[:5]).to_numpy()
    return control & first, control & ~first


# one batch, study, technology or condition held out, named for the query
SPLITS: dict[str, tuple[Dataset, Parts]] = {
    "lung Smart-seq2": (LUNG, _held_out("technology", "Smart-seq2")),
    "lung 10x": (LUNG, _held_out("technology", "10x_v2")),
    "PBMC 10x": (PBMC, _held_out("batch", "10x_pbmc3k")),
    "PBMC Zheng": (PBMC, _held_out("batch", "Zheng2017_FACS")),
    "PBMC Kang": (PBMC, _held_out("batch", "Kang2018_ctrl")),
    "Kang donors": (KANG, kang_donors),
    "Kang stimulated": (KANG, _held_out("condition", "stim")),
    "cell lines 10x": (LINES, _held_out("technology", "10x")),
    "cell lines CEL-seq2": (LINES, _held_out("technology", "CEL-seq2")),
    "cell lines Drop-seq": (LINES, _held_out("technology", "Drop-seq")),
}


def load_split(
    name: str, at_most: tuple[int, int] | None = None
) -> tuple[anndata.AnnData, anndata.AnnData, Dataset]:
    """Return the reference, a query of types that it has, and the dataset with their columns.

    If given, `at_most` so many reference and query cells are taken, spread evenly over the types.
    """
    dataset, parts = SPLITS[name]
    cells, labels = dataset.read(), dataset.label
    in_reference, in_query = parts(cells)
    reference = cells[in_reference]
    known = cells.obs[labels].isin(reference.obs[labels].unique()).to_numpy()
    query = cells[in_query & known]
    if at_most is not None:
        reference = reference[_spread(reference.obs[labels], at_most[0])]
        query = query[_spread(query.obs[labels], at_most[1])]
    return reference.copy(), query.copy(), dataset


def _spread(label: Any, at_most: int) -> NDArray[np.int64]:
    n_cells = len(label)
    if n_cells <= at_most:
        return np.arange(n_cells)
    shuffled = np.random.default_rng(0).random(n_cells)
    by_type = np.lexsort((shuffled, label.astype(str).to_numpy()))
    return np.sort(by_type[np.linspace(0, n_cells - 1, at_most).round().astype(int)])
