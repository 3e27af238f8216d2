"""A mapping that is killed at any moment leaves no output that opens; training goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

KILLS = 50

# Forked after the imports, so that the kills fall into the work and not into the start of Python.
KILLER = """
import os, random, signal, sys, time
from pathlib import Path
from cellport.kernels.machine_code import warmup
from cellport.runtime.mapping.atlas import MapOptions, load_atlas
from cellport.runtime.map_files import map_files

atlas, query, out, kills = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
warmup()

def start():
    child = os.fork()
    if child == 0:
        map_files(load_atlas(atlas), [query], out, MapOptions(block_cells=512, threads=1))
        os._exit(0)
    return child

takes = []
for _ in range(3):
    began = time.perf_counter()
    os.waitpid(start(), 0)
    takes.append(time.perf_counter() - began)
    assert out.exists()
    out.unlink()
chance = random.Random(0)
finished = 0
for _ in range(kills):
    child = start()
    time.sleep(chance.uniform(0, 1.1 * min(takes)))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if out.exists():
        import h5py
        with h5py.File(out) as file:
            assert file["obsm/X_cellport"].shape[0] == len(file["obs/_index"])
            assert "cellport" in file["uns"]
        out.unlink()
        finished += 1
    for part in out.parent.glob(f".{out.name}.*"):
        part.unlink()
print(kills - finished)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_moments(tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path) -> None:
    import anndata

    counts = sp.vstack([tiny_cells.counts] * 40, format="csr")
    many = anndata.AnnData(counts)
    many.obs_names = np.arange(counts.shape[0]).astype(str)
    many.var_names = tiny_cells.symbols
    many.write_h5ad(tmp_path / "query.h5ad", compression="gzip")
    (tmp_path / "out").mkdir()
    arguments = [tiny_atlas_path, tmp_path / "query.h5ad", tmp_path / "out" / "mapped.h5ad", KILLS]
    done = subprocess.run(
        [sys.executable, "-c", KILLER, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    # many of them were killed before they were done, or the test says nothing
    assert int(done.stdout) > KILLS / 4


TRAINED_KILLS = 2

TRAINER = """
import hashlib, os, random, signal, sys, time
from pathlib import Path
import torch
from cellport.train.api import train_atlas

cells, out, kills = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)

def start():
    child = os.fork()
    if child == 0:
        how = {"labels": "cell_type", "batch": "donor", "n_genes": 60, "epochs": 4}
        often = {"in_memory": 0, "save_seconds": 0.05}
        train_atlas(cells, out, batch_size=16, device="cpu", **how, **often)
        os._exit(0)
    return child

def finish():
    began = time.perf_counter()
    _, status = os.waitpid(start(), 0)
    assert status == 0
    made = hashlib.sha256(out.read_bytes()).hexdigest()
    out.unlink()
    assert [path.name for path in out.parent.iterdir()] == []
    return made, time.perf_counter() - began

undisturbed, takes = finish()
chance = random.Random(0)
resumed = 0
for kill in range(5 * kills):
    # on a busy machine it may be killed before it has begun to train
    if kill >= kills and resumed:
        break
    child = start()
    time.sleep(chance.uniform(0.1, 0.9) * takes)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not out.exists():
        resumed += (out.parent / f"{out.name}.checkpoint").exists()
    made, _ = finish()
    assert made == undisturbed
print(resumed)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_training_killed_at_random_moments_makes_the_same_atlas(
    tiny_cells: Any, tmp_path: Path
) -> None:
    """Counts in a scratch file, state saved within epochs too."""
    tiny_cells.adata().write_h5ad(tmp_path / "cells.h5ad")
    (tmp_path / "out").mkdir()
    arguments = [tmp_path / "cells.h5ad", tmp_path / "out" / "a.cellport", TRAINED_KILLS]
    done = subprocess.run(
        [sys.executable, "-c", TRAINER, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd="/",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    # some of them had begun to train
    assert int(done.stdout) > 0
