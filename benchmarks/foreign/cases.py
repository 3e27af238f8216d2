"""The cells that models are trained on and asked.

    python -m benchmarks.foreign.cases CASE FOLDER     reference.h5ad and query.h5ad in the folder

Half of a dataset trains the model, the other half is asked. In a process of its own, because the
one that measures must stay small.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np

from benchmarks.shared.data import LUNG, PAUL, PBMC, Dataset

LYMPHOID = ("B", "CD4 T", "CD8 T", "NK")


@dataclass(frozen=True)
class Case:
    """Labels of a dataset, either those of a column or the two lineages of blood."""

    dataset: Dataset
    column: str = "cell_type"
    lineages: bool = False
    only: tuple[str, str] | None = None


# as many labels as the datasets have; "timed" is what `shared.tiled` draws its cells from
CASES = {
    "2": Case(PBMC, lineages=True),
    "8": Case(PBMC),
    "19": Case(PAUL),
    "37": Case(LUNG),
    "timed": Case(LUNG, LUNG.label, only=("technology", "10x_v2")),
}


def write(name: str, folder: Path) -> None:
    """Write both halves, with ``label`` and ``batch`` alone in obs."""
    case = CASES[name]
    cells = case.dataset.read()
    if case.only:
        column, value = case.only
        cells = cells[(cells.obs[column] == value).to_numpy()].copy()
    label = cells.obs[case.column].astype(str)
    if case.lineages:
        label = label.isin(LYMPHOID).map({True: "lymphoid", False: "myeloid"})
    obs = cells.obs[[]].assign(label=label, batch=cells.obs[case.dataset.batch].astype(str))
    plain = anndata.AnnData(cells.X, obs=obs)
    plain.var_names = cells.var_names
    in_reference = np.random.default_rng(0).random(plain.n_obs) < 0.5
    if name == "timed":
        in_reference[:] = True
    folder.mkdir(parents=True, exist_ok=True)
    plain[in_reference].write_h5ad(folder / "reference.h5ad")
    plain[~in_reference].write_h5ad(folder / "query.h5ad")


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
