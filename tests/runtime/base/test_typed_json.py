from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.base.typed_json import MalformedError, UnknownValueError, read_typed


@dataclass(frozen=True)
class Inner:
    kind: Literal["one", "two"]
    share: float


@dataclass(frozen=True)
class Outer:
    name: str
    n: int
    flag: bool
    inner: Inner
    pairs: tuple[tuple[int, int], ...]
    maybe: Inner | None
    by_name: dict[str, Inner]
    anything: Any = None
    later: tuple[str, ...] = field(default=("x",))


inners = st.builds(Inner, st.sampled_from(["one", "two"]), st.floats(0, 1e9, allow_nan=False))
numbers = st.integers(0, 10**9)
outers = st.builds(
    Outer,
    name=st.text(),
    n=numbers,
    flag=st.booleans(),
    inner=inners,
    pairs=st.lists(st.tuples(numbers, numbers)).map(tuple),
    maybe=st.none() | inners,
    by_name=st.dictionaries(st.text(), inners),
    anything=st.none() | st.lists(st.integers()),
    later=st.lists(st.text()).map(tuple),
)


@given(outers)
def test_what_is_written_is_what_is_read(value: Outer) -> None:
    assert read_typed(Outer, json.loads(json.dumps(asdict(value)))) == value


RIGHT: dict[str, Any] = {
    "name": "a",
    "n": 1,
    "flag": True,
    "inner": {"kind": "one", "share": 1},
    "pairs": [[0, 1]],
    "maybe": None,
    "by_name": {},
}


def test_what_is_not_known_is_passed_over_and_defaults_fill_in() -> None:
    read = read_typed(Outer, {**RIGHT, "of_a_later_version": {"x": 1}})
    assert read.later == ("x",)
    assert read.inner.share == 1.0
    assert isinstance(read.inner.share, float)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"name": 1}, "name"),
        ({"n": 1.0}, "n"),
        ({"n": True}, "n"),
        ({"n": -1}, "n"),
        ({"n": 10**13}, "n"),
        ({"flag": 1}, "flag"),
        ({"inner": []}, "inner"),
        ({"inner": {"kind": "one"}}, "inner.share"),
        ({"inner": {"kind": 3, "share": 1}}, "inner.kind"),
        ({"inner": {"kind": "one", "share": float("nan")}}, "inner.share"),
        ({"inner": {"kind": "one", "share": float("inf")}}, "inner.share"),
        ({"pairs": [[0, 1, 2]]}, "pairs"),
        ({"pairs": {"0": 1}}, "pairs"),
        ({"pairs": [["0", 1]]}, "pairs"),
        ({"by_name": {"x": None}}, "by_name"),
        ({"by_name": []}, "by_name"),
    ],
)
def test_the_field_that_is_wrong_is_named(change: dict[str, Any], name: str) -> None:
    with pytest.raises(MalformedError) as caught:
        read_typed(Outer, {**RIGHT, **change})
    assert str(caught.value) == name


def test_a_missing_field_is_named() -> None:
    without = {name: value for name, value in RIGHT.items() if name != "pairs"}
    with pytest.raises(MalformedError, match=r"^pairs$"):
        read_typed(Outer, without)


def test_an_unknown_text_is_said() -> None:
    with pytest.raises(UnknownValueError) as caught:
        read_typed(Outer, {**RIGHT, "inner": {"kind": "three", "share": 1}})
    assert caught.value.args == ("inner.kind", "three")
