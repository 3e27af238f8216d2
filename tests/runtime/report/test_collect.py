from __future__ import annotations

from collections import Counter
from dataclasses import fields
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from cellport.runtime.columns import MappedBlock
from cellport.runtime.report.collect import Collector, Findings


def collect(cells: Any, cuts: list[int], sampled: int = 40) -> Findings:
    collector = Collector(cells.schema, sampled)
    ends = [0, *cuts, cells.n]
    for start, stop in pairwise(ends):
        collector.add(cells.block(start, stop))
    return collector.findings()


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(0, 150),
    cut=st.lists(st.floats(0, 1), max_size=6),
    seed=st.integers(0, 99),
    layout=st.booleans(),
    labels=st.sampled_from([(), ("a", "b")]),
)
def test_blocks_may_be_cut_anywhere(
    n: int, cut: list[float], seed: int, layout: bool, labels: tuple[str, ...], made_up: Any
) -> None:
    cells = made_up.cells(n, seed, labels, queries=("x", "y"), novel=0.1, layout=layout)
    whole = collect(cells, [])
    parts = collect(cells, sorted(int(share * n) for share in cut))
    for field in fields(Findings):
        one, other = getattr(whole, field.name), getattr(parts, field.name)
        if field.name == "sample":
            for name in ("point", "call", "novel"):
                assert_array_equal(getattr(one, name), getattr(other, name))
        elif field.name in ("prob_sum", "latent_sum", "latent_squares"):
            assert_allclose(one, other, rtol=1e-9, atol=1e-9)
        else:
            assert_array_equal(one, other)


def test_it_counts_what_is_there(made_up: Any) -> None:
    cells = made_up.cells(500, queries=("x.h5ad", "y.h5ad"), novel=0.2)
    found = collect(cells, [100, 101])
    obs = cells.obs
    names = {c.name: c.categories for c in cells.schema.columns}
    label, call = (
        np.array(names[f"cellport_{what}"], object)[obs[f"cellport_{what}"]]
        for what in ("label", "call")
    )
    outcome = np.where(call == "unknown", "unknown", np.where(call == label, "sure", "broader"))
    assert found.n_cells == 500
    assert found.outcome == {k: int((outcome == k).sum()) for k in ("sure", "broader", "unknown")}
    assert dict(zip(found.calls, found.by_call.tolist(), strict=True)) == Counter(call)
    for i, name in enumerate(found.labels):
        assert found.by_label[i].sum() == (label == name).sum()
        assert found.by_label[i, 2] == ((label == name) & (outcome == "unknown")).sum()
        assert found.novel_by_label is not None
        assert found.novel_by_label[i] == obs["cellport_novel"][label == name].sum()
    assert_array_equal(found.by_query.sum(axis=1), np.bincount(obs["cellport_query"]))
    assert sum(found.quality.values()) == 500
    assert found.quality["empty"] == (obs["cellport_qc"] == 1).sum()
    assert found.prob_sum == pytest.approx(obs["cellport_prob"].sum(), rel=1e-5)
    sure_high = (outcome == "sure") & (obs["cellport_prob"] >= 0.95)
    assert found.prob_bins[-1, 0] == sure_high.sum()
    assert found.prob_bins.sum() == 500
    assert found.novelty_bins is not None
    assert found.novelty_bins[0] == (obs["cellport_novelty_p"] < 0.05).sum()
    assert found.set_sizes is not None
    sets = Counter(obs["cellport_label_set"])
    assert found.set_sizes.tolist() == [sets[""], sets["a"], sets["a;b"], sets["a;b;c;d"]]
    assert found.n_novel == obs["cellport_novel"].sum()
    kept = cells.obsm["X_cellport"][obs["cellport_qc"] != 1].astype(float)
    assert found.latent_cells == len(kept)
    assert_allclose(found.latent_squares, (kept**2).sum(axis=0))


def test_a_type_that_is_called_unknown_is_a_type(made_up: Any) -> None:
    cells = made_up.cells(200, labels=("unknown", "b"), groups=(), sure=1.0)
    found = collect(cells, [])
    assert found.outcome == {"sure": 200, "broader": 0, "unknown": 0}


def test_columns_that_are_not_there(made_up: Any) -> None:
    found = collect(made_up.cells(30, labels=()), [])
    assert found.labels == found.calls == found.queries == ()
    assert found.n_novel is None
    assert found.novelty_bins is None
    assert_array_equal(found.sample.call, np.full(30, -1))


def test_values_that_are_not_numbers_fall_in_no_bin(made_up: Any) -> None:
    cells = made_up.cells(3, novel=0.0)
    cells.obs["cellport_novelty_p"][:] = [np.nan, 1.0, 0.0]
    bins = collect(cells, []).novelty_bins
    assert bins is not None
    assert bins.sum() == 2
    assert (bins[0], bins[-1]) == (1, 1)


@pytest.mark.parametrize("n", [39, 40, 41, 3000])
def test_the_sample_is_small_even_and_in_order(n: int, made_up: Any) -> None:
    cells = made_up.cells(n)
    cells.obsm["X_cellport"][:, 0] = np.arange(n)
    position = collect(cells, list(range(0, n, 500)), sampled=40).sample.point[:, 0]
    assert len(position) == min(n, 40)
    assert (np.diff(position) > 0).all()
    if n == 3000:
        in_thirds = np.bincount((position // 1000).astype(int), minlength=3)
        assert in_thirds.min() >= 6


def test_memory_does_not_grow_with_the_cells(made_up: Any) -> None:
    cells = made_up.cells(2000)
    collector = Collector(cells.schema, 100)
    for start in range(0, 200_000, 2000):
        block = cells.block(0, 2000)
        collector.add(MappedBlock(start, block.cell_names, block.obs, block.obsm))
        assert all(len(values) <= 100 for values in collector._kept.values())
    assert collector.findings().n_cells == 200_000
