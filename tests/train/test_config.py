from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from typing import Any, get_type_hints

import pytest

from cellport.runtime.errors import TrainingError
from cellport.train.config import AtlasConfig, AtlasSettings, FitConfig, with_settings


def test_settings_are_those_of_both_classes() -> None:
    """Names and types that a type checker knows; none is in both classes."""
    hints = [get_type_hints(config) for config in (AtlasConfig, FitConfig)]
    assert not hints[0].keys() & hints[1].keys()
    assert get_type_hints(AtlasSettings) == hints[0] | hints[1]
    assert hints[0].keys() == {field.name for field in fields(AtlasConfig)}


def test_settings_reach_the_class_that_has_them() -> None:
    config = AtlasConfig(n_genes=40, fit=FitConfig(n_latent=4))
    found = with_settings(config, {"labels": "x", "seed": 3})
    assert found == replace(config, labels="x", fit=replace(config.fit, seed=3))
    whole = with_settings(config, {"fit": FitConfig(n_hidden=9), "epochs": 2})
    assert whole.fit == FitConfig(n_hidden=9, epochs=2)


def test_a_wrong_name_is_named() -> None:
    with pytest.raises(TypeError, match=r"no setting lables, sed$"):
        with_settings(AtlasConfig(), {"sed": 1, "lables": "x"})  # type: ignore[typeddict-unknown-key]


def test_an_ontology_without_terms_is_refused() -> None:
    with pytest.raises(TrainingError, match="An ontology needs the column"):
        AtlasConfig(ontology="x")
    assert AtlasConfig(label_ids="x").label_ids == "x"


def test_a_config_costs_no_torch() -> None:
    code = "import cellport.train.config, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd="/")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("likelihood", "foo", "nb or zinb"),
        ("device", "tpu", "auto or cpu or cuda"),
        ("epochs", 0, "above 0"),
        ("batch_size", -1, "above 0"),
        ("learning_rate", float("nan"), "above 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(name: str, value: object, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        FitConfig(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"likelihood": "poisson"}, "likelihood must be nb or zinb, not 'poisson'"),
        ({"device": "tpu"}, "device must be auto or cpu or cuda, not 'tpu'"),
        ({"n_latent": 0}, "n_latent must be above 0, not 0"),
        ({"batch_size": -1}, "batch_size must be above 0, not -1"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0, not nan"),
    ],
)
def test_settings_that_train_nothing(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(TrainingError, match=said):
        FitConfig(**settings)
