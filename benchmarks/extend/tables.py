"""The tables of what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.shared.results import ROOT, markdown
from cellport.train.extend.api import LEAST_AUROC, LEAST_RECALL

PAGE, MARK = ROOT / "docs" / "extend.md", "benchmarks.extend"
Rows = Sequence[dict[str, Any]]
_HEAD = (
    "dataset, cells added", "types", "refused", "macro-F1 extended", "trained anew",
    "old types before", "extended", "trained anew", "still unknown extended", "trained anew",
)  # fmt: skip


def tables(made: dict[str, Any]) -> str:
    """Means over the types of each dataset, and every type by itself."""
    runs = made["runs"]
    parts = [_means(runs), _each(runs)]
    if made["large"]:
        one = made["large"]
        parts.append(
            f"With {one['old_cells']:,} old and {one['new_cells']:,} new cells it took "
            f"{one['seconds']:.0f} s ({made['date']}, {made['machine']})."
        )
    if made["poor"]:
        parts += ["B cells added to the PBMC from 100 cells, where the asked cells are poor:"]
        parts += [_poor(made["poor"])]
    said = [_twins(made["twins"]), _moved(made["moved"]), _drawn(made["drawn"])]
    return "\n\n".join([*parts, *filter(None, said)])


def _poor(rows: Rows) -> str:
    head = ("asked cells", "macro-F1", "trained anew", "recall", "trained anew")
    shown = [
        (row["cells"], *(f"{row[which][score]:.3f}" for score in ("macro_f1", "recall")
                         for which in ("extended", "trained")))
        for row in rows
    ]  # fmt: skip
    return markdown(head, shown)


def _twins(rows: Rows) -> str:
    if not rows:
        return ""
    taken = [one for one in rows if one["recall"] >= LEAST_RECALL and one["auroc"] >= LEAST_AUROC]
    named = ", ".join(f"{one['type']} of the {one['dataset']}" for one in taken)
    return (
        f"Of {len(rows)} lots of 20 to 100 cells of known types under another name, which the "
        f"atlas had not seen, {len(rows) - len(taken)} were refused"
        + (f"; not refused was {named}." if taken else ".")
    )


def _moved(rows: Rows) -> str:
    told = "; ".join(
        f"{one['dataset']}, {one['given']} cells given: {one['before']['macro_f1']:.3f} before, "
        f"{one['after']['macro_f1']:.3f} after"
        for one in rows
    )
    return f"Macro-F1 on known types of another technology ({told})." if rows else ""


def _drawn(rows: Rows) -> str:
    head = (
        "drawn cells", "given the label they were drawn from", "true cells given theirs",
        "spread of the latent within labels, drawn / true", "of the features",
    )  # fmt: skip
    names = ("right_drawn", "right_true", "spread_latent", "spread_features")
    shown = [(one["dataset"], *(f"{one[name]:.3f}" for name in names)) for one in rows]
    return markdown(head, shown) if rows else ""


def _means(runs: Rows) -> str:
    rows = []
    for name in [*dict.fromkeys(row["dataset"] for row in runs), "all"]:
        for number in sorted({row["asked_for"] for row in runs}):
            these = [
                row
                for row in runs
                if name in ("all", row["dataset"]) and row["asked_for"] == number
            ]
            rows.append((f"{name}, {number}", *_row(these)))
    return markdown(_HEAD, rows)


def _row(these: Rows) -> tuple[str, ...]:
    made = [row for row in these if "extended" in row]

    def mean(which: str, score: str) -> str:
        return f"{np.mean([row[which][score] for row in made]):.3f}" if made else ""

    return (
        str(len(these)),
        str(len(these) - len(made)),
        mean("extended", "macro_f1"), mean("trained", "macro_f1"),
        mean("before", "old_accuracy"), mean("extended", "old_accuracy"),
        mean("trained", "old_accuracy"),
        mean("extended", "auroc_unknown"), mean("trained", "auroc_unknown"),
    )  # fmt: skip


def _each(runs: Rows) -> str:
    head = (
        "added (still unknown)", "cells", "macro-F1", "trained anew", "recall", "trained anew",
        "old types before", "extended", "trained anew", "novelty of the unknown", "trained anew",
    )  # fmt: skip
    rows = []
    for row in runs:
        named = f"{row['dataset']}: {row['added']} ({row['unknown']})"
        one, other = row.get("extended"), row["trained"]
        if one is None:
            rows.append((named, str(row["cells"]), "refused", *[""] * 8))
            continue
        pairs = [f"{x[key]:.3f}" for key in ("macro_f1", "recall") for x in (one, other)]
        old = [f"{x['old_accuracy']:.3f}" for x in (row["before"], one, other)]
        novel = [f"{x['auroc_unknown']:.3f}" for x in (one, other)]
        rows.append((named, str(row["cells"]), *pairs, *old, *novel))
    return markdown(head, rows)
