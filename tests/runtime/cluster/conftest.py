"""A cluster of two worker processes, started once, and small queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.cluster.local import connected
from cellport.runtime.mapping.atlas import Atlas, load_atlas


@pytest.fixture(scope="session")
def client() -> Iterator[Any]:
    with connected("local", 2, 1) as client:
        client.wait_for_workers(2)
        yield client


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
