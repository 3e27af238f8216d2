"""What docs/deploy.md promises to pipelines and containers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("out", ["mapped.h5ad", "mapped.zarr", "mapped.csv.gz"])
def test_nothing_is_written_beside_the_output(
    out: str, tiny_atlas_path: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    tiny_cells.adata().write_h5ad(tmp_path / "query.h5ad")
    work = tmp_path / "work"
    work.mkdir()
    gone = ("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "CI", "ORT_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in gone}
    environment |= {"HOME": str(work), "TMPDIR": str(work), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "cellport", "map", str(tiny_atlas_path)]
    command += [str(tmp_path / "query.h5ad"), "-o", out, "--json"]
    # beside the package there may be no place for machine code; it is no part of this
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "kernels")
    done = subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert os.listdir(work) == [out]
    assert json.loads(done.stdout)["n_cells"] == 240
    assert "240 cells" in done.stderr


def test_the_examples_use_options_that_there_are() -> None:
    """Options in the recipes for containers and clusters are those of the command."""
    from cellport.cli import main

    known = {name for option in main.commands["map"].params for name in option.opts}
    for page in ("docs/deploy.md", "docs/scaling.md"):
        text = re.sub(r"\\\n|\"\s*\n\s*\"", " ", (ROOT / page).read_text())
        used = {
            name
            for command in re.findall(r"cellport map ([^\n>`]+)", text)
            for name in re.findall(r"(?<!\S)--?[a-z][a-z-]*", command)
        }
        assert len(used) >= 3
        assert used <= known, page
