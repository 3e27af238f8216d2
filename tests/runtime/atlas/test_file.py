from __future__ import annotations

import gc
import hashlib
import io
import os
import sys
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.file import (
    MANIFEST,
    AtlasFile,
    atlas_from_bytes,
    npy_bytes,
    open_atlas_file,
    write_atlas_file,
)
from cellport.runtime.errors import AtlasError, OutputError
from cellport.runtime.version import FORMAT_VERSION


def _refused(path: Path, match: str) -> None:
    with pytest.raises(AtlasError, match=match):
        open_atlas_file(path)


# what is written is what is read


def test_round_trip(small: Path, forgery: Any) -> None:
    opened = open_atlas_file(small)
    members = forgery.members()
    assert opened.manifest == forgery.manifest()
    assert opened.manifest.n_genes == 3
    assert opened.format_version == FORMAT_VERSION
    assert opened.sha256 == hashlib.sha256(small.read_bytes()).hexdigest()
    assert opened.members == {name: len(data) for name, data in members.items()}
    for name, data in members.items():
        assert name in opened
        assert bytes(opened.read(name)) == data
        if name.endswith(".npy"):
            short = name.removeprefix("arrays/").removesuffix(".npy")
            assert opened.has_array(short)
            np.testing.assert_array_equal(opened.array(short), np.load(io.BytesIO(data)))
    with pytest.raises(AtlasError, match=r"no member arrays/nothing\.npy"):
        opened.array("nothing")


def test_write_returns_the_sha256_and_is_reproducible(tmp_path: Path, forgery: Any) -> None:
    found = [
        write_atlas_file(tmp_path / name, forgery.manifest(), forgery.members())
        for name in ("one", "other")
    ]
    assert found[0] == found[1] == hashlib.sha256((tmp_path / "one").read_bytes()).hexdigest()


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "i4", "i8", "u1", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 0), (2, 3, 4)])
def test_arrays_round_trip(
    tmp_path: Path, dtype: str, shape: tuple[int, ...], forgery: Any
) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(dtype)
    path = tmp_path / "a.cellport"
    write_atlas_file(
        path, forgery.manifest(), {**forgery.members(), "arrays/extra.npy": npy_bytes(array)}
    )
    found = open_atlas_file(path).array("extra")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_arrays_are_aligned_read_only_views(small: Path) -> None:
    opened = open_atlas_file(small)
    for name in opened.members:
        if name.endswith(".npy"):
            array = opened.array(name.removeprefix("arrays/").removesuffix(".npy"))
            assert array.ctypes.data % 64 == 0, name
            assert not array.flags.owndata
            assert not array.flags.writeable
            with pytest.raises(ValueError, match="WRITEABLE"):
                array.setflags(write=True)


def test_ordinary_tools_read_the_zip(small: Path, forgery: Any) -> None:
    with zipfile.ZipFile(small) as archive:
        assert archive.testzip() is None
        assert set(archive.namelist()) == {MANIFEST, *forgery.members()}


# damage


def test_every_flipped_byte_is_found(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    rng = np.random.default_rng(0)
    ends = [*range(8), *range(len(data) - 140, len(data))]
    starts = [
        at for at in range(len(data) - 4) if data[at : at + 4] in (b"PK\x03\x04", b"PK\x01\x02")
    ]
    positions = {*ends, *starts, *rng.integers(0, len(data), 200).tolist()}
    damaged = tmp_path / "damaged.cellport"
    for at in positions:
        flipped = bytearray(data)
        flipped[at] ^= 1 << int(rng.integers(0, 8))
        damaged.write_bytes(flipped)
        _refused(damaged, r"damaged|not a whole cellport atlas")


def test_cut_off_and_lengthened_files_are_refused(small: Path, tmp_path: Path) -> None:
    data = small.read_bytes()
    damaged = tmp_path / "damaged.cellport"
    for length in [0, 1, 4, 63, 117, 118, len(data) // 2, len(data) - 64, len(data) - 1]:
        damaged.write_bytes(data[:length])
        _refused(damaged, r"cannot be read" if not length else r"not a whole cellport atlas")
    damaged.write_bytes(data + b"\0")
    _refused(damaged, "not a whole cellport atlas")


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_forged_headers_never_raise_another_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, forgery: Any
) -> None:
    """A zip's own structure, damaged under a correct seal."""
    path = tmp_path_factory.getbasetemp() / "forged.cellport"
    write_atlas_file(path, forgery.manifest(), forgery.members())
    whole = bytearray(path.read_bytes())
    heads = [
        at + offset
        for magic, size in ((b"PK\x03\x04", 30), (b"PK\x01\x02", 60), (b"PK\x05\x06", 22))
        for at in range(len(whole) - 4)
        if whole[at : at + 4] == magic
        for offset in range(size)
    ]
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.sampled_from(heads))] = data.draw(st.integers(0, 255))
    path.write_bytes(forgery.sealed(bytes(whole)))
    try:
        opened = open_atlas_file(path)
    except AtlasError:
        return
    assert {name: bytes(opened.read(name)) for name in opened.members} == forgery.members()


# writing


def test_an_existing_atlas_is_replaced_whole(small: Path, forgery: Any) -> None:
    before = open_atlas_file(small)
    write_atlas_file(small, forgery.manifest(name="other"), forgery.members())
    assert open_atlas_file(small).manifest.name == "other"
    np.testing.assert_array_equal(before.array("gene_mean"), before.array("gene_mean"))
    assert before.manifest.name == "small"


class _InterruptedError(BaseException):
    pass


@pytest.mark.parametrize("error", [_InterruptedError, KeyboardInterrupt, OSError(28, "No space")])
@pytest.mark.parametrize("exists", [False, True])
def test_failure_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any, exists: bool, forgery: Any
) -> None:
    path = tmp_path / "a.cellport"
    if exists:
        write_atlas_file(path, forgery.manifest(), forgery.members())
    real = zipfile.ZipFile.writestr

    def failing(archive: zipfile.ZipFile, info: zipfile.ZipInfo, data: bytes) -> None:
        if info.filename == "arrays/gene_cap.npy":
            raise error
        real(archive, info, data)

    monkeypatch.setattr(zipfile.ZipFile, "writestr", failing)
    expected = OutputError if isinstance(error, OSError) else error
    with pytest.raises(expected):
        write_atlas_file(path, forgery.manifest(name="other"), forgery.members())
    assert [item.name for item in tmp_path.iterdir()] == ([path.name] if exists else [])
    if exists:
        assert open_atlas_file(path).manifest.name == "small"


def test_missing_folder(tmp_path: Path, forgery: Any) -> None:
    path = tmp_path / "none" / "a.cellport"
    with pytest.raises(OutputError, match=r"none/a\.cellport cannot be written: No such file"):
        write_atlas_file(path, forgery.manifest(), forgery.members())


def test_folder_in_the_way(tmp_path: Path, forgery: Any) -> None:
    path = tmp_path / "a.cellport"
    path.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):
        write_atlas_file(path, forgery.manifest(), forgery.members())
    assert list(tmp_path.iterdir()) == [path]


def test_read_only_folder(tmp_path: Path, forgery: Any) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o555)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(OutputError, match="cannot be written: Permission denied"):
        write_atlas_file(folder / "a.cellport", forgery.manifest(), forgery.members())


def test_name_that_no_file_can_have(tmp_path: Path, forgery: Any) -> None:
    with pytest.raises(OutputError, match="cannot be written: File name too long"):
        write_atlas_file(tmp_path / ("a" * 300), forgery.manifest(), forgery.members())


def test_the_trained_atlas_opens(
    tiny_atlas: AtlasFile, rewritten_atlas: Callable[..., Path]
) -> None:
    again = open_atlas_file(rewritten_atlas())
    assert again.sha256 == tiny_atlas.sha256


def test_an_atlas_in_memory_is_checked_like_one_on_disk(small: Path):
    data = small.read_bytes()
    opened = atlas_from_bytes(data, "from/elsewhere.cellport")
    on_disk = open_atlas_file(small)
    assert (opened.sha256, opened.manifest, opened.members) == (
        on_disk.sha256,
        on_disk.manifest,
        on_disk.members,
    )
    for name in opened.members:
        assert bytes(opened.read(name)) == bytes(on_disk.read(name))
    with pytest.raises(AtlasError, match=r"from/elsewhere\.cellport is damaged"):
        atlas_from_bytes(data[:500] + b"?" + data[501:], "from/elsewhere.cellport")


def test_threads_read_arrays_at_once(small: Path) -> None:
    """Python 3.11 trips over headers that several threads parse together."""
    opened = open_atlas_file(small)
    name = next(name for name in opened.members if name.endswith(".npy"))
    name = name.removeprefix("arrays/").removesuffix(".npy")

    def read(deep: int) -> int:
        return read(deep - 1) if deep else len(opened.array(name))

    def turn(*_: Any) -> None:
        """Python code in the middle of a parse, where another thread may take its turn."""

    before = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-6)
    gc.set_threshold(20)
    gc.callbacks.append(turn)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: read(n % 13), range(600)))
    finally:
        gc.callbacks.remove(turn)
        gc.set_threshold(*before[1])
        sys.setswitchinterval(before[0])
