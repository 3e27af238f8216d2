from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import UNKNOWN
from cellport.runtime.mapping.annotate.annotator import Annotator
from cellport.runtime.mapping.annotate.labels import best_labels, prepare

PROB = np.array(
    [[0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.26, 0.25, 0.49], [0.0, 0.0, 1.0]], np.float32
)
FULL = [5000.0] * 4


@pytest.fixture
def labelled(small_atlas: Callable[..., AtlasFile], forgery: Any, made: Any) -> Any:
    """How to label the four cells above on an atlas of three labels."""
    usual = forgery.manifest()

    def label(
        library: list[float],
        call_prob: float = 0.5,
        set_prob: tuple[float, ...] = (0.05, 0.25, 0.3),
        **fields: Any,
    ) -> dict[str, Any]:
        atlas = small_atlas(
            labels=fields.get("labels", ("alpha", "beta", "gamma")),
            parents=fields.get("parents", {}),
            head=replace(usual.head, set_prob=set_prob, set_mass=fields.get("set_mass", 0.0)),
            thresholds=replace(usual.thresholds, call_prob=call_prob),
        )
        found = prepare(made.setting(atlas))
        assert found is not None
        return _in_words(found, made.cells(library, label_prob=PROB))

    return label


def _in_words(found: Annotator, cells: Any) -> dict[str, Any]:
    values = found.annotate(cells)
    for column in found.schema.columns:
        if column.kind == "category":
            values[column.name] = [column.categories[code] for code in values[column.name]]
    return {name.removeprefix("cellport_"): list(of_cells) for name, of_cells in values.items()}


def test_labels_and_calls(labelled: Any) -> None:
    found = labelled([100, 5000, 99.5, 0])
    assert found["label"] == ["alpha", "beta", "gamma", UNKNOWN]
    assert found["call"] == ["alpha", "beta", UNKNOWN, UNKNOWN]
    assert found["prob"] == np.float32([0.9, 0.5, 0.49, 0]).tolist()


@pytest.mark.parametrize("call_prob", [0.0, 0.5])
def test_an_empty_cell_is_unknown_however_sure_the_network_is(
    labelled: Any, call_prob: float
) -> None:
    found = labelled([0, 0, 0, 0], call_prob)
    assert set(found["label"]) == set(found["call"]) == {UNKNOWN}
    assert set(found["prob"]) == {0}
    assert set(found["label_set"]) == {""}


@pytest.mark.parametrize(("call_prob", "unknown"), [(0.0, 0), (0.5, 1), (0.51, 2), (1.0, 3)])
def test_calls_honour_the_atlas_s_threshold(labelled: Any, call_prob: float, unknown: int) -> None:
    found = labelled(FULL, call_prob)
    assert found["call"].count(UNKNOWN) == unknown
    assert UNKNOWN not in found["label"]


def test_a_call_backs_off_along_the_tree(labelled: Any) -> None:
    parents = {"beta": "beta or gamma", "gamma": "beta or gamma"}
    found = labelled([*FULL[:3], 0], 0.7, parents=parents)
    assert found["call"] == ["alpha", *["beta or gamma"] * 2, UNKNOWN]
    assert found["label"] == ["alpha", "beta", "gamma", UNKNOWN]


def test_label_sets_hold_every_label_that_reaches_its_threshold(labelled: Any) -> None:
    found = labelled([*FULL[:3], 0])
    assert found["label_set"] == ["alpha", "beta;gamma;alpha", "gamma;alpha;beta", ""]


def test_the_best_label_is_in_its_set_even_below_the_threshold(labelled: Any) -> None:
    found = labelled(FULL, set_prob=(1.0, 1.0, 1.0))
    assert found["label_set"] == ["alpha", "beta", "gamma", "gamma"]


def test_another_label_that_reaches_its_threshold_is_in_a_set_whose_best_does_not(
    labelled: Any,
) -> None:
    found = labelled(FULL, set_prob=(0.06, 1.0, 1.0))
    assert found["label_set"] == ["alpha", "beta;alpha", "gamma;alpha", "gamma"]


@pytest.mark.parametrize(
    ("mass", "expected"),
    [
        (0.0, ["alpha", "beta", "gamma", "gamma"]),
        (0.5, ["alpha", "beta", "gamma;alpha", "gamma"]),
        (0.85, ["alpha", "beta;gamma;alpha", "gamma;alpha;beta", "gamma"]),
        (0.93, ["alpha;beta", "beta;gamma;alpha", "gamma;alpha;beta", "gamma"]),
    ],
)
def test_the_most_probable_labels_are_in_a_set_until_they_add_up(
    labelled: Any, mass: float, expected: list[str]
) -> None:
    found = labelled(FULL, set_prob=(1.0, 1.0, 1.0), set_mass=mass)
    assert found["label_set"] == expected


def test_labels_of_a_set_can_be_told_apart_whatever_they_are_called(labelled: Any) -> None:
    found = labelled([*FULL[:3], 0], labels=("a;b", "c", "d, e"))
    assert found["label"][0] == "a;b"
    assert found["label_set"] == ["a,b", "c;d, e;a,b", "d, e;a,b;c", ""]


def test_the_best_label_is_the_nearest_or_the_one_with_the_highest_score(made: Any) -> None:
    turned = PROB[:, ::-1]
    library = [1.0] * 4
    assert best_labels(made.cells(library, label_prob=PROB)).tolist() == [0, 1, 2, 2]
    scored = made.cells(library, label_prob=PROB, label_score=turned)
    assert best_labels(scored).tolist() == [2, 1, 0, 0]
    far = [[3, 1, 2], [0, 5, 5], [2, 2, 1], [4, 0, 0]]
    assert best_labels(made.cells(library, label_distance=far)).tolist() == [1, 0, 2, 1]


def test_of_prototypes_the_nearest_and_how_far_it_is(
    small_atlas: Callable[..., AtlasFile], forgery: Any, made: Any
) -> None:
    head = replace(forgery.manifest().head, kind="prototypes", set_prob=())
    atlas = small_atlas(
        labels=("alpha", "beta", "gamma"), parents={}, head=head, structure=None,
        answers=("latent", "label_distance"),
    )  # fmt: skip
    found = prepare(made.setting(atlas))
    assert found is not None
    far = [[3, 1, 2], [0, 5, 5], [2, 2, 1], [4, 0, 0]]
    values = _in_words(found, made.cells([9, 9, 9, 0], label_distance=far))
    assert values["label"] == ["beta", "alpha", "gamma", UNKNOWN]
    np.testing.assert_array_equal(values["distance"], np.float32([1, 0, 1, np.nan]))
