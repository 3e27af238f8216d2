"""The commands that hand atlases round: pull, atlases, publish and serve."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cellport.cli import main
from cellport.runtime.fetch.registry import known_atlases
from cellport.web.server import serve as serving
from cellport.web.server import site
from cellport.web.server.limits import Limits

COMMANDS = ("pull", "atlases", "publish", "serve")


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A built page, whether or not this checkout has one."""
    folder = tmp_path / "page"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(site, "PAGE", folder)
    return folder


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A plain file server for the folder `tmp_path`."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: main {command}" in result.stdout
    assert "--json" in result.stdout
    assert command in run("--help").stdout


# --- atlases


def test_atlases() -> None:
    shown = run("atlases").stdout
    listed = json.loads(run("atlases", "--json").stdout)
    assert [entry["name"] for entry in listed] == list(known_atlases())
    for entry in listed:
        assert entry["name"] in shown
        assert entry["here"] is True
        assert len(entry["sha256"]) == 64


# --- publish, and pull of what was published


def test_published_atlas_is_pulled_once(
    tiny_atlas: Any, tmp_path: Path, address: str, cache: Path
) -> None:
    result = run("publish", tiny_atlas.path, tmp_path / "site")
    assert result.exit_code == 0, result.stderr
    assert f"-> {tmp_path / 'site'}" in result.stdout
    assert f"atlas/tiny.cellport, sha256: {tiny_atlas.sha256}" in result.stdout
    url = f"{address}/site/"
    result = run("pull", url)
    assert result.exit_code == 0, result.stderr
    assert f"fetched from {url}" in result.stdout
    again = json.loads(run("pull", url, "-o", tmp_path / "copy.cellport", "--json").stdout)
    assert again["fetched"] is False
    assert again["sha256"] == tiny_atlas.sha256
    assert (tmp_path / "copy.cellport").read_bytes() == tiny_atlas.path.read_bytes()
    # other commands take the address too
    assert "tiny" in run("info", url).stdout
    fetched = json.loads(run("pull", url, "--refresh", "--json").stdout)
    assert Path(fetched["path"]).is_relative_to(cache)


def test_publish_as_json(tiny_atlas: Any, tmp_path: Path) -> None:
    result = run("publish", tiny_atlas.path, tmp_path / "site", "--json")
    assert result.stderr == ""
    said = json.loads(result.stdout)
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert (said["atlas"], said["sha256"]) == ("tiny", tiny_atlas.sha256)
    assert said["n_files"] == len(files)
    assert said["n_bytes"] == sum(path.stat().st_size for path in files)


def test_example_cells_are_published(tiny_atlas: Any, tmp_path: Path) -> None:
    cells = tmp_path / "few.h5ad"
    cells.write_bytes(b"cells")
    result = run("publish", tiny_atlas.path, tmp_path / "site", "--example", cells)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "site/atlas/example.h5ad").read_bytes() == b"cells"
    told = json.loads((tmp_path / "site/atlas/manifest.json").read_text())["example"]
    assert (told["name"], told["sha256"]) == ("few.h5ad", hashlib.sha256(b"cells").hexdigest())


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("none.h5ad", None, "cannot be read: No such file"),
        ("few.csv", 1, "have to be an .h5ad file"),
        ("many.h5ad", 8_000_001, "take 8 MB, which every visit would fetch"),
    ],
)
def test_other_example_cells_are_refused(
    name: str, size: int | None, said: str, tiny_atlas: Any, tmp_path: Path
) -> None:
    if size is not None:
        (tmp_path / name).write_bytes(bytes(size))
    result = run("publish", tiny_atlas.path, tmp_path / "site", "--example", tmp_path / name)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (tmp_path / "site").exists()


def test_publish_writes_over_nothing(tiny_atlas: Any, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.txt").write_text("mine")
    result = run("publish", tiny_atlas.path, tmp_path / "site")
    assert result.exit_code == 2
    assert "'thesis.txt', which cellport publish did not write" in result.stderr
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("command", ["publish", "serve"])
def test_without_the_page_one_command_builds_it(
    command: str, tiny_atlas: Any, tmp_path: Path, page: Path
) -> None:
    (page / "index.html").unlink()
    (page.parent / "package.json").touch()  # a checkout
    more = [tmp_path / "site"] if command == "publish" else []
    result = run(command, tiny_atlas.path, *more)
    assert result.exit_code == 2
    assert "run once: npm install --prefix web/page && npm run build --prefix" in result.stderr
    assert result.stdout == ""


# --- pull


def test_pull_of_an_atlas_in_the_package(tmp_path: Path) -> None:
    result = run("pull", "lung", "-o", tmp_path)
    assert result.exit_code == 0, result.stderr
    assert "was here already" in result.stdout
    assert (tmp_path / "lung.cellport").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lung-dmeo"], "No atlas 'lung-dmeo' is known."),
        (["lung", "--sha256", "abc"], "is not a SHA-256"),
        (["lung", "--sha256", "0" * 64], "not 0000"),
        (["lung", "-o", "no/such/a.cellport"], "does not exist; make it first"),
        (["ADDRESS/nothing/"], "ADDRESS/nothing/"),
        (["ADDRESS/page/"], "ADDRESS/page/"),
    ],
)
def test_pull_that_is_refused(
    arguments: list[str], said: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("pull", *(text.replace("ADDRESS", address) for text in arguments), "--json")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said.replace("ADDRESS", address) in result.stderr
    assert not list(tmp_path.rglob("*.cellport"))


# --- serve


def test_settings_reach_the_server(tiny_atlas: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def stand_in(path: Path, host: str, port: int, **settings: Any) -> None:
        asked.update(path=path, host=host, port=port, **settings)
        settings["started"](serving.Listening("http://127.0.0.1:1/", ""))

    monkeypatch.setattr(serving, "serve", stand_in)
    plain = run("serve", tiny_atlas.path)
    assert plain.exit_code == 0, plain.stderr
    assert "Listening at http://127.0.0.1:1/" in plain.stderr
    assert (asked["host"], asked["port"], asked["token"]) == ("127.0.0.1", 8787, "")
    assert (asked["limits"], asked["with_page"]) == (Limits(), True)
    result = run(
        "serve", tiny_atlas.path, "--host", "0.0.0.0", "--port", 80, "--token", "secret",
        "--max-upload", "500MB", "--jobs", 3, "--queue", 4, "--seconds", 60,
        "--allow-host", "a.example", "--allow-host", "b.example", "--no-page", "--json",
    )  # fmt: skip
    assert json.loads(result.stdout) == {"url": "http://127.0.0.1:1/", "token": ""}
    assert asked["limits"] == Limits(500_000_000, 3, 4, 60)
    assert (asked["host"], asked["port"], asked["token"]) == ("0.0.0.0", 80, "secret")
    assert asked["allow_hosts"] == ("a.example", "b.example")
    assert asked["with_page"] is False


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--max-upload", "lots"], "'lots' is not a size; write it as 500MB or 2GB."),
        (["--jobs", "0"], "0 is not in the range"),
        (["--port", "70000"], "70000 is not in the range"),
        (["--token", "with space"], "letters, digits and plain signs only"),
        (["--host", "no.such.host.invalid"], "Cannot listen on no.such.host.invalid"),
    ],
)
def test_serve_that_is_refused(arguments: list[str], said: str, tiny_atlas: Any) -> None:
    result = run("serve", tiny_atlas.path, "--port", "0", *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr


def test_taken_port(tiny_atlas: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run("serve", tiny_atlas.path, "--port", port)
    assert result.exit_code == 2
    assert f"port {port}" in result.stderr
    assert "give another --host or --port" in result.stderr


# --- published models by name


@pytest.fixture
def index(tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CellTypist's index, of two models, on a plain file server."""
    foreign = Path(__file__).parent / "data" / "foreign"
    rows = []
    for name in ("Eight", "Two"):
        data = (foreign / f"celltypist_{name.lower()}" / "model.pkl").read_bytes()
        (tmp_path / f"{name}.pkl").write_bytes(data)
        rows.append({"filename": f"{name}.pkl", "url": f"{address}/{name}.pkl"})
    (tmp_path / "models.json").write_text(json.dumps({"models": rows}))
    monkeypatch.setenv("CELLPORT_CELLTYPIST_INDEX", f"{address}/models.json")


def test_published_model_in_place_of_a_file(index: None, tmp_path: Path) -> None:
    result = run("pull", "celltypist:Eight")
    assert result.exit_code == 0, result.stderr
    assert "fetched from celltypist:Eight" in result.stdout
    assert "note: No licence is stated." in result.stderr
    for name in ("Eight.pkl", "models.json"):
        (tmp_path / name).unlink()  # offline from here on
    assert "CellTypist" in run("info", "celltypist:Eight").stdout
    assert run("verify", "celltypist:Eight").exit_code == 0
    pulled = json.loads(run("pull", "celltypist:Eight", "-o", tmp_path, "--json").stdout)
    assert (pulled["fetched"], pulled["notes"]) == (False, [])
    assert pulled["path"] == str(tmp_path / "Eight.cellport")
    assert run("publish", "celltypist:Eight", tmp_path / "site").exit_code == 0
    shown = run("atlases").stdout
    assert "celltypist:Eight" in shown
    assert "celltypist:Two" in shown


def test_published_model_that_is_not_there(index: None) -> None:
    result = run("pull", "celltypist:Eigth")
    assert result.exit_code == 2
    assert "CellTypist has no model 'Eigth'. Did you mean 'Eight'?" in result.stderr


def test_published_model_by_name_is_converted(index: None, tmp_path: Path) -> None:
    result = run("convert", "celltypist:Eight", "-o", tmp_path / "eight.cellport")
    assert result.exit_code == 0, result.stderr
    assert "CellTypist" in run("info", tmp_path / "eight.cellport").stdout


# --- agents


def test_agents_get_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def run_server(folders: Any, out: Any, **more: Any) -> None:
        asked.update(folders=folders, out=out, **more)

    monkeypatch.setattr("cellport.web.mcp.server.run_server", run_server)
    result = run("mcp", "--folder", "a", "--folder", "b", "-o", "out", "--jobs", 3, "--queue", 4,
                 "--max-result", "500MB", "--seconds", 60)  # fmt: skip
    assert (result.exit_code, result.output) == (0, "")
    limits = Limits(500_000_000, 3, 4, 60)
    assert asked == {"folders": ("a", "b"), "out": "out", "fetch": False, "limits": limits}
    run("mcp", "--folder", "a", "--fetch")
    assert asked == {"folders": ("a",), "out": None, "fetch": True,
                     "limits": Limits(2 * 10**9, 1, 16, 900)}  # fmt: skip
    refused = run("mcp", "--folder", "a", "--max-result", "lots")
    assert refused.exit_code == 2
    assert "'lots' is not a size" in refused.stderr


def test_example_cells_are_of_one_atlas(tiny_atlas: Any, tmp_path: Path) -> None:
    (tmp_path / "few.h5ad").write_bytes(b"cells")
    result = run("publish", tiny_atlas.path, "lung", tmp_path / "site",
                 "--example", tmp_path / "few.h5ad")  # fmt: skip
    assert result.exit_code == 2
    assert "Example cells are of one atlas; leave --example out for several." in result.stderr
    assert not (tmp_path / "site").exists()
