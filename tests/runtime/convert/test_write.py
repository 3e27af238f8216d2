"""Converted atlases answer as the packages do, mapped like any other atlas."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.base.names import joinable
from cellport.runtime.convert.forward import celltypist_answers, scpoli_answers
from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.recognise import read_model
from cellport.runtime.convert.models.scpoli import ScPoliModel
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.convert.network import choose_batch, network_of
from cellport.runtime.convert.write import Converted, ConvertOptions, convert_model
from cellport.runtime.errors import InputError
from cellport.runtime.genes.gene_table import load_gene_table
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.mapping.verify import verify_atlas

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
CELLTYPIST = sorted(path.name for path in FOREIGN.glob("celltypist_*")) or ["celltypist_eight"]
SCPOLI = sorted(path.name for path in FOREIGN.glob("scpoli_*")) or ["scpoli_default"]
SCVI = sorted(path.name for path in FOREIGN.glob("sc*vi_*")) or ["scvi_default"]


def near(found: Any, expected: NDArray[Any], within: float = 1e-5) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=within * np.abs(expected).max())


def mapped(made: Converted, one: Any, cells: str, **options: Any) -> Mapping:
    counts = sp.csr_matrix(one.cells[f"{cells}.counts"].astype(np.float32))
    names = one.cells[f"{cells}.genes"].tolist()
    atlas = Atlas(open_atlas_file(made.path))
    return atlas.map((counts, names), minimum_genes=0.1, device="cpu", threads=1, **options)


@pytest.mark.parametrize("name", CELLTYPIST)
def test_celltypist(name: str, foreign: Any, tmp_path: Path) -> None:
    one = foreign(name)
    made = convert_model(one.path, tmp_path / "made.cellport")
    assert all(check.passed for check in verify_atlas(open_atlas_file(made.path), "cpu"))
    for case, said in one.meta["cases"].items():
        if "refused" in said:
            continue
        found = mapped(made, one, said["cells"], several_labels=True)
        assert not {"cellport_call", "cellport_label_set", "cellport_novel"} & set(found.obs)
        above = one.answers[f"probability.{case}"] > 0.5
        several = [set(text.split(";")) for text in found["cellport_labels_above_half"]]
        labels = np.array([joinable(name) for name in open_atlas_file(made.path).manifest.labels])
        assert several == [set(labels[row]) or {"Unassigned"} for row in above]
        assert found["cellport_label"].tolist() == one.answers[f"best.{case}"].tolist()
        best = one.answers[f"decision.{case}"].argmax(1)
        prob = one.answers[f"probability.{case}"][np.arange(len(best)), best]
        # scores of hundreds, as those of SGD, have the error of hundreds in float32
        atol = max(1e-6, 1e-8 * np.abs(one.answers[f"decision.{case}"]).max())
        np.testing.assert_allclose(found["cellport_prob"], prob, rtol=0, atol=atol)
        near(found["X_cellport"], one.answers[f"decision.{case}"])


def shares(model: ScviModel, one: Any, case: str) -> Any:
    """The batch that a case told the encoder, for all cells alike; None where each had its own."""
    said = one.meta["cases"][case]
    if not model.encoder_takes_batch:
        return {}
    return {"as_batch": said["batch"]} if "batch" in said else None


@pytest.mark.parametrize("name", SCVI)
def test_scvi(name: str, foreign: Any, tmp_path: Path) -> None:
    one = foreign(name)
    model = read_model(one.path)
    assert isinstance(model, ScviModel)
    seen = 0
    for case, said in one.meta["cases"].items():
        key = f"softmax.{case}" if f"softmax.{case}" in one.answers else f"latent.{case}"
        options = shares(model, one, case)
        # further covariates stand at their mean, which is not what all cases gave
        if key not in one.answers or options is None or model.encoder_takes_covariates:
            continue
        made = convert_model(one.path, tmp_path / "made.cellport", ConvertOptions(**options))
        found = mapped(made, one, said["cells"])
        near(found["X_cellport"], one.answers[key])
        if f"probability.{case}" in one.answers:
            prob = one.answers[f"probability.{case}"]
            labels = np.array(one.meta["labels"])[prob.argmax(1)]
            sure = np.sort(prob, 1)[:, -1] - np.sort(prob, 1)[:, -2] > 1e-5
            assert (found["cellport_label"] == labels)[sure].all()
            np.testing.assert_allclose(found["cellport_prob"], prob.max(1), rtol=0, atol=1e-5)
        seen += 1
    if not model.encoder_takes_covariates:
        assert seen
    made = convert_model(one.path, tmp_path / "made.cellport")
    assert all(check.passed for check in verify_atlas(open_atlas_file(made.path), "cpu"))
    assert (made.manifest.assumed_batch is not None) == model.encoder_takes_batch


@pytest.mark.parametrize("name", SCPOLI)
def test_scpoli(name: str, foreign: Any, tmp_path: Path) -> None:
    one = foreign(name)
    model = read_model(one.path)
    assert isinstance(model, ScPoliModel)
    out = tmp_path / "made.cellport"
    if one.meta["options"].get("recon_loss") == "mse":
        with pytest.raises(InputError, match="does not say how"):
            convert_model(one.path, out)
        return
    for case, said in one.meta["cases"].items():
        weights = said.get("conditions", {}).get(model.conditions[0].name)
        if weights is None or len(model.conditions) > 1:
            continue
        found = mapped(
            convert_model(one.path, out, ConvertOptions(as_batch=weights)), one, said["cells"]
        )
        near(found["X_cellport"], one.answers[f"latent.{case}"])
        assert found["cellport_label"].tolist() == one.answers[f"label.{case}"].tolist()
        near(found["cellport_distance"], one.answers[f"uncertainty.{case}"], 1e-4)
        assert "cellport_prob" not in found.obs
    made = convert_model(one.path, out)
    assert all(check.passed for check in verify_atlas(open_atlas_file(out), "cpu"))
    assert made.manifest.assumed_batch is not None
    assert made.manifest.assumed_batch.batches == model.conditions[0].levels
    counts, genes = one.cells["query.counts"], one.cells["query.genes"].tolist()
    latent, distances = scpoli_answers(model, counts, genes)
    assert distances is not None
    found = mapped(made, one, "query")
    near(found["X_cellport"], latent)
    near(found["cellport_distance"], distances.min(1))


def test_labels_of_several_columns_are_those_of_the_one_with_most(foreign: Any) -> None:
    model = read_model(foreign("scpoli_default").path)
    assert isinstance(model, ScPoliModel)
    model = replace(model, levels=(("broad", (0, 3)), ("fine", (1, 2, 4))))
    network = network_of(model, choose_batch(model, None))
    assert network.labels == tuple(model.labels[at] for at in (1, 2, 4))
    assert network.prototypes is not None
    assert model.prototypes is not None
    np.testing.assert_array_equal(network.prototypes, model.prototypes[[1, 2, 4]])


def test_scimilarity(foreign: Any, tmp_path: Path) -> None:
    one = foreign("scimilarity")
    made = convert_model(one.path, tmp_path / "made.cellport")
    for case, said in one.meta["cases"].items():
        found = mapped(made, one, said["cells"])
        near(found["X_cellport"], one.answers[f"latent.{case}"])
        assert "cellport_label" not in found.obs


@pytest.mark.parametrize("name", ["CD4vCD8vGDvNK_v2.pkl", "RIRA_Immune_v2.pkl", "RIRA_TNK_v2.pkl"])
def test_published_celltypist_models(
    name: str, models: Path, data_dir: Path, tmp_path: Path
) -> None:
    made = convert_model(models / name, tmp_path / "made.cellport")
    assert made.difference < 1e-5
    file = open_atlas_file(made.path)
    assert all(check.passed for check in verify_atlas(file, "cpu"))
    model = read_model(models / name)
    assert isinstance(model, CellTypistModel)
    # of the last some genes in other words, which celltypist does not know
    for cells in ("pbmc3k_10x", "pbmc_3studies_labelled", "kang2018_pbmc_ctrl12k_stim806"):
        whole = anndata.read_h5ad(data_dir / f"{cells}.h5ad")[:1000]
        score, prob = celltypist_answers(model, whole.X.toarray(), whole.var_names.tolist())
        query = (sp.csr_matrix(whole.X), whole.var_names.tolist())
        found = Atlas(file).map(query, minimum_genes=0.1, device="cpu", threads=1)
        assert found["cellport_label"].tolist() == np.array(model.labels)[score.argmax(1)].tolist()
        np.testing.assert_allclose(found["cellport_prob"], prob.max(1), rtol=0, atol=1e-6)


def test_a_model_of_symbols_maps_cells_in_ensembl_ids_alone(
    models: Path, data_dir: Path, tmp_path: Path
) -> None:
    made = convert_model(models / "RIRA_Immune_v2.pkl", tmp_path / "made.cellport")
    atlas = Atlas(open_atlas_file(made.path))
    cells = anndata.read_h5ad(data_dir / "pbmc_3studies_labelled.h5ad")
    id_of = load_gene_table("human").id_of
    ids = [id_of.get(symbol, f"ENSG{i:011d}") for i, symbol in enumerate(cells.var_names)]
    by_symbol, by_id = (
        atlas.map((cells.X, names), minimum_genes=0.1, device="cpu")
        for names in (cells.var_names.tolist(), ids)
    )
    assert (by_symbol["cellport_label"] == by_id["cellport_label"]).mean() > 0.99
    said = "were found by a table of symbols and Ensembl ids"
    assert not [note for note in by_symbol.uns["cellport"]["notes"] if said in note]
    assert [note for note in by_id.uns["cellport"]["notes"] if said in note]


@pytest.mark.parametrize("name", ["totalvi_to_refuse.pt", "condscvi_to_refuse.pt"])
def test_models_of_other_kinds_are_refused_by_name(name: str, models: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=name.split("_")[0].upper().replace("CONDSCVI", "CondSCVI")
    ):
        convert_model(models / name, tmp_path / "made.cellport")
    assert list(tmp_path.iterdir()) == []
