"""Converted models with reference cells: what is fitted to these holds, and maps like any atlas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.convert.write import ConvertOptions, convert_model, prepare_conversion
from cellport.runtime.errors import InputError, TrainingError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.attach import members
from cellport.train.attach.api import (
    ReferenceOptions,
    attach_reference,
    convert_with_reference,
)

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
LABELLED = ReferenceOptions(labels="label", batch="batch")


@pytest.fixture(scope="module")
def cells() -> dict[str, NDArray[Any]]:
    path = FOREIGN / "cells.npz"
    if not path.is_file():
        pytest.skip(f"models trained for these tests are not at {path.parent}")
    with np.load(path) as found:
        return dict(found)


def adata(cells: dict[str, NDArray[Any]], which: str) -> Any:
    import pandas as pd
    from anndata import AnnData

    counts = sp.csr_matrix(cells[f"{which}.counts"].astype(np.float32))
    obs = pd.DataFrame({name: cells[f"{which}.{name}"].astype(str) for name in ("label", "batch")})
    obs.index = pd.Index([f"{which}{i}" for i in range(len(obs))])
    return AnnData(counts, obs=obs, var=pd.DataFrame(index=cells[f"{which}.genes"].astype(str)))


def model_at(name: str) -> Path:
    folder = FOREIGN / name
    return folder / "model.pkl" if (folder / "model.pkl").is_file() else folder


def mapped(path: Path, query: Any) -> Mapping:
    return Atlas(open_atlas_file(path)).map(query, minimum_genes=0.1, device="cpu", threads=1)


@pytest.fixture(
    scope="module", params=["celltypist_eight", "scanvi_default", "scpoli_default", "scpoli_058"]
)
def made(request: Any, cells: Any, tmp_path_factory: Any) -> Any:
    """A model converted alone, and with reference cells of which one label is none of its own."""
    folder = tmp_path_factory.mktemp(request.param)
    model, reference = model_at(request.param), adata(cells, "reference")
    first = min(reference.obs["label"])
    reference.obs["label"] = ["other" if x == first else x for x in reference.obs["label"]]
    plain = convert_model(model, folder / "plain.cellport")
    found = convert_with_reference(model, folder / "made.cellport", reference, how=LABELLED)
    return plain, found


def test_labels_and_latents_stay_the_models(made: Any, cells: Any) -> None:
    plain, found = made
    query = adata(cells, "query")
    one, other = mapped(plain.path, query), mapped(found.path, query)
    np.testing.assert_allclose(
        other["X_cellport"], one["X_cellport"], rtol=0, atol=1e-4 * np.abs(one["X_cellport"]).max()
    )
    assert other["cellport_label"].tolist() == one["cellport_label"].tolist()


def test_atlas_answers_all_that_reference_cells_tell(made: Any, cells: Any) -> None:
    _, found = made
    opened = open_atlas_file(found.path)
    assert all(check.passed for check in verify_atlas(opened, "cpu"))
    manifest = opened.manifest
    assert manifest.head.kind == "softmax"
    assert manifest.has_reference
    assert manifest.held_out is not None
    # the models were trained on these very batches
    assert manifest.held_out.by == "cell"
    query = adata(cells, "query")
    result = mapped(found.path, query)
    wanted = {"call", "label_set", "novelty_p", "novel", "cluster"}
    assert {f"cellport_{name}" for name in wanted} <= set(result.obs)
    assert result["cellport_novel"].mean() < 0.3
    assert np.isfinite(result["X_cellport_umap"]).all()
    reference = mapped(found.path, adata(cells, "reference"))
    latent = opened.array("reference_latent")
    scale = np.abs(latent).max()
    np.testing.assert_allclose(reference["X_cellport"], latent, rtol=0, atol=1e-4 * scale)
    near = Atlas(opened).map(adata(cells, "reference"), neighbors=1, device="cpu", threads=1)
    assert any("neighbor" in name for name in near.obs)


def test_sets_hold_the_label_of_cells_that_did_not_decide_them(made: Any) -> None:
    _, found = made
    sets = found.manifest.held_out.sets
    # of some 160 cells of three batches: three standard errors
    assert sets.coverage > sets.level - 3 * np.sqrt(0.9 * 0.1 / 160)


def test_calibration_is_better_than_the_models_own(made: Any) -> None:
    _, found = made
    told = found.manifest.provenance.training
    assert found.manifest.held_out.ece <= max(told["ece_of_the_model"], 0.05)
    assert not any("uncalibrated" in note for note in found.notes)


def test_card_tells_how_often_labels_are_right(made: Any) -> None:
    card = bytes(open_atlas_file(made[1].path).read("README.md")).decode()
    assert "fitted afterwards to labelled reference cells" in card
    assert "How often its labels are right" in card


@pytest.mark.parametrize("name", ["scvi_default", "scvi_embedding_default"])
def test_a_batch_that_the_decoder_does_not_know_is_the_mean_of_those_it_does(
    name: str, cells: Any, tmp_path: Path
) -> None:
    reference = adata(cells, "reference")
    reference.obs["batch"] = ["new" if b == "b1" else b for b in reference.obs["batch"]]
    model = model_at(name)
    plain = convert_model(model, tmp_path / "plain.cellport")
    found = convert_with_reference(
        model, tmp_path / "a.cellport", reference, how=ReferenceOptions(batch="batch")
    )
    assert found.manifest.batches[: len(plain.manifest.batches)] == plain.manifest.batches
    opened = open_atlas_file(found.path)
    assert all(check.passed for check in verify_atlas(opened, "cpu"))
    result = mapped(found.path, adata(cells, "query"))
    assert "cellport_novelty_p" in result.obs
    assert "cellport_call" not in result.obs
    added = found.manifest.batches[len(plain.manifest.batches) :]
    atlas, before = Atlas(opened), Atlas(open_atlas_file(plain.path))
    latent = np.zeros((1, found.manifest.n_latent), np.float32)
    np.testing.assert_allclose(
        atlas.decode(latent, plain.manifest.batches[0]),
        before.decode(latent, plain.manifest.batches[0]),
        rtol=1e-5,
    )
    for new in added:
        np.testing.assert_allclose(atlas.decode(latent, new), before.decode(latent), rtol=1e-4)


@pytest.mark.parametrize("name", ["scpoli_default", "scpoli_058"])
def test_without_labels_prototypes_answer_distances_as_before(
    name: str, cells: Any, tmp_path: Path
) -> None:
    plain = convert_model(model_at(name), tmp_path / "plain.cellport")
    found = convert_with_reference(
        model_at(name), tmp_path / "a.cellport", adata(cells, "reference"),
        how=ReferenceOptions(batch="batch"),
    )  # fmt: skip
    assert found.manifest.head == plain.manifest.head
    assert all(check.passed for check in verify_atlas(open_atlas_file(found.path), "cpu"))
    query = adata(cells, "query")
    one, other = mapped(plain.path, query), mapped(found.path, query)
    assert other["cellport_label"].tolist() == one["cellport_label"].tolist()
    distance = one["cellport_distance"]
    np.testing.assert_allclose(other["cellport_distance"], distance, rtol=1e-4, atol=1e-4)
    assert "cellport_prob" not in other.obs
    assert "cellport_novelty_p" in other.obs


def test_labels_of_others_are_refused_with_advice(cells: Any, tmp_path: Path) -> None:
    reference = adata(cells, "reference")
    reference.obs["coarse"] = np.where(np.arange(reference.n_obs) % 2, "one", "two")
    how = ReferenceOptions(labels="coarse", batch="batch")
    with pytest.raises(InputError, match=r"--labels label\."):
        convert_with_reference(
            model_at("celltypist_eight"), tmp_path / "a.cellport", reference, how=how
        )
    assert list(tmp_path.iterdir()) == []


def test_too_few_cells_are_refused(cells: Any, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="19 cells"):
        convert_with_reference(
            model_at("celltypist_eight"),
            tmp_path / "a.cellport",
            adata(cells, "reference")[:19],
            ConvertOptions(),
            LABELLED,
        )


def test_labels_that_the_model_does_not_know_are_said_and_left_unknown(made: Any) -> None:
    _, found = made
    assert any("does not know 'other'" in note for note in found.notes)
    label = open_atlas_file(found.path).array("reference_label")
    assert 0 < (label == -1).sum() < len(label) / 2


def test_batches_that_the_model_has_not_seen_are_left_out_ones(cells: Any, tmp_path: Path) -> None:
    reference = adata(cells, "reference")
    reference.obs["batch"] = [f"new {one}" for one in reference.obs["batch"]]
    # what the model calls cells without a label
    reference.obs["label"] = ["Unknown", *reference.obs["label"][1:]]
    found = convert_with_reference(
        model_at("scanvi_default"), tmp_path / "a.cellport", reference, how=LABELLED
    )
    assert found.manifest.held_out.by == "batch"
    assert found.manifest.head.calibration.state == "left_out_batches"
    assert not any("is not known: if it was" in note for note in found.notes)
    assert any("199 of 199 labelled reference cells" in note for note in found.notes)
    assert open_atlas_file(found.path).array("reference_label")[0] == -1


def test_a_model_of_one_dimension_is_too_narrow(cells: Any, tmp_path: Path) -> None:
    made = prepare_conversion(model_at("scvi_default"), ConvertOptions())
    last = made.network.latent
    narrow = replace(last, weight=last.weight[:1], bias=last.bias[:1])
    one = replace(made, network=replace(made.network, latent=narrow))
    with pytest.raises(InputError, match="latent has one dimension"):
        attach_reference(one, tmp_path / "a.cellport", adata(cells, "reference"))
    assert list(tmp_path.iterdir()) == []


def test_a_latent_that_is_not_the_models_is_never_written(
    cells: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(members, "TOLERANCE", -1.0)
    with pytest.raises(TrainingError, match=r"differs from the model's by .* \(allowed: -1\.0\)"):
        convert_with_reference(
            model_at("scvi_default"), tmp_path / "a.cellport", adata(cells, "reference")
        )
    assert list(tmp_path.iterdir()) == []
