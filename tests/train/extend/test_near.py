"""Novelty of cells near a new type."""

from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.atlas.novelty_table import NoveltyTable, novelty_p_values
from cellport.train.extend.near import Near, fit_line, score_at

TABLE = NoveltyTable(
    p=np.array([1, 0.5, 0.05, 0.001], np.float32),
    share=np.array([1.0], np.float32),
    depth=np.log1p(np.array([[100.0, 1000.0]])).astype(np.float32),
    score=np.array([[[0, 1, 4, 8], [0, 2, 6, 9]]], np.float32),
)


@pytest.mark.parametrize("library", [100.0, 400.0, 1000.0])
def test_scores_of_shares_are_those_that_give_them(library: float) -> None:
    for p in (0.5, 0.05):
        score = score_at(TABLE, p, np.array([library]))
        found = novelty_p_values(TABLE, score, np.array([library]), 1.0)
        assert found[0] == pytest.approx(p, rel=0.2)


def test_cells_of_the_type_are_as_seldom_novel_as_others() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(4_000, 5))
    reached = np.linalg.norm(cells, axis=1)
    slope, start = fit_line(reached, np.full(4_000, 1000.0), TABLE)
    near = Near(np.eye(5), np.zeros((1, 5)), np.array([slope]), np.array([start]))
    score = near.score(cells, np.full(4_000, 50.0))
    p = novelty_p_values(TABLE, score, np.full(4_000, 1000.0), 1.0)
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.01)
    far = near.score(cells + 100, np.full(4_000, 50.0))
    assert (far == 50).all()
    # no cell is more novel than it was
    assert (near.score(cells, np.zeros(4_000)) <= 0).all()
