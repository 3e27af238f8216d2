from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.annotate.novelty import prepare

TABLE = {
    "novelty_p": np.array([1, 0.5, 0.01], np.float32),
    "novelty_share": np.array([1], np.float32),
    "novelty_depth": np.array([[5]], np.float32),
    "novelty_score": np.array([[[0, 1, 2]]], np.float32),
}


def test_strange_cells_are_novel_and_empty_ones_are_not(
    small_atlas: Callable[..., AtlasFile], made: Any
) -> None:
    found = prepare(made.setting(small_atlas(TABLE)))
    values = found.annotate(made.cells([1000, 1000, 1000, 0], novelty_score=[0, 1, 2, 9]))
    np.testing.assert_allclose(values["cellport_novelty_p"], [1, 0.5, 0.01, 1], rtol=1e-6)
    assert values["cellport_novel"].tolist() == [False, False, True, False]


@pytest.mark.parametrize(("level", "novel"), [(0.0, 0), (0.02, 1), (0.5, 1), (0.51, 2)])
def test_the_atlas_says_what_is_novel(
    small_atlas: Callable[..., AtlasFile], forgery: Any, made: Any, level: float, novel: int
) -> None:
    limits = replace(forgery.manifest().thresholds, novelty_p=level)
    found = prepare(made.setting(small_atlas(TABLE, thresholds=limits)))
    values = found.annotate(made.cells([1000] * 3, novelty_score=[0, 1, 2]))
    assert values["cellport_novel"].sum() == novel


def test_the_share_of_genes_measured_counts(
    small_atlas: Callable[..., AtlasFile], made: Any
) -> None:
    table = TABLE | {
        "novelty_share": np.array([0.5, 1], np.float32),
        "novelty_depth": np.array([[5], [5]], np.float32),
        "novelty_score": np.array([[[0, 2, 4]], [[0, 1, 2]]], np.float32),
    }
    atlas, cells = small_atlas(table), made.cells([1000], novelty_score=[2])
    p = [
        prepare(made.setting(atlas, share)).annotate(cells)["cellport_novelty_p"][0]
        for share in (0.5, 0.75, 1)
    ]
    np.testing.assert_allclose(p, [0.5, 0.255, 0.01], rtol=1e-5)


def test_a_malformed_table_is_refused(small_atlas: Callable[..., AtlasFile], made: Any) -> None:
    falling = {"novelty_p": TABLE["novelty_p"][::-1].copy()}
    with pytest.raises(AtlasError, match="novelty table is malformed"):
        prepare(made.setting(small_atlas(TABLE | falling)))
