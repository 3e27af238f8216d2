"""The HTTP API, asked over a socket as anybody would."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import cellport
from cellport.cli import main
from cellport.web.server.site import PAGE

SMALL = 10
# as many as a small file may claim; they take far longer than the tests let them
ENDLESS = 16_000_000


def _rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode())))


def _plain(found: h5py.Group | h5py.Dataset) -> Any:
    if isinstance(found, h5py.Group):
        return {name: _plain(found[name]) for name in found}
    return np.asarray(found).tolist()


def test_results_are_those_of_map(
    server: Any, query: Path, tiny_atlas_path: Path, tmp_path: Path
) -> None:
    atlas = cellport.load_atlas(tiny_atlas_path)
    cellport.map_files(atlas, query, tmp_path / "out.csv")
    answer = server.map(query.read_bytes(), "?format=csv")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body == (tmp_path / "out.csv").read_bytes()
    answer = server.map(query.read_bytes(), "?format=h5ad")
    (tmp_path / "out.h5ad").write_bytes(answer.body)
    with h5py.File(tmp_path / "out.h5ad") as file:
        assert np.array_equal(file["obsm/X_cellport"][:], atlas.map(query)["X_cellport"])
        assert "cellport-serve" not in str(file["uns/cellport/counts_from"][:])
    by = "donor,cellport_call"
    answer = server.map(query.read_bytes(), f"?format=pseudobulk&pseudobulk={by}")
    made = cellport.map_files(atlas, query, tmp_path / "o.csv", cellport.MapOptions(pseudobulk=by))
    with h5py.File(io.BytesIO(answer.body)) as file, h5py.File(str(made.pseudobulk)) as own:
        assert np.array_equal(file["X"][:], own["X"][:])
        assert file["obs/cells"][:].sum() == 240
    refused = server.map(query.read_bytes(), "?format=pseudobulk")
    assert (refused.status, "Say by which columns" in refused.json["error"]) == (422, True)
    refused = server.map(query.read_bytes(), "?format=pseudobulk&pseudobulk=donr,cellport_call")
    assert (refused.status, "no column 'donr'" in refused.json["error"]) == (422, True)
    summary = server.map(query.read_bytes()).json
    assert summary["n_cells"] == 240
    assert sum(summary["calls"].values()) == 240
    assert summary["counts_from"] == ["upload.h5, X"]


@pytest.mark.parametrize("name", ["celltypist_duplicates", "scanvi_default", "scpoli_default"])
def test_results_of_converted_atlases_are_those_of_map(
    name: str,
    converted: Callable[[str], Path],
    foreign_query: Path,
    run_server: Callable[..., Any],
    tmp_path: Path,
) -> None:
    path = converted(name)
    summary = cellport.map_files(cellport.load_atlas(path), foreign_query, tmp_path / "out.csv")
    with run_server("--no-page", atlas=path) as running:
        body = foreign_query.read_bytes()
        assert running.map(body, "?format=csv").body == (tmp_path / "out.csv").read_bytes()
        said = running.map(body).json
        assert (said["calls"], said["mean_prob"]) == (summary.calls, summary.mean_prob)
        assert running.ask("GET", "/api/atlas").json["labels"]


def test_two_hundred_at_once_none_lost_or_mixed_up(
    server: Any, query: Path, tiny_cells: Any, tmp_path: Path
) -> None:
    """Each sends other cells under names of its own, and must get exactly these back."""
    expected = _rows(server.map(query.read_bytes(), "?format=csv").body)
    adata = tiny_cells.adata()
    rng = np.random.default_rng(0)
    bodies, chosen = [], []
    for i in range(200):
        rows = rng.choice(len(expected), SMALL, replace=False)
        some = adata[rows].copy()
        some.obs_names = [f"{i}-{j}" for j in range(SMALL)]
        some.write_h5ad(tmp_path / "some.h5ad")
        bodies.append((tmp_path / "some.h5ad").read_bytes())
        chosen.append(rows)
    began = time.monotonic()
    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda body: server.map(body, "?format=csv"), bodies))
    print(f"200 mappings in {time.monotonic() - began:.1f} s")
    for i, (answer, rows) in enumerate(zip(answers, chosen, strict=True)):
        assert answer.status == 200, answer.body
        right = [{**expected[row], "cell": f"{i}-{j}"} for j, row in enumerate(rows)]
        assert _rows(answer.body) == right
    assert server.is_idle_within(20)


def test_reasons_are_those_of_explain(
    server: Any, query: Path, tiny_atlas_path: Path, tmp_path: Path
) -> None:
    atlas = cellport.load_atlas(tiny_atlas_path)
    found = cellport.explain(atlas, query)
    answer = server.ask("POST", "/api/explain", query.read_bytes())
    assert answer.status == 200
    said = answer.json
    assert said["reasons"] == json.loads(json.dumps([asdict(one) for one in found.reasons]))
    assert (said["atlas"], said["n_cells"]) == ("tiny", 240)
    asked = "?format=csv&genes=3&cells=cell3&cells=cell200&labels=alpha"
    answer = server.ask("POST", f"/api/explain{asked}", query.read_bytes())
    own = {"cells": ["cell3", "cell200"], "labels": ["alpha"], "genes": 3}
    cellport.explain(atlas, query, **own).write(tmp_path / "out.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.body == (tmp_path / "out.csv").read_bytes()
    for asked, status, sentence in (
        ("labels=no", 422, "no label 'no'"),
        ("cells=nobody", 422, "no cell 'nobody'"),
        ("genes=0", 422, "genes"),
        ("atlas=other", 404, "Say which atlas"),
    ):
        refused = server.ask("POST", f"/api/explain?{asked}", query.read_bytes())
        assert (refused.status, sentence in refused.json["error"]) == (status, True)
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert server.ask("POST", "/api/explain", b"x", form).status == 415
    assert server.is_idle_within(5)


def test_ranks_as_the_command_does(
    run_server: Callable[..., Any], query: Path, tiny_atlas_path: Path, lung_demo: Path
) -> None:
    found = cellport.rank_atlases(query, [lung_demo, tiny_atlas_path])
    names = {str(lung_demo): "lung", str(tiny_atlas_path): tiny_atlas_path.stem}
    told = [asdict(fit) | {"atlas": names[fit.atlas]} for fit in found]
    # the one sentence that names the file calls it by the name that the server gives it
    told[1]["refused"] = told[1]["refused"].replace(str(query), "upload.h5")
    assert told[1]["refused"]
    body = query.read_bytes()
    with run_server("--no-page", str(lung_demo)) as running:
        answer = running.ask("POST", "/api/rank", body)
        assert answer.status == 200
        assert answer.json == told
        one = running.ask("POST", "/api/rank?atlas=lung", body)
        assert one.json == told[1:]
        assert running.ask("POST", "/api/rank?atlas=liver", body).status == 404
        refused = running.ask("POST", "/api/rank", b"no file")
        assert refused.status == 422
        assert refused.error
        assert running.is_idle_within(5)


def test_other_atlases_are_heard_as_the_command_does(
    run_server: Callable[..., Any], lung_demo: Path, tmp_path: Path
) -> None:
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as cells:
        body = cells.read_bytes()
        command = ["map", str(lung_demo), str(cells), "--also", "blood", "--also", "pancreas"]
        for name in ("out.csv", "out.h5ad"):
            done = CliRunner().invoke(main, [*command, "-o", str(tmp_path / name)])
            assert done.exit_code == 0, done.output
    others = [str(lung_demo.with_stem(name)) for name in ("blood", "pancreas")]
    with run_server("--no-page", *others, atlas=lung_demo) as running:
        asked = "atlas=lung&also=blood&also=pancreas"
        answer = running.map(body, f"?format=csv&{asked}")
        assert answer.status == 200, answer.body
        assert answer.body == (tmp_path / "out.csv").read_bytes()
        answer = running.map(body, f"?format=h5ad&{asked}")
        with h5py.File(io.BytesIO(answer.body)) as file, h5py.File(tmp_path / "out.h5ad") as own:
            for name in ("also", "labels_alike"):
                assert _plain(file["uns/cellport"][name]) == _plain(own["uns/cellport"][name])
        for wrong, status, sentence in (
            ("also=liver", 404, "Say which atlas"),
            (f"also={lung_demo.with_stem('human')}", 404, "Say which atlas"),
            ("&".join(["also=blood"] * 21), 422, "at most 20"),
        ):
            refused = running.map(body, f"?atlas=lung&{wrong}")
            assert (refused.status, sentence in refused.json["error"]) == (status, True)
        assert running.is_idle_within(10)


def test_reasons_without_probabilities(
    converted: Callable[[str], Path], foreign_query: Path, run_server: Callable[..., Any]
) -> None:
    """What is not known is null, and an atlas without labels is refused."""
    body = foreign_query.read_bytes()
    with run_server("--no-page", atlas=converted("scpoli_default")) as running:
        said = running.ask("POST", "/api/explain", body).json
        assert said["reasons"][0]["genes"][0]["probability_without"] is None
    with run_server("--no-page", atlas=converted("scimilarity")) as running:
        refused = running.ask("POST", "/api/explain", body)
        assert (refused.status, "it has none" in refused.json["error"]) == (422, True)


def test_about_the_atlas(server: Any, tiny_atlas: Any) -> None:
    about = server.ask("GET", "/api/atlas").json
    assert (about["name"], about["sha256"]) == ("tiny", tiny_atlas.sha256)
    assert about["labels"] == ["alpha", "beta", "gamma"]
    manifest = tiny_atlas.manifest
    for name in ("created", "source", "authors", "licence", "attribution", "limits"):
        assert about[name] == getattr(manifest.provenance, name)
    assert about["n_genes"] == manifest.n_genes
    assert about["thresholds"] == asdict(manifest.thresholds)
    assert about["minimum_runtime"] == manifest.minimum_runtime
    whole = server.ask("GET", about["download"])
    assert whole.body == tiny_atlas.path.read_bytes()
    stated = server.ask("GET", "/atlas/manifest.json").json
    assert stated["sha256"] == tiny_atlas.sha256
    assert sorted(stated["members"]) == sorted(tiny_atlas.members)
    for part, size in tiny_atlas.members.items():
        answer = server.ask("GET", f"/atlas/{part}")
        assert answer.body == bytes(tiny_atlas.read(part))
        assert len(answer.body) == size
    assert server.ask("GET", "/api/health").json["status"] == "ok"


def test_several_atlases_are_told_apart_by_name(
    run_server: Any, tiny_atlas: Any, rewritten_atlas: Any, query: Path, tmp_path: Path
) -> None:
    other = rewritten_atlas(name="other").rename(tmp_path / "other.cellport")
    with run_server("--no-page", str(other)) as server:
        assert server.ask("GET", "/api/atlases").json == ["tiny", "other"]
        for name in ("tiny", "other"):
            about = server.ask("GET", f"/api/atlas?atlas={name}").json
            assert about["name"] == name
            assert server.ask("GET", f"/atlases/{name}/manifest.json").json["name"] == name
            whole = server.ask("GET", about["download"])
            assert hashlib.sha256(whole.body).hexdigest() == about["sha256"]
            answer = server.map(query.read_bytes(), f"?format=h5ad&atlas={name}")
            (tmp_path / "out.h5ad").write_bytes(answer.body)
            with h5py.File(tmp_path / "out.h5ad") as file:
                assert file["uns/cellport/atlas"][()].decode() == name
        unsaid, unknown = server.map(query.read_bytes()), server.ask("GET", "/api/atlas?atlas=a")
        assert (unsaid.status, unknown.status) == (422, 404)
        for asked in (unsaid, unknown):
            assert asked.error == "Say which atlas is meant, as in ?atlas=tiny; here: tiny, other."
        assert server.ask("GET", "/atlas/manifest.json").status == 404
        assert server.is_idle_within(10)


@pytest.mark.skipif(not (PAGE / "index.html").is_file(), reason="the page has not been built")
def test_example_cells_are_served_with_what_they_are(
    run_server: Callable[..., Any], query: Path
) -> None:
    with run_server("--example", str(query)) as running:
        told = running.ask("GET", "/atlas/manifest.json").json["example"]
        cells = running.ask("GET", "/atlas/example.h5ad").body
    assert cells == query.read_bytes()
    assert told == {
        "name": query.name,
        "about": query.name,
        "sha256": hashlib.sha256(cells).hexdigest(),
    }


@pytest.mark.parametrize(
    "path", ["/", "/atlas/", "/atlas/../../etc/passwd", "/atlas/%2e%2e/%2e%2e/etc/passwd", "/x"]
)
def test_nothing_else_is_there(server: Any, path: str) -> None:
    answer = server.ask("GET", path)
    assert answer.status == 404
    assert answer.error == "There is nothing at this address."


def test_oversized_is_refused(server: Any) -> None:
    large = bytes(3_000_000)
    for body in (large, iter([large[:500_000]] * 6)):  # stated, and found out while it comes
        answer = server.map(body)
        assert answer.status == 413
        assert "larger than the 2,000,000 bytes" in answer.error
    assert server.is_idle_within(20)


def _hostile(path: Path, make: Callable[[h5py.File], None]) -> bytes:
    with h5py.File(path, "r+") as file:
        make(file)
    return path.read_bytes()


def _huge_index(file: h5py.File) -> None:
    del file["var/_index"]
    file["var"].create_dataset("_index", (10**11,), "S8", chunks=(10**6,))


def _endless_cells(file: h5py.File) -> None:
    n = 10**10
    del file["X/indptr"]
    file["X"].create_dataset("indptr", (n + 1,), "i8", chunks=(10**6,))
    file["X"].attrs["shape"] = (n, 150)


def _external_values(file: h5py.File) -> None:
    del file["X/data"]
    file["X"].create_dataset("data", (100,), "f4", external=[("/etc/passwd", 0, 400)])


def _virtual_values(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((100,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (100,))
    del file["X/data"]
    file["X"].create_virtual_dataset("data", layout)


def _external_link(at: str) -> Callable[[h5py.File], None]:
    def make(file: h5py.File) -> None:
        file.require_group(at.rpartition("/")[0] or "/")
        if at in file:
            del file[at]
        file[at] = h5py.ExternalLink("/etc/passwd", "/x")

    return make


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_external_link("X"), "upload.h5, X links to another file"),
        (_external_link("obs/_index"), "upload.h5, obs/_index links to another file"),
        (_external_link("layers/deep/counts"), "links to another file"),
        (_external_values, "keeps its values in other files"),
        (_virtual_values, "keeps its values in other files"),
        (_huge_index, "upload.h5"),
        (_endless_cells, "upload.h5"),
        (lambda file: file.__delitem__("X"), "upload.h5"),
        (lambda file: file.__delitem__("var"), "upload.h5"),
        (lambda file: file["X"].attrs.modify("shape", (-1, 150)), "upload.h5"),
    ],
)
def test_hostile_files_are_refused(
    server: Any, query: Path, tmp_path: Path, make: Callable[[h5py.File], None], said: str
) -> None:
    path = tmp_path / "hostile.h5ad"
    path.write_bytes(query.read_bytes())
    answer = server.map(_hostile(path, make))
    assert answer.status == 422
    assert said in answer.error
    assert server.is_idle_within(20)


@pytest.mark.parametrize("share", [0.001, 0.01, 0.3, 0.9, 0.999])
def test_truncated_files_are_refused(server: Any, query: Path, share: float) -> None:
    data = query.read_bytes()
    answer = server.map(data[: int(len(data) * share)])
    assert answer.status == 422
    assert "upload.h5" in answer.error


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        (b"", {}, 422, "no body"),
        (b"cell,gene\n", {}, 422, "not an HDF5 file"),
        (b"--x", {"Content-Type": "multipart/form-data; boundary=x"}, 415, "not as a form"),
        (b"x", {"Origin": "http://evil.example"}, 403, "another site"),
        (b"x", {"Origin": "null"}, 403, "another site"),
        (b"x", {"Host": "evil.example:8787"}, 400, "host name"),
        (b"x", {"Host": ""}, 400, "host name"),
    ],
)
def test_other_requests_are_refused(
    server: Any, body: bytes, headers: dict[str, str], status: int, said: str
) -> None:
    answer = server.map(body, **headers)
    assert answer.status == status
    assert said in answer.error


@pytest.mark.parametrize("query", ["?format=exe", "?minimum_genes=2", "?minimum_genes=nan"])
def test_wrong_settings_are_refused(server: Any, query: str) -> None:
    answer = server.map(b"x", query)
    assert answer.status == 422
    assert "not valid" in answer.error


def test_settings_reach_the_mapping(server: Any, query: Path) -> None:
    answer = server.map(query.read_bytes(), "?layer=spliced")
    assert answer.status == 422
    assert "spliced" in answer.error
    answer = server.map(query.read_bytes(), "?groups=leiden")
    assert answer.status == 422
    assert "no column 'leiden'" in answer.error
    answer = server.map(query.read_bytes(), "?rescale_genes=true")
    assert "depend on the other cells" in str(answer.json["notes"])


def test_every_answer_is_guarded(server: Any) -> None:
    for path in ("/api/health", "/none", "/atlas/manifest.json"):
        headers = server.ask("GET", path).headers
        assert "script-src 'self' 'wasm-unsafe-eval'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "server" not in headers
    assert "unsafe-inline" not in headers["content-security-policy"]


def _send(port: int, body: bytes, stated: int, query: str = "?format=csv") -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port))
    head = f"POST /api/map{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {stated}\r\n\r\n"
    link.sendall(head.encode() + body)
    return link


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_client_killed_while_it_sends_leaves_nothing(server: Any, query: Path) -> None:
    link = _send(server.port, query.read_bytes()[:1000], 100_000)
    _until(server.leftovers)
    link.close()
    assert server.is_idle_within(20)


def test_client_killed_while_it_waits_leaves_nothing(
    server: Any, claiming: Callable[[int], bytes]
) -> None:
    body = claiming(ENDLESS)
    link = _send(server.port, body, len(body))
    _until(server.mapping)
    link.close()
    began = time.monotonic()
    assert server.is_idle_within(20)
    print(f"gone {time.monotonic() - began:.2f} s after the client")


def test_client_killed_while_it_reads_leaves_nothing(
    server: Any, claiming: Callable[[int], bytes]
) -> None:
    body = claiming(100_000)
    with _send(server.port, body, len(body)) as link:
        link.settimeout(120)
        assert link.recv(17) == b"HTTP/1.1 200 OK\r\n"
        assert server.leftovers()
    assert server.is_idle_within(20)


def test_works_on_after_all_that(server: Any, query: Path) -> None:
    assert server.map(query.read_bytes()).status == 200


def test_bounds(
    run_server: Callable[..., Any], query: Path, claiming: Callable[[int], bytes]
) -> None:
    with run_server("--no-page", "--jobs", "1", "--queue", "1", "--seconds", "3") as server:
        # too many at a time
        links = [_send(server.port, b"x", 100) for _ in range(2)]
        _until(lambda: len(server.leftovers()) == 2)
        answer = server.map(query.read_bytes())
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "busy" in answer.error
        for link in links:
            link.close()
        assert server.is_idle_within(20)
        assert server.map(query.read_bytes()).status == 200
        # too slow
        body = claiming(ENDLESS)
        answer = server.map(body)
        assert answer.status == 422
        assert "longer than the 3 s" in answer.error
        assert server.is_idle_within(20)
        # stopped at work: that nothing is left is checked where the server is ended
        link = _send(server.port, body, len(body))
        _until(server.mapping)
    link.close()


@pytest.fixture(scope="module")
def guarded(run_server: Callable[..., Any]) -> Iterator[Any]:
    with run_server("--no-page", "--host", "0.0.0.0") as running:
        yield running


def test_open_to_others_only_with_a_token(guarded: Any, query: Path) -> None:
    assert len(guarded.token) >= 32
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "cellport_token=x"}):
        for method, path in (("GET", "/api/atlas"), ("POST", "/api/map"), ("GET", "/atlas/x")):
            answer = guarded.ask(method, path, b"", headers)
            assert answer.status == 401
            assert "token" in answer.error
    bearer = {"Authorization": f"Bearer {guarded.token}"}
    assert guarded.map(query.read_bytes(), **bearer).status == 200
    assert guarded.ask("GET", "/api/health").status == 200


def test_address_with_the_token_sets_a_cookie(guarded: Any) -> None:
    assert guarded.ask("GET", "/?token=wrong").status == 401
    answer = guarded.ask("GET", f"/?token={guarded.token}&x=1")
    assert answer.status == 303
    assert answer.headers["location"] == "./?x=1"
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    assert guarded.ask("GET", "/api/atlas", headers=headers).status == 200


def test_api_is_as_documented(guarded: Any, query: Path, tmp_path: Path) -> None:
    """Schemathesis makes requests of every kind, valid and not, and checks every answer."""
    here, answered = Path(__file__).parent, tmp_path / "answered"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", here / "schemathesis.toml", "run"),
            f"http://127.0.0.1:{guarded.port}/api/openapi.json",
            *("-H", f"Authorization: Bearer {guarded.token}"),
            *("--checks", "all", "--max-time", os.environ.get("CELLPORT_SECONDS", "25")),
            *("--generation-deterministic", "--no-color", "--warnings", "off"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(here),
            "SCHEMATHESIS_HOOKS": "generated_uploads",
            "CELLPORT_CELLS": str(query),
            "CELLPORT_ANSWERED": str(answered),
        },
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout
    statuses = Counter(answered.read_text().splitlines())
    print(statuses)
    assert statuses["POST /api/map 200"]
    assert statuses["POST /api/explain 200"]
    assert statuses["POST /api/rank 200"]
    assert guarded.is_idle_within(5)
