"""Memory of a server that maps thousands of files: whether it grows.

    python -m benchmarks.mapping.server

``cellport serve`` is sent small files of real cells, no two of the same cells, two at a time: most
are mapped to CSV, h5ad or a summary, every tenth is damaged and refused. Memory is the resident set
of the server itself and of its workers. Results go to ``benchmarks/results/server.json``.
"""

from __future__ import annotations

import io
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import psutil

from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG
from benchmarks.shared.results import facts, write
from cellport.runtime.fetch.pull import find_atlas

ASKED = ("?format=csv", "?format=h5ad", "?format=json", "?format=csv&groups=auto")
N_FILES = 24
CELLS = (10, 300)
DAMAGED = 10  # every so many


@contextmanager
def serving(atlas: str) -> Iterator[tuple[psutil.Process, int]]:
    """Run a server; yield its process and port."""
    command = [sys.executable, "-m", "cellport", "serve", str(find_atlas(atlas))]
    command += ["--port", "0", "--json", "--no-page"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads("".join(process.stdout.readline() for _ in range(4)))
        try:
            yield psutil.Process(process.pid), int(said["url"].split(":")[2].split("/")[0])
        finally:
            process.terminate()


def small_files() -> list[bytes]:
    """Return files of real cells, every tenth of them damaged."""
    rng = np.random.default_rng(0)
    cells = LUNG.read()
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(N_FILES):
            some = np.sort(rng.choice(cells.n_obs, rng.integers(*CELLS), replace=False))
            path = Path(folder, "some.h5ad")
            anndata.AnnData(cells.X[some], obs=cells.obs.iloc[some], var=cells.var).write_h5ad(
                path, compression="gzip" if number % 2 else None
            )
            made.append(path.read_bytes())
    return made


def asked(port: int, number: int, files: list[bytes]) -> int:
    """Send one file; return the status of the answer, which is read whole."""
    body = bytearray(files[number % len(files)])
    if number % DAMAGED == 0:
        body = body[: len(body) * 2 // 3]
    connection = HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        where = f"/api/map{ASKED[number % len(ASKED)]}"
        connection.request("POST", where, io.BytesIO(body), {"Content-Length": str(len(body))})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def memory(server: psutil.Process) -> dict[str, float]:
    """MB of the server itself, of its workers, and of all."""
    own = server.memory_info().rss / 1024**2
    workers = sum(one.memory_info().rss for one in server.children(recursive=True)) / 1024**2
    return {"server": round(own, 1), "workers": round(workers, 1), "all": round(own + workers, 1)}


def main() -> None:
    command = parser("mapping.server", __doc__, "out")
    command.add_argument("--atlas", default="lung")
    command.add_argument("--at", type=int, nargs="+", default=[100, 500, 1000, 2000, 3000, 4000])
    options = command.parse_args()
    files = small_files()
    rows: list[dict[str, Any]] = []
    statuses: Counter[int] = Counter()
    with serving(options.atlas) as (server, port), ThreadPoolExecutor(2) as pool:
        began = time.monotonic()
        for before, after in itertools.pairwise([0, *options.at]):
            sent = range(before, after)
            statuses.update(pool.map(lambda number: asked(port, number, files), sent))
            rows.append({"files": after, **memory(server)})
            print(json.dumps(rows[-1]), flush=True)
        seconds = time.monotonic() - began
    said = {str(status): n for status, n in sorted(statuses.items())}
    found = {"atlas": options.atlas, "seconds": round(seconds, 1), "answers": said}
    write(options.out, facts() | found | {"megabytes": rows})


if __name__ == "__main__":
    main()
