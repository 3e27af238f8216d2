from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from cellport.runtime.atlas import file as atlas_file
from cellport.runtime.atlas import seal
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.errors import AtlasError


@pytest.fixture
def large(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that counts as large, written long ago, and a cache of its own."""
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(atlas_file, "LARGE", 1)
    monkeypatch.setattr(seal, "_SETTLED", -(1 << 62))
    path = tmp_path / "large.cellport"
    path.write_bytes(small.read_bytes())
    return path


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what the seal and the members were hashed for."""
    sizes: list[int] = []

    def counted(data: Any = b"") -> Any:
        sizes.append(len(data))
        return hashlib.sha256(data)

    for module in (atlas_file, seal):
        monkeypatch.setattr(module, "hashlib", type("counts", (), {"sha256": counted}))
    return sizes


def _change(path: Path, name: str) -> None:
    """Flip the last byte of a member."""
    whole = bytearray(path.read_bytes())
    data = bytes(open_atlas_file(path).read(name))
    whole[whole.index(data) + len(data) - 1] ^= 1
    path.write_bytes(bytes(whole))


def _forged(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make what is remembered hold, whatever the file system says."""
    state = {"size": 0, "settled": True}
    monkeypatch.setattr(atlas_file, "state_of", lambda handle: state)


def test_what_was_found_whole_is_not_hashed_again(large: Path, hashed: list[int]) -> None:
    first = open_atlas_file(large)
    assert max(hashed) == large.stat().st_size - 64
    hashed.clear()
    again = open_atlas_file(large)
    assert again.sha256 == first.sha256 == hashlib.sha256(large.read_bytes()).hexdigest()
    assert again.manifest == first.manifest
    before = sum(hashed)
    assert before < large.stat().st_size / 2
    name = next(name for name in again.members if name.endswith(".npy"))
    assert again.read(name) == first.read(name)
    again.read(name)
    assert sum(hashed) - before == 2 * len(again.read(name))
    hashed.clear()
    open_atlas_file(large, whole=True)
    assert max(hashed) == large.stat().st_size - 64


def test_a_changed_file_is_hashed_again(large: Path) -> None:
    open_atlas_file(large)
    _change(large, "arrays/gene_mean.npy")
    with pytest.raises(AtlasError, match="damaged"):
        open_atlas_file(large)


@pytest.mark.parametrize("name", ["arrays/gene_mean.npy", "encoder.onnx", "manifest.json"])
def test_a_change_that_no_time_tells_is_found_where_it_is_read(
    large: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    _forged(large, monkeypatch)
    opened = open_atlas_file(large)
    data = large.read_bytes()
    if name == "manifest.json":
        large.write_bytes(data.replace(b'"format_version"', b'"format_Version"', 1))
        with pytest.raises(AtlasError, match="damaged"):
            open_atlas_file(large)
        return
    _change(large, name)
    with pytest.raises(AtlasError, match=name):
        open_atlas_file(large).read(name)
    with pytest.raises(AtlasError, match="damaged"):
        open_atlas_file(large, whole=True)
    # nothing else is touched by it
    other = next(n for n in opened.members if n != name and n.endswith(".npy"))
    if name.endswith(".npy"):
        assert open_atlas_file(large).read(other) is not None


def test_a_file_that_has_just_changed_is_not_trusted(
    large: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(seal, "_SETTLED", 2_000_000_000)
    open_atlas_file(large)
    assert not (tmp_path / "cache").exists()
    long_ago = large.stat().st_mtime_ns - 10**12
    os.utime(large, ns=(long_ago, long_ago))
    # its inode has changed just now
    open_atlas_file(large)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "kept", [b"", b"[]", b"{}", b'{"file": 1}', b"\xff", b'{"file": {}, "manifest": 1}']
)
def test_what_is_kept_may_be_damaged(large: Path, tmp_path: Path, kept: bytes) -> None:
    expected = open_atlas_file(large).sha256
    (place,) = (tmp_path / "cache" / "found-whole").iterdir()
    assert json.loads(place.read_bytes())["sha256"] == expected
    place.write_bytes(kept)
    assert open_atlas_file(large).sha256 == expected
    assert json.loads(place.read_bytes())["sha256"] == expected


def test_without_a_cache_it_is_hashed_each_time(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hashed: list[int]
) -> None:
    (tmp_path / "taken").touch()
    monkeypatch.setenv("CELLPORT_CACHE", str(tmp_path / "taken"))
    for _ in range(2):
        hashed.clear()
        open_atlas_file(large)
        assert max(hashed) == large.stat().st_size - 64


def test_small_files_are_hashed_each_time(
    large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atlas_file, "LARGE", seal.LARGE)
    open_atlas_file(large)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize("size", [64, 65, 1 << 20, (1 << 20) + 64, (3 << 20) + 7])
def test_the_seal_is_the_hash_of_all_before_it(size: int) -> None:
    data = os.urandom(size - 64) + b"0" * 64
    handle = io.BytesIO(data)
    whole = seal.seal(handle)
    assert len(handle.getvalue()) == size
    assert handle.getvalue()[-64:].decode() == hashlib.sha256(data[:-64]).hexdigest()
    assert whole == hashlib.sha256(handle.getvalue()).hexdigest()
