"""Shared fixtures: where the real datasets lie, and a tiny atlas of synthetic cells."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import settings
from numpy.typing import NDArray

# On a busy machine one example may take a second, and that is no fault. The same examples every
# time, so that a change is judged by what it changes; CELLPORT_EXPLORE=1, or a number of draws,
# looks for others.
_EXPLORES = bool({"CELLPORT_EXPLORE", "CELLPORT_DRAWS"} & os.environ.keys())
settings.register_profile("cellport", deadline=None, derandomize=not _EXPLORES)
settings.load_profile("cellport")

# as cellport does; some tests import onnxruntime before it
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    path = Path(os.environ.get("CELLPORT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real datasets are not at {path}; set CELLPORT_DATA")
    return path


def _trained_once(
    name: str, train: Callable[[Path], Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Train a small atlas of that name; CELLPORT_TRAINED names a folder that keeps such atlases.

    So are the tests of mapping run where PyTorch is not.
    """
    folder = os.environ.get("CELLPORT_TRAINED")
    path = (Path(folder) if folder else tmp_path_factory.mktemp("trained")) / name
    if not path.is_file():
        torch = pytest.importorskip("torch", reason="training needs PyTorch")
        torch.set_num_threads(1)  # so little work is faster on one
        path.parent.mkdir(parents=True, exist_ok=True)
        train(path)
    return path


@dataclass(frozen=True)
class TinyCells:
    """Three well separated cell types in two batches, under the names of real human genes."""

    counts: sp.csr_matrix
    symbols: NDArray[np.object_]
    ensembl: NDArray[np.object_]
    label: NDArray[np.object_]
    batch: NDArray[np.object_]

    def adata(self) -> Any:
        import pandas as pd
        from anndata import AnnData

        obs = pd.DataFrame({"cell_type": self.label, "donor": self.batch})
        obs.index = pd.Index([f"cell{i}" for i in range(len(obs))])
        var = pd.DataFrame({"gene_id": self.ensembl}, index=pd.Index(self.symbols))
        return AnnData(self.counts.copy(), obs=obs, var=var)


def _tiny_cells(n_cells: int = 240, n_genes: int = 150, seed: int = 0) -> TinyCells:
    from cellport.runtime.genes.gene_table import load_gene_table

    rng = np.random.default_rng(seed)
    names = sorted(load_gene_table("human").id_of.items())
    names = [pair for pair in names if pair[0].isalnum()][:: len(names) // (2 * n_genes)][:n_genes]
    base = rng.gamma(0.7, 2.0, n_genes)
    of_type = base * np.exp(rng.normal(0, 1.5, (3, n_genes)))
    of_batch = np.exp(rng.normal(0, 0.2, (2, n_genes)))
    label, batch = rng.integers(0, 3, n_cells), rng.integers(0, 2, n_cells)
    depth = rng.lognormal(0, 0.4, (n_cells, 1))
    counts = rng.poisson(of_type[label] * of_batch[batch] * depth).astype(np.float32)
    return TinyCells(
        counts=sp.csr_matrix(counts),
        symbols=np.array([symbol for symbol, _ in names], object),
        ensembl=np.array([ensembl for _, ensembl in names], object),
        label=np.array(["alpha", "beta", "gamma"], object)[label],
        batch=np.array(["north", "south"], object)[batch],
    )


@pytest.fixture(scope="session")
def tiny_cells() -> TinyCells:
    return _tiny_cells()


@pytest.fixture(scope="session")
def tiny_config() -> Any:
    from cellport.train.config import AtlasConfig, FitConfig

    return AtlasConfig(
        labels="cell_type",
        batch="donor",
        name="tiny",
        n_genes=100,
        fit=FitConfig(n_latent=8, n_hidden=40, epochs=15, batch_size=32, device="cpu"),
    )


@pytest.fixture(scope="session")
def tiny_atlas_path(
    tiny_cells: TinyCells,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An atlas of 100 genes trained for a few epochs on the tiny cells."""

    def train(path: Path) -> None:
        from cellport.runtime.atlas.file import write_atlas_file
        from cellport.train.build import build_atlas

        config = request.getfixturevalue("tiny_config")
        write_atlas_file(path, *build_atlas(_reference(tiny_cells), config))

    return _trained_once("tiny.cellport", train, tmp_path_factory)


def _reference(cells: TinyCells) -> Any:
    from cellport.train.reference.reference import Reference

    labels, label = np.unique(cells.label, return_inverse=True)
    batches, batch = np.unique(cells.batch, return_inverse=True)
    return Reference(
        counts=cells.counts,
        gene_columns={"index": cells.symbols, "gene_id": cells.ensembl},
        cell_names=np.array([f"cell{i}" for i in range(len(label))], object),
        labels=tuple(labels.tolist()),
        label=label.astype(np.int64),
        batches=tuple(batches.tolist()),
        batch=batch.astype(np.int64),
        description="tiny cells",
    )


@pytest.fixture(scope="session")
def tiny_atlas(tiny_atlas_path: Path) -> Any:
    from cellport.runtime.atlas.file import open_atlas_file

    return open_atlas_file(tiny_atlas_path)


@pytest.fixture(scope="session")
def foreign_folder() -> Path:
    """Models of other tools, as their packages saved them."""
    folder = Path(__file__).parent / "data" / "foreign"
    if not (folder / "cells.npz").is_file():
        pytest.skip(f"models trained for these tests are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def foreign_query(foreign_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 cells for these models, one of them empty, with genes in a column."""
    import anndata
    import pandas as pd
    import scipy.sparse as sp

    with np.load(foreign_folder / "cells.npz") as found:
        counts, genes = found["query.counts"].astype(np.float32), found["query.genes"].astype(str)
    counts[2] = 0
    rows = [f"row{at}" for at in range(len(genes))]
    var = pd.DataFrame({"symbol": genes}, index=rows)
    path: Path = tmp_path_factory.mktemp("foreign_query") / "query.h5ad"
    anndata.AnnData(sp.csr_matrix(counts), var=var).write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def converted(
    foreign_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Make an atlas of one of these models."""
    from cellport.runtime.convert.write import convert_model

    made: dict[str, Path] = {}

    def convert(name: str) -> Path:
        if name not in made:
            file = foreign_folder / name / "model.pkl"
            model = file if file.is_file() else file.parent
            made[name] = tmp_path_factory.mktemp("converted") / f"{name}.cellport"
            convert_model(model, made[name])
        return made[name]

    return convert


@pytest.fixture
def rewritten_atlas(tiny_atlas: Any, tmp_path: Path) -> Callable[..., Path]:
    """Write the tiny atlas with some members or manifest fields replaced, sealed and hashed."""
    from cellport.runtime.atlas.file import write_atlas_file

    def rewrite(members: dict[str, bytes] | None = None, **fields: Any) -> Path:
        whole = {name: bytes(tiny_atlas.read(name)) for name in tiny_atlas.members}
        path = tmp_path / "rewritten.cellport"
        write_atlas_file(path, replace(tiny_atlas.manifest, **fields), whole | (members or {}))
        return path

    return rewrite


@pytest.fixture(scope="session")
def tiny_new_cells(tiny_cells: TinyCells) -> Callable[..., Any]:
    """How to draw cells of a fourth type, `delta`, with the genes of the tiny cells, as AnnData."""

    def draw(n_cells: int = 40, seed: int = 0) -> Any:
        import pandas as pd
        from anndata import AnnData

        alpha = tiny_cells.counts[tiny_cells.label == "alpha"].mean(axis=0).A1
        delta = (alpha + 0.05) * np.exp(np.random.default_rng(5).normal(0, 1.2, len(alpha)))
        rng = np.random.default_rng(seed)
        depth = rng.lognormal(0, 0.4, (n_cells, 1))
        counts = sp.csr_matrix(rng.poisson(delta * depth).astype(np.float32))
        names = pd.Index([f"new{seed}-{i}" for i in range(n_cells)])
        obs = pd.DataFrame({"cell_type": ["delta"] * n_cells, "donor": "west"}, index=names)
        return AnnData(counts, obs=obs, var=tiny_cells.adata().var)

    return draw


@pytest.fixture(scope="session")
def extended_atlas_path(
    tiny_atlas_path: Path,
    tiny_new_cells: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The tiny atlas with `delta` added from 40 cells."""
    from cellport.train.extend.api import extend

    path = tmp_path_factory.mktemp("extended") / "more.cellport"
    return extend(tiny_atlas_path, tiny_new_cells(), path, labels="cell_type", batch="donor").path


def _tiny_fork(n_cells: int = 400, seed: int = 0) -> Any:
    """Cells along a stem that forks, under the names of real human genes, as AnnData."""
    cells = _tiny_cells(n_cells, 120, seed=3)
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 1.2, (3, 120))
    base = rng.gamma(0.7, 2.0, 120)
    rng = np.random.default_rng(seed)
    way, arm = rng.uniform(0, 1, n_cells), rng.integers(0, 2, n_cells)
    beyond = np.maximum(way - 0.5, 0)[:, None]
    level = way[:, None] * wave[0] + 3 * beyond * np.where(arm[:, None], wave[1], wave[2])
    adata = cells.adata()
    adata.X = sp.csr_matrix(rng.poisson(base * np.exp(1.5 * level)).astype(np.float32))
    adata.obs["cell_type"] = np.select(
        [way < 0.3, way < 0.6, arm == 0], ["stem", "mid", "left"], "right"
    )
    return adata


@pytest.fixture(scope="session")
def tiny_fork() -> Any:
    """How to draw cells along a fork; equal seeds give equal cells."""
    return _tiny_fork


@pytest.fixture(scope="session")
def tiny_path_atlas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An atlas of cells along a fork, trained for a few epochs: it has a trajectory."""

    def train(path: Path) -> None:
        from cellport.train.api import train_atlas

        train_atlas(
            _tiny_fork(),
            path,
            labels="cell_type",
            root=("stem",),
            n_genes=100,
            n_latent=8,
            n_hidden=40,
            epochs=15,
            batch_size=32,
            device="cpu",
        )

    return _trained_once("fork.cellport", train, tmp_path_factory)
