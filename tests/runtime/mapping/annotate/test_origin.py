from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import Column
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.origin import (
    distinct_names,
    name_hashes,
    name_suffixes,
    prepare,
    renamed,
)


def test_names_are_as_short_as_they_can_be() -> None:
    assert distinct_names(["a/x.h5ad", Path("b/y.h5ad")]) == ("x.h5ad", "y.h5ad")
    assert distinct_names(["a/x.h5ad", "b/x.h5ad"]) == ("a/x.h5ad", "b/x.h5ad")
    assert distinct_names([object(), "x.h5ad", object()]) == ("query 0", "x.h5ad", "query 2")
    with pytest.raises(InputError, match="named twice"):
        distinct_names(["a/x.h5ad", "a/x.h5ad"])


def test_only_several_queries_need_a_column(
    small_atlas: Callable[..., AtlasFile], made: Any
) -> None:
    atlas = small_atlas()
    assert prepare(made.setting(atlas)) is None
    assert prepare(made.setting(atlas, queries=(("x",), 0))) is None
    found = prepare(made.setting(atlas, queries=(("x", "y"), 1)))
    assert found is not None
    assert found.schema.columns == (Column("cellport_query", "category", ("x", "y")),)
    codes = found.annotate(made.cells([1, 0, 2]))["cellport_query"]
    assert codes.tolist() == [1, 1, 1]
    assert codes.dtype == np.int32


@given(st.lists(st.lists(st.text(max_size=3), max_size=6), min_size=2, max_size=4))
def test_names_differ_between_queries_and_stay_where_they_do(queries: list[list[str]]) -> None:
    hashes = [
        name_hashes(lambda start, stop, q=q: np.array(q[start:stop], object), len(q))
        for q in queries
    ]
    suffixes = name_suffixes(hashes)
    shared = any(set(a) & set(b) for i, a in enumerate(queries) for b in queries[:i])
    assert suffixes == (
        tuple(f"-{i}" for i in range(len(queries))) if shared else ("",) * len(queries)
    )
    assert list(renamed(np.array(["a", "b"], object), suffixes[1])) == [
        f"{n}{suffixes[1]}" for n in "ab"
    ]


def test_names_are_read_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    names, read = np.array([f"cell{at}" for at in range(11)], object), []

    def of(start: int, stop: int) -> Any:
        read.append((start, stop))
        return names[start:stop]

    whole = name_hashes(of, 11)
    monkeypatch.setattr("cellport.runtime.mapping.annotate.origin._NAMES", 4)
    np.testing.assert_array_equal(name_hashes(of, 11), whole)
    assert read == [(0, 11), (0, 4), (4, 8), (8, 11)]
