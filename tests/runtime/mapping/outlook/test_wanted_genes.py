from __future__ import annotations

import numpy as np

from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.genes.information import label_information
from cellport.runtime.mapping.outlook.confusion import Confusion
from cellport.runtime.mapping.outlook.wanted_genes import wanted_genes

ATLAS = load_atlas("blood")
N = len(ATLAS.manifest.labels)
ALL_ALIKE = Confusion(np.full((N, N), 1 / N), np.full(N, 1 / N))


def test_wanted_genes_tell_more_than_others() -> None:
    rng = np.random.default_rng(0)
    measured = np.zeros(ATLAS.panel.n_genes, bool)
    measured[rng.permutation(len(measured))[:30]] = True
    wanted = wanted_genes(ATLAS.file, measured, ALL_ALIKE, 20)
    assert len(set(wanted.tolist())) == 20
    assert not measured[wanted].any()

    def told(genes: np.ndarray) -> float:
        more = measured.copy()
        more[genes] = True
        return label_information(ATLAS.file, more)

    others = [told(rng.permutation(np.flatnonzero(~measured))[:20]) for _ in range(5)]
    assert told(wanted) > max(others) + 0.1


def test_the_first_genes_of_a_longer_list_are_those_of_a_shorter_one() -> None:
    measured = np.arange(ATLAS.panel.n_genes) % 50 == 0
    longer = wanted_genes(ATLAS.file, measured, ALL_ALIKE, 12)
    np.testing.assert_array_equal(longer[:5], wanted_genes(ATLAS.file, measured, ALL_ALIKE, 5))


def test_nothing_is_wanted_where_all_is_known_or_nothing_confused() -> None:
    every = np.ones(ATLAS.panel.n_genes, bool)
    assert not len(wanted_genes(ATLAS.file, every, ALL_ALIKE, 5))
    clear = Confusion(np.eye(N), np.full(N, 1 / N))
    assert not len(wanted_genes(ATLAS.file, ~every, clear, 5))
