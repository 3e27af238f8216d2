from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cellport.runtime.base.files import (
    CANNOT_WRITE,
    PendingOutput,
    check_no_input,
    check_place,
    plain_errors,
    sweep,
    whole_file,
)
from cellport.runtime.errors import OutputError


def fill(hidden: Path, kind: str, text: str = "new") -> None:
    """Write a file, or a folder with a file in it and one below."""
    if kind == "folder":
        (hidden / "below").mkdir(parents=True)
        (hidden / "below" / "two").write_text(text)
        hidden = hidden / "one"
    hidden.write_text(text)


def tree(folder: Path) -> dict[str, str | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture(params=["file", "folder"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[False, True], ids=["nothing there", "an earlier one there"])
def out(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> Path:
    if request.param:
        fill(tmp_path / "out", kind, "old")
    return tmp_path / "out"


def test_it_appears_when_the_block_ends(out: Path, kind: str, tmp_path: Path) -> None:
    before = tree(tmp_path)
    with PendingOutput(out) as hidden:
        assert hidden.parent == tmp_path
        assert hidden.name.startswith(".out.")
        fill(hidden, kind)
        assert {name: text for name, text in tree(tmp_path).items() if name[0] != "."} == before
    assert set(tree(out).values()) <= {"new", None}
    assert out.is_file() == (kind == "file")
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_block_that_raises_changes_nothing(
    error: type[BaseException], out: Path, kind: str, tmp_path: Path
) -> None:
    before = tree(tmp_path)

    def stop(hidden: Path) -> None:
        fill(hidden, kind)
        raise error

    with pytest.raises(error), PendingOutput(out) as hidden:
        stop(hidden)
    assert tree(tmp_path) == before


def test_a_block_that_wrote_nothing_is_noticed(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), PendingOutput(tmp_path / "out"):
        pass


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_in_the_last_steps_changes_nothing(
    step: str, out: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(tmp_path)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="Input"), PendingOutput(out) as hidden:
        fill(hidden, kind)
    assert tree(tmp_path) == before


def test_a_folder_goes_back_when_the_other_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "out", "folder", "old")
    before, replace, moves = tree(tmp_path), os.replace, []

    def second_fails(source: Path, target: Path) -> None:
        moves.append(target)
        if len(moves) == 2:
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", second_fails)
    with pytest.raises(OSError, match="Input"), PendingOutput(tmp_path / "out") as hidden:
        fill(hidden, "folder")
    assert len(moves) == 3
    assert tree(tmp_path) == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs /proc")
def test_all_is_on_disk_before_it_moves(
    out: Path, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(handle: int) -> None:
        done.append(os.readlink(f"/proc/self/fd/{handle}").rpartition(".part")[2])
        fsync(handle)

    def note_replace(source: Path, target: Path) -> None:
        done.append("move")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(os, "replace", note_replace)
    with PendingOutput(out) as hidden:
        fill(hidden, kind)
    files = {""} if kind == "file" else {"/one", "/below/two"}
    assert files <= set(done[: done.index("move")])
    assert done[-1] == str(tmp_path)


def test_a_link_stays_a_link(kind: str, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out")
    for _ in range(2):
        with PendingOutput(tmp_path / "link") as hidden:
            fill(hidden, kind)
        assert (tmp_path / "link").is_symlink()
        assert [path.name for path in (tmp_path / "real").iterdir()] == ["out"]


def test_a_file_does_not_replace_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="directory"), PendingOutput(tmp_path / "out") as hidden:
        hidden.write_text("new")
    assert tree(tmp_path) == {"out": None}


def test_two_at_once_do_not_meet_and_one_alone_writes_over_what_was_left(tmp_path: Path) -> None:
    one, other = PendingOutput(tmp_path / "out"), PendingOutput(tmp_path / "out")
    assert one.hidden != other.hidden
    one, other = (PendingOutput(tmp_path / "out", alone=True) for _ in range(2))
    assert one.hidden == other.hidden


def test_several_appear_together_or_not_at_all(tmp_path: Path) -> None:
    def write(fail: bool) -> None:
        with whole_file(tmp_path / "a", b"1"), whole_file(tmp_path / "b", b"2"):
            assert not {"a", "b"} & set(os.listdir(tmp_path))
            if fail:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(fail=True)
    assert tree(tmp_path) == {}
    write(fail=False)
    assert tree(tmp_path) == {"a": "1", "b": "2"}


def test_a_full_disk_is_noticed_before_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with (
        pytest.raises(OutputError, match=r"Cannot write '.*a': the disk is full"),
        whole_file(tmp_path / "a", b"1"),
    ):
        pytest.fail("the block has begun")
    assert tree(tmp_path) == {}


KILLED = """
import os, signal, sys
from pathlib import Path
from cellport.runtime.base import files
files.os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
with files.PendingOutput(sys.argv[1]) as hidden:
    hidden.write_text("new")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_before_it_moved(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.write_text("old")
    done = subprocess.run([sys.executable, "-c", KILLED, out], cwd="/")
    assert done.returncode < 0
    assert out.read_text() == "old"
    assert len(os.listdir(tmp_path)) == 2
    sweep(tmp_path)
    assert tree(tmp_path) == {"out": "old"}


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full. Free some space"),
        (RuntimeError("HDF5: No space left on device"), "the disk is full. Free some space"),
        (OSError(errno.EDQUOT, "Quota exceeded"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "the folder is not writable."),
        (OSError(errno.EROFS, "Read-only file system"), "the folder is not writable."),
        (OSError(errno.EIO, "Input/output error"), r"the disk reported: .*Input/output error\."),
        (RuntimeError("unable to flush"), r"the disk reported: unable to flush\."),
    ],
)
def test_failures_of_the_disk_are_one_sentence(error: Exception, says: str) -> None:
    begin = "^Cannot write 'out.h5ad': "
    with pytest.raises(OutputError, match=begin + says), plain_errors("out.h5ad"):
        raise error


def test_another_sentence_may_use_the_words_of_the_system() -> None:
    sentence, says = "{path} is lost: {system}.", r"^{a} is lost: (Input/output error|bad {x})\.$"
    for error in (OSError(errno.EIO, "Input/output error"), RuntimeError("bad {x}\nand more")):
        with pytest.raises(OutputError, match=says), plain_errors("{a}", sentence):
            raise error
    assert CANNOT_WRITE.format(path="a", reason="b.") == "Cannot write 'a': b."


def test_names_that_are_not_text_and_errors_of_others() -> None:
    with pytest.raises(OutputError, match="not text"), plain_errors("out"):
        "bad\udcff".encode()
    with pytest.raises(ZeroDivisionError), plain_errors("out"):
        raise ZeroDivisionError


def test_places_for_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").touch()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    os.mkfifo(tmp_path / "pipe")
    check_place(tmp_path / "new", [tmp_path / "there", tmp_path / "none"])
    check_place(tmp_path / "there", [tmp_path / "none"])
    for name, inputs, says in (
        ("", [], "is a folder"),
        ("no/out", [], r"folder of the output .* does not exist; make it first"),
        ("there/out", [], r"folder of the output .* does not exist; make it first"),
        ("pipe", [], "exists and cannot be replaced"),
        ("link", ["there"], "also an input, which writing would replace"),
    ):
        with pytest.raises(OutputError, match=says):
            check_place(tmp_path / name, [tmp_path / one for one in inputs])
    denied = [tmp_path]
    monkeypatch.setattr(os, "access", lambda path, mode: path not in denied)
    with pytest.raises(OutputError, match=r"folder of the output .* is not writable"):
        check_place(tmp_path / "new")
    denied[:] = [tmp_path / "there"]
    with pytest.raises(OutputError, match="cannot be replaced"):
        check_place(tmp_path / "there")


def test_places_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    check_place(tmp_path / "new", [tmp_path / "store"], folder=True)
    check_place(tmp_path / "store", [tmp_path / "file"], folder=True)
    check_no_input(tmp_path / "new", [tmp_path / "store"])
    for name, says in (
        ("file", "is a file"),
        ("pipe", "is a file"),
        ("no/out", "does not exist; make it first"),
        ("store", "is also an input"),
    ):
        with pytest.raises(OutputError, match=says):
            check_place(tmp_path / name, [tmp_path / "." / "store"], folder=True)
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path / "store")
    with pytest.raises(OutputError, match="cannot be replaced"):
        check_place(tmp_path / "store", folder=True)
