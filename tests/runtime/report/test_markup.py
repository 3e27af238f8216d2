from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellport.runtime.report.markup import Html, cut, each, name, names, paragraph, section, table


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


HIDDEN = set("\u202e\u2066\x00\x1b\ud800")


@given(st.text(max_size=200))
def test_a_name_is_never_markup(text: str) -> None:
    parts = Parts(name(text))
    assert set(parts.tags) <= {"bdi", "wbr"}
    assert parts.tags.count("bdi") == 1
    shown = "".join(parts.words)
    assert len(shown) == min(len(text), 90)
    assert not set(shown) & (HIDDEN | {"\n"})
    name(text).encode("utf-8")


@pytest.mark.parametrize(
    "put",
    [
        lambda text: Html('<b title="{}">').format(text),
        lambda text: Html("<b>") + text,
        lambda text: text + Html("<b>"),
        lambda text: Html("<b>").join([text, text]),
        lambda text: Html("<b>{}").format(cut(text, 300)),
        lambda text: each(Html("<b>{}"), [[text]]),
        lambda text: Html("<b>") + names([text], 0),
        lambda text: paragraph(Html("<b>{}").format(text)),
        lambda text: Html("<b>x").replace("x", text),
    ],
)
@given(text=st.text(st.characters(codec="utf-8") | st.sampled_from("<>&\"'\u202e\x00")))
def test_text_that_is_put_into_html_stays_text(put: object, text: str) -> None:
    made = put(text)  # type: ignore[operator]
    assert isinstance(made, Html)
    tags = Parts(made).tags
    assert set(tags) <= {"b", "p"}
    assert tags.count("b") == 1
    assert not HIDDEN & set(made)


def test_html_stays_html() -> None:
    assert Html("<p>{}</p>").format(Html("<b>a</b>")) == "<p><b>a</b></p>"
    assert Html.escape(Html("<b>")) == "<b>"
    assert Html("<i>{:.1f}, {:,}</i>").format(0.25, 12_000) == "<i>0.2, 12,000</i>"
    assert table(["a<"], [["<b>", Html("<b>")]], "c").count("<b>") == 1
    assert '<h2 id="x-title">1 &lt; 2</h2>\n<p>a</p>\n' in section(
        "x", "1 < 2", Html(), paragraph("a"), paragraph("")
    )


@pytest.mark.parametrize("text", ["<b>", "a&b", '" onload="x', "' x='", "</style>"])
def test_signs_that_mean_something_are_escaped(text: str) -> None:
    assert not set("<>\"'") & set(Html.escape(text))
    assert Parts(Html('<i title="{}">').format(text)).words == []


def test_a_few_names_and_how_many_more() -> None:
    assert names(["a", "b", "c", "d", "e"]).endswith("c</bdi> and 2 more")
    assert cut("x" * 91) == "x" * 89 + "…"
    assert cut("x" * 90) == "x" * 90
