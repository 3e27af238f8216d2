from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cellport.runtime.mapping.consensus.joint import (
    evidence,
    of_first,
    together,
    translation,
)
from cellport.runtime.mapping.consensus.told import alike_in_words

NONE = np.zeros(1, bool)


def test_labels_of_one_name_are_themselves() -> None:
    how = translation(np.array([[8.0, 1.0], [2.0, 9.0]]), np.array([0, 1]), n_first=2)
    assert_allclose(how.into, np.eye(2))
    assert_allclose(how.base, [0.5, 0.5])


def test_a_coarser_label_does_not_sway_between_its_parts() -> None:
    # of the other atlas: T, which is both labels of the first, and B
    cells = np.array([[70.0, 0.0], [30.0, 0.0], [0.0, 50.0]])
    joint = 4
    cells = np.vstack([cells, np.zeros((1, 2))])
    how = translation(cells, np.array([3, 2]), n_first=3)
    said = evidence(np.array([[1.0, 0.0]]), NONE, how)
    assert_allclose(said[0, 0], said[0, 1])
    assert said[0, 0] > 1 > said[0, 2]
    first = of_first(np.array([[0.4, 0.6, 0.0]]), NONE, joint)
    assert together(first, [said], (1.0, 1.0)).argmax() == 1


def test_a_label_that_the_other_atlas_lacks_is_not_outvoted_by_it() -> None:
    # it calls cells of the first atlas's third label by its first
    cells = np.array([[50.0, 0.0], [0.0, 50.0], [20.0, 0.0]])
    how = translation(cells, np.array([0, 1]), n_first=3)
    first = of_first(np.array([[0.05, 0.0, 0.95]]), NONE, 3)
    joint = together(first, [evidence(np.array([[1.0, 0.0]]), NONE, how)], (1.0, 1.0))
    assert joint.argmax() == 2


def test_cells_unlike_the_first_atlas_get_labels_that_it_lacks() -> None:
    cells = np.array([[50.0, 1.0], [0.0, 20.0]])
    how = translation(cells, np.array([0, 1]), n_first=1)
    novel = np.ones(1, bool)
    first = of_first(np.array([[1.0]]), novel, 2)
    said = evidence(np.array([[0.0, 1.0]]), NONE, how)
    assert together(first, [said], (1.0, 1.0)).argmax() == 1


@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 1 << 30))
def test_laws_of_joint_probabilities(n_first: int, n_other: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_joint = n_first + int(rng.integers(0, n_other + 1))
    places = rng.permutation(n_joint)[:n_other]
    n_other = len(places)
    how = translation(rng.gamma(1, 10, (n_joint, n_other)), places, n_first)
    assert_allclose(how.into.sum(axis=1), 1)
    assert (how.into >= 0).all()
    novel = rng.random(6) < 0.5
    first = of_first(rng.dirichlet(np.ones(n_first), 6), novel, n_joint)
    assert_allclose(first.sum(axis=1), 1)
    said = evidence(rng.dirichlet(np.ones(n_other), 6), ~novel, how)
    joint = together(first, [said], (0.9, 0.5))
    assert_allclose(joint.sum(axis=1), 1)
    # one that does not fit at all is not heard
    deaf = together(first, [said], (1.0, 0.0))
    assert_array_equal(deaf.argmax(axis=1), first.argmax(axis=1))
    # cells do not depend on each other
    assert_array_equal(together(first[2:4], [said[2:4]], (0.9, 0.5)), joint[2:4])


def test_relations_in_words() -> None:
    first = ("CD4 T", "CD8 T", "B", "NK")
    labels = ("T", "naive B", "mixed", "platelet", "rare", "NK cells")
    cells = np.zeros((9, 6))
    cells[:4, 0] = 40, 30, 0, 0
    cells[:4, 1] = 0, 0, 20, 0
    cells[:4, 2] = 0, 0, 11, 9
    cells[7, 3] = 30
    cells[0, 4] = 1
    cells[:4, 5] = 0, 0, 0, 50
    told = alike_in_words(cells, np.array([4, 5, 6, 7, 8, 3]), first, labels)
    assert [(one["label"], one["is"], one["to"]) for one in told] == [
        ("T", "contains", ["CD4 T", "CD8 T"]),
        ("naive B", "part of", ["B"]),
        ("mixed", "overlaps", ["B", "NK"]),
        ("platelet", "new", []),
        ("rare", "not known", []),
        ("NK cells", "equal", ["NK"]),
    ]
