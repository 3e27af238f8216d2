"""Map the same file with cellport and its peers: whole-process seconds and peak memory.

    python -m benchmarks.mapping --peers-python /path/to/python --cells 10000 50000 200000
    python -m benchmarks.mapping --cells 1000 1000000 --compression gzip   cellport alone
    python -m benchmarks.mapping --prepare --peers-python ...              references and files
    python -m benchmarks.mapping --table                                   table and picture alone

Each tool labels a generated query (``shared/tiled.py``) in a process of its own, start to written
result, the tools in turn and the round repeated; medians are reported. The peers run in an
environment with scanpy, scvi-tools, symphonypy, harmonypy, igraph and celltypist (1.7 needs
scikit-learn below 1.8).

Every run is kept in ``benchmarks/results/mapping.json`` as soon as it is measured, so that an
interrupted benchmark is completed by the same command without ``--again``, which measures anew what
the command names. The picture goes to ``docs/images/mapping.png``, the tables between the marks in
``docs/mapping.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.mapping.runs import OURS, PEERS, Runs
from benchmarks.mapping.tables import blocks, draw, largest_complete, table, throughput
from benchmarks.shared.command import parser
from benchmarks.shared.results import IMAGES, fill
from benchmarks.shared.timing import module, timed

TRAIN = """
import sys
import cellport
from benchmarks.shared.data import load_split
reference, _, dataset = load_split("lung Smart-seq2")
cellport.train_atlas(reference, sys.argv[1], labels=dataset.label, batch=dataset.batch)
"""


def commands(folder: Path, query: Path, peers_python: str | None) -> dict[str, list[str]]:
    own = [sys.executable, "-m", "cellport", "map"]
    found = {OURS: [*own, str(folder / "lung.cellport"), str(query), "-o", str(folder / "o.h5ad")]}
    for method in PEERS if peers_python else ():
        how = ("map", method, folder, query)
        found[method] = module("mapping.peers", *how, python=peers_python)
    return found


def prepare(folder: Path, peers_python: str | None) -> None:
    """Build the reference of each tool, once.

    In processes of their own, as the files: the peak memory that the system accounts to a process
    counts that of its parent at its birth, so this one must stay small.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "lung.cellport").exists():
        timed([sys.executable, "-c", TRAIN, str(folder / "lung.cellport")])
    for method in PEERS if peers_python else ():
        done = folder / f"{method}.prepared"
        if not done.exists():
            timed(module("mapping.peers", "prepare", method, folder, python=peers_python))
            done.touch()


def query_file(folder: Path, n_cells: int, compression: str) -> Path:
    """Path of a generated query, which is made when it is not there."""
    query = folder / f"query_{n_cells}_{compression}.h5ad"
    if not query.exists():
        how = ("--cells", n_cells, "--compression", compression)
        timed(module("shared.tiled", *how, "--out", query))
    return query


def measure(options: argparse.Namespace, runs: Runs) -> None:
    """Run what is missing, a round of all tools after the other."""
    for n_cells in options.cells:
        for compression in options.compression:
            query = query_file(options.cache, n_cells, compression)
            todo = commands(options.cache, query, options.peers_python)
            if n_cells > options.peers_up_to:
                todo = {OURS: todo[OURS]}
            if options.again:
                runs.forget(n_cells, compression, todo)
            missing = {
                name: max(0, options.rounds - runs.number(n_cells, compression, name))
                for name in todo
            }
            if any(missing.values()):
                timed(todo[OURS])
            for turn in range(max(missing.values()), 0, -1):
                for name, command in todo.items():
                    if missing[name] >= turn:
                        runs.add(n_cells, compression, name, timed(command))


def main() -> None:
    command = parser("mapping", __doc__, "out table again cache peers-python")
    command.add_argument("--cells", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    command.add_argument("--compression", nargs="+", default=["gzip", "none"])
    command.add_argument("--peers-up-to", type=int, default=200_000)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--prepare", action="store_true", help="make references and files alone")
    options = command.parse_args()
    runs = Runs(options.out)
    if not options.table:
        prepare(options.cache, options.peers_python)
    if options.prepare:
        for n_cells in options.cells:
            for compression in options.compression:
                query_file(options.cache, n_cells, compression)
        return
    if not options.table:
        measure(options, runs)
    if not runs.rows:
        raise SystemExit(f"{options.out} holds no run of this benchmark yet.")
    if options.out == command.get_default("out"):
        draw(largest_complete(runs.rows), IMAGES / "mapping.png")
        for page, text in blocks(runs.rows).items():
            fill(page, "benchmarks.mapping", text)
    print(table(runs.rows), throughput(runs.rows), sep="\n\n")


if __name__ == "__main__":
    main()
