from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.structure.backbone import Backbone
from cellport.train.structure.roots import RootChoice, among_cells, at_an_end, at_label, near_cells

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


@st.composite
def _crowds(draw: st.DrawFn) -> tuple[Backbone, int, list[int], bool]:
    """A random tree, a vertex that most cells are at, where others are; whether it is an end."""
    n = draw(st.integers(2, 20))
    edges = [(draw(st.integers(max(0, end - 3), end - 1)), end) for end in range(1, n)]
    tree = Backbone(np.zeros((n, 2)), np.array(edges))
    crowd = draw(st.integers(0, n - 1))
    others = draw(st.lists(st.integers(0, n - 1), max_size=9))
    return tree, crowd, others, bool(tree.degree[crowd] == 1)


@given(_crowds())
def test_fewer_than_half_of_a_cells_neighbours_do_not_move_the_root(
    case: tuple[Backbone, int, list[int], bool],
) -> None:
    tree, crowd, others, is_end = case
    near = np.array([crowd] * (len(others) + 1) + others)
    everyone, rows = np.ones(len(near), bool), np.arange(len(near))
    found = near_cells(everyone)(tree, near, rows)
    alone = near_cells(everyone[:1])(tree, near[:1], rows[:1])
    assert found == alone
    assert not is_end or found == crowd
    # never away from where most are but to an end, and not far
    assert found == crowd or tree.degree[found] == 1


def test_a_cell_beside_an_end_starts_there_and_one_amid_stays() -> None:
    line = Backbone(np.zeros((11, 2)), np.column_stack([np.arange(10), np.arange(1, 11)]))
    near = np.arange(11)
    found = [near_cells(near == at)(line, near, near) for at in near]
    assert found == [0, 0, 0, 3, 4, 5, 6, 7, 10, 10, 10]
