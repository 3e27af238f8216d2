from __future__ import annotations

import re

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.report.charts import (
    WIDTH,
    Dots,
    MapLabel,
    gauge,
    histogram,
    scatter,
    share_bar,
)


def numbers(pattern: str, text: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, text)]


def test_histogram_heights_are_shares_of_the_tallest() -> None:
    bars = np.array([[1, 1], [0, 0], [3, 1]])
    drawn = histogram(bars, ("low", "high"), ("0", "1"), "cells")
    assert numbers(r"height:([\d.]+)%", drawn) == [25, 25, 25, 75]
    assert re.findall(r'<i class="(\w+)"', drawn) == ["high", "low", "high", "low"]
    assert re.findall(r"<b>(\d*)</b>", drawn) == ["2", "", "4"]


def test_histogram_of_nothing_and_of_many() -> None:
    drawn = histogram(np.zeros((3, 1), int), ("a",), (), "none", even=True)
    assert "nan" not in drawn
    drawn = histogram(np.array([[12_345], [2_345_678], [12]]), ("a",), (), "many")
    assert re.findall(r"<b>(.*?)</b>", drawn) == ["12k", "2.3M", "12"]
    even = histogram(np.array([[3], [1]]), ("a",), (), "even", even=True)
    assert numbers(r"bottom:([\d.]+)%", even) == [66.67]


def test_share_bar_leaves_out_what_is_not_there() -> None:
    drawn = share_bar([("a", "alpha", 3), ("b", "beta", 0), ("c", "gamma", 1)], 4)
    assert numbers(r"width:([\d.]+)%", drawn) == [75, 25]
    assert "beta" not in drawn


@given(st.floats(0, 1e6))
def test_the_mark_of_a_gauge_stays_on_it(value: float) -> None:
    mark = numbers(r'class="mark" style="left:([\d.]+)%', gauge(value, 0.5, 2, ("a", "b", "c")))
    assert 0 <= mark[0] <= 100


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 30),
    spread=st.sampled_from([0.0, 1e-12, 1.0, 1e6]),
    n_names=st.integers(0, 24),
)
def test_everything_lies_within_the_map(seed: int, n: int, spread: float, n_names: int) -> None:
    rng = np.random.default_rng(seed)
    reference, query = rng.normal(size=(2, n, 2)) * spread
    query[0] *= 100
    labels = [MapLabel(i, "type" * 4, rng.normal(size=2) * spread) for i in range(n_names)]
    drawn = scatter(Dots("ref", reference), [Dots("k0", query)], labels, "map")
    height = numbers(r'viewBox="0 0 1000 (\d+)"', drawn)[0]
    dots = re.findall(r"M(-?\d+) (-?\d+)h0", drawn)
    assert len(dots) == 2 * n
    assert all(0 < int(x) < WIDTH and 0 < int(y) < height for x, y in dots)
    where = re.findall(r"left:([\d.]+)%;top:([\d.]+)%", drawn)
    assert len(where) == n_names
    assert all(0 <= float(x) <= 100 and 0 <= float(y) <= 100 for x, y in where)


def test_names_at_one_place_are_moved_apart() -> None:
    labels = [MapLabel(i, "a type of cell", np.zeros(2)) for i in range(6)]
    cloud = np.random.default_rng(0).normal(size=(50, 2))
    drawn = scatter(Dots("ref", cloud), [Dots("k0", cloud)], labels, "map")
    height = numbers(r'viewBox="0 0 1000 (\d+)"', drawn)[0]
    tops = np.sort([t * height / 100 for t in numbers(r"top:([\d.]+)%", drawn)])
    assert np.diff(tops).min() > 18


def test_up_is_up() -> None:
    reference = np.array([[0.0, 0.0], [1.0, 1.0]])
    drawn = scatter(Dots("ref", reference), [], [], "map")
    (x0, y0), (x1, y1) = re.findall(r"M(\d+) (\d+)h0", drawn)
    assert int(x1) > int(x0)
    assert int(y1) < int(y0)
