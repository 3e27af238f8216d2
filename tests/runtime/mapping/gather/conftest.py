"""An atlas of made-up arrays with a fork for a trajectory, and queries mapped on it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file, write_atlas_file
from cellport.runtime.genes.match import Panel

N_GENES = 40


@pytest.fixture(scope="session")
def fork_atlas(
    forgery: Any, made_up_path: Any, tmp_path_factory: pytest.TempPathFactory
) -> AtlasFile:
    genes = tuple(f"GENE{i}" for i in range(N_GENES))
    manifest = forgery.manifest(
        panel=Panel(genes, ("",) * N_GENES), structure=made_up_path.structure
    )
    path = tmp_path_factory.mktemp("gather") / "fork.cellport"
    write_atlas_file(path, manifest, forgery.members(manifest, **made_up_path.arrays(N_GENES)))
    return open_atlas_file(path)


@pytest.fixture(scope="session")
def mapped(fork_atlas: AtlasFile, made_up_cells: Callable[..., Any]) -> Callable[..., Any]:
    """How to make up cells that were mapped on it, of three queries with other genes each."""
    graph = fork_atlas.manifest.trajectory
    assert graph is not None
    return partial(
        made_up_cells,
        labels=fork_atlas.manifest.labels,
        queries=("a.h5ad", "b.h5ad", "c.h5ad"),
        novel=0.3,
        clusters=fork_atlas.manifest.clusters,
        edges=graph.edge_names,
        states=len(graph.terminals),
        n_latent=fork_atlas.manifest.n_latent,
        n_genes=N_GENES,
    )
