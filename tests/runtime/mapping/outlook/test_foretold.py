from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cellport
from cellport.runtime.atlas.manifest import HeldOut, LabelScore
from cellport.runtime.mapping.outlook.confusion import Confusion
from cellport.runtime.mapping.outlook.foretold import foretell

COMMON = np.array([0.5, 0.3, 0.2])


def confusion(*recall: float) -> Confusion:
    """Three labels, each taken for the next where it is not told."""
    told = np.diag(recall)
    return Confusion(told + np.roll(np.diag(1 - np.array(recall)), 1, axis=1), COMMON)


def held_out(cells: int, macro_f1: float, **recall: float) -> HeldOut:
    by_label = {name: LabelScore(cells, one) for name, one in recall.items()}
    accuracy = float(np.mean([*recall.values()]))
    return HeldOut("batch", 100, accuracy, macro_f1, 0.03, by_label, ())


@pytest.fixture(scope="module")
def manifest() -> Any:
    return replace(cellport.load_atlas("blood").manifest, labels=("a", "b", "c"), held_out=None)


def test_with_all_genes_it_is_what_was_measured(manifest: Any) -> None:
    whole = confusion(0.9, 0.8, 1.0)
    manifest = replace(manifest, held_out=held_out(20, 0.7, a=0.6, b=0.9, c=0.95))
    said = foretell(whole, whole, manifest)
    assert said.recall == pytest.approx([0.6, 0.9, 0.95])
    assert said.accuracy == pytest.approx(0.5 * 0.6 + 0.3 * 0.9 + 0.2 * 0.95)
    assert said.macro_f1 == pytest.approx(0.7)


def test_what_made_up_cells_lose_is_lost(manifest: Any) -> None:
    manifest = replace(manifest, held_out=held_out(20, 0.8, a=0.6, b=0.9, c=1.0))
    usual, found = confusion(1.0, 1.0, 1.0), confusion(0.5, 1.0, 0.0)
    said = foretell(found, usual, manifest)
    assert said.recall == pytest.approx([0.3, 0.9, 0.0])
    assert said.macro_f1 == pytest.approx(0.8 * found.macro_f1)


def test_few_cells_held_out_say_nothing(manifest: Any) -> None:
    found, usual = confusion(0.5, 0.9, 0.7), confusion(0.9, 0.9, 0.9)
    few = replace(held_out(9, 0.5, a=0.1, b=0.1, c=0.1), cells=49)
    labels = held_out(9, usual.macro_f1, a=0.1, b=0.1, c=0.1)
    for scores in (None, few, labels):
        said = foretell(found, usual, replace(manifest, held_out=scores))
        assert said.recall == pytest.approx(found.recall)
        assert said.macro_f1 == pytest.approx(found.macro_f1)


# of a hundred cells of each label
shares = st.lists(st.integers(0, 100).map(lambda n: n / 100), min_size=3, max_size=3)


@given(found=shares, usual=shares, measured=shares, macro_f1=st.floats(0, 1))
def test_shares_stay_shares(
    manifest: Any, found: list[float], usual: list[float], measured: list[float], macro_f1: float
) -> None:
    a, b, c = measured
    manifest = replace(manifest, held_out=held_out(20, macro_f1, a=a, b=b, c=c))
    said = foretell(confusion(*found), confusion(*usual), manifest)
    for share in (*said.recall, *said.f1, said.accuracy, said.macro_f1):
        assert 0 <= share <= 1 + 1e-12
