"""The label tree: paths, back-off and what is no tree."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.runtime.errors import AtlasError

LABELS = ("B", "CD4 T", "CD8 T", "NK")
PARENTS = {"CD4 T": "T", "CD8 T": "T", "T": "lymphoid", "NK": "lymphoid"}


def test_nodes_are_the_labels_then_the_groups() -> None:
    tree = build_tree(LABELS, PARENTS)
    assert tree.nodes == (*LABELS, "T", "lymphoid")
    assert tree.members.sum(axis=0).tolist() == [1, 1, 1, 1, 2, 3]
    assert [tree.nodes[i] for i in tree.path[1]] == ["CD4 T", "T", "lymphoid"]
    assert [tree.nodes[i] for i in tree.path[0]] == ["B", "B", "B"]


@pytest.mark.parametrize(
    ("prob", "called"),
    [
        ([0.0, 0.9, 0.1, 0.0], "CD4 T"),
        ([0.1, 0.45, 0.4, 0.05], "T"),
        ([0.2, 0.35, 0.2, 0.25], "lymphoid"),
        ([0.4, 0.3, 0.2, 0.1], "unknown"),
        ([0.8, 0.2, 0.0, 0.0], "B"),
    ],
)
def test_a_call_goes_as_deep_as_it_is_sure(prob: list[float], called: str) -> None:
    tree = build_tree(LABELS, PARENTS)
    code = call_deepest(tree, np.asarray([prob], np.float32), 0.75)[0]
    assert (*tree.nodes, "unknown")[code] == called


def test_without_groups_a_call_is_the_label_or_nothing() -> None:
    tree = build_tree(LABELS, {})
    prob = np.asarray([[0.5, 0.5, 0, 0], [0.4, 0.3, 0.2, 0.1]], np.float32)
    assert call_deepest(tree, prob, 0.5).tolist() == [0, 4]


def test_a_label_may_be_above_another() -> None:
    tree = build_tree(("T", "CD4 T"), {"CD4 T": "T"})
    assert tree.nodes == ("T", "CD4 T")
    assert call_deepest(tree, np.asarray([[0.45, 0.55]], np.float32), 0.9).tolist() == [0]


@pytest.mark.parametrize(
    "parents",
    [{"B": "T", "T": "B"}, {"B": "B"}, {"elsewhere": "top"}, {"B": "T", "x": "T"}],
)
def test_what_is_no_tree_is_refused(parents: dict[str, str]) -> None:
    with pytest.raises(AtlasError, match="label tree"):
        build_tree(LABELS, parents)


@given(
    st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4).filter(lambda p: sum(p) > 0.1),
    st.floats(0.05, 0.99),
)
def test_a_call_is_sure_and_holds_the_best_label(raw: list[float], threshold: float) -> None:
    tree = build_tree(LABELS, PARENTS)
    prob = (np.asarray([raw]) / sum(raw)).astype(np.float32)
    code = int(call_deepest(tree, prob, threshold)[0])
    if code < len(tree.nodes):
        assert tree.members[prob.argmax(), code] == 1
        assert (prob @ tree.members)[0, code] >= threshold
    else:
        assert (prob @ tree.members)[0, tree.path[prob.argmax(), -1]] < threshold
