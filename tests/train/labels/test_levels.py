"""Label columns in which some cells are called by a type and others by a group of types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.errors import TrainingError
from cellport.train.build import build_atlas
from cellport.train.labels.levels import in_finest_labels
from cellport.train.labels.tree import Group, nested
from cellport.train.progress import Progress
from cellport.train.reference.reference import Reference

LABELS = ("B", "CD4 T", "CD8 T", "T", "lymphoid", "mono")
T, LYMPHOID = ("T", frozenset({1, 2, 3})), ("lymphoid", frozenset({0, 1, 2, 3, 4}))


def _reference(label: list[int], labels: tuple[str, ...] = LABELS) -> Reference:
    n = len(label)
    names = np.array([f"cell {i}" for i in range(n)], object)
    return Reference(
        sp.csr_matrix((n, 3)), {}, names, labels, np.array(label), ("all",), np.zeros(n, np.int64),
        "cells",
    )  # fmt: skip


def test_a_group_that_cells_are_called_by_is_no_label_but_what_is_known_of_them() -> None:
    levels = in_finest_labels(_reference([0, 1, 2, 3, 4, 5, -1]), [T, LYMPHOID])
    assert levels.reference.labels == ("B", "CD4 T", "CD8 T", "mono")
    assert levels.reference.label.tolist() == [0, 1, 2, -1, -1, 3, -1]
    coarse = levels.coarse
    assert coarse is not None
    # smaller groups first
    assert coarse.names == ("T", "lymphoid")
    assert coarse.group.tolist() == [-1, -1, -1, 0, 1, -1, -1]
    assert coarse.members.tolist() == [[False, True, True, False], [True, True, True, False]]
    assert dict(levels.groups) == {"T": {1, 2}, "lymphoid": {0, 1, 2}}
    assert nested(levels.groups, levels.reference.labels) == {
        "B": "lymphoid", "CD4 T": "T", "CD8 T": "T", "T": "lymphoid",
    }  # fmt: skip
    assert "1 cells are called 'T', a group of CD4 T, CD8 T" in levels.reference.notes[0]


def test_a_label_above_one_other_stays_a_label() -> None:
    levels = in_finest_labels(_reference([1, 3], LABELS), [("T", frozenset({1, 3}))])
    assert levels.reference.labels == LABELS
    assert levels.coarse is None


def test_cells_of_yet_another_type_are_a_label_of_their_own_where_that_is_asked_for() -> None:
    levels = in_finest_labels(_reference([0, 1, 2, 3, 4, 5]), [T, LYMPHOID], ["T"])
    assert levels.reference.labels == ("B", "CD4 T", "CD8 T", "other T", "mono")
    assert levels.coarse is not None
    assert levels.coarse.names == ("lymphoid",)
    assert levels.coarse.members.tolist() == [[True, True, True, True, False]]
    assert dict(levels.groups)["T"] == {1, 2, 3}


def test_what_is_no_group_has_no_others() -> None:
    for name in ("B", "nobody"):
        with pytest.raises(TrainingError, match=f"--other '{name}' is not a label that is a group"):
            in_finest_labels(_reference([0, 1, 2, 3]), [T], [name])
    labels = ("CD4 T", "CD8 T", "T", "other T")
    with pytest.raises(TrainingError, match="has a label 'other T' already"):
        in_finest_labels(_reference([0, 1], labels), [("T", frozenset({0, 1, 2}))], ["T"])


@st.composite
def _columns(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Group], list[int]]:
    """Labels of any levels of a random tree, the groups of it, and cells."""
    n = draw(st.integers(2, 12))
    parent = [draw(st.integers(-1, at - 1)) for at in range(n)]
    groups: dict[int, set[int]] = {}
    for label in range(n):
        above = label
        while above >= 0:
            groups.setdefault(above, set()).add(label)
            above = parent[above]
    named = [(f"type {at}", frozenset(of)) for at, of in groups.items() if len(of) > 1]
    cells = draw(st.lists(st.integers(-1, n - 1), min_size=1, max_size=30))
    return tuple(f"type {at}" for at in range(n)), draw(st.permutations(named)), cells


@given(_columns())
def test_every_cell_keeps_what_its_label_said(
    column: tuple[tuple[str, ...], list[Group], list[int]],
) -> None:
    labels, groups, cells = column
    levels = in_finest_labels(_reference(cells, labels), groups)
    made, coarse = levels.reference, levels.coarse
    names = () if coarse is None else coarse.names
    assert sorted((*made.labels, *names)) == sorted(labels)
    below = {name: {labels[at] for at in of} for name, of in groups}
    for cell, code in enumerate(cells):
        group = -1 if coarse is None else coarse.group[cell]
        if code < 0:
            assert made.label[cell] == group == -1
        elif made.label[cell] >= 0:
            assert made.labels[made.label[cell]] == labels[code]
            assert group == -1
        else:
            assert coarse is not None
            assert coarse.names[group] == labels[code]
    for name, row in zip(names, () if coarse is None else coarse.members, strict=True):
        possible = {made.labels[at] for at in np.flatnonzero(row)}
        assert len(possible) > 1
        assert possible == below[name] - {*names, name}
    for (name, of), (before, members) in zip(levels.groups, groups, strict=True):
        assert name == before
        assert {made.labels[at] for at in of} == {labels[at] for at in members} - {*names}


def test_an_atlas_of_mixed_labels_answers_the_finest(tiny_cells: Any, tiny_config: Any) -> None:
    """Half of the cells of two of three types are called by their group alone."""
    hidden = np.random.default_rng(0).random(len(tiny_cells.label)) < 0.5
    lineage = np.where(tiny_cells.label == "gamma", "gamma", "early").astype(object)
    label = np.where(hidden, lineage, tiny_cells.label)
    labels, code = np.unique(label, return_inverse=True)
    batches, batch = np.unique(tiny_cells.batch, return_inverse=True)
    names = np.array([f"cell {i}" for i in range(len(label))], object)
    reference = Reference(
        tiny_cells.counts, {"index": tiny_cells.symbols}, names, tuple(labels), code,
        tuple(batches), batch, "cells", annotations={"lineage": lineage},
    )  # fmt: skip
    seen: list[Progress] = []
    config = replace(tiny_config, label_tree=("lineage",))
    manifest, members = build_atlas(reference, config, on_progress=seen.append)
    assert manifest.labels == ("alpha", "beta", "gamma")
    assert manifest.parents == {"alpha": "early", "beta": "early"}
    assert manifest.held_out is not None
    assert set(manifest.held_out.by_label) == {"alpha", "beta", "gamma"}
    (note,) = [one.note for one in seen if one.note]
    assert "are called 'early', a group of alpha, beta" in note
    assert manifest.provenance.training["notes"] == [note]
    told = manifest.provenance.training["coarse_labels"]["early"]
    assert told["cells"] == int((label == "early").sum())
    assert told["labels"] == ["alpha", "beta"]
    assert 0.8 * told["held_out"] <= told["given_one_of_these"] <= told["held_out"] > 5
    card = members["README.md"].decode()
    assert "cells labelled early alone were trained as one of alpha, beta; " in card
