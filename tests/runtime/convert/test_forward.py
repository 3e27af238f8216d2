"""Every option's model gives the answers that its package gave."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cellport.runtime.convert.forward import (
    celltypist_answers,
    scimilarity_answers,
    scpoli_answers,
    scvi_answers,
)
from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.recognise import read_model
from cellport.runtime.convert.models.scimilarity import ScimilarityModel
from cellport.runtime.convert.models.scpoli import ScPoliModel
from cellport.runtime.convert.models.scvi import ScviModel

FOREIGN = Path(__file__).resolve().parents[2] / "data" / "foreign"
CELLTYPIST = sorted(path.name for path in FOREIGN.glob("celltypist_*")) or ["celltypist_eight"]
SCVI = sorted(path.name for path in FOREIGN.glob("sc*vi_*")) or ["scvi_default"]

SCPOLI = sorted(path.name for path in FOREIGN.glob("scpoli_*")) or ["scpoli_default"]


def near(found: Any, expected: NDArray[Any]) -> None:
    """Within 1e-5 of the largest: what float32 layers of the packages leave."""
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", CELLTYPIST)
def test_celltypist(name: str, foreign: Any) -> None:
    one = foreign(name)
    model = read_model(one.path)
    assert isinstance(model, CellTypistModel)
    seen = 0
    for case, said in one.meta["cases"].items():
        if "refused" in said:
            continue
        cells = said["cells"]
        decision, probability = celltypist_answers(
            model, one.cells[f"{cells}.counts"], one.cells[f"{cells}.genes"].tolist()
        )
        near(decision, one.answers[f"decision.{case}"])
        near(probability, one.answers[f"probability.{case}"])
        labels = np.array(model.labels)[decision.argmax(1)]
        assert labels.tolist() == one.answers[f"best.{case}"].tolist()
        seen += 1
    assert seen


def one_hot(values: NDArray[Any], levels: tuple[str, ...]) -> NDArray[Any]:
    return np.array([[value == level for level in levels] for value in values], float)


def covariates(model: ScviModel, one: Any, case: str, said: dict[str, Any]) -> dict[str, Any]:
    """Return what goes in beside counts: a case's weights, or each cell's own."""
    if "batch" in said:
        given = said.get("categories", {})
        return {
            "batch": np.array([said["batch"].get(name, 0) for name in model.batches]),
            "categories": [
                np.array([given[name].get(level, 0) for level in levels])
                for name, levels in model.categories
            ],
            "continuous": np.array([[said["continuous"][name] for name in model.continuous]])
            if model.continuous
            else None,
        }
    cells = said["cells"]
    return {
        "batch": one_hot(one.cells[f"{cells}.batch"], model.batches),
        "categories": [
            one_hot(one.cells[f"{cells}.{name}"], levels) for name, levels in model.categories
        ],
        "continuous": np.stack([one.cells[f"{cells}.{name}"] for name in model.continuous], 1)
        if model.continuous
        else None,
    }


@pytest.mark.parametrize("name", SCVI)
def test_scvi(name: str, foreign: Any) -> None:
    one = foreign(name)
    model = read_model(one.path)
    assert isinstance(model, ScviModel)
    seen = 0
    for case, said in one.meta["cases"].items():
        cells = said["cells"]
        key = f"softmax.{case}" if f"softmax.{case}" in one.answers else f"latent.{case}"
        if key not in one.answers:
            continue
        latent, probability = scvi_answers(
            model,
            one.cells[f"{cells}.counts"],
            one.cells[f"{cells}.genes"].tolist(),
            **covariates(model, one, case, said),
        )
        near(latent, one.answers[key])
        if f"probability.{case}" in one.answers:
            assert list(model.labels) == one.meta["labels"]
            near(probability, one.answers[f"probability.{case}"])
        seen += 1
    assert seen


@pytest.mark.parametrize("name", SCPOLI)
def test_scpoli(name: str, foreign: Any) -> None:
    one = foreign(name)
    model = read_model(one.path)
    assert isinstance(model, ScPoliModel)
    assert list(model.labels) == one.meta["labels"]
    for case, said in one.meta["cases"].items():
        cells, given = said["cells"], said.get("conditions")
        weights = [
            one_hot(one.cells[f"{cells}.{condition.name}"], condition.levels)
            if given is None
            else np.array([given[condition.name][level] for level in condition.levels])
            for condition in model.conditions
        ]
        latent, distances = scpoli_answers(
            model, one.cells[f"{cells}.counts"], one.cells[f"{cells}.genes"].tolist(), weights
        )
        near(latent, one.answers[f"latent.{case}"])
        assert distances is not None
        near(distances, one.answers[f"distances.{case}"])
        # torch.cdist takes squares apart in float32, so small distances have the error of large
        nearest = np.sort(one.answers[f"distances.{case}"], 1)[:, 0]
        assert nearest.tolist() == one.answers[f"uncertainty.{case}"].tolist()
        labels = np.array(model.labels)[distances.argmin(1)]
        assert labels.tolist() == one.answers[f"label.{case}"].tolist()


def test_scimilarity(foreign: Any) -> None:
    one = foreign("scimilarity")
    model = read_model(one.path)
    assert isinstance(model, ScimilarityModel)
    assert list(model.classes) == one.meta["labels"]
    for case in one.meta["cases"]:
        genes = one.cells[f"{case}.genes"].tolist()
        near(
            scimilarity_answers(model, one.cells[f"{case}.counts"], genes),
            one.answers[f"latent.{case}"],
        )
