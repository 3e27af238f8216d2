"""Running the page's own tests on what Python has computed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from visits import served

from cellport.demo import LABELS, demo_example, write_sample
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.web.server.publish import publish
from cellport.web.server.site import PAGE as BUILT

PAGE = Path(__file__).resolve().parents[3] / "web" / "page"


@pytest.fixture(scope="session")
def page_folder() -> Path:
    """Where the page's source is, with what it needs to run its tests."""
    if shutil.which("node") is None or not (PAGE / "node_modules").is_dir():
        pytest.skip("the page's tests need node, and `npm install` in web/page/")
    return PAGE


@pytest.fixture(scope="session")
def compute_again(page_folder: Path) -> Callable[..., None]:
    """Run tests of the page, by the names of their files, on the vectors in a folder."""

    def run(vectors: Path, *tests: str) -> None:
        done = subprocess.run(
            ["npx", "--no-install", "vitest", "run", *tests, "--reporter=dot"],
            cwd=page_folder,
            env={**os.environ, "CELLPORT_WEB_VECTORS": str(vectors), "NO_COLOR": "1", "CI": "1"},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "skipped" not in done.stdout, done.stdout

    return run


@pytest.fixture(scope="session")
def folder(page_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("vectors")


@pytest.fixture(scope="session")
def lung(folder: Path) -> tuple[Atlas, Any]:
    """An atlas of real lung cells, trained for a moment, and cells of another technology."""
    import torch

    from cellport.train.api import train_atlas
    from cellport.train.config import AtlasConfig, FitConfig

    torch.set_num_threads(1)
    reference, query = write_sample(folder)
    how = AtlasConfig(
        labels=LABELS,
        batch="donor",
        root=("endothelial",),
        authors="Travaglini et al.",
        attribution="as sampled by PopV",
        limits="healthy cells of adults alone",
        n_genes=500,
        fit=FitConfig(n_latent=10, n_hidden=48, epochs=6, device="cpu"),
    )
    return load_atlas(train_atlas(reference, folder / "lung.cellport", how)), query


@pytest.fixture(scope="session")
def site(folder: Path, lung: tuple[Atlas, Any]) -> Iterator[str]:
    """A published site behind a plain file server, some folders down."""
    if shutil.which("chromium") is None or not (BUILT / "index.html").is_file():
        pytest.skip("the visit needs chromium, and the built page: npm run build in web/page")
    root = folder / "server" / "some" / "where"
    root.mkdir(parents=True)
    atlas = lung[0]
    publish(atlas.file.path, root / "lung", example=demo_example(atlas.manifest))
    with served(folder / "server") as address:
        yield f"{address}/some/where/lung/"


@pytest.fixture(scope="session")
def strange(lung: tuple[Atlas, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cells of which most are noise of six kinds, unlike anything in the atlas."""
    cells = anndata.read_h5ad(lung[1])
    rng = np.random.default_rng(0)
    kinds = []
    for kind in range(6):
        genes = rng.choice(cells.n_vars, cells.n_vars // 4, replace=False)
        rate = np.full(cells.n_vars, 0.02)
        rate[genes] = 3 + kind
        counts = rng.poisson(rate, (40, cells.n_vars)).astype(np.float32)
        names = [f"kind{kind}-{i}" for i in range(40)]
        kinds.append(anndata.AnnData(sp.csr_matrix(counts), var=cells.var))
        kinds[-1].obs_names = names
    path = tmp_path_factory.mktemp("strange") / "strange.h5ad"
    anndata.concat([cells[:20], *kinds], merge="same").write_h5ad(path)
    return path
