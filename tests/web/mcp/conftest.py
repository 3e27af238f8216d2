"""Folders that an agent may use, with the demonstration's cells, and a client in memory."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
from mcp import Client

from cellport.demo import write_sample
from cellport.web.mcp.folders import open_folders
from cellport.web.mcp.process import Workers
from cellport.web.mcp.server import create_server
from cellport.web.server.limits import Limits


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """131 cells of the demonstration; every tenth has too few counts to tell its type."""
    path = write_sample(tmp_path_factory.mktemp("cells"))[1]
    adata = anndata.read_h5ad(path)
    counts = adata.X.tocoo()
    kept = np.where(counts.row % 10, 1.0, 2e-5)
    counts.data = np.random.default_rng(0).binomial(counts.data.astype(np.int64), kept)
    adata.X = counts.astype(np.float32).tocsr()
    adata.write_h5ad(path)
    return path


@pytest.fixture
def folder(cells: Path, tmp_path: Path) -> Path:
    """What an agent may read."""
    inside = tmp_path / "inside"
    inside.mkdir()
    shutil.copy(cells, inside / "cells.h5ad")
    return inside


@pytest.fixture
def many(folder: Path, cells: Path) -> list[str]:
    """Files of 39,300 cells, which take a second or so."""
    adata = anndata.read_h5ad(cells)
    anndata.concat([adata] * 60, index_unique="-").write_h5ad(folder / "0.h5ad")
    for copy in range(1, 5):
        os.link(folder / "0.h5ad", folder / f"{copy}.h5ad")
    return [f"{copy}.h5ad" for copy in range(5)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    place = tmp_path / "out"
    place.mkdir()
    return place


@pytest.fixture
def talk(folder: Path, out: Path) -> Callable[..., Any]:
    """Let a client in memory talk to a server of these folders."""

    def with_client(
        say: Callable[[Client], Awaitable[Any]], *, writes: bool = True, **limits: Any
    ) -> Any:
        async def talking() -> Any:
            folders = open_folders([folder], out if writes else None)
            server = create_server(Workers(folders, Limits(**{"jobs": 1, **limits})))
            async with Client(server) as client:
                return await say(client)

        return asyncio.run(talking())

    return with_client
