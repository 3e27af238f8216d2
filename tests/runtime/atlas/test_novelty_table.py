from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.novelty_table import NoveltyTable, novelty_p_values, read_novelty_table
from cellport.runtime.errors import AtlasError

P = np.array([1, 0.5, 0.1, 0.05, 0.01], np.float32)
TABLE = NoveltyTable(
    P,
    np.array([0.5, 1.0], np.float32),
    np.array([[4, 6], [5, 7]], np.float32),
    np.array(
        [
            [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]],
            [[0, 1, 2, 3, 4], [0, 2, 4, 6, 8]],
        ],
        np.float32,
    ),
)
numbers = st.floats(-50, 50, allow_nan=False, width=32)


def _p(score: float, log_library: float, share: float) -> float:
    library = np.array([np.expm1(log_library)])
    return float(novelty_p_values(TABLE, np.array([score], np.float32), library, share)[0])


@pytest.mark.parametrize(
    ("score", "log_library", "share", "expected"),
    [
        (0, 5, 1.0, 1.0),
        (2, 5, 1.0, 0.1),
        (2, 1, 1.0, 0.1),
        (4, 7, 1.0, 0.1),
        (4, 99, 1.0, 0.1),
        (3, 4, 0.5, 0.1),
        (3, 4, 0.1, 0.1),
        (-9, 6, 0.7, 1.0),
        (2, 6, 1.0, (0.1 * 0.5) ** 0.5),
    ],
)
def test_nodes_and_the_way_between(
    score: float, log_library: float, share: float, expected: float
) -> None:
    assert _p(score, log_library, share) == pytest.approx(expected, rel=1e-4)


@given(numbers, numbers, st.floats(0, 12), st.floats(0, 1))
def test_stranger_never_means_more_usual(
    one: float, other: float, log_library: float, share: float
) -> None:
    low, high = sorted([one, other])
    usual, strange = _p(low, log_library, share), _p(high, log_library, share)
    assert 0 < strange <= usual <= 1


FINE = NoveltyTable(
    P,
    np.array([0.1, 0.3, 0.8, 1.0], np.float32),
    np.cumsum(np.random.default_rng(0).uniform(0.2, 2, (4, 5)), axis=1).astype(np.float32),
    np.cumsum(np.random.default_rng(1).uniform(0, 2, (4, 5, 5)), axis=2).astype(np.float32),
)


@given(st.floats(-2, 12), st.floats(0, 9), st.floats(0, 1))
def test_between_nodes_as_numpy_interpolates(
    score: float, log_library: float, share: float
) -> None:
    log_p = np.log(P.astype(float))
    by_share = [
        np.exp(np.interp(log_library, depth, [np.interp(score, one, log_p) for one in levels]))
        for depth, levels in zip(FINE.depth, FINE.score, strict=True)
    ]
    library = np.array([np.expm1(log_library)])
    found = novelty_p_values(FINE, np.array([score]), library, share)
    np.testing.assert_allclose(found, np.interp(share, FINE.share, by_share), rtol=1e-5)


def test_a_cell_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(0)
    score, library = rng.normal(2, 3, 100).astype(np.float32), rng.lognormal(6, 2, 100)
    together = novelty_p_values(TABLE, score, library, 0.8)
    assert together.dtype == np.float32
    for i in range(0, 100, 7):
        alone = novelty_p_values(TABLE, score[i : i + 1], library[i : i + 1], 0.8)
        assert alone[0] == together[i]
    assert len(novelty_p_values(TABLE, score[:0], library[:0], 0.8)) == 0


def _arrays(**changed: np.ndarray) -> dict[str, np.ndarray]:
    table = {name: getattr(TABLE, name) for name in ("p", "share", "depth", "score")} | changed
    return {f"novelty_{name}": np.ascontiguousarray(array) for name, array in table.items()}


def test_an_atlas_holds_its_table(small_atlas: Callable[..., AtlasFile]) -> None:
    found = read_novelty_table(small_atlas(_arrays()))
    for name in ("p", "share", "depth", "score"):
        np.testing.assert_array_equal(getattr(found, name), getattr(TABLE, name))


@pytest.mark.parametrize(
    "changed",
    [
        {"p": np.array([1, 0.5, 0.5, 0.1, 0.1], np.float32)},
        {"share": TABLE.share * 0 + 1},
        {"depth": TABLE.depth * 0 + 3},
        {"score": TABLE.score * 0},
        {"p": TABLE.p[:2], "score": TABLE.score[..., :2]},
    ],
)
def test_a_table_may_hold_a_value_twice(
    small_atlas: Callable[..., AtlasFile], changed: dict[str, np.ndarray]
) -> None:
    found = read_novelty_table(small_atlas(_arrays(**changed)))
    for name, array in changed.items():
        np.testing.assert_array_equal(getattr(found, name), array)
    for score in (-9.0, 0.0, 99.0):
        cell, library = np.array([score], np.float32), np.array([np.expm1(3.0)])
        assert 0 < novelty_p_values(found, cell, library, 1.0)[0] <= 1


@pytest.mark.parametrize(
    "changed",
    [
        {"p": TABLE.p[::-1]},
        {"p": TABLE.p * 0},
        {"p": np.where(TABLE.p == TABLE.p[-1], np.float32(0), TABLE.p)},
        {"share": TABLE.share[::-1]},
        {"depth": TABLE.depth[:, ::-1]},
        {"score": TABLE.score[..., ::-1]},
        {"score": TABLE.score * np.float32(np.nan)},
        {"score": np.where(TABLE.score == 8, np.float32(np.inf), TABLE.score)},
        {"p": TABLE.p[:1], "score": TABLE.score[..., :1]},
        {"depth": TABLE.depth[:, :0], "score": TABLE.score[:, :0]},
        {"share": TABLE.share[:0], "depth": TABLE.depth[:0], "score": TABLE.score[:0]},
    ],
)
def test_a_malformed_table_is_refused(
    small_atlas: Callable[..., AtlasFile], changed: dict[str, np.ndarray]
) -> None:
    said = r"(novelty table is malformed|novelty_\w+\.npy is empty or .*); get the atlas again"
    with pytest.raises(AtlasError, match=said):
        read_novelty_table(small_atlas(_arrays(**changed)))
