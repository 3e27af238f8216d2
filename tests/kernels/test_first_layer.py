from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.kernels.first_layer import TILE, encode, encode_first_layer, prepare

if TYPE_CHECKING:
    from numpy.typing import NDArray

TARGET = 1e4
seeds = st.integers(0, 2**32)


def make_layer(seed: int, n_panel: int, n_hidden: int) -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(n_panel, n_hidden)).astype(np.float32)
    cap = rng.uniform(2, 9, n_panel).astype(np.float32)
    return weight, cap, rng.normal(size=n_hidden).astype(np.float32)


def reference(query: Any, weight: Any, cap: Any, bias: Any) -> NDArray[np.float64]:
    """Subset, normalise, densify, multiply in float64."""
    counts = query.dense()
    library = counts.sum(1, keepdims=True)
    scaled = np.divide(counts * TARGET, library, out=np.zeros_like(counts), where=library > 0)
    return np.minimum(np.log1p(scaled), cap) @ weight.astype(np.float64) + bias


def assert_same_bits(a: tuple[Any, ...], b: tuple[Any, ...]) -> None:
    for x, y in zip(a, b, strict=True):
        assert x.tobytes() == y.tobytes()


@settings(deadline=None, max_examples=60)
@given(
    seed=seeds,
    n_cells=st.integers(0, 2 * TILE + 3),
    n_genes=st.integers(1, 200),
    n_panel=st.integers(1, 60),
    n_hidden=st.sampled_from([1, 5, 31, 32, 33, 64, 148]),
    canonical=st.booleans(),
)
def test_matches_dense(
    random_query: Any,
    seed: int,
    n_cells: int,
    n_genes: int,
    n_panel: int,
    n_hidden: int,
    canonical: bool,
) -> None:
    query = random_query(seed, n_cells, n_genes, n_panel, canonical)
    layer = make_layer(seed, n_panel, n_hidden)
    hidden, library, detected = encode_first_layer(*query.csr, query.panel_column, *layer, TARGET)
    assert (hidden.dtype, library.dtype, detected.dtype) == (np.float32, np.float64, np.int32)
    np.testing.assert_allclose(hidden, reference(query, *layer), rtol=1e-4, atol=2e-4)
    np.testing.assert_array_equal(library, query.dense().sum(1))
    np.testing.assert_array_equal(detected, (query.dense() > 0).sum(1))


@settings(deadline=None, max_examples=25)
@given(seeds, st.integers(2, 2 * TILE + 3), st.booleans(), st.data())
def test_bits_depend_on_the_cell_alone(
    random_query: Any, seed: int, n_cells: int, canonical: bool, data: st.DataObject
) -> None:
    query = random_query(seed, n_cells, 200, 60, canonical)
    layer = prepare(query.panel_column, *make_layer(seed, 60, 70), TARGET)
    whole = encode(layer, *query.csr)

    with ThreadPoolExecutor(3) as pool:
        assert_same_bits(whole, encode(layer, *query.csr, threads=3, pool=pool))

    cut = data.draw(st.integers(0, n_cells))
    blocks = [encode(layer, *query.rows(rows).csr) for rows in np.split(np.arange(n_cells), [cut])]
    assert_same_bits(whole, tuple(np.concatenate(x) for x in zip(*blocks, strict=True)))

    order = np.random.default_rng(seed).permutation(n_cells)
    shuffled = encode(layer, *query.rows(order).csr)
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
    layer = prepare(query.panel_column.astype(np.int64), *make_layer(0, 30, 40), TARGET)
    expected = encode(layer, *query.csr)
    got = encode(
        layer,
        query.indptr.astype(pointer),
        query.indices.astype(index),
        query.data.astype(value),
    )
    assert_same_bits(expected, got)


def test_read_only_and_unaligned_arrays(random_query: Any) -> None:
    query = random_query(4, 40, 100, 30)
    weight, cap, bias = make_layer(0, 30, 40)
    expected = encode_first_layer(*query.csr, query.panel_column, weight, cap, bias, TARGET)
    raw = np.zeros(weight.nbytes + 1, np.uint8)
    shifted = raw[1:].view(np.float32).reshape(weight.shape)
    shifted[:] = weight
    for array in (*query.csr, query.panel_column, shifted, cap, bias):
        array.flags.writeable = False
    got = encode_first_layer(*query.csr, query.panel_column, shifted, cap, bias, TARGET)
    assert_same_bits(expected, got)


def test_cells_without_counts_in_the_panel_are_the_bias() -> None:
    weight, cap, bias = make_layer(0, 5, 40)
    panel_column = np.array([-1, 2], np.int32)
    hidden, library, detected = encode_first_layer(
        np.array([0, 0, 1, 2]), np.array([0, 1]), np.array([7, 0]), panel_column, weight, cap,
        bias, TARGET,
    )  # fmt: skip
    assert (hidden == bias).all()
    assert (library == 0).all()
    assert (detected == 0).all()


def test_no_gene_in_the_panel() -> None:
    weight, cap, bias = make_layer(0, 5, 40)
    hidden, library, _ = encode_first_layer(
        np.array([0, 2]), np.array([0, 1]), np.array([7, 1]), np.array([-1, -1]), weight, cap,
        bias, TARGET,
    )  # fmt: skip
    assert (hidden == bias).all()
    assert library[0] == 0


def test_log_sees_the_sum_of_genes_with_one_panel_place() -> None:
    one = np.ones((1, 1), np.float32)
    cap, bias = np.full(1, 99, np.float32), np.zeros(1, np.float32)
    hidden, _, detected = encode_first_layer(
        np.array([0, 2]), np.array([0, 1]), np.array([3, 4]), np.zeros(2, np.int32), one, cap,
        bias, 7,
    )  # fmt: skip
    assert hidden[0, 0] == pytest.approx(np.log1p(7), rel=1e-6)
    assert detected[0] == 1


def test_library_of_large_counts_is_exact() -> None:
    data = np.full(1001, 9_999_999, np.float32)
    data[0] = 1
    weight, cap, bias = make_layer(0, 1001, 1)
    library = encode_first_layer(
        np.array([0, 1001]), np.arange(1001), data, np.arange(1001), weight, cap, bias, TARGET
    )[1]
    assert library[0] == 1 + 1000 * 9_999_999
