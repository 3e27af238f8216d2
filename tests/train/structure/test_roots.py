from __future__ import annotations

import numpy as np

from cellport.train.structure.backbone import Backbone
from cellport.train.structure.roots import RootChoice, among_cells, at_an_end, at_label

# 0 - 1 - 2 - 3, and 2 - 4
TREE = Backbone(np.zeros((5, 2)), np.array([[0, 1], [1, 2], [2, 3], [2, 4]]))
NEAR = np.repeat(np.arange(5), 10)
ROWS = np.arange(50)


def test_a_label_starts_at_the_vertex_deepest_in_it() -> None:
    assert at_label(NEAR <= 1)(TREE, NEAR, ROWS) == 0
    assert at_label((NEAR == 4) | (NEAR == 2))(TREE, NEAR, ROWS) == 4


def test_a_label_in_the_middle_starts_there() -> None:
    assert at_label(NEAR == 2)(TREE, NEAR, ROWS) == 2


def test_a_few_cells_of_the_label_elsewhere_do_not_move_the_root() -> None:
    inside = NEAR == 0
    inside[[31, 42]] = True
    assert at_label(inside)(TREE, NEAR, ROWS) == 0


def test_cells_start_where_most_of_them_are() -> None:
    inside = np.zeros(50, bool)
    inside[[11, 12, 13, 40]] = True
    assert among_cells(inside)(TREE, NEAR, ROWS) == 1


def test_a_proposal_is_an_end_although_a_middle_has_more() -> None:
    spread = np.array([1.0, 2.0, 9.0, 3.0, 2.0])[NEAR]
    assert at_an_end(spread)(TREE, NEAR, ROWS) == 3


def test_rules_know_cells_by_their_rows() -> None:
    inside = np.zeros(100, bool)
    inside[50:60] = True
    assert among_cells(inside)(TREE, NEAR, ROWS + 50) == 0


def test_no_choice_is_false() -> None:
    assert not RootChoice()
    assert RootChoice(("a",))
    assert RootChoice(cells=("b",))
