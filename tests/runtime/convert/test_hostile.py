"""What newcomers and odd models do to `convert_model`, and to atlases that were converted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pytest

from cellport.runtime.convert import write
from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.recognise import read_model
from cellport.runtime.convert.write import ConvertOptions, convert_model
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.mapping.atlas import load_atlas


@pytest.fixture
def model(foreign_folder: Path) -> CellTypistModel:
    found = read_model(foreign_folder / "celltypist_eight" / "model.pkl")
    assert isinstance(found, CellTypistModel)
    return found


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"organism": "dog"}, "not of 'dog'"),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"as_batch": "one"}, "does not ask for a batch"),
    ],
)
def test_options_that_fit_nothing(
    options: dict[str, Any], said: str, foreign_folder: Path, tmp_path: Path
) -> None:
    path = foreign_folder / "celltypist_two" / "model.pkl"
    with pytest.raises(InputError, match=said):
        convert_model(path, tmp_path / "made.cellport", ConvertOptions(**options))
    assert not list(tmp_path.iterdir())


def test_places_that_are_none(foreign_folder: Path, tmp_path: Path) -> None:
    path = foreign_folder / "celltypist_two" / "model.pkl"
    with pytest.raises(OutputError, match="too long for a file"):
        convert_model(path, tmp_path / ("y" * 250))
    with pytest.raises(InputError, match="is an address and not a file"):
        convert_model("https://example.org/model.pkl", tmp_path / "made.cellport")
    convert_model(path, tmp_path / "möd 细胞.cellport")
    with pytest.raises(InputError, match="an atlas of cellport, which needs no conversion"):
        convert_model(tmp_path / "möd 细胞.cellport", tmp_path / "again.cellport")


@pytest.mark.parametrize("first", ["unknown", "", "a;b", "<b>é细胞</b>", 'a "quoted",\nline'])
def test_labels_of_any_text(
    first: str,
    model: CellTypistModel,
    foreign_query: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    odd = replace(model, labels=(first, *model.labels[1:]))
    monkeypatch.setattr(write, "read_model", lambda _: odd)
    atlas = load_atlas(convert_model("odd.pkl", tmp_path / "made.cellport").path)
    found = atlas.map(foreign_query)
    found.write(tmp_path / "found.h5ad")
    written = anndata.read_h5ad(tmp_path / "found.h5ad").obs["cellport_label"]
    assert written.tolist() == found["cellport_label"].tolist()
    assert written.iloc[2] == "unknown"  # which has no counts
    assert set(written) <= {*odd.labels, "unknown"}


def test_a_model_of_one_gene(
    model: CellTypistModel, foreign_query: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = replace(
        model,
        genes=model.genes[:1],
        coef=model.coef[:, :1],
        scale=model.scale[:1],
        mean=None if model.mean is None else model.mean[:1],
    )
    monkeypatch.setattr(write, "read_model", lambda _: one)
    atlas = load_atlas(convert_model("one.pkl", tmp_path / "made.cellport").path)
    assert np.isfinite(atlas.map(foreign_query)["cellport_prob"]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"neighbors": 3}, "no reference cells to find neighbours among"),
        ({"corrected_expression": ["CD3D"]}, "no reference cells, which tell how far"),
    ],
)
def test_what_needs_reference_cells(
    options: dict[str, Any], said: str, converted: Callable[[str], Path], foreign_query: Path
) -> None:
    for name in ("celltypist_two", "scanvi_default", "scpoli_default"):
        with pytest.raises(InputError, match=said):
            load_atlas(converted(name)).map(foreign_query, **options)
