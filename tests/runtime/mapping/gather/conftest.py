"""Queries mapped on an atlas that has everything."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from cellport.runtime.atlas.file import AtlasFile


@pytest.fixture(scope="session")
def mapped(fork_atlas: AtlasFile, made_up_cells: Callable[..., Any]) -> Callable[..., Any]:
    """How to make up cells of three queries with other genes each."""
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
        n_genes=fork_atlas.manifest.n_genes,
        others=("blood", "lung"),
    )
