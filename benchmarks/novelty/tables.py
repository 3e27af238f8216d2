"""Tables of unseen cell types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from benchmarks.novelty.groups import KNOWN, UNSEEN
from benchmarks.shared.results import markdown

Rows = list[dict[str, Any]]
QUERIES = ("within", "across")


def tables(runs: Rows) -> str:
    """One line a case, then means; the share of cells that are called novel; and groups."""
    return f"{areas(runs)}\n\n{rates(runs)}\n\n{groups(runs)}"


def areas(runs: Rows) -> str:
    """Areas under the ROC curve, and the means of these and of recall."""
    methods = list(runs[0]["methods"])
    lines = []
    for r in runs:
        area = [f"{r['methods'][m]['auroc']:.2f}" if m in r["methods"] else "" for m in methods]
        lines.append([r["dataset"], r["unseen"], r["query"], *area, f"{r['ceiling']:.2f}"])
    # datasets that were added later were not given to the other tools
    later = [run for run in runs if len(run["methods"]) < len(methods)]
    runs = [run for run in runs if run not in later]
    for what, name in (("auroc", "mean area"), ("recall", "mean recall at 5 %")):
        for where in (*QUERIES, None):
            some = [r for r in runs if where in (None, r["query"])]
            values = [_mean(r["methods"][m][what] for r in some) for m in methods]
            top = f"{_mean(r['ceiling'] for r in some):.3f}" if what == "auroc" else ""
            lines.append(
                [f"**{name}**", "", where or "both", *(f"**{v:.3f}**" for v in values), top]
            )
    if later:
        areas_later = _mean(run["methods"][methods[0]]["auroc"] for run in later)
        recall = _mean(run["methods"][methods[0]]["recall"] for run in later)
        names = ", ".join(dict.fromkeys(run["dataset"] for run in later))
        empty = [""] * len(methods)
        lines.append([f"**mean area, {names}**", "", "both", f"**{areas_later:.3f}**", *empty])
        lines.append([f"**mean recall, {names}**", "", "both", f"**{recall:.3f}**", *empty])
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


def groups(runs: Rows) -> str:
    """Unseen types that are told of as a group, and groups that are told of wrongly."""
    lines = []
    for name in (*dict.fromkeys(run["dataset"] for run in runs), None):
        for where in QUERIES:
            some = [r for r in runs if r["query"] == where and name in (None, r["dataset"])]
            if not some:
                continue
            told = [[g for g in run["groups"] if g["unseen"] > UNSEEN] for run in some]
            cells = [
                sum(g["cells"] * g["unseen"] for g in run["groups"]) / run["unseen_cells"]
                for run in some
            ]
            of_known = [g for run in some for g in run["groups"] if g["unseen"] < KNOWN]
            which = Counter(group["label"] for group in of_known)
            lines.append(
                [
                    name or "**all**",
                    where,
                    str(len(some)),
                    str(sum(map(bool, told))),
                    f"{_mean(cells):.2f}",
                    f"{_mean(run['found'] for run in some):.2f}",
                    str(sum(len(run["groups"]) for run in some)),
                    str(len(of_known)),
                    ", ".join(which) if name else "",
                ]
            )
    head = ["dataset", "query", "queries", "told of", "of their cells", "cells with p < 0.05",
            "groups told of", "of known types", "labelled"]  # fmt: skip
    return markdown(head, lines, "llrrrrrrl")


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))
