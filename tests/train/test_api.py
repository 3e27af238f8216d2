from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from cellport.runtime.atlas.file import AtlasFile, open_atlas_file
from cellport.runtime.atlas.session import open_session
from cellport.runtime.errors import InputError, OutputError, TrainingError
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.api import train_atlas
from cellport.train.config import AtlasConfig, FitConfig
from cellport.train.progress import Progress

TINY = AtlasConfig(
    n_genes=40, fit=FitConfig(n_latent=4, n_hidden=16, epochs=2, batch_size=64, device="cpu")
)


@pytest.fixture
def adata(tiny_cells: Any) -> Any:
    return tiny_cells.adata()


class KilledError(Exception):
    pass


def _kill(progress: Progress) -> None:
    if progress.unit == "epoch" and progress.epoch == 7:
        raise KilledError


def test_killed_run_goes_on_to_the_same_atlas(
    adata: Any, tiny_config: Any, tiny_atlas: AtlasFile, tmp_path: Path
) -> None:
    """From an AnnData in two goes: bit for bit what the fixture got from arrays in one."""
    out = tmp_path / "blood.cellport"
    how = replace(tiny_config, name=None)
    with pytest.raises(KilledError):
        train_atlas(adata, out, how, licence="CC0", on_progress=_kill)
    assert [path.name for path in tmp_path.iterdir()] == ["blood.cellport.checkpoint"]
    (tmp_path / ".blood.cellport.checkpoint.0.part").touch()
    seen: list[Progress] = []
    assert train_atlas(adata, out, how, licence="CC0", on_progress=seen.append) == out
    assert next(progress for progress in seen if progress.unit == "epoch").epoch == 8
    assert [p.epoch for p in seen if p.unit == "cell"] == [240, 480, 720]
    assert [path.name for path in tmp_path.iterdir()] == ["blood.cellport"]

    atlas = open_atlas_file(out)
    assert atlas.members.keys() == tiny_atlas.members.keys()
    for name in atlas.members.keys() - {"README.md"}:
        assert bytes(atlas.read(name)) == bytes(tiny_atlas.read(name)), name
    assert all(check.passed for check in verify_atlas(atlas, "cpu"))
    assert atlas.manifest.name == "blood"
    assert atlas.manifest.provenance.licence == "CC0"
    card = bytes(atlas.read("README.md")).decode()
    assert "# blood" in card
    assert "CC0" in card


def test_counts_on_disk_give_the_same_atlas(
    adata: Any, tiny_config: Any, tiny_atlas: AtlasFile, tmp_path: Path
) -> None:
    """From three files, the panel's counts in a scratch file: the bits of one matrix in memory."""
    paths: list[Any] = []
    for start in (0, 100, 170):
        paths.append(tmp_path / f"{start}.h5ad")
        adata[start : {0: 100, 100: 170, 170: 240}[start]].copy().write_h5ad(paths[-1])
    out = tmp_path / "blood.cellport"
    scratch: list[bool] = []

    def on_progress(progress: Progress) -> None:
        scratch.append((tmp_path / "blood.cellport.checkpoint.counts").exists())

    path = train_atlas(paths, out, tiny_config, on_progress=on_progress, in_memory=0)
    atlas = open_atlas_file(path)
    assert scratch[-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "0.h5ad", "100.h5ad", "170.h5ad", "blood.cellport",
    ]  # fmt: skip
    for name in atlas.members.keys() - {"README.md"}:
        assert bytes(atlas.read(name)) == bytes(tiny_atlas.read(name)), name
    assert atlas.manifest.provenance.source.startswith("3 sources: 0.h5ad, X, 100.h5ad, X")
    assert "150 genes are in all 3 sources" in atlas.manifest.provenance.training["notes"][0]


def test_manifest_says_what_the_atlas_is(adata: Any, tiny_atlas: AtlasFile) -> None:
    manifest = tiny_atlas.manifest
    assert manifest.organism == "human"
    assert manifest.labels == ("alpha", "beta", "gamma")
    assert manifest.batches == ("north", "south")
    assert manifest.n_genes == 100
    known = dict(zip(adata.var_names, adata.var["gene_id"], strict=True))
    assert [known[symbol] for symbol in manifest.panel.symbols] == list(manifest.panel.ensembl)
    labels = adata.obs["cell_type"].value_counts().to_dict()
    assert manifest.provenance.training["cells_by_label"] == labels
    assert manifest.held_out is not None
    assert manifest.held_out.cells > 10
    assert manifest.provenance.training["settings"]["seed"] == 0
    assert manifest.provenance.training["layout"]["cells"] == 25


def test_without_labels_and_with_zero_inflation(adata: Any, tmp_path: Path) -> None:
    path = train_atlas(adata, tmp_path / "a.cellport", TINY, likelihood="zinb", seed=1)
    atlas = open_atlas_file(path)
    assert atlas.manifest.labels == ()
    assert atlas.manifest.batches == ("all",)
    assert not atlas.has_array("canary_label_prob")
    assert atlas.array("label_mean").shape == (1, atlas.manifest.n_genes)
    assert all(check.passed for check in verify_atlas(atlas, "cpu"))


def test_reference_cells_are_not_in_the_file(adata: Any, tiny_atlas: AtlasFile) -> None:
    """Canary cells are drawn from the decoder: no person's counts leave with an atlas."""
    canary = tiny_atlas.array("canary_counts")
    genes = [list(adata.var_names).index(symbol) for symbol in tiny_atlas.manifest.panel.symbols]
    reference = {row.tobytes() for row in adata.X[:, genes].toarray()}
    assert not reference & {row.tobytes() for row in canary}


def test_trained_atlas_knows_its_cells(tiny_cells: Any, tiny_atlas: AtlasFile) -> None:
    genes = [list(tiny_cells.symbols).index(symbol) for symbol in tiny_atlas.manifest.panel.symbols]
    session = open_session(tiny_atlas.read("encoder.onnx"), "encoder.onnx", "cpu")
    counts = tiny_cells.counts[:, genes].toarray()
    latent, _, place, prob, *_ = session.run(None, {"counts": counts})
    names = np.asarray(tiny_atlas.manifest.labels, object)
    assert (names[prob.argmax(1)] == tiny_cells.label).mean() > 0.9
    np.testing.assert_allclose(tiny_atlas.array("reference_latent"), latent, atol=1e-4)
    np.testing.assert_allclose(tiny_atlas.array("reference_umap"), place, rtol=1e-4, atol=1e-3)
    assert np.ptp(place, axis=0).min() > 1
    np.testing.assert_allclose(prob.sum(1), 1, rtol=1e-5)


def test_decoder_gives_back_the_library(tiny_atlas: AtlasFile) -> None:
    session = open_session(tiny_atlas.read("decoder.onnx"), "decoder.onnx", "cpu")
    latent = np.ascontiguousarray(tiny_atlas.array("reference_latent")[:5])
    inputs = {
        "latent": latent,
        "batch": np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]],
        "library": np.geomspace(10, 1000, 5, dtype=np.float32)[:, None],
    }
    (counts,) = session.run(None, inputs)
    np.testing.assert_allclose(counts.sum(1), inputs["library"].ravel(), rtol=1e-4)


# bad input


def test_too_few_cells(adata: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="19 cells; training needs at least 20"):
        train_atlas(adata[:19].copy(), tmp_path / "a.cellport", TINY)


def test_counts_that_are_all_zero(adata: Any, tmp_path: Path) -> None:
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    with pytest.raises((TrainingError, InputError), match="zero"):
        train_atlas(adata, tmp_path / "a.cellport", TINY)


def test_places_that_cannot_be_written_are_refused_before_training(
    adata: Any, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match="does not exist; make it first"):
        train_atlas(adata, tmp_path / "none" / "a.cellport", TINY, on_progress=_kill)
    with pytest.raises(OutputError, match="is a folder"):
        train_atlas(adata, tmp_path, TINY, on_progress=_kill)


def test_unknown_setting_is_named(adata: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="no setting lables, sed"):
        train_atlas(adata, tmp_path / "a.cellport", TINY, sed=1, lables="cell_type")  # type: ignore[call-arg]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_atlas_trained_on_cuda_verifies(adata: Any, tmp_path: Path) -> None:
    path = train_atlas(adata, tmp_path / "a.cellport", TINY, labels="cell_type", device="cuda")
    atlas = open_atlas_file(path)
    assert all(check.passed for check in verify_atlas(atlas, "cpu"))
    assert json.dumps(atlas.manifest.provenance.training)
