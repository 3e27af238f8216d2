"""Tables and picture of mapping speed, and where the documentation shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.mapping.runs import OURS, PEERS, Rows
from benchmarks.shared.results import ROOT, markdown


def blocks(rows: Rows) -> dict[Path, str]:
    """Text of each page between the marks."""
    dates = sorted({row["date"] for row in rows})
    measured = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    note = f"*{measured}, 2 shared processors, medians, from `python -m benchmarks.mapping`.*"
    return {
        ROOT / "docs" / "mapping.md": f"{table(rows)}\n\n{throughput(rows)}\n\n{note}",
    }


def table(rows: Rows) -> str:
    """Medians, each beside cellport's on the same file."""
    lines = []
    for row in rows:
        own = next(r["seconds"] for r in _same_file(rows, row) if r["method"] == OURS)
        lines.append(
            [
                f"{row['cells']:,}",
                row["compression"],
                PEERS.get(row["method"], f"**{OURS}**"),
                f"{row['seconds']:.1f}",
                f"{row['seconds'] / own:.1f}",
                f"{row['cpu_seconds']:.1f}",
                f"{row['memory_mb']:,}",
            ]
        )
    head = ["cells", "file", "tool", "seconds", "times cellport's", "processor seconds", "peak MB"]
    return markdown(head, lines, "rllrrrr")


def throughput(rows: Rows) -> str:
    """Cells a second of cellport without its start, which is what the smallest file took."""
    lines = []
    own = [row for row in rows if row["method"] == OURS]
    for row in own:
        small = min(_same(own, row, "compression"), key=lambda r: r["cells"])
        if row["cells"] > small["cells"]:
            rate = (row["cells"] - small["cells"]) / (row["seconds"] - small["seconds"])
            cells = f"{row['cells']:,}", row["compression"], f"{rate:,.0f}", f"{row['memory_mb']:,}"
            lines.append(cells)
    head = ["cells", "file", "cells/s without the start", "peak MB"]
    note = "The start is what the smallest file of that compression took."
    return f"{markdown(head, lines, 'rlrr')}\n\n{note}"


def largest_complete(rows: Rows) -> Rows:
    """Rows of the largest gzip file of at most 50,000 cells that all tools mapped."""
    gzipped = [r for r in rows if r["compression"] == "gzip" and r["cells"] <= 50_000]
    most = max(len(_same_file(gzipped, r)) for r in gzipped)
    return max(
        (found for r in gzipped if len(found := _same_file(gzipped, r)) == most),
        key=lambda found: int(found[0]["cells"]),
    )


def _same_file(rows: Rows, row: dict[str, Any]) -> Rows:
    return _same(rows, row, "cells", "compression")


def _same(rows: Rows, row: dict[str, Any], *names: str) -> Rows:
    return [r for r in rows if all(r[name] == row[name] for name in names)]


def draw(rows: Rows, path: Path) -> None:
    """Draw seconds and memory of each tool, from the rows of one file."""
    # here, because the process that starts the tools must stay small
    from matplotlib.figure import Figure

    shown = rows[::-1]
    names = [PEERS.get(r["method"], r["method"]) for r in shown]
    colours = ["#c1121f" if r["method"] == OURS else "#8d99ae" for r in shown]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    for axes, key, unit in zip(
        figure.subplots(1, 2, sharey=True), ("seconds", "memory_mb"), ("s", "MB"), strict=True
    ):
        digits = 1 if unit == "s" else 0
        bars = axes.barh(names, [r[key] for r in shown], color=colours)
        axes.bar_label(bars, [f"{r[key]:,.{digits}f} {unit}" for r in shown], padding=3)
        axes.set_title("whole process, seconds" if unit == "s" else "peak memory, MB", loc="left")
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
        axes.margins(x=0.15)
    title = f"{rows[0]['cells']:,} cells x 20,000 genes, gzip h5ad, 2 shared processors"
    figure.suptitle(title, ha="center")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
