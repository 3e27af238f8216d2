"""How much of the product the tests run: its lines and branches, room by room.

    python -P .ci/cover.py                       # all that is counted, which takes about an hour
    python -P .ci/cover.py tests/web/server      # these more, added to what was counted before
    python -P .ci/cover.py --table --missing     # of what was counted before, and what was not run

What tests have run is kept in `build/coverage`. `[tool.coverage]` in `pyproject.toml` says what is
the product, and what no test can run. Fails where tests do, or where less than LINES and BRANCHES
are run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "coverage"
LINES, BRANCHES = 95.0, 90.0  # per cent
_COUNTS = ("num_statements", "covered_lines", "num_branches", "covered_branches")
# a process each, in this order. Left out: the page, which is TypeScript; what other programs run;
# and tests of whole programs that take long
_COMMANDS = (
    "bad_input", "cli", "cli_sharing", "compare_page", "convert", "ctrl_c", "demo",
    "documented_commands", "extend_command", "on_cluster", "pipeline", "public_api", "screen",
    "startup",
)  # fmt: skip
TESTS = (
    "tests/kernels",
    "tests/models",
    "tests/runtime",
    "tests/train",
    "tests/web/server",
    "tests/web/mcp",
    " ".join(f"tests/test_{name}.py" for name in _COMMANDS),
)


def counted(files: dict[str, Any]) -> dict[str, Counter[str]]:
    """Add up the files of coverage's JSON by room, the last of which is all of them together."""
    rooms: dict[str, Counter[str]] = {}
    for name, file in sorted(files.items()):
        room = "/".join(Path(name).parent.parts[:2])
        sums = rooms.setdefault(room, Counter())
        sums.update({what: file["summary"][what] for what in _COUNTS})
    return {**rooms, "together": sum(rooms.values(), Counter())}


def shares(sums: Counter[str]) -> tuple[float, float]:
    """Give the shares of lines and of branches that were run, in per cent: 100 of none."""
    of_lines = sums["covered_lines"] / (sums["num_statements"] or 1)
    of_branches = sums["covered_branches"] / sums["num_branches"] if sums["num_branches"] else 1
    return 100 * of_lines, 100 * of_branches


def table(rooms: dict[str, Counter[str]]) -> str:
    """Write what `counted` gives as a table."""
    rows = ["| room | lines | run, % | branches | run, % |", "| --- " * 5 + "|"]
    for room, sums in rooms.items():
        if not sums["num_statements"]:
            continue
        lines, branches = shares(sums)
        name = room if room == "together" else f"`{room}`"
        rows.append(
            f"| {name} | {sums['num_statements']} | {lines:.1f} "
            f"| {sums['num_branches']} | {branches:.1f} |"
        )
    return "\n".join(rows)


def missing(files: dict[str, Any]) -> str:
    """Name the lines and branches that no test has run."""
    rows = []
    for name, file in sorted(files.items()):
        lines = [str(line) for line in file["missing_lines"]]
        gone = set(file["missing_lines"])
        ways = [f"{a}->{b}" for a, b in file["missing_branches"] if a not in gone]
        if lines or ways:
            rows.append(f"{name}: {' '.join([*lines, *ways])}")
    return "\n".join(rows)


def main() -> int:
    """Run tests, count, print; 1 where tests fail or too little is run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("tests", nargs="*")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--missing", action="store_true", help="name what was not run")
    options = parser.parse_args()
    os.chdir(ROOT)
    if importlib.util.find_spec("coverage") is None:
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "coverage>=7.10"], check=True)
    coverage = [sys.executable, "-P", "-m", "coverage"]
    if not (options.tests or options.table):
        shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True, exist_ok=True)
    # atlases that several folders train alike are trained once
    os.environ.setdefault("CELLPORT_TRAINED", str(KEPT / "trained"))
    failed = False
    for tests in () if options.table else options.tests or TESTS:
        failed |= subprocess.run([*coverage, "run", "-m", "pytest", *tests.split()]).returncode != 0
    report = KEPT / "report.json"
    subprocess.run([*coverage, "json", "-q", "-o", str(report)], check=True)
    files = json.loads(report.read_text())["files"]
    rooms = counted(files)
    print(table(rooms))
    if options.missing:
        print(missing(files))
    lines, branches = shares(rooms["together"])
    return int(failed or lines < LINES or branches < BRANCHES)


if __name__ == "__main__":
    sys.exit(main())
