"""Real cells mapped once, with their counts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import anndata
import pytest

import cellport


@pytest.fixture(scope="session")
def blood(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """600 cells of blood mapped on lung, in two files that share names of cells."""
    folder = tmp_path_factory.mktemp("blood")
    query = anndata.read_h5ad(data_dir / "pbmc3k_10x.h5ad")[:600].copy()
    query.obs_names = [f"{'ACGT' * 4}-{at + 1}" for at in range(600)]
    query.obs["donor"] = [f"d{at % 3}" for at in range(600)]
    first, second = query[:350].copy(), query[350:].copy()
    second.obs_names = query.obs_names[:250]
    paths = [folder / "first.h5ad", folder / "second.h5ad"]
    first.write_h5ad(paths[0])
    second.write_h5ad(paths[1])
    atlas = cellport.load_atlas("lung")
    cellport.map_files(atlas, paths, folder / "mapped.h5ad")
    cellport.map_files(atlas, paths[0], folder / "alone.h5ad", with_counts=True)
    return SimpleNamespace(
        folder=folder, queries=paths, mapped=folder / "mapped.h5ad", alone=folder / "alone.h5ad",
        counts=query.X, genes=query.var_names, donor=query.obs["donor"].to_numpy(),
        obs=anndata.read_h5ad(folder / "mapped.h5ad").obs,
    )  # fmt: skip
