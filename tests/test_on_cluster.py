"""``cellport map --dask`` as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cellport.cli import main


@pytest.fixture
def query(tiny_cells: Any, tmp_path: Path) -> str:
    path = tmp_path / "query.h5ad"
    tiny_cells.adata().write_h5ad(path)
    return str(path)


def test_killed_and_given_again_it_ends_as_if_nothing_had_happened(
    tiny_atlas_path: Path, query: str, tmp_path: Path
) -> None:
    import pandas
    from pandas.testing import assert_frame_equal

    out = tmp_path / "out"
    command = [sys.executable, "-m", "cellport", "map", str(tiny_atlas_path), query, "-o", str(out)]
    on_dask = [*command, "--dask", "local", "--workers", "1", "--part-cells", "5", "--json"]
    first = subprocess.Popen(on_dask, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list(out.glob("part-*")):
        assert first.poll() is None
        time.sleep(0.005)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    again = subprocess.run(on_dask, capture_output=True, text=True, check=True)
    summary = json.loads(again.stdout)
    assert summary["n_cells"] == 240
    assert 0 < summary["parts_kept"] < summary["parts"] == 48
    assert "240 cells in 48 parts" in again.stderr
    command[-1] = str(tmp_path / "single.parquet")
    subprocess.run(command, capture_output=True, check=True)
    expected = pandas.read_parquet(tmp_path / "single.parquet")
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dask", "local", "--with-counts"], "--with-counts needs an .h5ad output"),
        (["--dask", "local", "--report", "r.html"], "--report is written by one process"),
        (["--dask", "tcp://127.0.0.1:1", "--workers", "2"], "--workers starts processes here"),
        (["--workers", "2"], "belong to --dask"),
        (["--part-cells", "2"], "belong to --dask"),
    ],
)
def test_options_that_do_not_go_together(
    options: list[str], words: str, tiny_atlas_path: Path, query: str, tmp_path: Path
) -> None:
    out = str(tmp_path / "out")
    done = CliRunner().invoke(main, ["map", str(tiny_atlas_path), query, "-o", out, *options])
    assert done.exit_code == 2
    assert words in done.stderr
    assert not Path(out).exists()
