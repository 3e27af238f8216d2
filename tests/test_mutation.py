"""Files damaged at random are refused in a sentence or read; nothing hangs, crashes or swells.

A flipped byte in a number that nothing checks is another number, which nobody can see; everything
else is held: an answer or a `CellportError`, within ten seconds and a gigabyte.

    CELLPORT_MUTATIONS=20000 CELLPORT_MUTATIONS_FROM=0 pytest -rP tests/test_mutation.py
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse as sp

FROZEN = Path(__file__).resolve().parent / "data" / "format1"
EACH = int(os.environ.get("CELLPORT_MUTATIONS", "600")) // 6
FIRST = int(os.environ.get("CELLPORT_MUTATIONS_FROM", "0"))
LONGEST = 10.0  # seconds for one file
LARGEST = 1 << 20  # kB of memory

# Given an atlas, a clean copy, a folder for damaged ones, the first and behind the last of their
# seeds: a line for each outcome.
WORKER = """
import shutil, sys
from pathlib import Path
import numpy as np
from cellport.runtime.errors import CellportError
from cellport.runtime.mapping.atlas import load_atlas

atlas, clean, folder = map(Path, sys.argv[1:4])
known = None if clean == atlas else load_atlas(atlas)
query = atlas.parent / "query"

def damage(data, rng):
    kind = rng.integers(4)
    if kind == 0:
        return data[: rng.integers(len(data))]
    at = rng.integers(0, len(data), 1 if kind == 1 else rng.integers(2, 30))
    if kind == 3:
        data[at[0] : at[0] + 200] = 0
    else:
        data[at] = rng.integers(0, 256, len(at))
    return data

for number in range(*map(int, sys.argv[4:6])):
    rng = np.random.default_rng(number)
    spoilt = folder / clean.name
    (shutil.copytree if clean.is_dir() else shutil.copy)(clean, spoilt)
    files = [spoilt] if clean.is_file() else sorted(p for p in spoilt.rglob("*") if p.is_file())
    one = files[rng.integers(len(files))]
    whole, spoilt_bytes = one.read_bytes(), None
    while spoilt_bytes in (None, whole):
        spoilt_bytes = damage(np.frombuffer(whole, np.uint8).copy(), rng).tobytes()
    one.write_bytes(spoilt_bytes)
    try:
        opened = known or load_atlas(spoilt)
        opened.map(query if known is None else spoilt, device="cpu", threads=1)
        print(number, "mapped", flush=True)
    except CellportError as error:
        assert str(error) and "Traceback" not in str(error)
        print(number, "refused", flush=True)
    (shutil.rmtree if clean.is_dir() else Path.unlink)(spoilt)
# of this process alone: what getrusage tells begins at what its parent held
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
print(*next(line for line in lines if line.startswith("VmHWM:")).split()[1:], flush=True)
"""


def _cells() -> anndata.AnnData:
    features = pd.read_csv(FROZEN / "query/features.tsv.gz", sep="\t", header=None)
    counts = sp.csr_matrix(scipy.io.mmread(FROZEN / "query/matrix.mtx.gz").T, dtype=np.float32)
    return anndata.AnnData(
        counts, var=pd.DataFrame({"id": features[0].to_numpy()}, features[1].to_numpy())
    )


def _tenx_h5(path: Path) -> None:
    cells = _cells()
    turned = sp.csc_matrix(cells.X.T)
    with h5py.File(path, "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"matrix/{name}"] = getattr(turned, name)
        file["matrix/shape"] = np.array(turned.shape)
        file["matrix/barcodes"] = np.array(cells.obs_names.tolist(), "S")
        file["matrix/features/id"] = np.array(cells.var["id"].tolist(), "S")
        file["matrix/features/name"] = np.array(cells.var_names.tolist(), "S")
        file["matrix/features/feature_type"] = np.array(["Gene Expression"] * cells.n_vars, "S")


def _write(kind: str, folder: Path) -> Path:
    path = folder / kind
    if kind == "atlas.cellport":
        shutil.copy(FROZEN / kind, path)
        shutil.copytree(FROZEN / "query", folder / "query")
    elif kind == "folder":
        shutil.copytree(FROZEN / "query", path)
    elif kind == "cells.h5":
        _tenx_h5(path)
    elif kind == "cells.zarr":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the version that zarr will write one day
            _cells().write_zarr(path)
    else:
        _cells().write_h5ad(path, compression="gzip" if kind == "packed.h5ad" else None)
    return path


def _outcomes(*arguments: Any) -> dict[str, int]:
    command = [sys.executable, "-c", WORKER, *map(str, arguments)]
    seen: dict[str, int] = {}
    last = "before the first"
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    ) as worker, selectors.DefaultSelector() as ready:  # fmt: skip
        assert worker.stdout is not None
        ready.register(worker.stdout, selectors.EVENT_READ)
        # the first one also waits for the start of Python
        wait = 60.0
        while ready.select(wait):
            line = worker.stdout.readline()
            if not line:
                break
            last, outcome = line.split()
            seen[outcome] = seen.get(outcome, 0) + 1 if outcome != "kB" else int(last)
            wait = LONGEST
        else:
            worker.kill()
            pytest.fail(f"the file after {last} took longer than {wait} s")
        assert worker.wait() == 0, f"after {last}: {worker.stderr and worker.stderr.read()}"
    return seen


@pytest.mark.parametrize(
    "kind", ["atlas.cellport", "folder", "cells.h5", "cells.zarr", "plain.h5ad", "packed.h5ad"]
)
def test_damaged_files_are_refused_or_read(kind: str, tmp_path: Path) -> None:
    clean = _write(kind, tmp_path)
    (tmp_path / "spoilt").mkdir()
    atlas = clean if kind == "atlas.cellport" else FROZEN / "atlas.cellport"
    seen = _outcomes(atlas, clean, tmp_path / "spoilt", FIRST, FIRST + EACH)
    print(kind, seen)
    assert seen["refused"] + seen.get("mapped", 0) == EACH
    assert seen["kB"] < LARGEST
    # the seal of an atlas covers every byte of it
    assert seen.get("mapped", 0) == 0 or kind != "atlas.cellport"
    # of 6,666 zarr stores 1,354 were refused (0.203), and more of every other kind
    assert seen["refused"] > EACH / 6
