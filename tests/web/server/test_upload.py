"""Uploads as they come, and what a job may hold: no server is needed to refuse them."""

from __future__ import annotations

import asyncio
import errno
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from cellport.runtime.errors import AtlasError, CellportError
from cellport.web.server import app, jobs, serve, site, upload, worker
from cellport.web.server.jobs import Job, Jobs
from cellport.web.server.limits import Limits
from cellport.web.server.refusal import Refusal
from cellport.web.server.upload import receive_upload


class Request:
    """A body that comes in pieces; None is a pause that does not end."""

    def __init__(self, pieces: list[bytes | None], **headers: str) -> None:
        self.pieces, self.headers = pieces, headers

    async def stream(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if piece is None:
                await asyncio.sleep(60)
            else:
                yield piece


def received(
    folder: Path, pieces: list[bytes | None], limits: Limits | None = None, **headers: str
) -> bytes:
    job = Job(folder)
    stated = {name.replace("_", "-"): value for name, value in headers.items()}
    request: Any = Request(pieces, **stated)
    asyncio.run(receive_upload(request, job, Jobs({}, limits or Limits())))
    whole = (folder / worker.UPLOAD).read_bytes()
    assert job.held == len(whole)
    return whole


def refused(status: int, said: str, *asked: Any, **headers: str) -> None:
    with pytest.raises(Refusal, match=said) as caught:
        received(*asked, **headers)
    assert caught.value.status == status


def test_pieces_of_any_size_are_one_file(tmp_path: Path) -> None:
    pieces: list[bytes | None] = [b"", b"abc", bytes(1 << 20), b"", b"def", bytes(3 << 20), b"g"]
    assert received(tmp_path, pieces) == b"".join(one for one in pieces if one)


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b""]])
def test_a_request_without_a_body_is_refused(pieces: list[bytes | None], tmp_path: Path) -> None:
    refused(422, "has no body; send the file itself", tmp_path, pieces)


@pytest.mark.parametrize("size", [0, 1])
def test_as_much_as_is_taken_and_no_more(size: int, tmp_path: Path) -> None:
    limits, body = Limits(max_upload=10), bytes(10 + size)
    for stated in (False, True):
        headers = {"content_length": str(len(body))} if stated else {}
        folder = tmp_path / str(stated)
        folder.mkdir()
        if size:
            refused(
                413, "larger than the 10 bytes", folder, [body[:5], body[5:]], limits, **headers
            )
            assert (folder / worker.UPLOAD).exists() == (not headers)
        else:
            assert received(folder, [body[:5], body[5:]], limits, **headers) == body


def test_a_body_that_stops_or_crawls_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused(408, r"Nothing came for 0\.01 s", tmp_path, [b"a", None], Limits(idle=0.01))
    (tmp_path / worker.UPLOAD).unlink()
    monkeypatch.setattr(upload, "_GRACE", -1.0)
    assert received(tmp_path, [bytes(1000)], Limits(slowest=100)) == bytes(1000)
    (tmp_path / worker.UPLOAD).unlink()
    refused(408, "comes too slowly", tmp_path, [bytes(99)], Limits(slowest=100))


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_told_from_a_broken_one(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError(number, "no")

    monkeypatch.setattr(anyio, "open_file", broken)
    if number == errno.EIO:
        with pytest.raises(OSError, match="no"):
            received(tmp_path, [b"a"])
    else:
        refused(503, "no space left", tmp_path, [b"a"])


@pytest.mark.parametrize("more", [0, 1])
def test_all_uploads_together_are_bounded(more: int, tmp_path: Path) -> None:
    busy = Jobs({}, Limits(max_upload=1))
    job = Job(tmp_path)
    busy.hold(job, 60_000_000)
    if not more:
        busy.hold(job, 40_000_000)
        return
    with pytest.raises(Refusal, match="the space it has for uploads is taken") as caught:
        busy.hold(job, 40_000_001)
    assert (caught.value.status, caught.value.headers) == (503, {"Retry-After": "5"})
    assert job.held == 60_000_000


def test_workers_that_do_not_start_are_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Jobs) -> Any:
        raise RuntimeError("no room")

    monkeypatch.setattr(Jobs, "_workers", broken)
    some = Jobs({}, Limits())
    with pytest.raises(CellportError, match=r"worker processes do not start: no room\."):
        asyncio.run(some.open())
    assert some._base is None
    some.close()


@pytest.mark.parametrize("stays", [0, 3, 99])
def test_a_folder_is_removed_while_its_worker_ends(
    stays: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, tries = tmp_path / "job", 0
    folder.mkdir()
    remove = jobs.shutil.rmtree

    def busy(path: Path, ignore_errors: bool) -> None:
        nonlocal tries
        tries += 1
        if tries > stays:
            remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(jobs.shutil, "rmtree", busy)
    monkeypatch.setattr(jobs.time, "sleep", lambda _: None)
    jobs._remove(folder)
    assert folder.exists() == (stays > 20)
    assert tries == min(stays + 1, 20)


# --- in a worker


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What comes of work that ends with an error, in the folder of a job."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(worker, "limit_resources", lambda _: None)
    monkeypatch.setattr(worker, "refuse_links", lambda _: None)
    state = {"largest_result": 1000, "threads": 1, "atlases": {"a": None}}
    monkeypatch.setattr(worker, "_state", state)

    def outcome(error: Exception) -> worker.Outcome:
        def work(*_: Any, **__: Any) -> Any:
            raise error

        monkeypatch.setattr(worker, "explain", work)
        monkeypatch.setattr(worker, "map_files", work)
        how = worker.MapOptions()
        return (
            worker.explain_upload(str(tmp_path), "a", {}, "json", how),
            worker.map_upload(str(tmp_path), "a", "json", how),
        )

    return outcome


@pytest.mark.parametrize(
    ("error", "said", "faults"),
    [
        (MemoryError(), "needs more memory than the server gives to one file", (True, True)),
        (AtlasError("It has no labels."), r"^It has no labels\.$", (True, False)),
        (CellportError("Odd."), r"^Odd\.$", (False, False)),
        (worker.OutputError("Full."), r"^Full\.$", (False, False)),
        (ZeroDivisionError("x"), r"^Unexpected error \(ZeroDivisionError\); .*fault", (False,) * 2),
    ],
)
def test_whatever_goes_wrong_in_a_worker_is_a_sentence(
    error: Exception, said: str, faults: tuple[bool, bool], own: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for outcome, fault in zip(own(error), faults, strict=True):
        assert outcome.found is None
        assert re.search(said, outcome.refusal)
        assert outcome.users_fault == fault
    assert ("Traceback" in capsys.readouterr().err) == isinstance(error, ZeroDivisionError)


def test_results_that_grow_too_large_are_the_files_fault(own: Callable[..., Any]) -> None:
    error = worker.OutputError("no")
    error.__cause__ = OSError(errno.EFBIG, "File too large")
    for outcome in own(error):
        assert "gives more than the 1,000 bytes of results" in outcome.refusal
        assert outcome.users_fault


# --- a server that cannot start, an atlas that no browser reads


def test_a_server_that_does_not_start_says_so(
    tiny_atlas_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uvicorn

    class Silent:
        started = False

        def __init__(self, _: Any) -> None:
            pass

        def run(self, sockets: Any) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn, "Server", Silent)
    with pytest.raises(CellportError, match="The server did not start; the reason stands above"):
        serve.serve(tiny_atlas_path, port=0, with_page=False)


def test_a_manifest_that_no_browser_reads_is_refused(
    tiny_atlas: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = json.loads(site.manifest_bytes(tiny_atlas, None))
    assert plain["sha256"] == tiny_atlas.sha256
    monkeypatch.setattr(site, "_terms", lambda _: {"odd": float("nan")})
    with pytest.raises(AtlasError, match="holds a number that is not finite, which browsers"):
        site.manifest_bytes(tiny_atlas, None)


def test_a_fault_of_the_server_is_one_sentence(tiny_atlas: Any) -> None:
    made = app.create_app([site.PlacedAtlas("tiny", "atlas", tiny_atlas, None)])
    handler: Any = made.exception_handlers[Exception]
    answer = asyncio.run(handler(None, ZeroDivisionError("of /home/me")))
    assert answer.status_code == 500
    said = json.loads(answer.body)["error"]
    assert said == "Unexpected error (ZeroDivisionError); a fault in cellport."
