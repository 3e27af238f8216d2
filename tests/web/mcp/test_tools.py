"""An agent gets what the command line gives, in short, and every no as a sentence."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import anyio
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

import cellport
from cellport.cli import main
from cellport.runtime.fetch.registry import known_atlases
from cellport.web.mcp import process
from cellport.web.mcp.answers import LARGEST

Talk = Callable[..., Any]
TOOLS = [
    "check_file", "describe_atlas", "explain_labels", "list_atlases", "map_cells", "rank_atlases",
    "write_report",
]  # fmt: skip


async def ask(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    found: dict[str, Any] = answer.structured_content
    assert json.loads(answer.content[0].text) == found
    return found


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """Sentence of a refusal, without what comes before it everywhere."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    said: str = answer.content[0].text
    assert "Traceback" not in said
    return said.removeprefix(f"Error executing tool {tool}: ")


def test_options_are_those_of_the_command_line(talk: Talk, cells: Path, out: Path) -> None:
    options = {"probabilities": True, "novel_groups": True, "groups": "auto"}
    asked = {"atlas": "lung", "files": ["cells.h5ad"], "out": "m.csv"} | options
    talk(lambda client: ask(client, "map_cells", **asked))
    written = out.parent / "m.csv"
    how = cellport.MapOptions(**options)
    cellport.map_files(cellport.load_atlas("lung"), cells, written, how)
    assert (out / "m.csv").read_bytes() == written.read_bytes()
    assert {"cellport_novel_group", "cellport_level_1"} <= set(pd.read_csv(written))


def test_a_mapping_is_that_of_the_command_line(talk: Talk, cells: Path, out: Path) -> None:
    heard: list[tuple[float, float | None]] = []

    async def on_progress(done: float, total: float | None, _: str | None) -> None:
        heard.append((done, total))

    async def say(client: Client) -> dict[str, Any]:
        asked = {"atlas": "lung", "files": ["cells.h5ad"], "out": "m.csv", "report": "r.html"}
        answer = await client.call_tool("map_cells", asked, progress_callback=on_progress)
        again = await refused(client, "map_cells", **asked)
        assert again == f"{out / 'm.csv'} is there already; give another name."
        found: dict[str, Any] = answer.structured_content
        return found

    found = talk(say)
    written = out.parent / "m.csv"
    summary = cellport.map_files(cellport.load_atlas("lung"), cells, written)
    assert (out / "m.csv").read_bytes() == written.read_bytes()
    assert found["written"] == [str(out / "m.csv"), str(out / "r.html")]
    assert "<h1" in (out / "r.html").read_text()
    assert (found["cells"], found["calls"]) == (summary.n_cells, summary.calls)
    table = pd.read_csv(written)
    assert found["unlike_the_atlas"] == table["cellport_novel"].sum() > 0
    assert found["called_unknown"] == (table["cellport_call"] == "unknown").sum() > 0
    outcomes = "called_a_label", "called_a_broader_group", "called_unknown"
    assert sum(found[name] for name in outcomes) == found["cells"] == 131
    assert found["mean_probability"] == pytest.approx(summary.mean_prob, rel=1e-4)
    assert heard[-1] == (131, 131)
    assert sorted(path.name for path in out.iterdir()) == ["m.csv", "r.html"]


def test_questions_before_and_after(talk: Talk, cells: Path, folder: Path, out: Path) -> None:
    shutil.copy(cellport.load_atlas("lung").file.path, folder / "own.cellport")

    async def say(client: Client) -> None:
        listed = await ask(client, "list_atlases")
        assert {"lung", "blood"} <= {one["atlas"] for one in listed["atlases"]}
        about = await ask(client, "describe_atlas", atlas="lung")
        assert {"CD4 T", "AT2"} <= set(about["labels"])
        assert about["held_out"]["macro_f1"] > 0.5
        checked = await ask(client, "check_file", file="cells.h5ad", atlas="lung")
        assert (checked["format"], checked["cells"], checked["genes"]) == ("HDF5", 131, 4000)
        assert checked["atlas_genes"]["n_matched"] == 880
        assert "donor" in checked["columns"]
        (only,) = (await ask(client, "rank_atlases", file="cells.h5ad", atlases=["."]))["atlases"]
        assert only["name"] == "lung"
        ranked = await ask(client, "rank_atlases", file="cells.h5ad")
        expected = cellport.rank_atlases(cells, [*known_atlases(), folder])
        assert [one["atlas"] for one in ranked["atlases"]] == [one.atlas for one in expected]
        asked = {"atlas": "lung", "file": "cells.h5ad"}
        told = await ask(client, "explain_labels", **asked, labels=["CD4 T"], genes=3)
        reasons = cellport.explain(cellport.load_atlas("lung"), cells, labels=["CD4 T"], genes=3)
        names = [one.gene for one in reasons.reasons[0].genes]
        assert [one["gene"] for one in told["reasons"][0]["genes"]] == names
        page = await ask(client, "write_report", **asked, name="page.html")
        assert page["written"] == [str(out / "page.html")]

    talk(say)


def test_what_cannot_be_done_is_said(talk: Talk, folder: Path, cells: Path) -> None:
    normalised = anndata.read_h5ad(cells)
    normalised.X = np.log1p(normalised.X.toarray() / 3)
    normalised.write_h5ad(folder / "normalised.h5ad")
    secret = folder.parent / "secret.h5ad"
    secret.write_bytes(cells.read_bytes())
    (folder / "link.h5ad").symlink_to(secret)

    async def say(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert sorted(tool.name for tool in tools) == [
            name for name in TOOLS if name != "write_report"
        ]
        onto = {"atlas": "lung"}
        with pytest.raises(cellport.InputError) as wrong:
            cellport.load_atlas("lung").map(folder / "normalised.h5ad")
        said = await refused(client, "check_file", file="normalised.h5ad")
        assert said == " ".join(str(wrong.value).split())
        for file in ("../secret.h5ad", "link.h5ad"):
            said = await refused(client, "map_cells", files=[file], **onto)
            assert file.partition("/")[0] in said
        said = await refused(client, "explain_labels", file="cells.h5ad", labels=["Tea"], **onto)
        assert "There is no label 'Tea'" in said
        said = await refused(client, "map_cells", files=["cells.h5ad"], out="x.csv", **onto)
        assert said == "This server writes nothing; start it with --out FOLDER."
        assert "at least 1" in await refused(client, "map_cells", files=[], **onto)
        whole = await ask(client, "map_cells", files=["cells.h5ad"], **onto)
        assert (whole["cells"], "written" in whole) == (131, False)

    talk(say, writes=False)


def test_answers_about_large_files_are_short(talk: Talk, folder: Path, cells: Path) -> None:
    wide = anndata.read_h5ad(cells)
    columns = {f"column {i} {'x' * 200}": "a" for i in range(300)}
    wide.obs = pd.DataFrame(columns, index=wide.obs_names)
    wide.write_h5ad(folder / "wide.h5ad")

    async def say(client: Client) -> str:
        answer = await client.call_tool("check_file", {"file": "wide.h5ad"})
        left_off = answer.structured_content["left_off"]["columns"]
        assert len(answer.structured_content["columns"]) + left_off == 300
        text: str = answer.content[0].text
        return text

    assert len(talk(say)) <= LARGEST


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Processes that were started, in order."""
    found: list[Any] = []
    opened = anyio.open_process

    async def spy(*args: Any, **options: Any) -> Any:
        found.append(await opened(*args, **options))
        return found[-1]

    monkeypatch.setattr(process.anyio, "open_process", spy)
    return found


def test_work_that_nobody_waits_for_is_ended(
    talk: Talk, out: Path, many: list[str], started: list[Any]
) -> None:
    asked = {"atlas": "lung", "files": many, "out": "m.h5ad"}

    async def say(client: Client) -> None:
        async def on_progress(*_: Any) -> None:
            scope.cancel()

        with anyio.CancelScope() as scope:
            await client.call_tool("map_cells", asked, progress_callback=on_progress)
        assert scope.cancelled_caught
        end = time.monotonic() + 10
        while started[0].returncode is None and time.monotonic() < end:
            await anyio.sleep(0.05)
        # there is one place, which is free again
        await ask(client, "list_atlases")

    talk(say)
    assert len(started) == 2
    assert started[0].returncode == -signal.SIGKILL
    assert not list(out.iterdir())


def test_so_many_at_a_time_and_so_long(talk: Talk, out: Path) -> None:
    asked = {"atlas": "lung", "files": ["cells.h5ad"], "out": "m.h5ad"}

    async def say(client: Client) -> list[str]:
        said: list[str] = []

        async def one() -> None:
            said.append(await refused(client, "map_cells", **asked))

        async with anyio.create_task_group() as group:
            group.start_soon(one)
            group.start_soon(one)
        return said

    busy, slow = talk(say, queue=0, seconds=0.3)
    assert busy == "Too many calls are under way (1); try again soon."
    assert slow.startswith("It took longer than the 0.3 s that the server allows")
    assert not list(out.iterdir())


def test_a_reader_that_dies_is_told_as_a_sentence(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_COMMAND", [sys.executable, "-c", "import os; os.abort()"])
    said = talk(lambda client: refused(client, "list_atlases"))
    assert said.startswith("The work stopped; the file is damaged")


def test_over_standard_input_and_output(folder: Path, out: Path) -> None:
    """As an agent's program starts it: answers, refusals, and an end when the client goes."""
    command = ["-m", "cellport", "mcp", "--folder", str(folder), "--out", str(out)]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))

    async def talking() -> None:
        async with Client(stdio_client(server)) as client:
            assert sorted(tool.name for tool in (await client.list_tools()).tools) == TOOLS
            asked = {"atlas": "lung", "files": ["cells.h5ad"], "out": "m.h5ad"}
            found = await ask(client, "map_cells", **asked)
            assert found["written"] == [str(out / "m.h5ad")]
            assert "outside the folders" in await refused(client, "check_file", file="/etc/passwd")

    asyncio.run(talking())
    mapped = anndata.read_h5ad(out / "m.h5ad")
    assert mapped.n_obs == 131
    assert [path.name for path in out.iterdir()] == ["m.h5ad"]


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    found = CliRunner().invoke(main, ["mcp"])
    assert (found.exit_code, "--folder" in found.output) == (2, True)
    none = str(tmp_path / "none")
    found = CliRunner().invoke(main, ["mcp", "--folder", none])
    assert found.exit_code == 2
    assert found.output.strip() == f"Error: There is no folder {none}."
