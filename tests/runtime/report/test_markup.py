from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.report.markup import counted, name, names, percent, safe


class Parts(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@given(st.text(max_size=200))
def test_a_name_is_never_markup(text: str) -> None:
    parts = Parts(name(text))
    assert set(parts.tags) <= {"bdi", "wbr"}
    assert parts.tags.count("bdi") == 1
    shown = "".join(parts.words)
    assert len(shown) == min(len(text), 90)
    assert not set(shown) & set("\u202e\u2066\x00\n\ud800")
    name(text).encode("utf-8")


@pytest.mark.parametrize("text", ["<b>", "a&b", '" onload="x', "' x='", "</style>"])
def test_signs_that_mean_something_are_escaped(text: str) -> None:
    assert not set("<>\"'") & set(safe(text))
    assert Parts(f'<i title="{safe(text)}">').words == []


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
    assert names(["a", "b", "c", "d", "e"]).endswith("c</bdi> and 2 more")
