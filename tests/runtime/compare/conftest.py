"""A study that nobody made: cells of donors, mapped on nothing, with counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

TYPES = np.array(["B", "T", "NK"], object)
GENES = [f"GENE{at}" for at in range(60)]


def _study(
    folder: Path, donors: int = 8, cells: int = 90, seed: int = 0, paired: bool = False
) -> SimpleNamespace:
    """Write a query and what a mapping of it would be; GENE0 to GENE4 change in T cells."""
    rng = np.random.default_rng(seed)
    n = donors * cells
    donor = np.repeat(np.arange(donors), cells)
    ill = (donor % 2).astype(bool)
    kind = rng.choice(3, n, p=[0.3, 0.5, 0.2])
    base = rng.gamma(1.0, 3.0, (3, len(GENES)))[kind]
    base = base * np.exp(rng.normal(0, 0.15, (donors, len(GENES)))[donor])
    base[(kind == 1) & ill, :5] *= 6
    counts = sp.csr_matrix(rng.poisson(base).astype(np.float32))
    name = [f"c{at}" for at in range(n)]
    donors_of = donor // 2 if paired else donor
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical([f"d{at}" for at in donors_of]),
            "disease": np.where(ill, "ill", "healthy"),
            "run": np.where(donor % 4 < 2, "r1", "r2"),
        },
        index=name,
    )
    query = anndata.AnnData(counts, obs=obs, var=pd.DataFrame(index=GENES))
    query.write_h5ad(folder / "query.h5ad")
    time = np.where(kind == 2, np.nan, rng.uniform(0, 1, n) ** np.where(ill, 1.0, 2.0))
    mapped = anndata.AnnData(
        obs=pd.DataFrame(
            {
                "cellport_label": pd.Categorical(TYPES[kind], categories=[*TYPES, "unknown"]),
                "cellport_prob": rng.uniform(0.6, 1, n).astype(np.float32),
                "cellport_call": pd.Categorical(
                    np.where(rng.random(n) < 0.1, "unknown", TYPES[kind])
                ),
                "cellport_novel": rng.random(n) < 0.1,
                "cellport_pseudotime": time.astype(np.float32),
            },
            index=name,
        )
    )
    mapped.write_h5ad(folder / "mapped.h5ad")
    return SimpleNamespace(
        folder=folder, query=folder / "query.h5ad", mapped=folder / "mapped.h5ad", obs=obs,
        result=mapped.obs, counts=counts,
    )  # fmt: skip


@pytest.fixture(scope="session")
def make_study() -> Callable[..., Any]:
    """How to write a study to a folder."""
    return _study


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Four healthy and four ill donors."""
    return _study(tmp_path_factory.mktemp("study"))
