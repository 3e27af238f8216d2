from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.label_tree import build_tree
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.beside_label.probabilities import (
    levels_of,
    of_same_node,
    prepare,
)
from cellport.runtime.mapping.annotate.labels import prepare as prepare_labels

LABELS = ("T", "B", "endothelial", "NK")
PARENTS = {"T": "T / NK", "NK": "T / NK", "T / NK": "lymphoid", "B": "lymphoid"}


@pytest.fixture
def deep(small_atlas: Any, forgery: Any) -> Any:
    """An atlas of four labels whose tree has three levels on one side and one on the other."""
    head = replace(forgery.manifest().head, set_prob=(0.5,) * 4)
    return small_atlas(labels=LABELS, parents=PARENTS, head=head)


def test_every_probability_and_the_levels(deep: Any, made: Any) -> None:
    found = prepare(made.setting(deep, probabilities=True))
    prob = [[0.5, 0.125, 0.25, 0.125], [0.0, 0.75, 0.25, 0.0], [0.0, 0.0, 1.0, 0.0], [0.25] * 4]
    values = found.annotate(made.cells([9, 9, 9, 0], label_prob=prob))
    assert found.schema.flat_names("cellport_probabilities") == [
        "cellport_probability_T",
        "cellport_probability_B",
        "cellport_probability_endothelial",
        "cellport_probability_NK",
    ]
    assert values["cellport_probabilities"].tolist() == [*prob[:3], [0] * 4]
    assert values["cellport_probabilities"].dtype == np.float32
    assert found.facts == {"labels": list(LABELS)}
    named = {
        column.name: [column.categories[code] for code in values[column.name]]
        for column in found.schema.columns
        if column.kind == "category"
    }
    assert named == {
        "cellport_level_1": ["lymphoid", "lymphoid", "endothelial", "unknown"],
        "cellport_level_2": ["T / NK", "B", "endothelial", "unknown"],
        "cellport_level_3": ["T", "B", "endothelial", "unknown"],
    }
    sure = [values[f"cellport_level_{level}_probability"].tolist() for level in (1, 2, 3)]
    assert sure == [[0.75, 0.75, 1, 0], [0.625, 0.75, 1, 0], [0.5, 0.75, 1, 0]]


@pytest.mark.parametrize(("seed", "n"), [(seed, 1 + 5 * seed) for seed in range(9)])
def test_levels_agree_with_label_and_call(deep: Any, made: Any, seed: int, n: int) -> None:
    """The last level is the label, the call is one of them, and none is surer than one above."""
    cells = made.any_cells(deep.manifest, n, seed)
    setting = made.setting(deep, probabilities=True)
    found, labels = prepare(setting), prepare_labels(setting)
    values, told = found.annotate(cells), labels.annotate(cells)
    names = [
        np.array(found.schema.categories(name), object)[values[name]]
        for name in (f"cellport_level_{level}" for level in (1, 2, 3))
    ]
    label = np.array(labels.schema.categories("cellport_label"), object)[told["cellport_label"]]
    call = np.array(labels.schema.categories("cellport_call"), object)[told["cellport_call"]]
    np.testing.assert_array_equal(names[-1], label)
    np.testing.assert_array_equal(values["cellport_level_3_probability"], told["cellport_prob"])
    assert all(one in (*path, "unknown") for one, *path in zip(call, *names, strict=True))
    sure = [values[f"cellport_level_{level}_probability"] for level in (1, 2, 3)]
    assert (np.diff([np.ones(n), *sure], axis=0) <= 0).all()


@given(st.integers(0, 2**31))
def test_the_same_bits_beside_any_cells(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prob = rng.dirichlet(np.ones(30), 50).astype(np.float32)
    node, best = rng.integers(0, 4, 30).astype(np.int32), prob.argmax(axis=1)
    alone = [of_same_node(prob[i : i + 1], node, best[i : i + 1])[0] for i in range(50)]
    np.testing.assert_array_equal(of_same_node(prob, node, best), alone)


def test_levels_of_a_flat_tree_are_the_labels() -> None:
    assert levels_of(build_tree(("a", "b"), {})).tolist() == [[0], [1]]


def test_no_tree_no_levels(small_atlas: Any, made: Any) -> None:
    found = prepare(made.setting(small_atlas(parents={}), probabilities=True))
    assert not found.schema.columns
    assert [*found.schema.obsm] == ["cellport_probabilities"]


def test_not_asked_for(deep: Any, made: Any) -> None:
    assert prepare(made.setting(deep)) is None


def test_without_probabilities_it_is_refused(small_atlas: Any, made: Any, forgery: Any) -> None:
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    bare = small_atlas(labels=(), parents={}, head=head, answers=answers)
    with pytest.raises(InputError, match=r"'small' has none\. Leave it out"):
        prepare(made.setting(bare, probabilities=True))
    head = replace(head, kind="prototypes")
    near = small_atlas(parents={}, head=head, answers=("latent", "label_distance"))
    with pytest.raises(InputError, match="of 'small' are those of the nearest prototypes"):
        prepare(made.setting(near, probabilities=True))
