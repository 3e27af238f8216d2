from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import cellport
from cellport.runtime.columns import OF_OTHERS
from cellport.runtime.decisions import everything
from cellport.runtime.mapping.consensus.labels_alike import joint_labels, numbered, plain_name


def test_names_and_terms_make_labels_one() -> None:
    blood, lung = (cellport.load_atlas(name).manifest for name in ("blood", "lung"))
    # one is named in another case, one by its term, and one by neither
    renamed = {"dendritic": "Dendritic", "B": "B cell", "CD4 T": "helpers"}
    labels = tuple(renamed.get(label, label) for label in blood.labels)
    blood = replace(blood, labels=labels, parents={}, label_terms={})
    joint, (of_blood, of_lung) = joint_labels([blood, lung])
    assert joint[: len(labels)] == labels
    assert of_blood.tolist() == list(range(len(labels)))
    same = {joint[place] for place in of_lung.tolist() if place < len(labels)}
    assert same == set(labels) - {"helpers", "megakaryocyte/platelet"}
    assert len(set(of_lung.tolist())) == len(lung.labels)


def test_two_labels_of_one_atlas_stay_two() -> None:
    manifest: Any = cellport.load_atlas("blood").manifest
    twice = replace(manifest, labels=("B cells", "b-cell", "NK"), parents={}, label_terms={})
    joint, places = joint_labels([twice, manifest])
    assert joint[:3] == twice.labels
    assert places[0].tolist() == [0, 1, 2]
    assert len(set(places[1].tolist())) == len(manifest.labels)


@pytest.mark.parametrize(
    ("one", "other"), [("CD4 T cells", "CD4 T"), ("Monocytes", "monocyte"), ("FCGR3A+", "fcgr3a+")]
)
def test_plain_names(one: str, other: str) -> None:
    assert plain_name(one) == plain_name(other)


def test_names_that_come_again_get_numbers() -> None:
    assert numbered(["lung", "blood", "lung", "lung"]) == ["lung", "blood", "lung_2", "lung_3"]
    assert np.unique(numbered(["a", "a_2", "a"])).size == 3


def test_no_column_of_another_atlas_is_called_as_one_of_our_own() -> None:
    own = everything("columns")
    behind = {
        column.removeprefix(f"{one}_")
        for column in own
        for one in OF_OTHERS
        if column.startswith(f"{one}_")
    }
    assert behind == {"set", "group"}
    for name in behind:
        assert numbered([name, name, "lung"]) == [name, f"{name}_2", "lung"]
        assert numbered(["lung", name, name]) == ["lung", f"{name}_2", f"{name}_3"]
