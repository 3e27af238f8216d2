"""An atlas of five million cells and 500 types: trained from disk, opened, mapped on.

    python -m benchmarks.scaling.millions [--cells 5000000]

Cells are generated (``typed.py``). Training is the whole command with what it does by default, its
calibration, clusters and map too; its memory is the largest that the operating system saw. Opening
and mapping are measured in processes of their own, and beside an atlas of the same types of a
hundredth of the cells, so that what the reference's size costs is seen. Labels are judged on other
cells than those trained on. Results go to ``benchmarks/results/cluster.json`` as ``millions``, and
in words to ``docs/scaling.md``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks.scaling.tables import measure_and_publish
from benchmarks.scaling.typed import TYPES, typed_file
from benchmarks.shared.command import parser
from benchmarks.shared.results import CACHE, read, write
from benchmarks.shared.timing import output, timed

QUERY, QUERY_SEED = 20_000, 1
ROUNDS = 5
# run in a fresh process each, on an atlas and a query
OPENED = """
import sys, time, cellport
began = time.perf_counter()
cellport.load_atlas(sys.argv[1])
print(time.perf_counter() - began)
"""
MAPPED = """
import json, sys, time
import cellport, h5py, psutil
from sklearn.metrics import accuracy_score, f1_score

atlas, began = cellport.load_atlas(sys.argv[1]), time.perf_counter()
said = atlas.map(sys.argv[2], cellport.MapOptions(device="cpu"))["cellport_label"]
seconds, memory = time.perf_counter() - began, psutil.Process().memory_info()
truth = h5py.File(sys.argv[2])["obs/cell_type"].asstr()[:]
print(json.dumps({
    "map_s": round(seconds, 2),
    # pages of the atlas file itself can be given back at any time
    "map_mb": round((memory.rss - memory.shared) / 1e6),
    "accuracy": round(accuracy_score(truth, said), 4),
    "macro_f1": round(f1_score(truth, said, average="macro"), 4),
}))
"""


def measured(reference: Path, query: Path, atlas: Path, again: bool) -> dict[str, Any]:
    """Train where that was not done, open in fresh processes, map."""
    kept = atlas.with_suffix(".json")
    if again or not kept.exists():
        atlas.unlink(missing_ok=True)
        went_on = atlas.with_name(f"{atlas.name}.checkpoint").exists()
        how = "--labels cell_type --batch donor --device cpu"
        command = [sys.executable, "-m", "cellport", "train", str(reference), "-o", str(atlas)]
        run = timed([*command, *how.split()])
        trained = {"wall_s": run.wall, "cpu_s": run.cpu, "peak_mb": run.memory_mb}
        write(kept, {name: round(value) for name, value in trained.items()} | {"went_on": went_on})
    opening = [sys.executable, "-c", OPENED, str(atlas)]
    mapping = [sys.executable, "-c", MAPPED, str(atlas), str(query)]
    return {
        "reference_gb": round(reference.stat().st_size / 1e9, 2),
        "atlas_mb": round(atlas.stat().st_size / 1e6, 1),
        "trained": read(kept),
        "open_s": round(statistics.median(float(output(opening)) for _ in range(ROUNDS)), 3),
        **json.loads(output(mapping)),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    folder: Path = options.cache
    query = typed_file(folder / "typed_query.h5ad", QUERY, QUERY_SEED)
    found: dict[str, Any] = {"cells": options.cells, "types": TYPES, "query_cells": QUERY}
    for name, n_cells in (("large", options.cells), ("small", options.cells // 100)):
        reference = typed_file(folder / f"typed_{n_cells}.h5ad", n_cells)
        atlas = folder / f"typed_{n_cells}.cellport"
        found[name] = measured(reference, query, atlas, options.again)
    return found


def main() -> None:
    command = parser("scaling.cluster", __doc__, "out cache note again table")
    command.add_argument("--cells", type=int, default=5_000_000)
    command.set_defaults(cache=CACHE / "millions")
    measure_and_publish(command, "millions", measure)


if __name__ == "__main__":
    main()
