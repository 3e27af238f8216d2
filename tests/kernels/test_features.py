from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.features import (
    Factors,
    PanelGenes,
    linear_features,
    prepare,
    prepare_measured,
)
from cellport.kernels.lanes import TILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = 1e4
seeds = st.integers(0, 2**32)


def make_basis(seed: int, n_panel: int, n_features: int) -> tuple[NDArray[np.float32], ...]:
    """A basis, caps of its genes and an offset."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(n_panel, n_features)).astype(np.float32)
    cap = rng.uniform(2, 9, n_panel).astype(np.float32)
    return basis, cap, rng.normal(size=n_features).astype(np.float32)


def make_panel(seed: int, n_panel: int, cap: NDArray[np.float32]) -> PanelGenes:
    rng = np.random.default_rng(seed)
    mean = rng.uniform(0, 3, n_panel).astype(np.float32)
    share = rng.dirichlet(np.ones(n_panel)).astype(np.float32)
    noise = rng.uniform(0.1, 2, n_panel).astype(np.float32)
    loading = rng.normal(size=(n_panel, 3)).astype(np.float32)
    return PanelGenes(mean, cap, share, Factors(noise, loading), "panel", TARGET)


def log_normalised(counts: Any, target: float, cap: Any) -> NDArray[np.float64]:
    library = counts.sum(1, keepdims=True)
    scaled = np.divide(counts * target, library, out=np.zeros_like(counts), where=library > 0)
    return np.minimum(np.log1p(scaled), cap)


def assert_same_bits(a: tuple[Any, ...], b: tuple[Any, ...]) -> None:
    for x, y in zip(a, b, strict=True):
        assert x.tobytes() == y.tobytes()


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    n_cells=st.integers(0, 2 * TILE + 3),
    n_genes=st.integers(1, 200),
    n_panel=st.integers(1, 60),
    n_features=st.sampled_from([1, 5, 31, 32, 33, 64, 148]),
    canonical=st.booleans(),
)
def test_matches_dense(
    random_query: Any,
    seed: int,
    n_cells: int,
    n_genes: int,
    n_panel: int,
    n_features: int,
    canonical: bool,
) -> None:
    query = random_query(seed, n_cells, n_genes, n_panel, canonical)
    basis, cap, offset = make_basis(seed, n_panel, n_features)
    prepared = prepare(query.panel_column, basis, cap, offset, TARGET)
    features, library = linear_features(prepared, *query.csr)
    assert (features.dtype, library.dtype) == (np.float32, np.float64)
    expected = log_normalised(query.dense(), TARGET, cap) @ basis.astype(np.float64) + offset
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=2e-4)
    np.testing.assert_array_equal(library, query.dense().sum(1))


@settings(deadline=None, max_examples=60)
@given(seed=seeds, n_cells=st.integers(0, 20), n_genes=st.integers(1, 80))
def test_missing_genes_stand_where_the_factor_model_expects_them(
    random_query: Any, seed: int, n_cells: int, n_genes: int
) -> None:
    query = random_query(seed, n_cells, n_genes, 40)
    basis, cap, _ = make_basis(seed, 40, 9)
    panel = make_panel(seed, 40, cap)
    measured = np.isin(np.arange(40), query.panel_column)
    prepared = prepare_measured(query.panel_column, measured, basis, panel)
    features, _ = linear_features(prepared, *query.csr)

    target = TARGET * panel.share[measured].sum(dtype=np.float64)
    centred = log_normalised(query.dense(), target, cap) - panel.mean
    loading, noise = panel.factors.loading, panel.factors.noise
    known = loading[measured].astype(np.float64)
    weighted = known.T / noise[measured]
    factors = np.linalg.solve(np.eye(3) + weighted @ known, weighted @ centred[:, measured].T)
    centred[:, ~measured] = factors.T @ loading[~measured].T
    np.testing.assert_allclose(features, centred @ basis, rtol=1e-3, atol=1e-3)


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    n_cells=st.integers(0, 20),
    n_genes=st.integers(1, 150),
    library=st.sampled_from(["none", "panel", "query"]),
    capped=st.booleans(),
    canonical=st.booleans(),
    log1p=st.booleans(),
)
def test_counts_are_divided_as_the_panel_says(
    random_query: Any,
    seed: int,
    n_cells: int,
    n_genes: int,
    library: Any,
    capped: bool,
    canonical: bool,
    log1p: bool,
) -> None:
    """Missing genes add nothing where no factors say what they stand at."""
    query = random_query(seed, n_cells, n_genes, 40, canonical)
    basis, cap, mean = make_basis(seed, 40, 9)[0], *make_basis(seed, 40, 40)[1:]
    target = 1.0 if library == "none" else TARGET
    panel = PanelGenes(mean, cap if capped else None, None, None, library, target, log1p)
    measured = np.isin(np.arange(40), query.panel_column)
    counted = (query.panel_column >= 0) | (np.random.default_rng(seed).random(n_genes) < 0.7)
    prepared = prepare_measured(query.panel_column, measured, basis, panel, counted)
    features, of_panel = linear_features(prepared, *query.csr)

    dense = query.dense()
    np.testing.assert_array_equal(of_panel, dense.sum(1))
    whole = sp.csr_matrix(query.csr[::-1], shape=(n_cells, n_genes)).toarray()
    divisors = {"none": np.ones(n_cells), "panel": dense.sum(1), "query": whole @ counted}
    divisor = np.where(dense.sum(1) > 0, divisors[library], 1)[:, None]
    values = dense * (target / divisor)
    values = np.log1p(values) if log1p else values
    values = (np.minimum(values, cap) if capped else values) - mean
    values[:, ~measured] = 0
    np.testing.assert_allclose(features, values @ basis, rtol=1e-3, atol=1e-3)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, n_cells=st.integers(0, 2 * TILE), canonical=st.booleans())
def test_a_gene_that_comes_again_counts_in_each_of_its_places(
    random_query: Any, seed: int, n_cells: int, canonical: bool
) -> None:
    query = random_query(seed, n_cells, 150, 40, canonical)
    basis, cap, offset = make_basis(seed, 40, 35)
    rng = np.random.default_rng(seed)
    own = np.arange(40)
    again = rng.choice(np.arange(10, 40), 12, replace=False)
    own[again] = rng.integers(0, 10, 12)
    query.panel_column = np.where(query.panel_column >= 0, own[query.panel_column], -1)
    prepared = prepare(query.panel_column, basis, cap, offset, TARGET, representative=own)
    features, library = linear_features(prepared, *query.csr)
    dense = query.dense()
    np.testing.assert_array_equal(library, dense.sum(1))
    scale = np.divide(TARGET, library, out=np.zeros_like(library), where=library > 0)
    values = np.minimum(np.log1p(dense[:, own] * scale[:, None]), cap)
    expected = values @ basis.astype(np.float64) + offset
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=5e-4)


def test_wide_sums_are_rounded_once(random_query: Any) -> None:
    """Of terms that cancel, sums in float32 keep less than those in float64 do."""
    query = random_query(3, 40, 150, 40, True)
    basis, cap, offset = make_basis(3, 40, 35)
    values = prepare(query.panel_column, np.eye(40, dtype=np.float32), cap, np.zeros(40), TARGET)
    exact = linear_features(values, *query.csr)[0].astype(np.float64) @ basis + 1000 * offset
    apart = [
        np.abs(linear_features(prepared, *query.csr)[0] - exact).max()
        for prepared in (
            prepare(query.panel_column, basis, cap, 1000 * offset, TARGET, wide=wide)
            for wide in (False, True)
        )
    ]
    assert apart[1] <= np.spacing(np.float32(np.abs(exact).max()))
    assert apart[0] > 2 * apart[1]


def test_nothing_to_centre_leaves_no_negative_zero() -> None:
    basis, cap, _ = make_basis(0, 5, 40)
    panel = make_panel(0, 5, cap)
    panel.mean[:] = 0
    prepared = prepare_measured(np.arange(5), np.ones(5, bool), basis, panel)
    features, _ = linear_features(prepared, np.zeros(2), np.zeros(0), np.zeros(0))
    assert features.tobytes() == np.zeros((1, 40), np.float32).tobytes()


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(2, 2 * TILE + 3), st.booleans(), st.data())
def test_bits_depend_on_the_cell_alone(
    random_query: Any, seed: int, n_cells: int, canonical: bool, data: st.DataObject
) -> None:
    query = random_query(seed, n_cells, 200, 60, canonical)
    prepared = prepare(query.panel_column, *make_basis(seed, 60, 70), TARGET)
    whole = linear_features(prepared, *query.csr)

    with ThreadPoolExecutor(3) as pool:
        assert_same_bits(whole, linear_features(prepared, *query.csr, threads=3, pool=pool))

    cut = data.draw(st.integers(0, n_cells))
    blocks = [
        linear_features(prepared, *query.rows(rows).csr)
        for rows in np.split(np.arange(n_cells), [cut])
    ]
    assert_same_bits(whole, tuple(np.concatenate(x) for x in zip(*blocks, strict=True)))

    order = np.random.default_rng(seed).permutation(n_cells)
    shuffled = linear_features(prepared, *query.rows(order).csr)
    assert_same_bits(tuple(x[order] for x in whole), shuffled)


@pytest.mark.parametrize(
    ("pointer", "index", "value"),
    [
        (np.int32, np.int32, np.uint8),
        (np.int64, np.int64, np.int64),
        (np.int32, np.int64, np.float64),
        (np.int64, np.uint32, np.float16),
        (np.int64, np.int32, ">f4"),
    ],
)
def test_types_do_not_matter(random_query: Any, pointer: Any, index: Any, value: Any) -> None:
    query = random_query(3, 40, 100, 30)
    query.data = np.minimum(query.data, 255)
    prepared = prepare(query.panel_column.astype(np.int64), *make_basis(0, 30, 40), TARGET)
    expected = linear_features(prepared, *query.csr)
    got = linear_features(
        prepared,
        query.indptr.astype(pointer),
        query.indices.astype(index),
        query.data.astype(value),
    )
    assert_same_bits(expected, got)


def test_read_only_and_unaligned_arrays(random_query: Any) -> None:
    query = random_query(4, 40, 100, 30)
    basis, cap, offset = make_basis(0, 30, 40)
    prepared = prepare(query.panel_column, basis, cap, offset, TARGET)
    expected = linear_features(prepared, *query.csr)
    raw = np.zeros(basis.nbytes + 1, np.uint8)
    shifted = raw[1:].view(np.float32).reshape(basis.shape)
    shifted[:] = basis
    for array in (*query.csr, query.panel_column, shifted, cap, offset):
        array.flags.writeable = False
    again = prepare(query.panel_column, shifted, cap, offset, TARGET)
    assert_same_bits(expected, linear_features(again, *query.csr))


@pytest.mark.parametrize("panel_column", [[-1, 2], [-1, -1]], ids=["no count", "no gene"])
def test_cells_without_counts_in_the_panel_are_the_offset(panel_column: list[int]) -> None:
    basis, cap, offset = make_basis(0, 5, 40)
    prepared = prepare(np.array(panel_column), basis, cap, offset, TARGET)
    counts = np.array([0, 0, 1, 2]), np.array([0, 1]), np.array([7, 0])
    features, library = linear_features(prepared, *counts)
    assert (features == offset).all()
    assert (library == 0).all()


def test_log_sees_the_sum_of_genes_with_one_panel_place() -> None:
    one = np.ones((1, 1), np.float32)
    prepared = prepare(np.zeros(2, np.int32), one, np.full(1, 99), np.zeros(1), 7)
    counts = np.array([0, 2]), np.array([0, 1]), np.array([3, 4])
    features, _ = linear_features(prepared, *counts)
    assert features[0, 0] == pytest.approx(np.log1p(7), rel=1e-6)


def test_library_of_large_counts_is_exact() -> None:
    data = np.full(1001, 9_999_999, np.float32)
    data[0] = 1
    prepared = prepare(np.arange(1001), *make_basis(0, 1001, 1), TARGET)
    _, library = linear_features(prepared, np.array([0, 1001]), np.arange(1001), data)
    assert library[0] == 1 + 1000 * 9_999_999
