"""An atlas of made-up arrays that has everything: labels, clusters, a fork for a trajectory."""

from __future__ import annotations

from typing import Any

import pytest

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file, write_atlas_file
from cellport.runtime.genes.panel import Panel

N_GENES = 40


@pytest.fixture(scope="session")
def fork_atlas(
    forgery: Any, made_up_path: Any, tmp_path_factory: pytest.TempPathFactory
) -> AtlasFile:
    genes = tuple(f"GENE{i}" for i in range(N_GENES))
    manifest = forgery.manifest(
        panel=Panel(genes, ("",) * N_GENES), structure=made_up_path.structure
    )
    path = tmp_path_factory.mktemp("fork") / "fork.cellport"
    write_atlas_file(path, manifest, forgery.members(manifest, **made_up_path.arrays(N_GENES)))
    return open_atlas_file(path)
