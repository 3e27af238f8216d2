"""scPoli models whose settings are not those of the trained ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.convert.forward import scpoli_answers
from cellport.runtime.convert.models.pickles.torch_zip import read_attributes, read_torch
from cellport.runtime.convert.models.scpoli import ScPoliModel, scpoli_model
from cellport.runtime.errors import InputError

FOLDER = Path(__file__).resolve().parents[3] / "data" / "foreign" / "scpoli_default"
GENES = (FOLDER / "var_names.csv").read_text().split()


def changed(state: dict[str, Any] | None = None, **attributes: Any) -> ScPoliModel:
    given = read_attributes(FOLDER / "attr.pkl") | attributes
    return scpoli_model(
        read_torch(FOLDER / "model_params.pt") | (state or {}), GENES, given, "model"
    )


def test_trained_without_labels() -> None:
    model = changed(prototypes_labeled_={"mean": None, "cov": None}, cell_types_={})
    assert (model.labels, model.prototypes, model.levels) == ((), None, ())
    latent, distances = scpoli_answers(model, np.ones((2, len(GENES))), GENES)
    assert latent.shape == (2, 5)
    assert distances is None


def test_labels_of_two_columns() -> None:
    model = changed(
        cell_types_={"T": ["fine"], "B": ["fine", "coarse"], "other": ["coarse"]},
        prototypes_labeled_={"mean": np.eye(3, 5)},
    )
    assert model.labels == ("T", "B", "other")
    assert model.levels == (("fine", (0, 1)), ("coarse", (1, 2)))


def test_embeddings_of_too_large_a_norm_are_capped() -> None:
    """The optimiser's last step may leave some that scPoli caps when it uses them."""
    given = np.array([[3, 4, 0], [0.1, 0.2, 0.2], [0, 0, -2]], np.float32)
    (batch,) = changed({"embeddings.0.weight": given}).conditions
    expected = [[0.6, 0.8, 0], [0.1, 0.2, 0.2], [0, 0, -1]]
    np.testing.assert_allclose(batch.embedding, expected, rtol=1e-6)
    (batch,) = changed({"embeddings.0.weight": given}, embedding_max_norm_=None).conditions
    assert batch.embedding.tolist() == given.tolist()


def test_without_conditions_every_level_weighs_alike() -> None:
    model = changed()
    counts = np.arange(len(GENES))[None]
    latent, _ = scpoli_answers(model, counts, GENES)
    alike, _ = scpoli_answers(model, counts, GENES, [np.full(3, 1 / 3)])
    assert latent.tolist() == alike.tolist()
    one, _ = scpoli_answers(model, counts, GENES, [np.array([1, 0, 0])])
    assert not np.allclose(latent, one)


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({"conditions_": None}, "conditions_"),
        ({"conditions_": {"batch": ["only one"]}}, r"embeddings\.0\.weight"),
        ({"cell_types_": {1: ["label"], "1": ["label"]}}, "cell_types_"),
        ({"prototypes_labeled_": {"mean": np.zeros((8, 4))}}, r"prototypes_labeled_\.mean"),
        ({"prototypes_labeled_": {"mean": np.full((8, 5), np.nan)}}, r"prototypes_labeled_\.mean"),
    ],
)
def test_what_does_not_fit_is_named(attributes: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=field):
        changed(**attributes)
