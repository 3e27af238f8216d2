"""Text of any kind, as cells and genes are named."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from cellport.runtime.sources.annotations import as_text


@given(st.lists(st.one_of(st.binary(max_size=6), st.text(max_size=6).map(str.encode))))
@example([])
@example([b""])
@example([b"", b""])
@example([b"one\nline", b"two"])
@example([b"ends\0here", b"\0"])
@example([b"half of \xc3", b"\xa9 letter"])
def test_bytes_are_read_one_by_one(values: list[bytes]) -> None:
    words = as_text(np.array([*values, None], object)[:-1])
    assert list(words) == [one.split(b"\0")[0].decode("utf-8", "replace") for one in values]


def test_what_is_no_text_among_bytes() -> None:
    assert list(as_text(np.array([b"AB", "CD", None, 3, np.nan], object))) == [
        "AB",
        "CD",
        "",
        "3",
        "",
    ]
