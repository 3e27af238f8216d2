"""What starting costs: a whole mapping of a thousand cells beside its bare imports."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

THREADS = """
import os
from cellport.cli import main
try:
    main()
finally:
    print(os.environ.get("OPENBLAS_NUM_THREADS"))
"""
MAP = """
import sys
from cellport.cli import main
try:
    main()
finally:
    print(*sys.modules)
"""


def test_a_thousand_cells_take_at_most_four_times_the_bare_imports(
    tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    import anndata

    cells = anndata.AnnData(sp.vstack([tiny_cells.counts] * 5, format="csr")[:1000])
    cells.obs_names = np.arange(1000).astype(str)
    cells.var_names = tiny_cells.symbols
    cells.write_h5ad(tmp_path / "query.h5ad", compression="gzip")
    query, out = str(tmp_path / "query.h5ad"), str(tmp_path / "out.h5ad")
    bare = [sys.executable, "-c", "import numpy, onnxruntime, h5py, llvmlite.binding"]
    ours = [sys.executable, "-c", MAP, "map", str(tiny_atlas_path), query, "-o", out]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for round_ in range(6):
        for name, command in (("bare", bare), ("ours", ours)):
            began = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, cwd="/", env=environment)
            # the first round compiles, and fills the file system's cache
            if round_:
                seconds[name].append(time.perf_counter() - began)
    done = subprocess.run(ours, check=True, capture_output=True, text=True, cwd="/")
    assert not {"numba", "scipy", "numpy.ma", "asyncio"} & set(done.stdout.split("\n")[-2].split())
    # nothing of what speaks to servers, though a name might need it
    named = [*ours[:4], "lung", *ours[5:]]
    done = subprocess.run(named, check=False, capture_output=True, text=True, cwd="/")
    assert "cellport.runtime.fetch.pull" in done.stdout
    assert not {"http", "ssl", "email"} & set(done.stdout.split("\n")[-2].split())
    assert statistics.median(seconds["ours"]) <= 4 * statistics.median(seconds["bare"])


@pytest.mark.parametrize(
    ("command", "stated", "threads"),
    [
        (["info", "lung"], None, "1"),
        (["info", "lung"], "3", "3"),
        (["train", "--help"], None, "None"),
    ],
)
def test_threads_that_factor_matrices_are_started_where_some_are(
    command: list[str], stated: str | None, threads: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if "BLAS" not in name}
    if stated:
        environment["OPENBLAS_NUM_THREADS"] = stated
    run = [sys.executable, "-c", THREADS, *command]
    done = subprocess.run(run, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines()[-1] == threads
