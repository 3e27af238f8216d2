"""Pieces of HTML. Every string that comes from a file goes through `safe`."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Sequence

_LONGEST = 90
# the sign stays on the line of its number
_PERCENT = "\u00a0%"
# may turn round the letters beside them, or hide
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def safe(text: object, longest: int = _LONGEST) -> str:
    """Return a name as text that no browser takes for markup.

    Control characters and those that change the direction of writing are shown as a
    replacement character, and long names are cut.
    """
    whole = str(text)
    short = whole if len(whole) <= longest else whole[: longest - 1] + "…"
    shown = "".join("\ufffd" if unicodedata.category(c) in _HIDDEN else c for c in short)
    return html.escape(shown, quote=True)


def name(text: object) -> str:
    """Return a name that keeps its own direction of writing and breaks best after / and _."""
    broken = safe(text).replace("/", "/<wbr>").replace("_", "_<wbr>")
    return f'<bdi class="name">{broken}</bdi>'


def names(texts: Sequence[object], most: int = 3) -> str:
    """Return a few names in words, and how many more there are."""
    listed = ", ".join(name(text) for text in texts[:most])
    return listed if len(texts) <= most else f"{listed} and {len(texts) - most:,} more"


def number(value: int) -> str:
    """Return a whole number with separators."""
    return f"{value:,}"


def counted(value: int, noun: str) -> str:
    """Return a number with its noun, which takes an s for several."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def percent(part: float, whole: float) -> str:
    """Return a share in words of percent, never rounded to none or all when it is neither."""
    share = 100 * part / whole if whole > 0 else 0.0
    if 0 < share < 0.1:
        return f"under 0.1{_PERCENT}"
    if 99.9 < share < 100:
        return f"over 99.9{_PERCENT}"
    if 0 < share < 2 or 98 < share < 100:
        return f"{round(share, 1):g}{_PERCENT}"
    return f"{share:.0f}{_PERCENT}"


def section(anchor: str, title: str, *parts: str) -> str:
    """Return a section under a heading; none of its parts may be raw text of a file."""
    body = "\n".join(part for part in parts if part)
    return (
        f'<section id="{anchor}" aria-labelledby="{anchor}-title">\n'
        f'<h2 id="{anchor}-title">{title}</h2>\n{body}\n</section>'
    )


def paragraph(text: str, kind: str = "") -> str:
    """Return a paragraph of HTML, or nothing for none."""
    if not text:
        return ""
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"


def table(head: list[str], rows: list[list[str]], caption: str, kind: str = "") -> str:
    """Return a table of HTML cells; the first of each row names it, and `head` may be empty."""
    cells = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    top = f"<thead><tr>{cells}</tr></thead>" if head else ""
    body = "\n".join(
        f'<tr><th scope="row">{row[0]}</th>'
        + "".join(f"<td>{cell}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    return (
        f'<table class="{kind}"><caption>{caption}</caption>'
        f"{top}\n<tbody>\n{body}\n</tbody></table>"
    )


def details(summary: str, body: str) -> str:
    """Return something to open."""
    return f"<details><summary>{summary}</summary>\n{body}\n</details>"
