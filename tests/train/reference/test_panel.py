from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from skmisc.loess import loess

from cellport.train.reference.panel import select_panel, standardised_variance


def _planted(
    n_cells: int = 400, n_genes: int = 300, n_planted: int = 20, seed: int = 0
) -> tuple[sp.csr_matrix, np.ndarray]:
    """Poisson genes, among which a few differ ninefold between two halves of the cells."""
    rng = np.random.default_rng(seed)
    mean = np.tile(rng.uniform(1, 5, n_genes), (n_cells, 1))
    planted = np.sort(rng.choice(n_genes, n_planted, replace=False))
    half = rng.random(n_cells) < 0.5
    mean[np.ix_(half, planted)] *= 1.8
    mean[np.ix_(~half, planted)] *= 0.2
    return sp.csr_matrix(rng.poisson(mean).astype(np.float32)), planted


def _reference_score(dense: np.ndarray) -> np.ndarray:
    """Seurat v3 gene by gene, as its paper words it."""
    n = len(dense)
    mean, variance = dense.mean(0), dense.var(0, ddof=1)
    varies = np.flatnonzero(variance > 0)
    x, y = np.log10(mean[varies]), np.log10(variance[varies])
    if len(varies) >= 100:
        fit = loess(x, y, span=0.3, degree=2)
        fit.fit()
        trend = fit.outputs.fitted_values
    else:
        design = np.stack([np.ones_like(x), x, x**2], axis=1)
        trend = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    score = np.zeros(dense.shape[1])
    for gene, log_variance in zip(varies, trend, strict=True):
        z = (dense[:, gene] - mean[gene]) / np.sqrt(10**log_variance)
        score[gene] = (np.minimum(z, np.sqrt(n)) ** 2).sum() / (n - 1)
    return score


def _reference_panel(dense: np.ndarray, batch: np.ndarray, n_genes: int) -> list[int]:
    ranks = []
    for value in np.unique(batch):
        order = np.argsort(-_reference_score(dense[batch == value]), kind="stable")
        rank = {int(gene): position for position, gene in enumerate(order[:n_genes])}
        ranks.append(rank)
    found = {gene for rank in ranks for gene in rank}
    of_gene = {gene: [rank[gene] for rank in ranks if gene in rank] for gene in found}
    key = {gene: (np.median(r), -len(r)) for gene, r in of_gene.items()}
    return sorted(sorted(found, key=lambda gene: key[gene])[:n_genes])


@pytest.mark.parametrize("n_genes", [40, 300])
def test_score_is_that_of_seurat_v3(n_genes: int) -> None:
    counts, _ = _planted(n_genes=n_genes, n_planted=5)
    dense = counts.toarray().astype(float)
    dense[0, 3] = 5000  # one cell must not make a gene: clipped
    dense[:, 4] = 0
    dense[:, 5] = 2
    found = standardised_variance(sp.csr_matrix(dense), np.zeros(400, int))[0][0]
    np.testing.assert_allclose(found, _reference_score(dense), rtol=1e-6, atol=1e-9)
    assert found[4] == found[5] == 0
    assert found[3] <= 400 * 400 / 399 + 1


def test_planted_genes_are_found() -> None:
    counts, planted = _planted()
    chosen = select_panel(counts, np.zeros(400, int), 20)
    assert len(np.intersect1d(chosen, planted)) >= 19


def test_many_batches_are_ranked_each_on_its_own() -> None:
    counts, _ = _planted(seed=3)
    batch = np.random.default_rng(0).integers(0, 3, 400)
    found = select_panel(counts, batch, 25)
    expected = _reference_panel(counts.toarray().astype(float), batch, 25)
    # genes of equal median rank and equal number of batches may be taken in either order
    assert len(np.intersect1d(found, expected)) >= 24


def test_a_gene_that_only_differs_between_batches_is_not_chosen() -> None:
    counts, planted = _planted(n_cells=600)
    batch = np.repeat([0, 1], 300)
    plain = int(np.setdiff1d(np.arange(300), planted)[0])
    dense = counts.toarray()
    rng, mean = np.random.default_rng(1), dense[:, plain].mean()
    dense[:, plain] = rng.poisson(np.where(batch == 1, 1.8, 0.2) * mean)
    marked = sp.csr_matrix(dense)
    assert plain in select_panel(marked, np.zeros(600, int), 20)
    assert plain not in select_panel(marked, batch, 20)


def test_tiny_batches_have_no_vote() -> None:
    counts, _ = _planted()
    alone = select_panel(counts, np.zeros(400, int), 20)
    rng = np.random.default_rng(1)
    odd = sp.csr_matrix(rng.poisson(50 * rng.random((30, 300))).astype(np.float32))
    batch = np.repeat([0, 1], [400, 30])
    np.testing.assert_array_equal(select_panel(sp.vstack([counts, odd]).tocsr(), batch, 20), alone)


def test_only_tiny_batches_are_pooled() -> None:
    counts, planted = _planted(n_cells=200, n_genes=200)
    chosen = select_panel(counts, np.arange(200) // 10, 20)
    np.testing.assert_array_equal(chosen, select_panel(counts, np.zeros(200, int), 20))
    assert len(np.intersect1d(chosen, planted)) >= 15


def test_fewer_genes_than_asked_gives_the_expressed_ones() -> None:
    counts, _ = _planted(n_genes=50, n_planted=5)
    dense = counts.toarray()
    dense[:, [0, 7]] = 0
    chosen = select_panel(sp.csr_matrix(dense), np.zeros(400, int), 2000)
    np.testing.assert_array_equal(chosen, np.setdiff1d(np.arange(50), [0, 7]))


def test_stored_zeros_are_not_expression() -> None:
    counts, _ = _planted(n_genes=50, n_planted=5)
    stored = counts.copy()
    stored.data[stored.indices == 7] = 0
    assert 7 not in select_panel(stored, np.zeros(400, int), 2000)


@given(
    seed=st.integers(0, 2**32 - 1),
    cells=st.integers(1, 120),
    genes=st.integers(1, 150),
    asked=st.integers(1, 200),
    batches=st.integers(1, 4),
    density=st.floats(0, 1),
)
@settings(max_examples=60, deadline=None)
def test_any_counts_give_distinct_expressed_genes(
    seed: int, cells: int, genes: int, asked: int, batches: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.poisson(rng.gamma(0.3, 3, genes), (cells, genes)) * (
        rng.random((cells, genes)) < density
    )
    counts = sp.csr_matrix(dense.astype(np.float32))
    chosen = select_panel(counts, rng.integers(0, batches, cells), asked)
    expressed = np.flatnonzero(dense.sum(0))
    assert len(chosen) == min(asked, len(expressed))
    assert np.isin(chosen, expressed).all()
    assert (np.diff(chosen) > 0).all()


def test_genes_to_keep_take_the_place_of_the_last() -> None:
    counts, _ = _planted()
    counts = counts.tolil()
    counts[:, 7] = 0
    counts, batch = counts.tocsr(), np.zeros(400, int)
    usual = select_panel(counts, batch, 20)
    wanted = np.setdiff1d(np.arange(300), [*usual, 7])[:4]
    found = select_panel(counts, batch, 20, keep=np.array([*wanted, usual[0], 7]))
    assert len(found) == 20
    assert set(wanted) <= set(found)
    assert 7 not in found  # that no cell expresses
    assert len(np.intersect1d(found, usual)) == 16
