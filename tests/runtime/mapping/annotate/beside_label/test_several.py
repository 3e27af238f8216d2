from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import UNASSIGNED
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.beside_label.several import above_half, prepare

NAMES = np.array(["a", "b", "c"], object)


@pytest.fixture
def sigmoids(small_atlas: Any, forgery: Any) -> AtlasFile:
    """An atlas that judges each of two labels by itself; one of them holds what joins labels."""
    head = replace(forgery.manifest().head, kind="sigmoids", set_prob=())
    answers = ("latent", "novelty_score", "umap", "label_prob", "label_score")
    opened: AtlasFile = small_atlas(
        labels=("T;NK", "B"), parents={}, head=head, answers=answers, fill="factors"
    )
    return opened


def test_several_one_or_none(sigmoids: AtlasFile, made: Any) -> None:
    found = prepare(made.setting(sigmoids, several_labels=True))
    score = [[1, 2], [3, -1], [-1, -2], [9, 9], [0, 0]]
    values = found.annotate(made.cells([100, 100, 100, 0, 100], label_score=score))
    expected = ["B;T,NK", "T,NK", UNASSIGNED, UNASSIGNED, UNASSIGNED]
    assert values["cellport_labels_above_half"].tolist() == expected
    assert [column.kind for column in found.schema.columns] == ["text"]


@given(st.lists(st.lists(st.floats(-40, 40, width=32), min_size=3, max_size=3), max_size=9))
def test_those_that_celltypist_names(score: list[list[float]]) -> None:
    """celltypist 1.7 (`Model.predict_labels_and_prob`) joins those above 0.5 in their order."""
    scores = np.array(score, np.float32).reshape(-1, 3)
    found = above_half(NAMES, scores, np.zeros(len(scores), np.bool_))
    for row, said in zip(scores.tolist(), found, strict=True):
        theirs = [name for name, one in zip(NAMES, row, strict=True) if one > 0]
        assert said == UNASSIGNED if not theirs else sorted(said.split(";")) == theirs
        of_ours = [row[NAMES.tolist().index(name)] for name in said.split(";") if theirs]
        assert of_ours == sorted(of_ours, reverse=True)


def test_not_asked_for(sigmoids: AtlasFile, made: Any) -> None:
    assert prepare(made.setting(sigmoids)) is None


def test_other_heads_are_refused(small_atlas: Any, made: Any, forgery: Any) -> None:
    with pytest.raises(InputError, match=r"'small' shares one among all its labels.* Leave it out"):
        prepare(made.setting(small_atlas(), several_labels=True))
    head = replace(forgery.manifest().head, kind="none", set_prob=())
    answers = ("latent", "novelty_score", "umap")
    bare = small_atlas(labels=(), parents={}, head=head, answers=answers)
    with pytest.raises(InputError, match="'small' has no labels"):
        prepare(made.setting(bare, several_labels=True))
