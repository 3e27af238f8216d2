"""References of which only latents are left: what they tell, and which are another model's."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.convert.write import (
    Converted,
    ConvertOptions,
    convert_model,
    prepare_conversion,
)
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.attach.api import ReferenceOptions, convert_with_reference
from cellport.train.attach.latents import profiles_of_latents
from cellport.train.cells import TrainingCells

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
SCVI, SCANVI = FOREIGN / "scvi_minified", FOREIGN / "scanvi_minified"
COLUMNS = ReferenceOptions(labels="label", batch="batch")


def query() -> anndata.AnnData:
    cells = np.load(FOREIGN / "cells.npz")
    counts = sp.csr_matrix(cells["query.counts"].astype(np.float32))
    obs = pd.DataFrame(index=pd.Index([f"cell {i}" for i in range(counts.shape[0])]))
    return anndata.AnnData(counts, obs, pd.DataFrame(index=cells["query.genes"].astype(str)))


@pytest.fixture(scope="module", params=[SCVI, SCANVI], ids=lambda path: path.name)
def made(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    out = tmp_path_factory.mktemp(request.param.name) / "a.cellport"
    return convert_with_reference(request.param, out, request.param / "adata.h5ad", how=COLUMNS)


def test_latents_are_the_reference_cells(made: Converted) -> None:
    atlas = open_atlas_file(made.path)
    assert all(check.passed for check in verify_atlas(atlas, "cpu"))
    assert made.manifest.has_reference
    assert len(atlas.array("reference_latent")) == 200
    near = Atlas(atlas).map(query(), neighbors=3, device="cpu", threads=1)
    wanted = {"cellport_cluster", "cellport_novelty_p", "cellport_novel", "cellport_neighbors"}
    assert wanted <= set(near.obs)
    assert np.isfinite(near["X_cellport_umap"]).all()
    p = near["cellport_novelty_p"]
    assert ((p > 0) & (p <= 1)).all()


def test_labels_are_told_where_the_model_has_a_classifier(made: Converted) -> None:
    result = Atlas(open_atlas_file(made.path)).map(query(), device="cpu", threads=1)
    labelled = bool(made.manifest.labels)
    assert ("cellport_call" in result.obs) == ("cellport_label_set" in result.obs) == labelled
    held_out = made.manifest.held_out
    assert (held_out is not None) == labelled
    if held_out is not None:
        told = made.manifest.provenance.training
        assert held_out.ece <= told["ece_of_the_model"]
        # nothing is known of degraded cells, and nothing is said of them
        assert held_out.sets is None
        assert b"shallow and short of genes" not in open_atlas_file(made.path).read("README.md")


def test_notes_say_what_latents_do_not_tell(made: Converted) -> None:
    assert any("latents alone" in note for note in made.notes)
    assert not any("is not known: if it was" in note for note in made.notes)
    assert not any("holds only zeros" in note for note in made.notes)
    assert not any("does not know 'Unknown'" in note for note in made.notes)


def edited(folder: Path, edit: Callable[[h5py.File], None]) -> Path:
    path = folder / "cells.h5ad"
    shutil.copy(SCANVI / "adata.h5ad", path)
    with h5py.File(path, "r+") as file:
        edit(file)
    return path


@pytest.mark.filterwarnings("ignore:Writing zarr v2:UserWarning")
def test_names_of_older_versions_and_all_forms_tell_the_same(tmp_path: Path) -> None:
    """scvi-tools 0.20 to 1.0 names have a leading underscore; AnnData and zarr hold the same."""

    def older(file: h5py.File) -> None:
        file.move("obsm/scanvi_latent_qzm", "obsm/_scanvi_latent_qzm")
        file.move("obs/observed_lib_size", "obs/_scanvi_observed_lib_size")
        order = [str(name) for name in file["obs"].attrs["column-order"]]
        names = [name.replace("observed_lib", "_scanvi_observed_lib") for name in order]
        file["obs"].attrs["column-order"] = names

    path = SCANVI / "adata.h5ad"
    held = anndata.read_h5ad(path)
    store = tmp_path / "cells.zarr"
    held.write_zarr(store)
    forms = [path, held, store, edited(tmp_path, older)]
    found = []
    for form in forms:
        made = convert_with_reference(SCANVI, tmp_path / "a.cellport", form, how=COLUMNS)
        atlas = open_atlas_file(made.path)
        arrays = ("reference_latent", "novelty_score", "novelty_depth", "label_mean")
        found.append([*(atlas.array(name) for name in arrays), *made.manifest.head.set_prob])
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def rename(old: str, new: str) -> Callable[[h5py.File], None]:
    return lambda file: file.move(old, new)


def put(name: str, values: Any) -> Callable[[h5py.File], None]:
    def edit(file: h5py.File) -> None:
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)

    return edit


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (rename("obsm/scanvi_latent_qzm", "obsm/scvi_latent_qzm"), "none of a model of the kind"),
        (put("obsm/scanvi_latent_qzm", np.zeros((200, 5), "f4")), "have 5 dimensions and the mod"),
        (put("obsm/scanvi_latent_qzm", np.full((200, 4), np.nan)), "no finite numbers"),
        (put("obsm/scanvi_latent_qzm", np.zeros(200)), "no matrix of numbers"),
        (put("uns/_scvi_uuid", "another"), "ids by which scvi-tools joins"),
        (put("var/_index", np.array([f"g{i}" for i in range(64)], "S3")), "genes"),
        (lambda file: put("var/_index", [*file["var/_index"][:-2], b"x", b"y"])(file), "lacks 2 "),
    ],
)
def test_latents_of_another_model_are_refused(
    edit: Callable[[h5py.File], None], said: str, tmp_path: Path
) -> None:
    path = edited(tmp_path, edit)
    with pytest.raises(InputError, match=said):
        convert_with_reference(SCANVI, tmp_path / "a.cellport", path, how=COLUMNS)
    assert [one.name for one in tmp_path.iterdir()] == ["cells.h5ad"]


def test_other_models_want_counts(tmp_path: Path) -> None:
    for model in ("celltypist_eight/model.pkl", "scpoli_default"):
        with pytest.raises(InputError, match="say nothing to this model"):
            convert_with_reference(
                FOREIGN / model, tmp_path / "a.cellport", SCANVI / "adata.h5ad", how=COLUMNS
            )


def with_counts() -> anndata.AnnData:
    cells = anndata.read_h5ad(SCANVI / "adata.h5ad")
    counts = np.load(FOREIGN / "cells.npz")["reference.counts"].astype(np.float32)
    return anndata.AnnData(
        sp.csr_matrix(counts), cells.obs, cells.var, cells.uns, obsm=dict(cells.obsm)
    )


def test_counts_and_latents_do_not_mix(tmp_path: Path) -> None:
    cells = with_counts()
    del cells.uns["_scvi_adata_minify_type"]
    both = [SCANVI / "adata.h5ad", cells]
    with pytest.raises(InputError, match="the ones or the others"):
        convert_with_reference(SCANVI, tmp_path / "a.cellport", both, how=COLUMNS)


def test_counts_that_were_kept_are_used(tmp_path: Path) -> None:
    cells = with_counts()
    cells.uns["_scvi_adata_minify_type"] = "latent_posterior_parameters_with_counts"
    made = convert_with_reference(SCANVI, tmp_path / "a.cellport", cells, how=COLUMNS)
    assert not any("latents alone" in note for note in made.notes)
    assert made.manifest.held_out is not None
    assert made.manifest.held_out.sets is not None


def test_cells_without_any_count_are_refused(tmp_path: Path) -> None:
    cells = anndata.read_h5ad(SCANVI / "adata.h5ad")
    del cells.uns["_scvi_adata_minify_type"]
    with pytest.raises(InputError, match="no counts"):
        convert_with_reference(SCANVI, tmp_path / "a.cellport", cells, how=COLUMNS)


def test_latents_without_labels_and_depths_tell_all_but_of_labels(tmp_path: Path) -> None:
    cells = anndata.read_h5ad(SCANVI / "adata.h5ad")
    del cells.obs["observed_lib_size"]
    made = convert_with_reference(
        SCANVI, tmp_path / "a.cellport", cells, how=ReferenceOptions(batch="batch")
    )
    assert made.manifest.held_out is None
    assert made.manifest.head == convert_model(SCANVI, tmp_path / "b.cellport").manifest.head
    atlas = open_atlas_file(made.path)
    # no depth is known
    assert not atlas.array("novelty_depth").any()
    result = Atlas(atlas).map(query(), device="cpu", threads=1)
    assert {"cellport_label", "cellport_prob", "cellport_novelty_p"} <= set(result.obs)
    assert "cellport_call" not in result.obs


def test_profiles_of_a_model_without_a_decoder_are_not_made_up() -> None:
    made = prepare_conversion(SCANVI, ConvertOptions())
    cells = TrainingCells(
        sp.csr_matrix((9, 1)), np.arange(9) % 4, np.zeros(9, np.int64), 4, 1, np.arange(0)
    )
    latent, library = np.zeros((9, 4), np.float32), np.full(9, 500.0, np.float32)
    drawn = profiles_of_latents(made, latent, library, cells)
    assert (drawn.sum(axis=1) > 0).all()
    bare = {name: data for name, data in made.members.items() if name != "decoder.onnx"}
    none = profiles_of_latents(replace(made, members=bare), latent, library, cells)
    assert none.shape == drawn.shape
    assert not none.any()
