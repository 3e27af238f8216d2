from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp
from sklearn.metrics import f1_score

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas, load_atlas


def on_another_platform(cells: Any, seed: int = 1, spread: float = 1.5) -> Any:
    """The same cells where each gene is seen with an efficiency of its own."""
    rng = np.random.default_rng(seed)
    seen = np.exp(rng.normal(0, spread, cells.n_vars))
    other = cells.copy()
    other.X = sp.csr_matrix(rng.poisson(cells.X.toarray() * seen).astype(np.float32))
    return other


@pytest.fixture(scope="module")
def atlas(tiny_atlas: AtlasFile) -> Atlas:
    return Atlas(tiny_atlas)


@pytest.fixture(scope="module")
def strange(tiny_cells: Any) -> Any:
    return on_another_platform(tiny_cells.adata())


def right(atlas: Atlas, query: Any, **how: Any) -> float:
    called = np.asarray(atlas.map(query, **how)["cellport_label"]).astype(str)
    return float((called == query.obs["cell_type"].to_numpy()).mean())


@pytest.mark.parametrize("seed", range(3))
def test_what_a_platform_does_to_genes_is_taken_off(
    atlas: Atlas, tiny_cells: Any, seed: int
) -> None:
    cells = tiny_cells.adata()
    there = atlas.map(cells).obsm["X_cellport"]

    def moved(**how: Any) -> float:
        strange = on_another_platform(cells, seed, spread=2.5)
        return float(np.abs(atlas.map(strange, **how).obsm["X_cellport"] - there).mean())

    assert moved(rescale_genes=True) < 0.6 * moved()


def test_a_targeted_panel_of_another_platform_is_read(data_dir: Path, tmp_path: Path) -> None:
    """27 of the atlas's 2,000 genes, counted in tissue, with an efficiency of their own each."""
    pytest.importorskip("torch", reason="training needs PyTorch")
    from cellport.train.api import train_atlas
    from cellport.train.config import AtlasConfig, FitConfig

    how = AtlasConfig(labels="cell_type", fit=FitConfig(epochs=60, device="cpu"))
    made = train_atlas(data_dir / "mouse_cortex_550cells.h5ad", tmp_path / "cortex.cellport", how)
    atlas, query = load_atlas(made), data_dir / "mouse_cortex_osmfish_33genes.h5ad"
    truth = anndata.read_h5ad(query).obs["cell_type"].to_numpy(str)

    def scored(**how: Any) -> tuple[float, float, float]:
        mapping = atlas.map(query, **how)
        called = np.asarray(mapping["cellport_label"]).astype(str)
        f1 = float(f1_score(truth, called, average="macro"))
        return f1, float(mapping["cellport_prob"].mean()), float(mapping["cellport_novel"].mean())

    with pytest.raises(InputError, match="--rescale-genes"):
        atlas.map(query)
    frozen, _, strange = scored(minimum_genes=0)
    scaled, sure, less_strange = scored(rescale_genes=True)
    assert frozen < 0.42
    assert scaled > max(0.5, frozen + 0.12)
    assert sure < scaled + 0.2
    assert less_strange < 0.5 * strange


def test_cells_of_the_reference_stay_what_they_are(atlas: Atlas, tiny_cells: Any) -> None:
    assert right(atlas, tiny_cells.adata(), rescale_genes=True) > 0.98


def test_a_query_of_one_type_is_not_spread_over_all(atlas: Atlas, tiny_cells: Any) -> None:
    cells = tiny_cells.adata()
    alpha = cells[cells.obs["cell_type"] == "alpha"].copy()
    assert right(atlas, alpha, rescale_genes=True) > 0.9


def test_few_cells_are_hardly_changed(atlas: Atlas, tiny_cells: Any) -> None:
    two = tiny_cells.adata()[:2].copy()
    plain, scaled = atlas.map(two), atlas.map(two, rescale_genes=True)
    np.testing.assert_allclose(scaled["cellport_prob"], plain["cellport_prob"], atol=0.1)


def test_it_says_that_cells_depend_on_their_query(atlas: Atlas, tiny_cells: Any) -> None:
    cells = tiny_cells.adata()
    (note,) = atlas.map(cells, rescale_genes=True).uns["cellport"]["notes"]
    assert "over 240 of its cells, so the answers for a cell depend on the other cells" in note
    assert not atlas.map(cells).uns["cellport"]["notes"]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("block_cells", [7, 5000])
def test_blocks_threads_and_layouts_do_not_matter(
    atlas: Atlas, strange: Any, tmp_path: Path, threads: int, block_cells: int
) -> None:
    expected = atlas.map(strange, rescale_genes=True)["cellport_prob"]
    columns = strange.copy()
    columns.X = sp.csc_matrix(columns.X)
    columns.write_h5ad(tmp_path / "columns.h5ad")
    for query in (strange, tmp_path / "columns.h5ad"):
        how: Any = {"threads": threads, "block_cells": block_cells, "rescale_genes": True}
        np.testing.assert_array_equal(atlas.map(query, **how)["cellport_prob"], expected)


def test_windows_of_a_long_query_are_the_same_however_it_is_read(
    atlas: Atlas, tiny_cells: Any, tmp_path: Path
) -> None:
    cells = tiny_cells.adata()
    rows = np.random.default_rng(0).integers(0, cells.n_obs, 2500)
    long = on_another_platform(anndata.AnnData(cells.X[rows], var=cells.var))
    matrix = sp.csr_matrix(long.X).astype(np.int32)
    folder = tmp_path / "folder"
    folder.mkdir()
    scipy.io.mmwrite(folder / "matrix.mtx", sp.coo_matrix(matrix.T))
    (folder / "genes.tsv").write_text("".join(f"{n}\t{n}\n" for n in long.var_names))
    (folder / "barcodes.tsv").write_text("".join(f"{n}\n" for n in long.obs_names))
    found, read_through = (
        atlas.map(query, rescale_genes=True)["cellport_prob"] for query in (long, folder)
    )
    np.testing.assert_allclose(read_through, found, atol=1e-5)


def test_an_atlas_that_does_not_know_its_genes_says_so(converted: Any, foreign_query: Path) -> None:
    with pytest.raises(InputError, match="does not say how the genes of its reference spread"):
        load_atlas(converted("celltypist_duplicates")).map(foreign_query, rescale_genes=True)


def test_genes_that_tell_little_are_refused(atlas: Atlas, tiny_cells: Any) -> None:
    cells = tiny_cells.adata()
    two = cells[:, np.isin(cells.var_names, atlas.panel.symbols[:2])].copy()
    two = two[np.asarray(two.X.sum(axis=1)).ravel() > 0].copy()
    with pytest.raises(InputError, match="of what tells its labels apart: too little"):
        atlas.map(two, rescale_genes=True)
    assert atlas.map(two, rescale_genes=True, minimum_genes=0).n_cells == two.n_obs


def test_cells_without_counts_say_nothing(atlas: Atlas, tiny_cells: Any) -> None:
    cells = tiny_cells.adata()
    cells.X = sp.csr_matrix(cells.shape, dtype=np.float32)
    with pytest.raises(InputError, match=r"no cell with a count|holds? no counts|zero"):
        atlas.map(cells, rescale_genes=True)
