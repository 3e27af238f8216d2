"""Tables of unseen cell types."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.shared.results import markdown

Rows = list[dict[str, Any]]
QUERIES = ("within", "across")


def tables(runs: Rows) -> str:
    """One line a case, then means; and the share of cells that are called novel."""
    return f"{areas(runs)}\n\n{rates(runs)}"


def areas(runs: Rows) -> str:
    """Areas under the ROC curve, and the means of these and of recall."""
    methods = list(runs[0]["methods"])
    lines = []
    for r in runs:
        values = [*(r["methods"][m]["auroc"] for m in methods), r["ceiling"]]
        lines.append([r["dataset"], r["unseen"], r["query"], *(f"{v:.2f}" for v in values)])
    for what, name in (("auroc", "mean area"), ("recall", "mean recall at 5 %")):
        for where in (*QUERIES, None):
            some = [r for r in runs if where in (None, r["query"])]
            values = [_mean(r["methods"][m][what] for r in some) for m in methods]
            top = f"{_mean(r['ceiling'] for r in some):.3f}" if what == "auroc" else ""
            lines.append(
                [f"**{name}**", "", where or "both", *(f"**{v:.3f}**" for v in values), top]
            )
    head = ["dataset", "unseen type", "query", *methods, "ceiling"]
    return markdown(head, lines, "lll" + "r" * (len(methods) + 1))


def rates(runs: Rows) -> str:
    """Share of cells with a p-value below 0.05: unseen ones, and known ones under stress."""
    shares = {"unseen": [run["found"] for run in runs]}
    for stress in runs[0]["false_novel"]:
        shares[f"known, {stress}"] = [run["false_novel"][stress] for run in runs]
    lines = []
    for name, share in shares.items():
        of_runs = list(zip(runs, share, strict=True))
        means = [_mean(s for run, s in of_runs if run["query"] == where) for where in QUERIES]
        lines.append([name, *(f"{mean:.3f}" for mean in means)])
    return markdown(["cells with p < 0.05", *QUERIES], lines)


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
