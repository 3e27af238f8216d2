from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.base.bottom_k import BottomK, spread_out

GENES = 5


def cells(n: int) -> dict[str, Any]:
    rng = np.random.default_rng(n)
    return {
        "values": sp.random(n, GENES, 0.4, "csr", np.float32, rng),
        "latent": rng.normal(size=(n, 2)).astype(np.float32),
        "label": rng.integers(0, 9, n).astype(np.int32),
        "novel": rng.random(n) < 0.5,
    }


def empty(most: int) -> BottomK:
    return BottomK(
        most,
        values=sp.csr_matrix((0, GENES), dtype=np.float32),
        latent=np.empty((0, 2), np.float32),
        label=np.empty(0, np.int64),
        novel=np.empty(0, np.bool_),
    )


def feed(kept: BottomK, of: dict[str, Any], start: int, stop: int) -> None:
    kept.add(np.arange(start, stop), **{name: values[start:stop] for name, values in of.items()})


def plain(kept: BottomK) -> dict[str, Any]:
    whole = {name: kept[name] for name in ("latent", "label", "novel")}
    return {"position": kept.position, "values": kept["values"].toarray(), **whole}


def assert_same(one: BottomK, other: BottomK) -> None:
    for name, values in plain(one).items():
        assert_array_equal(values, plain(other)[name], strict=True)


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(1, 20), st.data())
def test_the_same_whatever_the_cut_and_the_order(n: int, most: int, data: st.DataObject) -> None:
    """In blocks of one pass, and in parts that others kept and that are joined in any order."""
    of = cells(n)
    whole = empty(most)
    feed(whole, of, 0, n)
    best = np.argsort(spread_out(np.arange(n)))[:most]
    assert_array_equal(whole.position, best)
    assert_array_equal(whole["latent"], of["latent"][best])
    assert_array_equal(whole["values"].toarray(), of["values"].toarray()[best])

    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=5)))
    ranges = data.draw(st.permutations(list(pairwise([0, *cuts, n]))))
    blocks, joined = empty(most), empty(most)
    for start, stop in ranges:
        feed(blocks, of, start, stop)
        part = empty(most)
        feed(part, of, start, stop)
        joined.join(pickle.loads(pickle.dumps(part.state())))
    assert_same(blocks, whole)
    assert_same(joined, whole)


@given(st.integers(1, 20), st.integers(0, 60), st.integers(0, 60))
def test_values_are_needed_of_entering_cells_alone(most: int, n: int, cut: int) -> None:
    cut = min(cut, n)
    of = cells(n)
    whole, sparing = empty(most), empty(most)
    for start, stop in ((0, cut), (cut, n)):
        feed(whole, of, start, stop)
        rows = start + sparing.entering(np.arange(start, stop))
        sparing.add(rows, **{name: values[rows] for name, values in of.items()})
    assert_same(sparing, whole)


def test_few_cells_of_a_long_run_enter() -> None:
    kept = BottomK(100, label=np.empty(0, np.int64))
    entered = 0
    for start in range(0, 100_000, 1000):
        position = np.arange(start, start + 1000)
        rows = kept.entering(position)
        entered += len(rows)
        kept.add(position[rows], label=rows)
        assert len(kept) == 100
    # k (1 + log(n / k)) of a random order, and the first block whole
    assert entered < 2500


def test_types_and_widths_of_the_fields_hold() -> None:
    kept = empty(10)
    of = {**cells(8), "latent": np.ones((8, 2)), "label": np.ones(8, np.int16)}
    feed(kept, of, 0, 4)
    assert (kept["latent"].dtype, kept["label"].dtype) == (np.float32, np.int64)
    with pytest.raises(ValueError, match="dimension"):
        feed(kept, {**of, "latent": np.ones((8, 3))}, 4, 8)


def test_in_the_order_of_positions() -> None:
    kept = empty(7)
    of = cells(30)
    feed(kept, of, 0, 30)
    assert_array_equal(kept.by_position("label"), of["label"][np.sort(kept.position)])
    assert_array_equal(
        kept.by_position("values").toarray(), of["values"].toarray()[np.sort(kept.position)]
    )


def test_hashes_are_one_to_one_and_even() -> None:
    hashed = spread_out(np.arange(100_000))
    assert len(np.unique(hashed)) == 100_000
    assert abs(hashed.astype(float).mean() / 2**63 - 1) < 0.01
    assert abs(np.corrcoef(np.arange(100_000), hashed.astype(float))[0, 1]) < 0.01
