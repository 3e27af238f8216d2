from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.report.numbers import counted, percent


@given(st.integers(0, 10**7), st.integers(1, 10**7))
def test_shares_are_never_rounded_to_none_or_all(part: int, more: int) -> None:
    shown = percent(part, part + more).replace("\xa0", " ")
    assert (shown == "0 %") == (part == 0)
    assert shown != "100 %"
    assert percent(more, more) == "100\xa0%"


def test_shares_in_words() -> None:
    shares = [percent(n, 1000) for n in (1, 10, 15, 500, 985, 990)]
    assert [s.replace("\xa0", " ") for s in shares] == [
        "0.1 %", "1 %", "1.5 %", "50 %", "98.5 %", "99 %",
    ]  # fmt: skip
    assert percent(1, 10**6) == "under 0.1\xa0%"
    assert percent(0, 0) == "0\xa0%"


def test_numbers_with_nouns() -> None:
    assert [counted(n, "cell") for n in (0, 1, 1200)] == ["0 cells", "1 cell", "1,200 cells"]
