from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.paga import GROUPS, add_paga


@pytest.fixture(scope="module")
def mapped_path(
    tiny_path_atlas: Path, tiny_fork: Any, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    from cellport import load_atlas, map_files

    folder = tmp_path_factory.mktemp("paga")
    tiny_fork(seed=2).write_h5ad(folder / "query.h5ad")
    map_files(load_atlas(tiny_path_atlas), folder / "query.h5ad", folder / "mapped.h5ad")
    return folder / "mapped.h5ad"


@pytest.fixture
def mapped(mapped_path: Path) -> Any:
    import anndata

    return anndata.read_h5ad(mapped_path)


def test_a_mapped_file_has_what_scanpy_plots(mapped: Any) -> None:
    """``sc.pl.embedding`` reads obsm and a categorical or numeric column of obs by their keys."""
    assert mapped.obsm["X_cellport_umap"].shape == (mapped.n_obs, 2)
    assert np.isfinite(mapped.obsm["X_cellport_umap"]).all()
    assert mapped.obs["cellport_cluster"].dtype == "category"
    assert mapped.obs["cellport_pseudotime"].dtype.kind == "f"
    facts = mapped.uns["cellport"]["trajectory"]
    assert facts["positions"].shape == (len(facts["milestones"]), 2)
    assert facts["edge_ends"].shape == (len(facts["edges"]), 2)
    for name, (start, end) in zip(facts["edges"], facts["edge_ends"], strict=True):
        assert name == f"{facts['milestones'][start]} -> {facts['milestones'][end]}"
    assert set(mapped.obs["cellport_edge"].cat.categories) == set(facts["edges"])


def test_the_graph_is_that_of_the_atlas(mapped: Any, tiny_path_atlas: Path) -> None:
    from cellport import load_atlas

    add_paga(mapped)
    graph, found = mapped.uns["paga"], load_atlas(tiny_path_atlas).trajectory
    assert found is not None
    assert graph["groups"] == GROUPS
    assert mapped.obs[GROUPS].cat.categories.tolist() == list(found.milestones)
    joined = {tuple(sorted(pair)) for pair in found.ends.tolist()}
    assert {tuple(sorted(pair)) for pair in np.argwhere(graph["connectivities"])} == joined
    assert graph["connectivities_tree"].nnz == len(found.ends)
    np.testing.assert_allclose(graph["pos"], found.positions, rtol=1e-6)
    assert mapped.uns[f"{GROUPS}_sizes"].sum() == mapped.obs[GROUPS].notna().sum()


def test_both_ways_round_a_circle_are_joined() -> None:
    import anndata

    edges = ["start -> far (one way round)", "start -> far (the other way round)"]
    adata = anndata.AnnData(np.zeros((4, 1), np.float32))
    adata.obs["cellport_edge"] = [edges[0], edges[0], edges[1], edges[1]]
    adata.obs["cellport_edge_fraction"] = [0.1, 0.9, 0.2, 0.8]
    adata.uns["cellport"] = {
        "trajectory": {
            "milestones": ["start", *(edge.partition(" -> ")[2] for edge in edges)],
            "positions": [[0, 0], [3, 4], [3, 4]],
            "edges": edges,
            "edge_ends": [[0, 1], [0, 2]],
            "terminal_states": [edge.partition(" -> ")[2] for edge in edges],
        }
    }
    add_paga(adata)
    graph = adata.uns["paga"]
    assert graph["connectivities"].toarray().tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert graph["connectivities_tree"].nnz == 2
    assert adata.obs[GROUPS].cat.codes.tolist() == [0, 1, 0, 2]


def test_cells_go_to_the_nearer_end_of_their_edge(mapped: Any) -> None:
    mapped.obs["cellport_edge_fraction"] = np.where(np.arange(mapped.n_obs) % 2, 0.9, 0.1)
    on = mapped.obs["cellport_edge"].notna().to_numpy().copy()
    mapped.obs.loc[mapped.obs_names[0], "cellport_edge"] = None
    add_paga(mapped)
    assert mapped.obs[GROUPS].isna().iloc[0]
    cell = int(np.flatnonzero(on)[1])
    start, _, end = str(mapped.obs["cellport_edge"].iloc[cell]).partition(" -> ")
    assert mapped.obs[GROUPS].iloc[cell] == (end if cell % 2 else start)


@pytest.mark.skipif(find_spec("scanpy") is None, reason="scanpy is not installed")
# of matplotlib, which says so to scanpy
@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
def test_scanpy_draws_it(mapped: Any) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import scanpy as sc

    add_paga(mapped)
    for color in ("cellport_cluster", "cellport_pseudotime", "cellport_edge"):
        sc.pl.embedding(mapped, "X_cellport_umap", color=color, show=False)
    sc.pl.paga(mapped, pos=mapped.uns["paga"]["pos"], show=False)


def test_without_a_trajectory_it_is_refused(tiny_atlas_path: Path, tiny_cells: Any) -> None:
    from cellport import load_atlas

    adata = load_atlas(tiny_atlas_path).map(tiny_cells.adata()).to_anndata()
    with pytest.raises(InputError, match="no trajectory"):
        add_paga(adata)
