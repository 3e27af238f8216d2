from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.web.mcp.answers import LARGEST, bounded

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=1200),
    lambda inner: st.lists(inner, max_size=300) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=100,
)


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(["calls", "notes", "genes"]), VALUES))
def test_no_answer_is_longer_than_the_bound(answer: dict[str, Any]) -> None:
    short = bounded(answer)
    assert len(json.dumps(short, indent=2, allow_nan=False)) <= LARGEST
    assert set(short) <= {*answer, "left_off"}


def test_what_is_short_stays_as_it_is() -> None:
    answer = {"calls": {"T": 3, "B": 1}, "notes": ["one", "two"], "share": 0.123456789}
    assert bounded(answer) == answer | {"share": 0.12346}


def test_what_is_left_off_is_counted() -> None:
    short = bounded({"calls": {f"type {i}": i for i in range(5000)}, "notes": ["n" * 3000] * 300})
    assert len(short["calls"]) + short["left_off"]["calls"] == 5000
    assert len(short["notes"]) + short["left_off"]["notes"] == 300
    assert list(short["calls"])[:2] == ["type 0", "type 1"]
    assert short["notes"][0] == "n" * 1000 + "…"


def test_an_answer_that_cannot_be_cut_is_refused_in_a_sentence() -> None:
    nested: Any = ["x" * 1000] * 2
    for _ in range(6):
        nested = [nested, nested]
    with pytest.raises(InputError, match="longer than 40,000 characters"):
        bounded({"genes": nested})


def test_what_a_terminal_would_obey_is_not_passed_on() -> None:
    assert bounded({"note": "a\x1b[2Jb\nc"}) == {"note": "a [2Jb c"}
