"""Map a large file under Node with the package `@cellport/runtime`: cells a second, and memory.

    npm install --prefix web/page
    python -m benchmarks.mapping.node

The package is packed and installed into a project of its own, with its peer from the registry. A
generated query of 20,000 genes (``shared/tiled.py``) is mapped block by block from its path, each
round in a fresh process; seconds run from the call to the last block, and the opening of the atlas
is timed apart; `cpu` are processor seconds of the same span, to which a busy machine adds little.
Memory is the largest resident set of the process. Results go to
``benchmarks/results/node.json``, with what else the machine had to do: processes that were running
or waiting on average in the minute before.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.shared.command import parser
from benchmarks.shared.results import ROOT, facts, write
from benchmarks.shared.tiled import N_GENES, kept_file
from cellport.runtime.fetch.pull import find_atlas

PACKAGE = ROOT / "web" / "runtime"
SCRIPT = """
import { mapBlocks, openAtlas } from "@cellport/runtime";

const [path, query] = process.argv.slice(2);
const began = performance.now();
const atlas = await openAtlas(path);
const opened = performance.now();
const before = process.cpuUsage();
let cells = 0;
for await (const block of mapBlocks(atlas, query)) cells += block.nCells;
const seconds = (performance.now() - opened) / 1000;
const { user, system } = process.cpuUsage(before);
const cpu = (user + system) / 1e6;
const memory_mb = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ cells, opening: (opened - began) / 1000, seconds, cpu, memory_mb }));
"""


def project(folder: Path) -> Path:
    """Install the package as it is now; return the script that measures with it."""
    folder.mkdir(parents=True, exist_ok=True)
    pack = ["npm", "pack", "--silent", "--pack-destination", str(folder)]
    name = subprocess.run(pack, cwd=PACKAGE, capture_output=True, text=True, check=True).stdout
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    (peer,) = json.loads((PACKAGE / "package.json").read_text())["peerDependencies"].items()
    tarball = f"./{name.split()[-1]}"
    how = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(["npm", "install", *how, tarball, "@".join(peer)], cwd=folder, check=True)
    script = folder / "measure.mjs"
    script.write_text(SCRIPT)
    return script


def measured(script: Path, atlas: Path, query: Path) -> dict[str, Any]:
    """One round in a process of its own."""
    load = os.getloadavg()[0]
    command = ["node", str(script), str(atlas), str(query)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    print(found, f"load {load:.1f}", flush=True)
    return found | {"cells_per_second": found["cells"] / found["seconds"], "load": load}


def main() -> None:
    command = parser("mapping.node", __doc__, "note")
    command.add_argument("--cells", type=int, default=50_000)
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--query", type=Path, help="a file that is there already")
    options = command.parse_args()
    query = options.query or kept_file(options.cache / f"{options.cells}.h5ad", options.cells)
    script = project(options.cache / "project")
    atlas = find_atlas("lung")
    runs = [measured(script, atlas, query.resolve()) for _ in range(options.rounds)]
    median = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    made = {
        **facts(options.note),
        "atlas": "lung",
        "genes": N_GENES,
        "median": {
            name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]
        },
        "runs": [{name: round(value, 2) for name, value in run.items()} for run in runs],
    }
    write(options.out, made)
    print(median)


if __name__ == "__main__":
    main()
