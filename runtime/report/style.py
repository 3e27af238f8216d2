"""The style sheet of a report: light and dark, narrow and wide, on paper."""

from __future__ import annotations

from pathlib import Path

from cellport.runtime.report.markup import Html


def style() -> Html:
    """Return the style sheet, which the page's reports have too."""
    sheet = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    return Html(sheet)  # noqa: S704  a file of this package, not text of others
