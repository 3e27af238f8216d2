from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import open_atlas_file
from cellport.train.api import train_atlas

# what each process runs: the first trains and notes the losses of every step
SCRIPT = """
import json, sys
import numpy as np, scipy.sparse as sp, torch
from cellport.train.fit import loop as module
from cellport.train.fit.loop import dismiss, fit, follow
from cellport.train.cells import TrainingCells
from cellport.train.config import FitConfig
from cellport.train.fit.processes import is_first

torch.set_num_threads(1)
config = FitConfig(n_latent=6, n_hidden=24, epochs=5, batch_size=37, device="cpu")
if not is_first():
    follow(config)
    sys.exit()
rng = np.random.default_rng(0)
label, batch = rng.integers(0, 4, 500), rng.integers(0, 3, 500)
rate = rng.gamma(0.6, 3, (4, 60))
cells = TrainingCells(
    sp.csr_matrix(rng.poisson(rate[label]).astype(np.float32)), np.where(label == 3, -1, label),
    batch, 3, 3, np.arange(0, 500, 10),
)
curve = []
step = module._Run.train_step
def noted(*arguments):
    losses = step(*arguments)
    curve.append(losses.tolist())
    return losses
module._Run.train_step = noted
held = []
model = fit(cells, config, on_progress=lambda progress: held.append(progress.losses["held_out"]))
fit(cells, config)
dismiss(config)
with torch.inference_mode():
    mean, _, logits = model.encoder(torch.from_numpy(cells.counts.toarray()))
json.dump([curve, held, mean.tolist(), logits.argmax(1).tolist()], open(sys.argv[1], "w"))
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _torchrun(processes: int, *arguments: Any) -> subprocess.CompletedProcess[str]:
    launcher = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", processes,
        "--master-addr", "127.0.0.1", "--master-port", _free_port(),
    ]  # fmt: skip
    return subprocess.run(
        [str(part) for part in (*launcher, *arguments)],
        capture_output=True,
        text=True,
        env=_environment(),
        timeout=300,
    )


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """With dropout, thinning, unlabelled cells and minibatches of odd sizes."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    found = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}.json"
        done = _torchrun(processes, script, out)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(out.read_text()))
    (curve, held, latent, label), (curve_2, held_2, latent_2, label_2) = found
    assert len(curve) == len(curve_2) >= 60
    np.testing.assert_allclose(curve_2[:50], curve[:50], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(held_2, held, rtol=1e-3)
    np.testing.assert_allclose(latent_2, latent, atol=0.05)
    assert label_2 == label


def test_an_atlas_from_two_processes_says_what_one_says(tiny_cells: Any, tmp_path: Path) -> None:
    tiny_cells.adata().write_h5ad(tmp_path / "cells.h5ad")
    how = ["--labels", "cell_type", "--batch", "donor", "--genes", "80", "--epochs", "8"]
    out = tmp_path / "two.cellport"
    done = _torchrun(
        2, "-m", "cellport", "train", tmp_path / "cells.h5ad", "-o", out, *how, "--device", "cpu"
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "two.cellport"]
    assert done.stdout.count("alpha, beta, gamma") == 1
    alone = train_atlas(
        tmp_path / "cells.h5ad", tmp_path / "one.cellport", labels="cell_type", batch="donor",
        n_genes=80, epochs=8, device="cpu",
    )  # fmt: skip
    one, two = open_atlas_file(alone), open_atlas_file(out)
    assert one.members.keys() == two.members.keys()
    np.testing.assert_allclose(
        two.array("reference_latent"), one.array("reference_latent"), atol=0.02
    )
    held_out = [atlas.manifest.held_out.accuracy for atlas in (one, two)]
    assert held_out[0] == held_out[1]


def test_bad_input_ends_all_processes_with_one_message(tmp_path: Path) -> None:
    done = _torchrun(2, "-m", "cellport", "train", tmp_path / "none.h5ad", "-o", tmp_path / "a")
    assert done.returncode != 0
    assert done.stderr.count("there is no file") == 1
    assert "Unexpected error" not in done.stderr


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE"])
def test_one_process_needs_no_launcher(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cellport.train.fit.processes import is_first, processes

    monkeypatch.delenv(name, raising=False)
    assert is_first()
    assert processes() == 1
