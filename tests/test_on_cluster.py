"""``cellport map --dask`` as people run it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext
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

    out, report = tmp_path / "out.parquet", tmp_path / "report.html"
    command = [sys.executable, "-m", "cellport", "map", str(tiny_atlas_path), query]
    command += ["--report", str(report), "-o", str(out)]
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
    found, page = pandas.read_parquet(out), undated(report)
    shutil.rmtree(out)
    subprocess.run(command, capture_output=True, check=True)
    assert_frame_equal(found, pandas.read_parquet(out), check_exact=True)
    assert page == undated(report)


def undated(page: Path) -> str:
    return re.sub(r"<td>[\d.]+ s for", "<td>? s for", page.read_text("utf-8"))


def test_counts_come_with_the_parts(tiny_atlas_path: Path, query: str, tmp_path: Path) -> None:
    import anndata

    out = tmp_path / "out"
    options = ["--dask", "local", "--workers", "1", "--part-cells", "100", "--with-counts"]
    done = CliRunner().invoke(main, ["map", str(tiny_atlas_path), query, "-o", str(out), *options])
    assert done.exit_code == 0, done.stderr
    parts = [anndata.read_h5ad(path) for path in sorted(out.glob("part-*.h5ad"))]
    assert [part.n_obs for part in parts] == [100, 100, 40]
    assert (anndata.concat(parts).X != anndata.read_h5ad(query).X).nnz == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
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


def test_ctrl_c_says_that_parts_are_kept(
    tiny_atlas_path: Path, query: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cellport.on_cluster.connected", lambda *_: nullcontext())
    monkeypatch.setattr("cellport.on_cluster.map_dask", pressed)
    words = ["map", str(tiny_atlas_path), query, "-o", str(tmp_path / "out"), "--dask", "local"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 130
    said = "Stopped; parts that are done are kept: the same command goes on from there."
    assert done.stderr.splitlines()[-1] == f"Error: {said}"
