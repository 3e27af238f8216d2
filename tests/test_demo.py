"""The demonstration on real lung cells, from the command line to the picture."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from cellport.cli import main
from cellport.demo import (
    LABELS,
    REFERENCE_TECHNOLOGY,
    demo_example,
    published_types,
    run_demo,
    write_sample,
)
from cellport.runtime.atlas.file import npy_bytes, open_atlas_file
from cellport.runtime.errors import AtlasError
from cellport.runtime.fetch.pull import find_atlas
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.verify import verify_atlas
from cellport.sharing import _example_cells


def test_sample_is_two_technologies_of_real_counts(tmp_path: Path) -> None:
    reference, query = write_sample(tmp_path)
    one, other = anndata.read_h5ad(reference), anndata.read_h5ad(query)
    assert one.n_obs == 869
    assert other.n_obs == 131
    assert set(one.obs["technology"]) == {REFERENCE_TECHNOLOGY}
    assert REFERENCE_TECHNOLOGY not in set(other.obs["technology"])
    for adata in (one, other):
        assert (adata.X.data == np.round(adata.X.data)).all()
        assert adata.X.data.min() >= 1
    assert published_types(query).tolist() == other.obs[LABELS].astype(str).tolist()


def test_the_sample_is_parted_as_anndata_parts_it(tmp_path: Path) -> None:
    import cellport

    path = Path(cellport.__file__).parent / "demo_data" / "lung_sample.h5ad"
    whole = anndata.read_h5ad(path)
    for written in write_sample(tmp_path):
        found = anndata.read_h5ad(written)
        expected = whole[found.obs_names].copy()
        assert (found.X != expected.X).nnz == 0
        assert found.X.dtype == expected.X.dtype
        pd.testing.assert_frame_equal(found.obs, expected.obs)
        pd.testing.assert_frame_equal(found.var, expected.var)


def test_lung_atlases_are_served_with_an_example_where_anndata_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("anndata", "pandas", "sklearn", "torch", "scanpy"):
        monkeypatch.setitem(sys.modules, name, None)
    (example,) = _example_cells([find_atlas("lung")], None)
    assert example is not None
    assert "131 lung cells" in example.about


def test_sample_is_small_and_attributed() -> None:
    import cellport

    folder = Path(cellport.__file__).parent / "demo_data"
    assert (folder / "lung_sample.h5ad").stat().st_size < 3e6
    text = (folder / "README.md").read_text()
    assert "Travaglini" in text
    assert "MIT" in text


@pytest.mark.slow
def test_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it, with fewer epochs than people get."""
    monkeypatch.setattr("cellport.train.fit.model.default_epochs", lambda *_: 25)
    out = tmp_path / "new" / "demo"
    result = CliRunner().invoke(main, ["demo", "-o", str(out), "--json"])
    assert result.exit_code == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    assert found["accuracy"] > 0.8
    assert found["macro_f1"] > 0.6
    assert sum(cells for _, cells in found["by_type"].values()) == 131
    assert {path.name for path in out.iterdir()} == {
        "lung_10x.h5ad",
        "lung_smartseq2.h5ad",
        "lung-demo.cellport",
        "lung_smartseq2_mapped.h5ad",
        "lung_smartseq2_mapped.png",
    }
    files = {what: Path(path) for what, path in found["files"].items()}
    atlas = load_atlas(files["atlas"])
    assert all(check.passed for check in verify_atlas(atlas.file))

    mapped = anndata.read_h5ad(files["mapped cells"])
    truth = published_types(out / "lung_smartseq2.h5ad")
    known = np.isin(truth, atlas.manifest.labels)
    right = mapped.obs["cellport_label"].astype(str).to_numpy()[known] == truth[known]
    assert right.mean() == pytest.approx(found["accuracy"])
    _check_png(files["picture"])


def _check_png(path: Path) -> None:
    from matplotlib.image import imread

    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    pixels = imread(path)
    assert pixels.shape[0] > 400
    assert pixels.shape[1] > 800
    # drawn on, in more colours than black and white
    assert len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0)) > 100


@pytest.mark.parametrize("kind", ["file", "device"])
def test_a_place_that_cannot_be_written(kind: str, tmp_path: Path) -> None:
    out = Path("/proc/demo")
    if kind == "file":
        out = tmp_path / "taken"
        out.touch()
    result = CliRunner().invoke(main, ["demo", "-o", str(out)])
    assert result.exit_code == 2
    assert result.stdout == ""
    (said,) = result.stderr.splitlines()
    assert said.startswith(f"Error: {out} cannot be written: ")


def test_the_samples_cells_are_an_example_where_they_fit(tmp_path: Path) -> None:
    lung, blood = (open_atlas_file(find_atlas(name)).manifest for name in ("lung", "blood"))
    example = demo_example(lung)
    assert example is not None
    assert "131 lung cells" in example.about
    (tmp_path / example.name).write_bytes(example.data)
    assert anndata.read_h5ad(tmp_path / example.name).n_obs == 131
    assert demo_example(blood) is None
    assert demo_example(replace(lung, organism="mouse")) is None


def test_an_atlas_that_answers_otherwise_here_is_not_mapped_onto(
    rewritten_atlas: Any, tiny_atlas: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    latent = tiny_atlas.array("canary_latent") + 1
    wrong = rewritten_atlas({"arrays/canary_latent.npy": npy_bytes(latent)})
    monkeypatch.setattr("cellport.train.api.train_atlas", lambda *_, **__: wrong)
    said: list[str] = []
    with pytest.raises(AtlasError, match="does not give the answers on this machine"):
        run_demo(tmp_path / "demo", 0, lambda: nullcontext(lambda _: None), said.append)
    assert len(said) == 1
    assert {path.suffix for path in (tmp_path / "demo").iterdir()} == {".h5ad"}
