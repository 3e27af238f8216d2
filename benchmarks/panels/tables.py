"""The table of small panels."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.shared.results import ROOT, markdown

PAGE, MARK = ROOT / "docs" / "validation.md", "benchmarks.panels"
_NAMES = {"macro_f1": "macro-F1", "ece": "calibration error"}


def page_table(made: dict[str, Any]) -> str:
    """Macro-F1 and calibration error of each method on osmFISH, and means by number of genes."""
    rows = made["runs"]
    sizes = sorted({row["genes"] for row in rows if "osmFISH" not in row["query"]})
    columns = [("osmFISH", None), *((f"{size} genes", size) for size in sizes)]
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        cells = []
        for _, size in columns:
            some = [
                row
                for row in rows
                if row["method"] == method
                and (("osmFISH" in row["query"]) if size is None else row["genes"] == size)
                and (size is None or "osmFISH" not in row["query"])
            ]
            f1, ece = (np.mean([row[score] for row in some]) for score in _NAMES)
            cells.append(f"{f1:.3f} ({ece:.3f})")
        lines.append([method, *cells])
    head = [f"{' ('.join(_NAMES.values())})", *(name for name, _ in columns)]
    table = markdown(head, lines)
    return f"{table}\n\n{made['date']}; {made['machine']}; one seed."
