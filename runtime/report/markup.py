"""HTML, a type of its own: text that is put into it is escaped.

Only literals are made `Html` by name; everything else is put into one of them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any, Self

from markupsafe import Markup

from cellport.runtime.decisions import text as decided
from cellport.runtime.decisions import texts

_LONGEST = 90
# may turn round the letters beside them, or hide
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


class Html(Markup):
    """HTML that text is put into with ``format``, ``join`` or ``+``.

    Text becomes what no browser takes for markup. Control characters and those that change the
    direction of writing are shown as a replacement character.
    """

    __slots__ = ()

    @classmethod
    def escape(cls, s: Any, /) -> Self:
        """Return text as HTML; what is HTML stays as it is."""
        return super().escape(s if hasattr(s, "__html__") else _shown(str(s)))


def _shown(text: str) -> str:
    if text.isprintable():
        return text
    return "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in text)


def said(sentence: str, **places: object) -> Html:
    """Return a sentence of the decisions on reports with its places filled."""
    return Html.escape(decided(f"report.{sentence}")).format(**places)


def heads(table: str) -> tuple[str, ...]:
    """Return what stands above the columns of a table."""
    return texts(f"report_heads.{table}")


def cut(text: object, longest: int = _LONGEST) -> str:
    """Return text with an ellipsis for what is too long of it."""
    whole = str(text)
    return whole if len(whole) <= longest else whole[: longest - 1] + "…"


def name(text: object) -> Html:
    """Return a name that keeps its own direction of writing and breaks best after / and _."""
    broken = Html.escape(cut(text)).replace("/", Html("/<wbr>")).replace("_", Html("_<wbr>"))
    return Html('<bdi class="name">{}</bdi>').format(broken)


def names(texts: Sequence[object], most: int = 3) -> Html:
    """Return a few names in words, and how many more there are."""
    listed = Html(", ").join(name(text) for text in texts[:most])
    return listed if len(texts) <= most else listed + f" and {len(texts) - most:,} more"


def quiet(text: str) -> Html:
    """Return words that stand back."""
    return Html('<span class="quiet">{}</span>').format(text)


def strong(text: str) -> Html:
    """Return words that stand out."""
    return Html("<strong>{}</strong>").format(text)


def as_code(text: object) -> Html:
    """Return what is typed, or stands in a file."""
    return Html("<code>{}</code>").format(cut(text))


def each(template: Html, items: Iterable[Sequence[object]]) -> Html:
    """Return a template as often as there are items, each put into one."""
    return Html().join(template.format(*item) for item in items)


def section(anchor: str, title: str, *parts: Html) -> Html:
    """Return a section under a heading."""
    body = Html("\n").join(part for part in parts if part)
    return Html(
        '<section id="{0}" aria-labelledby="{0}-title">\n'
        '<h2 id="{0}-title">{1}</h2>\n{2}\n</section>'
    ).format(anchor, title, body)


def paragraph(text: str, kind: str = "") -> Html:
    """Return a paragraph, or nothing for none."""
    if not text:
        return Html()
    return (
        Html('<p class="{}">{}</p>').format(kind, text) if kind else Html("<p>{}</p>").format(text)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], caption: str, kind: str = "") -> Html:
    """Return a table; the first cell of each row names it, and `head` may be empty."""
    titles = each(Html('<th scope="col">{}</th>'), [[title] for title in head])
    lines = [
        Html('<tr><th scope="row">{}</th>{}</tr>').format(
            row[0], each(Html("<td>{}</td>"), [[cell] for cell in row[1:]])
        )
        for row in rows
    ]
    return Html('<table class="{}"><caption>{}</caption>{}\n<tbody>\n{}\n</tbody></table>').format(
        kind,
        caption,
        Html("<thead><tr>{}</tr></thead>").format(titles) if head else "",
        Html("\n").join(lines),
    )


def heading(text: str) -> Html:
    """Return a heading within a section."""
    return Html("<h3>{}</h3>").format(text)


def details(summary: str, body: Html) -> Html:
    """Return something to open, or nothing where there is nothing in it."""
    if not body:
        return Html()
    return Html("<details><summary>{}</summary>\n{}\n</details>").format(summary, body)
