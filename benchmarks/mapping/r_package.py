"""Measure what mapping a Seurat object costs beside the command, and the memory that R takes.

    python -m benchmarks.mapping.r_package

The R package (`r/cellport`) and Seurat's objects have to be installed in R. A round is a process of
R that loads the object and maps it; then writes the exchange file and runs the plain command on it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from statistics import median

from benchmarks.shared.command import parser
from benchmarks.shared.results import facts, markdown, read, write
from benchmarks.shared.tiled import kept_file
from benchmarks.shared.timing import output

SCRIPT = Path(__file__).with_suffix(".R")
ROUNDS = 5
Found = dict[str, float]


def script(*arguments: object) -> list[str]:
    """Command that runs the part of this benchmark that is in R."""
    return [shutil.which("Rscript") or "Rscript", str(SCRIPT), *map(str, arguments)]


def measured(cells: int, query: Path, cache: Path, atlas: str) -> Found:
    """Medians of seconds and of peak megabytes, over some rounds."""
    kept = cache / f"seurat_{cells}.rds"
    if not kept.exists():
        part = kept.with_suffix(".part")
        subprocess.run(script("make", query, cells, part), check=True)
        part.rename(kept)
    runs = [json.loads(output(script("map", kept, atlas, cache))) for _ in range(ROUNDS)]
    return {name: round(median(run[name] for run in runs), 2) for name in runs[0]}


def table(made: dict[str, Found]) -> str:
    """Set what was found, a row a number of cells and a clock."""
    head = ["cells", "clock", "map_cells", "writing", "command", "ratio", "R before", "R after"]
    rows = [_row(int(cells), clock, of) for cells, of in made.items() for clock in ("wall", "cpu")]
    return markdown(head, rows, "rlrrrrrr")


def _row(cells: int, clock: str, of: Found) -> list[str]:
    whole, writing, command = (of[f"{name}.{clock}"] for name in ("map_cells", "write", "command"))
    seconds = [f"{one:.1f} s" for one in (whole, writing, command)]
    memory = [f"{of[name]:,.0f} MB" for name in ("loaded_mb", "mapped_mb")]
    return [f"{cells:,}", clock, *seconds, f"{whole / (writing + command):.2f}", *memory]


def main() -> None:
    command = parser("mapping.r_package", __doc__, "table out cache note")
    command.add_argument("--atlas", default="lung")
    command.add_argument("--cells", type=int, nargs="+", default=[12_500, 50_000])
    options = command.parse_args()
    if not options.table:
        options.cache.mkdir(parents=True, exist_ok=True)
        query = kept_file(options.cache / "query.h5ad", max(options.cells), None)
        found = {
            str(cells): measured(cells, query, options.cache, options.atlas)
            for cells in options.cells
        }
        write(options.out, facts(options.note) | {"cells": found})
    print(table(read(options.out)["cells"]))


if __name__ == "__main__":
    main()
