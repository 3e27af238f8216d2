"""Map the same file with cellport and its peers: whole-process seconds and peak memory.

    python benchmarks/mapping.py --peers-python /path/to/python --cells 10000 50000 200000

Each tool labels a generated query (``tiled.py``) in a process of its own, start to written result,
the tools in turn and the round repeated; medians are reported. The peers run in an environment with
scanpy, scvi-tools, symphonypy, harmonypy, igraph and celltypist. Results go to
``benchmarks/results/mapping.json``, the picture to ``docs/images/mapping.png``.
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
from dataclasses import dataclass
from pathlib import Path

import cellport

HERE = Path(__file__).resolve().parent
PEERS = {
    "anndata": "anndata.read_h5ad, nothing else",
    "scanpy": "scanpy: normalise, PCA projection, kNN",
    "scvi": "scvi-tools: zero-shot encode, kNN",
    "symphony": "symphonypy: map, kNN",
    "celltypist": "CellTypist: annotate",
}
OURS = "cellport map"


@dataclass(frozen=True)
class Run:
    """Seconds by the clock, processor seconds and peak memory of one process."""

    wall: float
    cpu: float
    memory_mb: float


def timed(command: list[str]) -> Run:
    """Run a command to its end and measure it as the operating system accounts it."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
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
    """Build the reference of each tool, once."""
    if not (folder / "lung.cellport").exists():
        from splits import load_split

        split = load_split("lung Smart-seq2")
        cellport.train_atlas(
            split.reference, folder / "lung.cellport", labels=split.labels, batch=split.batch
        )
    for method in PEERS if peers_python else ():
        done = folder / f"{method}.prepared"
        if not done.exists():
            command = [str(peers_python), str(HERE / "peers_mapping.py"), "prepare", method]
            timed([*command, str(folder)])
            done.touch()


def measure(options: argparse.Namespace) -> list[dict[str, object]]:
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    prepare(folder, options.peers_python)
    rows: list[dict[str, object]] = []
    for n_cells in options.cells:
        for compression in options.compression:
            query = folder / f"query_{n_cells}_{compression}.h5ad"
            if not query.exists():
                from tiled import make_file

                make_file(query, n_cells, None if compression == "none" else compression)
            todo = commands(folder, query, options.peers_python)
            if n_cells > options.peers_up_to:
                todo = {OURS: todo[OURS]}
            runs: dict[str, list[Run]] = {name: [] for name in todo}
            timed(todo[OURS])
            for _ in range(options.rounds):
                for name, command in todo.items():
                    runs[name].append(timed(command))
            for name, measured in runs.items():
                row = {
                    "cells": n_cells,
                    "compression": compression,
                    "method": name,
                    "seconds": round(statistics.median(r.wall for r in measured), 2),
                    "cpu_seconds": round(statistics.median(r.cpu for r in measured), 2),
                    "memory_mb": round(statistics.median(r.memory_mb for r in measured)),
                    "runs": [round(r.wall, 2) for r in measured],
                }
                rows.append(row)
                print(json.dumps(row), flush=True)
    return rows


def table(rows: list[dict[str, object]]) -> str:
    lines = [
        "| cells | file | tool | seconds | times cellport | peak memory MB |",
        "| ---: | --- | --- | ---: | ---: | ---: |",
    ]
    for row in rows:
        same = [
            r for r in rows if (r["cells"], r["compression"]) == (row["cells"], row["compression"])
        ]
        own = next(r["seconds"] for r in same if r["method"] == OURS)
        name = PEERS.get(row["method"], row["method"])
        lines.append(
            f"| {row['cells']:,} | {row['compression']} | {name} | {row['seconds']:.1f} "
            f"| {row['seconds'] / own:.1f} | {row['memory_mb']:,} |"
        )
    return "\n".join(lines)


def draw(rows: list[dict[str, object]], path: Path) -> None:
    """Draw seconds and memory of each tool on the largest gzip file that all of them mapped."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    gzipped = [r for r in rows if r["compression"] == "gzip"]
    most = max(len([r for r in gzipped if r["cells"] == n]) for n in {r["cells"] for r in gzipped})
    complete = [
        n
        for n in {r["cells"] for r in gzipped}
        if len([r for r in gzipped if r["cells"] == n]) == most
    ]
    shown = [r for r in gzipped if r["cells"] == max(complete)][::-1]
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
    figure.suptitle(f"{max(complete):,} cells x 20,000 genes, gzip h5ad, 2 cores", ha="center")
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
    options = parser.parse_args()
    rows = measure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    made = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}, shared",
        "cellport": cellport.__version__,
        "runs": rows,
    }
    options.out.write_text(json.dumps(made, indent=1) + "\n")
    if options.peers_python:
        draw(rows, HERE.parent / "docs" / "images" / "mapping.png")
    print(table(rows))


if __name__ == "__main__":
    main()
