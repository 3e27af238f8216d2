"""The law of all gatherers: what is found depends on the cells alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.gather import (
    GATHERERS,
    LINEAGES,
    NEED_COUNTS,
    PSEUDOBULK,
    REPORT,
    TALLY,
    label_genes,
    novel_sample,
    start_gathering,
)
from cellport.runtime.mapping.gather.gatherer import PARTS, Gatherer, in_parts
from cellport.runtime.mapping.options import MapOptions

State = dict[str, Any]
SUMMED = MapOptions(pseudobulk="donor, cellport_call")


@pytest.fixture(scope="module", autouse=True)
def few_kept() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(novel_sample, "MOST_NOVEL", 11)
        patch.setattr(novel_sample, "MOST_KNOWN", 7)
        patch.setattr(label_genes, "OF_LABEL", 7)
        yield


def through_a_file(state: State) -> State:
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **state)
    data.seek(0)
    with np.load(data, allow_pickle=False) as file:
        return dict(file)


def assert_same(one: State, other: State) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert_array_equal(array, other[name], err_msg=name)
        assert array.dtype == other[name].dtype, name


@pytest.mark.parametrize("name", GATHERERS)
@given(data=st.data(), n=st.integers(0, 120), seed=st.integers(0, 50))
@settings(max_examples=25)
def test_any_blocks_in_any_order_by_any_hands(
    name: str, data: st.DataObject, n: int, seed: int, fork_atlas: AtlasFile, mapped: Any
) -> None:
    cells = mapped(n, seed)

    def new() -> Gatherer:
        return start_gathering([name], fork_atlas, cells.schema, SUMMED)[name]

    whole = new()
    for block, genes in cells.blocks([]):
        whole.add(block, genes)
    cuts = data.draw(st.lists(st.integers(0, n), max_size=6))
    blocks = data.draw(st.permutations(cells.blocks(cuts)))
    hands = [new() for _ in range(data.draw(st.integers(1, 3)))]
    for block, genes in blocks:
        data.draw(st.sampled_from(hands)).add(block, genes)
    total = new()
    for hand in hands:
        total.absorb(through_a_file(hand.state()))
    assert_same(total.state(), whole.state())
    # and goes on from there
    resumed = new()
    resumed.absorb(through_a_file(total.state()))
    assert_same(resumed.state(), whole.state())


@pytest.mark.parametrize("name", GATHERERS)
def test_something_is_gathered(name: str, fork_atlas: AtlasFile, mapped: Any) -> None:
    cells = mapped(100)
    gatherer = start_gathering([name], fork_atlas, cells.schema, SUMMED)[name]
    nothing = gatherer.state()
    assert not any(array.any() for array in nothing.values())
    nothing = {key: array.copy() for key, array in nothing.items()}
    for block, genes in cells.blocks([]):
        gatherer.add(block, genes)
    changed = {key for key, array in gatherer.state().items() if array.any()}
    assert changed >= set(nothing) - {"novel.label", "known.label"}


def test_an_unknown_name_is_told(fork_atlas: AtlasFile, mapped: Any) -> None:
    with pytest.raises(InputError, match="Nothing gathers 'talley'; take tally, findings"):
        start_gathering(["talley"], fork_atlas, mapped(0).schema)


def test_what_an_atlas_has_not_is_not_gathered(
    small_atlas: Callable[..., AtlasFile], made_up_cells: Any
) -> None:
    schema = made_up_cells(0, labels=("B cell", "T cell"), n_latent=2).schema
    assert LINEAGES not in start_gathering(GATHERERS, small_atlas(), schema)
    assert {TALLY, *REPORT, PSEUDOBULK} == set(GATHERERS)
    assert PSEUDOBULK not in start_gathering(GATHERERS, small_atlas(), schema)
    assert set(NEED_COUNTS) <= set(GATHERERS)


@given(st.lists(st.floats(0, 1, width=32), max_size=200), st.randoms())
def test_parts_add_up_in_any_order(values: list[float], random: Any) -> None:
    total = int(in_parts(np.array(values, np.float32)).sum())
    random.shuffle(values)
    assert sum(int(in_parts(np.array([value], np.float32))[0]) for value in values) == total
    assert total / PARTS == pytest.approx(sum(values), abs=len(values) / PARTS)
