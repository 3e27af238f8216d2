from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from cellport.train.reference.panel import select_panel
from cellport.train.reference.telling import TypeSums

N_GENES, N_TYPES = 400, 4


def cells(seed: int = 0, n_cells: int = 300) -> tuple[sp.csr_matrix, np.ndarray, list[list[int]]]:
    """Cells of four types with three genes each that they have eight times as much of."""
    rng = np.random.default_rng(seed)
    label = np.sort(rng.integers(0, N_TYPES, n_cells))
    own = rng.permutation(N_GENES)[: 3 * N_TYPES].reshape(N_TYPES, 3)
    mean = np.tile(rng.uniform(0.5, 3, N_GENES), (n_cells, 1))
    for code in range(N_TYPES):
        mean[np.ix_(label == code, own[code])] *= 8
    return sp.csr_matrix(rng.poisson(mean).astype(np.float32)), label, own.tolist()


def told(counts: sp.csr_matrix, label: np.ndarray, n_genes: int, block: int = 64) -> list[int]:
    sums = TypeSums(label, counts.shape[1])
    for start in range(0, counts.shape[0], block):
        sums.add(counts[start : start + block])
    return sums.telling(n_genes).tolist()


@given(seed=st.integers(0, 20), block=st.integers(1, 400))
def test_genes_of_each_type_are_found_whatever_the_blocks(seed: int, block: int) -> None:
    counts, label, own = cells(seed)
    found = told(counts, label, N_GENES, block)
    assert {gene for genes in own for gene in genes} <= set(found)
    assert len(found) == len(set(found)) <= min(10 * N_TYPES, 0.2 * N_GENES)
    assert found == told(counts, label, N_GENES)


def test_of_a_small_panel_each_type_has_its_best() -> None:
    counts, label, own = cells()
    found = told(counts, label, 5 * N_TYPES)
    assert len(found) == N_TYPES
    assert all(len({*genes} & {*found}) == 1 for genes in own)


def test_cells_without_label_and_types_of_few_cells_tell_nothing() -> None:
    counts, label, own = cells()
    few = label.copy()
    few[np.flatnonzero(label == 3)[4:]] = -1
    found = told(counts, few, N_GENES)
    assert set(own[0]) <= set(found)
    # without the fourth type, its genes are anybody's
    assert not set(own[3]) & set(found)
    assert told(counts, np.full_like(label, -1), N_GENES) == []
    assert told(counts, np.zeros_like(label), N_GENES) == []


def test_the_panel_holds_what_no_batch_varies_in() -> None:
    counts, label, own = cells()
    # batch by batch, a type of one batch alone does not vary
    batch = label.copy()
    plain = select_panel(counts, batch, 60)
    with_labels = select_panel(counts, batch, 60, label=label)
    wanted = {gene for genes in own for gene in genes}
    assert len(wanted & set(plain.tolist())) < 8
    assert wanted <= set(with_labels.tolist())
    assert len(with_labels) == len(plain) == 60


def test_genes_asked_for_come_first() -> None:
    counts, label, own = cells()
    keep = np.arange(50)
    panel = select_panel(counts, label, 52, keep=keep, label=label)
    assert set(keep.tolist()) <= set(panel.tolist())
    rest = set(panel.tolist()) - set(keep.tolist())
    assert rest <= {gene for genes in own for gene in genes}


@pytest.mark.parametrize("n_genes", [N_GENES, 2 * N_GENES])
def test_all_genes_are_all_genes(n_genes: int) -> None:
    counts, label, _ = cells()
    assert len(select_panel(counts, label, n_genes, label=label)) == N_GENES
