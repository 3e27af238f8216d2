"""A cluster of two worker processes, started once, and small queries."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.atlas import Atlas, load_atlas


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as connected,
    ):
        yield connected


@pytest.fixture(scope="session")
def atlas(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture
def save(tiny_cells: Any, tmp_path: Path) -> Callable[..., Path]:
    """Write the cells ``start:stop`` as a query, after a change."""

    def write(start: int, stop: int, change: Callable[[Any], None] | None = None) -> Path:
        adata = tiny_cells.adata()[start:stop].copy()
        if change is not None:
            change(adata)
        path = tmp_path / f"cells_{start}_{stop}.h5ad"
        adata.write_h5ad(path)
        return path

    return write
