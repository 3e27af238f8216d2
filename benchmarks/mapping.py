"""Map the same file with cellport and its peers: whole-process seconds and peak memory.

    python benchmarks/mapping.py --peers-python /path/to/python --cells 10000 50000 200000
    python benchmarks/mapping.py --cells 1000 1000000 --compression gzip  cellport alone
    python benchmarks/mapping.py --prepare --peers-python ...             references and files alone
    python benchmarks/mapping.py --table                                  table and picture alone

Each tool labels a generated query (``tiled.py``) in a process of its own, start to written result,
the tools in turn and the round repeated; medians are reported. The peers run in an environment with
scanpy, scvi-tools, symphonypy, harmonypy, igraph and celltypist (1.7 needs scikit-learn below 1.8).

Every run is kept in ``benchmarks/results/mapping.json`` as soon as it is measured, so that an
interrupted benchmark is completed by the same command without ``--again``, which measures anew what
the command names. The picture goes to ``docs/images/mapping.png``, the tables between the marks in
README.md and ``docs/mapping.md``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cellport

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BEGIN, END = "<!-- benchmarks/mapping.py: begin -->", "<!-- benchmarks/mapping.py: end -->"
PEERS = {
    "anndata": "anndata.read_h5ad, nothing else",
    "scanpy": "scanpy: normalise, PCA projection, kNN",
    "scvi": "scvi-tools: zero-shot encode, kNN",
    "symphony": "symphonypy: map, kNN",
    "celltypist": "CellTypist: annotate",
}
OURS = "cellport map"
TRAIN = f"""
import sys
sys.path.insert(0, {str(HERE)!r})
import cellport
from splits import load_split
split = load_split("lung Smart-seq2")
cellport.train_atlas(split.reference, sys.argv[1], labels=split.labels, batch=split.batch)
"""


@dataclass(frozen=True)
class Run:
    """Seconds by the clock, processor seconds and peak memory of one process."""

    wall: float
    cpu: float
    memory_mb: float


def timed(command: list[str]) -> Run:
    """Run a command to its end and measure it as the operating system accounts it."""
    # every tool runs from compiled modules, as pip installs them
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    )
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{errors.decode()[-2000:]}")
    return Run(time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def commands(folder: Path, query: Path, peers_python: str | None) -> dict[str, list[str]]:
    own = [sys.executable, "-m", "cellport", "map"]
    found = {OURS: [*own, str(folder / "lung.cellport"), str(query), "-o", str(folder / "o.h5ad")]}
    if peers_python:
        script = str(HERE / "peers_mapping.py")
        for method in PEERS:
            found[method] = [peers_python, script, "map", method, str(folder), str(query)]
    return found


def prepare(folder: Path, peers_python: str | None) -> None:
    """Build the reference of each tool, once.

    In processes of their own, as the files: the peak memory that the system accounts to a process
    counts that of its parent at its birth, so this one must stay small.
    """
    if not (folder / "lung.cellport").exists():
        timed([sys.executable, "-c", TRAIN, str(folder / "lung.cellport")])
    for method in PEERS if peers_python else ():
        done = folder / f"{method}.prepared"
        if not done.exists():
            command = [str(peers_python), str(HERE / "peers_mapping.py"), "prepare", method]
            timed([*command, str(folder)])
            done.touch()


def query_file(folder: Path, n_cells: int, compression: str) -> Path:
    """Path of a generated query, which is made when it is not there."""
    query = folder / f"query_{n_cells}_{compression}.h5ad"
    if not query.exists():
        part = query.with_suffix(".part")
        command = [sys.executable, str(HERE / "tiled.py"), "--cells", str(n_cells)]
        timed([*command, "--compression", compression, "--out", str(part)])
        part.rename(query)
    return query


def measure(options: argparse.Namespace, kept: Kept) -> None:
    """Run what is missing, a round of all tools after the other."""
    for n_cells in options.cells:
        for compression in options.compression:
            query = query_file(options.folder, n_cells, compression)
            todo = commands(options.folder, query, options.peers_python)
            if n_cells > options.peers_up_to:
                todo = {OURS: todo[OURS]}
            if options.again:
                kept.forget(n_cells, compression, todo)
            missing = {name: kept.missing(n_cells, compression, name, options) for name in todo}
            if any(missing.values()):
                timed(todo[OURS])
            for turn in range(max(missing.values()), 0, -1):
                for name, command in todo.items():
                    if missing[name] >= turn:
                        kept.add(n_cells, compression, name, timed(command))


class Kept:
    """Measured runs in a JSON file, which is written after each of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        found = json.loads(path.read_text())["runs"] if path.exists() else []
        # rows without a date are of an older form of this script
        self.rows: list[dict[str, Any]] = [row for row in found if "date" in row]

    def _row(self, cells: int, compression: str, method: str) -> dict[str, Any] | None:
        key = {"cells": cells, "compression": compression, "method": method}
        return next((row for row in self.rows if row.items() >= key.items()), None)

    def missing(
        self, cells: int, compression: str, method: str, options: argparse.Namespace
    ) -> int:
        """Return how many rounds are still to be run."""
        row = self._row(cells, compression, method)
        return max(0, options.rounds - (len(row["runs"]) if row else 0))

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
        row["date"] = datetime.datetime.now(datetime.UTC).date().isoformat()
        row["seconds"] = round(statistics.median(row["runs"]), 2)
        row["cpu_seconds"] = round(statistics.median(row["cpu"]), 2)
        row["memory_mb"] = round(statistics.median(row["memory"]))
        print(json.dumps(row), flush=True)
        self._write()

    def _write(self) -> None:
        order = [OURS, *PEERS]
        self.rows.sort(key=lambda r: (r["cells"], r["compression"], order.index(r["method"])))
        made = {
            "date": max(row["date"] for row in self.rows),
            "machine": f"{os.cpu_count()} processors, {platform.machine()}, shared",
            "cellport": cellport.__version__,
            "runs": self.rows,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(made, indent=1) + "\n")
        part.replace(self.path)


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown table of medians, each beside cellport's on the same file."""
    lines = [
        "| cells | file | tool | seconds | times cellport's | processor seconds | peak MB |",
        "| ---: | --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        own = next(r["seconds"] for r in _same_file(rows, row) if r["method"] == OURS)
        name = PEERS.get(row["method"], f"**{OURS}**")
        lines.append(
            f"| {row['cells']:,} | {row['compression']} | {name} | {row['seconds']:.1f} "
            f"| {row['seconds'] / own:.1f} | {row['cpu_seconds']:.1f} | {row['memory_mb']:,} |"
        )
    return "\n".join(lines)


def throughput(rows: list[dict[str, Any]]) -> str:
    """Markdown table of cellport's cells per second without its start, beside the smallest file."""
    lines = [
        "| cells | file | cells/s without the start | peak MB |",
        "| ---: | --- | ---: | ---: |",
    ]
    own = [row for row in rows if row["method"] == OURS]
    for row in own:
        small = min(
            (r for r in own if r["compression"] == row["compression"]), key=lambda r: r["cells"]
        )
        if row["cells"] > small["cells"]:
            rate = (row["cells"] - small["cells"]) / (row["seconds"] - small["seconds"])
            lines.append(
                f"| {row['cells']:,} | {row['compression']} | {rate:,.0f} | {row['memory_mb']:,} |"
            )
    lines.append("\nThe start is what the smallest file of that compression took.")
    return "\n".join(lines)


def _same_file(rows: list[dict[str, Any]], row: dict[str, Any]) -> list[dict[str, Any]]:
    key = {name: row[name] for name in ("cells", "compression")}
    return [r for r in rows if r.items() >= key.items()]


def largest_complete(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the largest gzip file of at most 50,000 cells that all tools mapped."""
    gzipped = [r for r in rows if r["compression"] == "gzip" and r["cells"] <= 50_000]
    most = max(len(_same_file(gzipped, r)) for r in gzipped)
    return max(
        (found for r in gzipped if len(found := _same_file(gzipped, r)) == most),
        key=lambda found: int(found[0]["cells"]),
    )


def publish(rows: list[dict[str, Any]]) -> None:
    """Put tables and picture where they are read."""
    shown = largest_complete(rows)
    draw(shown, ROOT / "docs" / "images" / "mapping.png")
    dates = sorted({row["date"] for row in rows})
    measured = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    note = f"*{measured}, 2 shared processors, medians, from `python benchmarks/mapping.py`.*"
    _fill(ROOT / "README.md", f"{table(shown)}\n\n{note}")
    _fill(ROOT / "docs" / "mapping.md", f"{table(rows)}\n\n{throughput(rows)}\n\n{note}")
    print(table(rows), throughput(rows), sep="\n\n")


def _fill(page: Path, text: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw seconds and memory of each tool on one file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = rows[::-1]
    names = [PEERS.get(r["method"], r["method"]) for r in shown]
    colours = ["#c1121f" if r["method"] == OURS else "#8d99ae" for r in shown]
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    parser.add_argument("--compression", nargs="+", default=["gzip", "none"])
    parser.add_argument("--peers-python", help="interpreter with the peers; without it: cellport")
    parser.add_argument("--peers-up-to", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=HERE / "cache" / "mapping")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "mapping.json")
    parser.add_argument("--again", action="store_true", help="measure anew what is named here")
    parser.add_argument("--prepare", action="store_true", help="make references and files alone")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    kept = Kept(options.out)
    if not options.table:
        options.folder.mkdir(parents=True, exist_ok=True)
        prepare(options.folder, options.peers_python)
        if options.prepare:
            for n_cells in options.cells:
                for compression in options.compression:
                    query_file(options.folder, n_cells, compression)
            return
        measure(options, kept)
    if not kept.rows:
        raise SystemExit(f"{options.out} holds no run of this script yet.")
    if options.out == parser.get_default("out"):
        publish(kept.rows)
    else:
        print(table(kept.rows), throughput(kept.rows), sep="\n\n")


if __name__ == "__main__":
    main()
