from __future__ import annotations

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cellport.runtime.report.charts import WIDTH, Dots, MapLabel, scatter
from cellport.runtime.report.markup import Html
from cellport.runtime.report.path_charts import Ways, along_edge, figures, gene_curve, time_key

SHARES = arrays(np.float64, 10, elements=st.floats(0, 1))


def numbers(pattern: str, text: str) -> list[float]:
    return [float(found) for found in re.findall(pattern, text)]


def test_a_path_lies_on_the_map_with_its_milestones() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(200, 2))
    path = np.stack([np.linspace([-1, -1], [1, 1], 9), np.linspace([1, 1], [1, -1], 9)])
    ways = Ways(path, np.array([[-1, -1], [1, 1], [1, -1]]), np.array([True, False, False]))
    drawn = scatter(Dots("ref", cells), [], [MapLabel(1, "start", path[0, 0])], "map", ways)
    assert "nan" not in drawn
    assert drawn.count('class="stop"') == 3
    assert drawn.count('class="root"') == 1
    (line,) = re.findall(r'class="way" d="([^"]+)"', drawn)
    start, corner = re.findall(r"M([\d.]+) ([\d.]+)", line)
    assert re.search(r'class="root" d="M{} {}h0"'.format(*start), drawn)
    # the second edge begins where the first ends
    assert f"L{corner[0]} {corner[1]}" in line
    assert all(0 <= x <= WIDTH for x in numbers(r"[ML]([\d.]+) ", line))


def test_a_path_that_goes_nowhere_has_no_arrow() -> None:
    still = Ways(np.ones((1, 9, 2)), np.ones((2, 2)), np.array([True, False]))
    assert 'class="tip" d=""' in still.svg()
    assert "nan" not in still.svg()


@given(SHARES, SHARES)
def test_bars_stay_in_the_drawing(query: np.ndarray, reference: np.ndarray) -> None:
    drawn = along_edge(query, reference, max(query.max(), reference.max()), "cells")
    assert "nan" not in drawn
    assert all(0 <= y <= 96 for y in numbers(r"V([\d.]+)", drawn))


@given(arrays(np.float64, 16, elements=st.floats(0, 14)), st.integers(0, 15))
def test_dots_are_drawn_where_the_query_has_cells(level: np.ndarray, first: int) -> None:
    known = np.arange(16) >= first
    drawn = gene_curve(level, np.where(known, level, np.nan), "gene")
    assert "nan" not in drawn
    dots = re.findall(r'class="dots" d="([^"]*)"', drawn)[0]
    assert dots.count("h0") == known.sum()
    # equal values lie on the line
    heights = numbers(r"M[\d.]+ ([\d.]+)h0", dots)
    line = numbers(r" ([\d.]+)(?:L|\")", re.findall(r'class="line" d="[^"]+"', drawn)[0])
    assert heights == line[first:]


def test_titles_stand_over_drawings() -> None:
    assert figures([]) == ""
    drawn = figures([(Html("<i>A</i>"), Html("<svg></svg>"), "rises")])
    assert "<figcaption><i>A</i></figcaption><svg></svg><p>rises</p>" in drawn
    assert time_key("start", "end").count("<i class") == 10
