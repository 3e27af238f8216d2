"""Measured runs of whole processes, kept in a JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.shared.results import facts, read, write
from benchmarks.shared.timing import Run

OURS = "cellport map"
PEERS = {
    "anndata": "anndata.read_h5ad, nothing else",
    "scanpy": "scanpy: normalise, PCA projection, kNN",
    "scvi": "scvi-tools: zero-shot encode, kNN",
    "symphony": "symphonypy: map, kNN",
    "celltypist": "CellTypist: annotate",
}
Rows = list[dict[str, Any]]


class Runs:
    """Runs of each method on each file; the JSON is written after each of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        # rows without a date are of an older form of this benchmark
        self.rows: Rows = [row for row in read(path).get("runs", ()) if "date" in row]

    def _row(self, cells: int, compression: str, method: str) -> dict[str, Any] | None:
        key = {"cells": cells, "compression": compression, "method": method}
        return next((row for row in self.rows if row.items() >= key.items()), None)

    def number(self, cells: int, compression: str, method: str) -> int:
        """Return how many runs there are."""
        row = self._row(cells, compression, method)
        return len(row["runs"]) if row else 0

    def forget(self, cells: int, compression: str, methods: Iterable[str]) -> None:
        """Drop the runs of some methods on a file."""
        gone = [self._row(cells, compression, method) for method in methods]
        self.rows = [row for row in self.rows if row not in gone]

    def add(self, cells: int, compression: str, method: str, run: Run) -> None:
        """Keep a run, and the medians with it."""
        row = self._row(cells, compression, method)
        if row is None:
            row = {"cells": cells, "compression": compression, "method": method}
            row |= {"runs": [], "cpu": [], "memory": []}
            self.rows.append(row)
        for name, value in (("runs", run.wall), ("cpu", run.cpu), ("memory", run.memory_mb)):
            row[name].append(round(value, 2))
        row["date"] = facts()["date"]
        row["seconds"] = round(statistics.median(row["runs"]), 2)
        row["cpu_seconds"] = round(statistics.median(row["cpu"]), 2)
        row["memory_mb"] = round(statistics.median(row["memory"]))
        print(json.dumps(row), flush=True)
        order = [OURS, *PEERS]
        self.rows.sort(key=lambda r: (r["cells"], r["compression"], order.index(r["method"])))
        write(self.path, facts() | {"runs": self.rows})
