"""The table of small panels."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.shared.results import ROOT, markdown

PAGE, MARK = ROOT / "docs" / "validation.md", "benchmarks.panels"
_NAMES = {"macro_f1": "macro-F1", "ece": "calibration error"}


def page_table(made: dict[str, Any]) -> str:
    """Macro-F1 and calibration error of each method on osmFISH, and means by number of genes."""
    found: dict[str, dict[str, list[list[float]]]] = {}
    for row in made["runs"]:
        column = "osmFISH" if "osmFISH" in row["query"] else f"{row['genes']} genes"
        scores = [row[score] for score in _NAMES]
        found.setdefault(row["method"], {}).setdefault(column, []).append(scores)
    lines = [
        [method, *("{:.3f} ({:.3f})".format(*np.mean(rows, axis=0)) for rows in by_column.values())]
        for method, by_column in found.items()
    ]
    # in the order in which they were measured
    columns = next(iter(found.values()))
    table = markdown([f"{' ('.join(_NAMES.values())})", *columns], lines)
    return f"{table}\n\n{made['date']}; {made['machine']}; one seed."
