"""Models of CellTypist and scvi-tools, mapped by these and, converted, by cellport.

    python -m benchmarks.foreign --peers-python /path/to/python     labels, then speed and memory
    python -m benchmarks.foreign --peers-alone --peers-python ...   what the packages take
    python -m benchmarks.foreign --ours-alone --peers-python ...    what cellport takes
    python -m benchmarks.foreign --table                            tables alone

Labels: a model is trained by its package on half of a dataset (``cases.py``) and asked about the
other half. Speed: a model trained on the 10x lung cells labels generated ones (``shared/tiled.py``,
20,000 genes), whole processes, start to written result. In both, what is said of every cell is
compared (``compare.py``); celltypist's peak memory is 16 GB at 200,000 cells, where cellport was
measured alone. A SCANVI of 8,000 genes and 512 hidden units is converted and not mapped. Every
measurement is kept in ``benchmarks/results/foreign.json`` as soon as it is made; made ones are not
made again without ``--again``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from benchmarks.shared.command import parser
from benchmarks.shared.results import ROOT, add, fill, markdown, read
from benchmarks.shared.timing import Run, module, output, timed

# by the number of labels, as in `cases.CASES`, which imports much
LABELS = {"celltypist": ("2", "8", "19", "37"), "scanvi": ("8", "37")}
CELLS = {"celltypist": 200_000, "scanvi": 50_000}
TIMED, LARGE = "timed", "large"
NAMES = {"celltypist": "CellTypist", "scanvi": "SCANVI"}
PAGE, MARK = ROOT / "docs" / "convert.md", "benchmarks.foreign"
OURS = [sys.executable, "-m", "cellport"]
ABOUT = ("--licence", "none: a benchmark", "--source", "benchmarks.foreign")


class Bench:
    """One kind of model on one case: its files, and the commands that make them."""

    def __init__(self, kind: str, case: str, options: argparse.Namespace) -> None:
        self.kind, self.cells = kind, options.cells or CELLS[kind]
        self.peers_python, self.rounds = options.peers_python, options.rounds
        self.large = case == LARGE
        self.case = options.cache / (TIMED if self.large else case)
        self.folder = options.cache / f"{kind}_{case}"
        self.query = self.case / "query.h5ad"
        if case == TIMED:
            self.query = options.cache / f"query_{self.cells}.h5ad"
        self.ours, self.theirs = self.folder / "ours.csv", self.folder / "theirs.npz"

    def prepare(self) -> None:
        """Make cells and the package's model, once; nothing here is measured."""
        reference = self.case / "reference.h5ad"
        if not reference.exists():
            timed(module("foreign.cases", self.case.name, self.case))
        if not (self.large or self.query.exists()):
            timed(module("shared.tiled", "--cells", self.cells, "--out", self.query))
        if not self.folder.exists():
            tool = f"{self.kind}_{LARGE}" if self.large else self.kind
            timed(self._peer("train", tool, reference, self.folder))

    def steps(self, options: argparse.Namespace) -> dict[str, Callable[[], Run]]:
        """Return what is to be measured, by name."""
        if self.large:
            return {} if options.peers_alone else {"convert": self.convert}
        theirs = {} if options.ours_alone else {"theirs": self.map_theirs}
        ours = {"convert": self.convert, "ours": self.map_ours}
        return theirs if options.peers_alone else theirs | ours

    def convert(self) -> Run:
        """Convert the package's model."""
        name = "model.pkl" if self.kind == "celltypist" else ""
        model, out = str(self.folder / name), str(self.folder / "model.cellport")
        # the batch that the package is given
        batch = ["--as-batch", self._first_batch()] if self.kind == "scanvi" else []
        return timed([*OURS, "convert", model, "-o", out, *ABOUT, *batch])

    def map_ours(self) -> Run:
        """Map with the converted model."""
        atlas = str(self.folder / "model.cellport")
        return timed([*OURS, "map", atlas, str(self.query), "-o", str(self.ours)])

    def map_theirs(self) -> Run:
        """Map with the package."""
        return timed(self._peer("map", self.kind, self.folder, self.query, self.theirs))

    def compare(self) -> dict[str, Any]:
        """Say what differs, of all cells."""
        found: dict[str, Any] = json.loads(
            output(module("foreign.compare", self.ours, self.theirs))
        )
        return found

    def _peer(self, *arguments: object) -> list[str]:
        return module("foreign.peers", *arguments, python=self.peers_python)

    def _first_batch(self) -> str:
        return output(self._peer("batch", self.kind, self.folder))


def run(options: argparse.Namespace) -> None:
    """Measure what the results lack, or all that is named with ``--again``."""
    for kind in options.kind:
        for case in (*LABELS[kind], TIMED, *([LARGE] if kind == "scanvi" else [])):
            bench = Bench(kind, case, options)
            name = f"{kind} {case}" + (f" {bench.cells}" if case == TIMED else "")
            before = read(options.out).get(name, {})
            steps = bench.steps(options)
            todo = {n: step for n, step in steps.items() if options.again or n not in before}
            if not todo:
                continue
            bench.prepare()
            found = before | measured(todo, 1 if case in LABELS[kind] else options.rounds)
            if case == TIMED:
                found["cells"] = bench.cells
            if {"theirs", "ours"} <= found.keys():
                found |= bench.compare()
            add(options.out, name, {"kind": kind, "case": case} | found, options.note)
            print(name, json.dumps(found), flush=True)


def measured(steps: dict[str, Callable[[], Run]], rounds: int) -> dict[str, Any]:
    """Run each step in turn, the round repeated; the fastest run of each by the clock is kept."""
    runs: dict[str, list[Run]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            runs[name].append(step())
    best = {name: min(made, key=lambda run: run.wall) for name, made in runs.items()}
    return {name: {k: round(v, 2) for k, v in asdict(run).items()} for name, run in best.items()}


def tables(results: dict[str, Any]) -> str:
    """Labels of every case, then seconds and memory of the timed ones."""
    same, speed = [], []
    for row in results.values():
        if "other_label" in row:
            differs = f"{row['largest_difference']:.1e}"
            same.append([row["kind"], row["case"], f"{row['cells']:,}", str(row["other_label"]),
                         differs])  # fmt: skip
    for name, row in results.items():
        if row["case"] in LABELS[row["kind"]]:
            continue
        for which in ("theirs", "convert", "ours"):
            if which in row:
                run = row[which]
                against = which != "convert" and "theirs" in row
                times = f"{row['theirs']['wall'] / run['wall']:.1f}" if against else ""
                speed.append([name, which, f"{run['wall']:.1f}", f"{run['cpu']:.1f}",
                              f"{run['memory_mb']:,.0f}", times])  # fmt: skip
    heads = (
        ["model", "labels", "cells", "other label", "largest difference of probability"],
        ["model and cells", "mapped by", "seconds", "processor seconds", "peak MB", "times faster"],
    )
    parts = [markdown(head, rows, "llrrrr"[: len(head)])
             for head, rows in zip(heads, (same, speed), strict=True) if rows]  # fmt: skip
    return "\n\n".join(parts)


def page_table(results: dict[str, Any]) -> str:
    """Set the results as they stand in the page."""
    head = ["model", "query", "labels that differ", "largest difference of a probability"]
    rows = []
    for row in results.values():
        if "ours" not in row:
            continue
        generated = row["case"] == TIMED
        both = "other_label" in row
        rows.append([
            NAMES[row["kind"]] + ("" if generated else f", {row['case']} labels"),
            f"{row['cells']:,} {'generated cells, 20,000 genes' if generated else 'cells'}",
            str(row["other_label"]) if both else "",
            f"{row['largest_difference']:.1e}".replace("e-0", "e-") if both else "",
            _took(row["theirs"]) if both else "not run",
            _took(row["ours"], row["ours"]["cpu"] if not both else None),
        ])  # fmt: skip
    large = results[f"scanvi {LARGE}"]["convert"]
    note = (
        "`cellport convert` of a SCANVI model of 8,000 genes and 512 hidden units took "
        f"{_took(large, large['cpu'])}."
    )
    date = max(row["date"] for row in results.values())
    made = f"*{date}, 2 busy shared processors, whole processes, from `python -m {MARK}`.*"
    return f"{markdown([*head, 'the tool', 'cellport'], rows, 'llrrrr')}\n\n{note}\n\n{made}"


def _took(run: dict[str, float], processor: float | None = None) -> str:
    """Say what a run took; of one without another beside it, what a busy machine adds is told."""
    own = "" if processor is None else f" ({processor:.1f} of the processors)"
    return f"{run['wall']:.1f} s{own}, {run['memory_mb']:,.0f} MB"


def main() -> None:
    command = parser("foreign", __doc__, "out table again cache peers-python note")
    command.add_argument("--kind", nargs="+", choices=list(LABELS), default=list(LABELS))
    command.add_argument("--cells", type=int, help="generated cells; 200,000 and 50,000 by default")
    command.add_argument("--rounds", type=int, default=3)
    alone = command.add_mutually_exclusive_group()
    alone.add_argument("--peers-alone", action="store_true", help="do not convert or map")
    alone.add_argument("--ours-alone", action="store_true", help="do not map with the packages")
    options = command.parse_args()
    if not options.table:
        if not options.peers_python:
            command.error("the models are trained by their packages: --peers-python")
        run(options)
    found = read(options.out)
    if options.out == command.get_default("out"):
        fill(PAGE, MARK, page_table(found))
    print(tables(found))


if __name__ == "__main__":
    main()
