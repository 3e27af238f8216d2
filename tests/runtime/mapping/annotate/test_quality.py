from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import QUALITIES
from cellport.runtime.mapping.annotate.quality import prepare


@pytest.fixture
def quality(small_atlas: Callable[..., AtlasFile], forgery: Any, made: Any) -> Any:
    """How to flag cells of some depths."""

    def flags(library: list[float], covered: bool = True, **thresholds: float) -> list[str]:
        limits = replace(forgery.manifest().thresholds, **thresholds)
        setting = made.setting(small_atlas(thresholds=limits))
        found = prepare(replace(setting, covered=covered))
        (column,) = found.schema.columns
        assert column.categories == QUALITIES
        codes = found.annotate(made.cells(library))["cellport_qc"]
        return [column.categories[code] for code in codes]

    return flags


def test_few_counts_and_none(quality: Any) -> None:
    assert quality([100, 5000, 99.5, 0]) == ["ok", "ok", "low_depth", "empty"]


@pytest.mark.parametrize(("covered", "expected"), [(True, "ok"), (False, "low_gene_coverage")])
def test_a_cell_has_the_gravest_flag(quality: Any, covered: bool, expected: str) -> None:
    assert quality([1000, 50, 0, 100], covered) == [expected, "low_depth", "empty", expected]


@pytest.mark.parametrize(("low_depth", "low"), [(0.0, 0), (50.0, 1), (1e6, 4)])
def test_the_atlas_says_what_is_shallow(quality: Any, low_depth: float, low: int) -> None:
    assert quality([1000, 10, 50, 100], low_depth=low_depth).count("low_depth") == low
