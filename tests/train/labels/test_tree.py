"""Trees from columns, ontologies and confusions."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.label_tree import build_tree
from cellport.runtime.errors import InputError
from cellport.train.labels.tree import (
    groups_of_column,
    groups_of_confusions,
    groups_of_ontology,
    named_groups,
    nested,
    stated_terms,
)
from cellport.train.reference.reference import Reference

LABELS = ("B", "CD4 T", "CD8 T", "NK")
OBO = """format-version: 1.2

[Term]
id: CL:1
name: lymphocyte

[Term]
id: CL:2
name: T cell
is_a: CL:1 ! lymphocyte

[Term]
id: CL:3
name: CD4 T cell
is_a: CL:2 {source="x"} ! T cell

[Term]
id: CL:4
name: CD8 T cell
is_a: CL:2

[Term]
id: CL:5
name: B cell
is_a: CL:1

[Typedef]
id: part_of
name: part of
"""


def test_groups_nest_and_those_that_cross_are_left_out() -> None:
    groups = [
        ("lymphoid", frozenset({1, 2, 3})),
        ("T", frozenset({1, 2})),
        ("crossing", frozenset({0, 1, 3})),
        ("everything", frozenset({0, 1, 2, 3})),
        ("alone", frozenset({0})),
        ("T again", frozenset({1, 2})),
        ("B", frozenset({0, 2})),
    ]
    parents = {"CD4 T": "T", "CD8 T": "T", "T": "lymphoid", "NK": "lymphoid"}
    assert nested(groups, LABELS) == parents


@given(st.lists(st.frozensets(st.integers(0, 5)), max_size=8))
def test_any_groups_make_a_tree(members: list[frozenset[int]]) -> None:
    labels = [f"label {i}" for i in range(6)]
    groups = [(f"group {i}", inner) for i, inner in enumerate(members)]
    tree = build_tree(labels, nested(groups, labels))
    for name, column in zip(tree.nodes[6:], tree.members.T[6:], strict=True):
        assert frozenset(np.flatnonzero(column)) == dict(groups)[name]


def test_a_coarser_column_makes_groups() -> None:
    coarse = np.asarray(["b", "t", "t", "t", "nk", "b"], object)
    label = np.asarray([0, 1, 2, 1, 3, -1])
    assert nested(groups_of_column("coarse", coarse, label, LABELS), LABELS) == {
        "CD4 T": "t",
        "CD8 T": "t",
    }


def test_a_column_that_cuts_through_labels_is_refused() -> None:
    coarse = np.asarray(["x", "y", "x", "y"], object)
    with pytest.raises(InputError, match="no coarser version"):
        groups_of_column("donor", coarse, np.asarray([0, 0, 1, 1]), LABELS)


def test_an_ontology_names_common_ancestors(tmp_path: Path) -> None:
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    groups = groups_of_ontology(path, ["CL:5", "CL:3", "CL:4", ""])
    assert nested(groups, LABELS) == {
        "CD4 T": "T cell",
        "CD8 T": "T cell",
        "T cell": "lymphocyte",
        "B": "lymphocyte",
    }


def test_a_term_that_one_label_alone_has_goes_by_that_label(tmp_path: Path) -> None:
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    labels = ("T", "CD4", "CD8", "naive CD8")
    groups = dict(groups_of_ontology(path, ["CL:2", "CL:3", "CL:4", "CL:4"], labels))
    assert groups["T"] == {0, 1, 2, 3}
    assert groups["CD8 T cell"] == {2, 3}
    assert groups["lymphocyte"] == {0, 1, 2, 3}


def test_cells_without_a_coarser_label_say_nothing_of_it() -> None:
    label = np.array([0, 0, 1, 1, 2, 3])
    coarse = np.array(["nan", "B ", "T  cell", "", "T cell", "unknown"], object)
    groups = groups_of_column("level", coarse, label, LABELS)
    assert groups == [("B", frozenset({0})), ("T cell", frozenset({1, 2}))]


def test_an_ontology_that_knows_no_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    with pytest.raises(InputError, match="none of the labels"):
        groups_of_ontology(path, ["UBERON:1", ""])
    with pytest.raises(InputError, match="cannot be read"):
        groups_of_ontology(tmp_path / "nothing.obo", ["CL:1"])


def test_labels_taken_for_one_another_are_grouped() -> None:
    prob = np.asarray(
        [[0.9, 0.05, 0.05, 0], [0, 0.6, 0.4, 0], [0, 0.3, 0.7, 0], [0.01, 0, 0, 0.99]]
    )
    groups = groups_of_confusions(np.repeat(prob, 5, axis=0), np.repeat(np.arange(4), 5), LABELS)
    assert groups == [("CD4 T / CD8 T", frozenset({1, 2}))]
    assert not groups_of_confusions(np.eye(4), np.arange(4), LABELS)


def test_a_group_of_confused_labels_stays_short() -> None:
    labels = tuple("abcdefg")
    for size in (3, 4, 5):
        prob = np.eye(7)
        prob[:size, :size] = 1 / size
        groups = groups_of_confusions(prob, np.arange(7), labels)
        assert max(len(members) for _, members in groups) <= 4
        assert (frozenset(range(size)) in dict(groups).values()) == (size <= 4)


def test_all_that_the_maker_names_are_groups(tmp_path: Path) -> None:
    path = tmp_path / "cl.obo"
    path.write_text(OBO)
    annotations = {
        "lineage": np.array(["B", "T", "T", "NK"], object),
        "broad": np.array(["lymphoid"] * 3 + [""], object),
        "term": np.array(["CL:5", "CL:3", "CL:4", ""], object),
    }
    made = SimpleNamespace(labels=LABELS, label=np.arange(4), annotations=annotations)
    reference = cast(Reference, made)
    columns = [("T", frozenset({1, 2})), ("lymphoid", frozenset({0, 1, 2}))]
    found = named_groups(reference, ["lineage", "broad"])
    assert [group for group in found if len(group[1]) > 1] == columns
    terms = [("lymphocyte", frozenset({0, 1, 2})), ("T cell", frozenset({1, 2}))]
    found = named_groups(reference, ["lineage", "broad"], path, "term")
    both = {group for group in found if len(group[1]) > 1}
    assert both == {*columns, *terms}
    bare = cast(Reference, SimpleNamespace(labels=()))
    assert named_groups(bare, ["lineage"], path, "term") == []


def test_terms_that_the_maker_states() -> None:
    """Those that nine in ten cells of a label have, and that are written as terms are."""
    label = np.repeat(np.arange(4), 10)
    terms = np.array(["CL:0000084"] * 10 + ["CL:1"] * 8 + ["CL:2"] * 2 + ["T"] * 10
                     + ["UBERON:1"] * 9 + [""], object)  # fmt: skip
    reference = SimpleNamespace(
        labels=("a", "b", "c", "d"), label=label, annotations={"term": terms}
    )
    found = stated_terms(cast(Reference, reference), "term")
    assert found == {"a": "CL:0000084", "d": "UBERON:1"}
    assert stated_terms(cast(Reference, reference), None) == {}


@given(st.integers(0, 64), st.integers(0, 64))
def test_labels_are_taken_for_one_another_where_they_lend_a_twentieth_on_the_mean(
    one: int, other: int
) -> None:
    """A hundredth of what each of two labels lends the other; the third lends nothing."""
    lent, back = one / 100, other / 100
    prob = np.array([[1 - lent, lent, 0], [back, 1 - back, 0], [0, 0, 1]])
    groups = groups_of_confusions(prob, np.arange(3), ("a", "b", "c"))
    # one half of a hundredth beside the limit, as sums of fractions are not exact
    if one + other != 10:
        assert groups == ([("a / b", frozenset({0, 1}))] if one + other > 10 else [])


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_refusal_names_three_of_the_coarser_labels(n: int) -> None:
    coarse = np.array([f"x{at}" for at in range(n)], object)
    with pytest.raises(InputError, match="cells of 'B' are") as caught:
        groups_of_column("donor", coarse, np.zeros(n, np.int64), LABELS)
    named = ", ".join(f"'x{at}'" for at in range(min(n, 3)))
    assert f"are {named} there." in str(caught.value)
