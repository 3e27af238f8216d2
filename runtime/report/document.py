"""The frame of every page that is written: its policy, its style, and nothing from elsewhere."""

from __future__ import annotations

from cellport.runtime.report.markup import Html
from cellport.runtime.report.style import style

# nothing may be fetched or run, even if a name were to slip through as markup
_POLICY = Html("default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'")


def document(title: str, body: Html) -> str:
    """Return a whole HTML page that needs nothing else."""
    page = Html(
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="{}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        "<title>{}</title>\n<style>{}</style>\n"
        "</head>\n<body>\n{}\n</body>\n</html>\n"
    )
    return str(page.format(_POLICY, title, style(), body))
