"""What the words of a report and the columns of a result mean, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from cellport.runtime.decisions import text, texts, words
from cellport.runtime.report.contents import ReportContents
from cellport.runtime.report.markup import Html, as_code, details, quiet, said, section, table
from cellport.runtime.report.numbers import percent

_TERMS = texts("report.term_order")
# the column that tells of it, where that is not called as the term is; none for genes
_COLUMNS = {"unknown": "call", "broader": "call", "model_prob": "prob", "map": "umap"}
_GENES = ("genes", "genes_zero")


def terms_section(c: ReportContents) -> Html:
    """Say what each word means, and which column tells it."""
    rows = [(title + _code(key), meaning) for key, title, meaning in explained(c)]
    listed = table((), rows, said("terms_caption"), "facts")
    return section("terms", said("terms_title"), details(said("terms_each"), listed))


def explained(c: ReportContents) -> Iterator[tuple[str, str, str]]:
    """Yield the terms that a mapping's results need: key, name, and a sentence."""
    thresholds = c.manifest.thresholds
    places = {
        "call_prob": percent(thresholds.call_prob, 1),
        "set_level": percent(thresholds.set_level, 1),
        "novelty_p": percent(thresholds.novelty_p, 1),
        "low_depth": f"{thresholds.low_depth:g}",
    }
    for key in _TERMS:
        if _applies(key, c):
            about = words(f"terms.{key}")
            yield key, about["title"], about["text"].format(**places)


def _applies(key: str, c: ReportContents) -> bool:
    if key in _GENES:
        return key == ("genes_zero" if c.manifest.fill == "zero" else "genes")
    if key in ("prob", "model_prob") and key != ("prob" if c.calibrated else "model_prob"):
        return False
    return _column(key) in c.findings.columns


def _column(key: str) -> str:
    return text(f"columns.{_COLUMNS.get(key, key)}").format(level=1)


def _code(key: str) -> Html:
    return Html() if key in _GENES else " " + quiet(as_code(_column(key)))
