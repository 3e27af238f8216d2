"""What docs/embed.md shows for each host runs, and gives what `cellport map` gives."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import cellport
from cellport.cli import main
from cellport.demo import write_sample

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "cellport" / "demo_data" / "lung_sample.h5ad"
PAGE = (ROOT / "docs" / "embed.md").read_text()
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.M)
_CODE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.M)
SHOWN = {host: code[0] for host, text in _SECTION.findall(PAGE) if (code := _CODE.findall(text))}
# by tests/web/runtime, which installs the packed package
ELSEWHERE = {"Node"}
HERE = {"Python", "scanpy", "Command line", "HTTP", "Browser", "R", "Dask", "Agents"}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("cells"))[1]


@pytest.fixture(scope="module")
def wanted(cells: Path) -> pd.DataFrame:
    """The table of `cellport map`."""
    out = cells.parent / "wanted.csv"
    cellport.map_files(cellport.load_atlas("lung"), cells, out)
    return pd.read_csv(out, index_col=0)


@pytest.fixture
def folder(cells: Path, tmp_path: Path) -> Path:
    shutil.copy(cells, tmp_path / "my_cells.h5ad")
    return tmp_path


def run(folder: Path, *command: str, **environment: str) -> str:
    # the commands of this installation, wherever it is
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    tool = tools / "cellport"
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cellport "$@"\n')
    tool.chmod(0o755)
    path = {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **path, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def run_python(host: str, folder: Path, then: str) -> str:
    language, code = SHOWN[host]
    assert language == "python"
    (folder / "shown.py").write_text(f"{code}\n{then}\n")
    return run(folder, sys.executable, "shown.py")


def run_bash(host: str, folder: Path, **changed: str) -> None:
    language, code = SHOWN[host]
    assert language == "bash"
    for shown, instead in changed.items():
        code = code.replace(shown.strip("_"), instead)
    run(folder, "bash", "-ec", code)


def told(printed: str) -> list[str]:
    found: list[str] = json.loads(printed.splitlines()[-1])
    return found


def test_every_host_is_run() -> None:
    assert set(SHOWN) == HERE | ELSEWHERE
    linked = set(re.findall(r"\]\((#[\w-]+)\)", PAGE))
    heads = {f"#{host.lower().replace(' ', '-')}" for host, _ in _SECTION.findall(PAGE)}
    assert linked == heads


def test_python(folder: Path, wanted: pd.DataFrame) -> None:
    said = run_python("Python", folder, "import json; print(json.dumps(list(calls)))")
    assert told(said) == list(wanted["cellport_call"])
    assert said.splitlines()[0] == f"0 {len(wanted)}"


def test_several_threads_share_an_atlas(cells: Path, wanted: pd.DataFrame) -> None:
    """As the page says below that block."""
    atlas = cellport.load_atlas("lung")
    with ThreadPoolExecutor(4) as pool:
        found = [one["cellport_prob"].tolist() for one in pool.map(atlas.map, [cells] * 8)]
    assert all(one == found[0] for one in found)
    assert found[0] == pytest.approx(wanted["cellport_prob"].tolist(), abs=1e-4)


def test_scanpy(folder: Path, wanted: pd.DataFrame) -> None:
    pytest.importorskip("scanpy")
    then = """
import json
import matplotlib.pyplot as plt
assert plt.get_fignums()
genes = list(adata.var_names[:2])
try:
    sc.pl.dotplot(adata, genes, groupby="cellport_call")
except KeyError:
    pass
else:
    raise AssertionError("the page says that it stops")
adata = adata[:].copy()
sc.pl.dotplot(adata, genes, groupby="cellport_call")
categories = adata.obs["cellport_call"].cat.categories
assert len(adata.uns["cellport_call_colors"]) == len(categories)
print(json.dumps(list(adata.obs["cellport_call"])))
"""
    assert told(run_python("scanpy", folder, then)) == list(wanted["cellport_call"])


def test_command_line(folder: Path, wanted: pd.DataFrame) -> None:
    run_bash("Command line", folder)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "mapped.csv", index_col=0), wanted)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["calls"] == dict(Counter(wanted["cellport_call"]))


def test_http(folder: Path, wanted: pd.DataFrame) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    run_bash("HTTP", folder, _8787=port)
    pd.testing.assert_frame_equal(pd.read_csv(folder / "mapped.csv", index_col=0), wanted)


def test_browser() -> None:
    """The lines are those of the page that tests/web/runtime visits."""
    language, code = SHOWN["Browser"]
    assert language == "html"
    page = (ROOT / "examples" / "static_page" / "index.html").read_text().splitlines()
    assert all(line in page for line in code.splitlines())
    assert "static_page" in (ROOT / "tests" / "web" / "runtime" / "test_package.py").read_text()


def test_r(folder: Path, tmp_path: Path) -> None:
    needed = "jsonlite", "Matrix", "rhdf5", "Seurat"
    asked = " && ".join(f"requireNamespace('{name}', quietly = TRUE)" for name in needed)
    if shutil.which("Rscript") is None:
        pytest.skip("R is not installed")
    if subprocess.run(["Rscript", "-e", f"stopifnot({asked})"], capture_output=True).returncode:
        pytest.skip(f"R lacks one of {', '.join(needed)}")
    language, code = SHOWN["R"]
    assert language == "r"
    library = tmp_path / "library"
    library.mkdir()
    shutil.copytree(ROOT / "r" / "cellport", tmp_path / "package")
    quick = ("--no-docs", "--no-test-load", "-l", str(library))
    run(folder, "R", "CMD", "INSTALL", *quick, str(tmp_path / "package"))
    then = "calls <- setNames(as.list(as.character(lung$cellport_call)), colnames(lung))\n"
    then += "cat('\\n', jsonlite::toJSON(calls, auto_unbox = TRUE), sep = '')"
    (folder / "shown.R").write_text(f"{code}{then}\n")
    tool = {"CELLPORT_PATH": str(folder / "tools" / "cellport"), "R_LIBS": str(library)}
    found = json.loads(run(folder, "Rscript", "shown.R", **tool).splitlines()[-1])
    mapping = cellport.load_atlas("lung").map(DEMO)
    calls = dict(zip(mapping.cell_names, mapping["cellport_call"], strict=True))
    assert len(found) == 200
    assert found == {name: calls[name] for name in found}


def test_dask(folder: Path, wanted: pd.DataFrame) -> None:
    language, code = SHOWN["Dask"]
    assert language == "python"
    # as the page says of scripts
    body = "\n".join(f"    {line}" for line in code.splitlines())
    then = "    import json, pandas\n    found = pandas.read_parquet('mapped')\n"
    then += "    print(json.dumps(list(found['cellport_call'])))\n"
    (folder / "shown.py").write_text(f'if __name__ == "__main__":\n{body}\n{then}')
    said = run(folder, sys.executable, "shown.py")
    assert told(said) == list(wanted["cellport_call"])
    assert said.splitlines()[-2] == f"{len(wanted)} cells in 1 parts"


def test_agents(folder: Path) -> None:
    """The entry starts a server that answers; what its tools give is compared in tests/web/mcp."""
    from mcp import Client, StdioServerParameters
    from mcp.client.stdio import stdio_client

    language, code = SHOWN["Agents"]
    assert language == "json"
    assert code in (ROOT / "docs" / "agents.md").read_text()
    entry: dict[str, Any] = json.loads(code)["mcpServers"]["cellport"]
    places = [str(folder) if word.startswith("/") else word for word in entry["args"]]
    assert entry["command"] == "cellport"
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "cellport", *places], env=dict(os.environ)
    )

    async def talking() -> list[str]:
        async with Client(stdio_client(server)) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    agents = (ROOT / "docs" / "agents.md").read_text()
    assert set(asyncio.run(talking())) == set(re.findall(r"^\| `(\w+)` \|", agents, re.M))
    assert entry["args"][0] in main.commands
