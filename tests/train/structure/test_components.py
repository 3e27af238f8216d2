from __future__ import annotations

import numpy as np
import pytest

from cellport.train.structure import components
from cellport.train.structure.components import bridge, connected_groups


def _line(n: int, gap: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    place = rng.normal(0, 0.2, (n, 5))
    place[:, 0] += np.sort(rng.uniform(0, 10, n))
    place[n // 3 :, 0] += gap
    return place


def test_a_line_hangs_together_and_a_gap_parts_it() -> None:
    assert not connected_groups(_line(600), 0).any()
    assert np.bincount(connected_groups(_line(600, gap=4.0), 0)).tolist() == [400, 200]


def test_one_choice_of_centres_is_outvoted(monkeypatch: pytest.MonkeyPatch) -> None:
    latent = _line(600)
    monkeypatch.setattr(
        components,
        "_groups",
        lambda cells, seed, by_chance: (np.arange(len(cells)) > 400) * (seed < 3),
    )
    assert not connected_groups(latent, 0).any()
    monkeypatch.setattr(
        components,
        "_groups",
        lambda cells, seed, by_chance: (np.arange(len(cells)) > 400) * (seed > 2),
    )
    assert np.bincount(connected_groups(latent, 0)).tolist() == [401, 199]


def test_cells_between_two_groups_do_not_join_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def groups(cells: np.ndarray, seed: int, by_chance: float) -> np.ndarray:
        group = (np.arange(len(cells)) >= 300).astype(int)
        group[298:302] = seed % 2
        return group if seed else np.zeros(len(cells), int)

    monkeypatch.setattr(components, "_groups", groups)
    found = connected_groups(_line(600), 0)
    assert sorted(set(found[:298])) != sorted(set(found[302:]))
    assert len(np.unique(found)) == 2


def test_few_cells_are_one_group() -> None:
    assert not connected_groups(_line(30), 0).any()


def test_a_bridge_is_the_density_between() -> None:
    rng = np.random.default_rng(0)
    even = np.stack([rng.uniform(-0.5, 1.5, 4000), np.zeros(4000)], axis=1)
    start, end = np.array([0.0, 0.0]), np.array([1.0, 0.0])
    assert bridge(even, start, end) == pytest.approx(1, abs=0.15)
    ends = even[np.abs(even[:, 0] - 0.5) > 0.3]
    assert bridge(ends, start, end) == 0


@pytest.mark.parametrize("seed", range(5))
def test_a_gap_that_chance_may_have_made_can_be_bridged_and_a_real_one_not(seed: int) -> None:
    """Few cells of a line whose middle is thin, and many of two islands."""
    rng = np.random.default_rng(seed)
    thin = rng.normal(0, 0.2, (120, 5))
    thin[:, 0] += np.concatenate([rng.uniform(0, 4.7, 60), rng.uniform(5.3, 10, 60)])
    assert not connected_groups(thin, seed, by_chance=2.0).any()
    islands = _line(600, gap=4.0)
    for by_chance in (0.0, 1.0):
        parted = connected_groups(islands, seed, by_chance)
        assert np.bincount(parted).tolist() == [400, 200]
