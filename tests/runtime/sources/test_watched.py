"""HDF5 files that would keep the library busy for ever end in the sentence of a damaged file."""

from __future__ import annotations

import random
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

from cellport.runtime.errors import CellportError, InputError
from cellport.runtime.sources import open_source
from cellport.runtime.sources.watched import WatchedFile, descriptor, open_watched

DRAWS = 400
SECONDS = 10
VERSIONS = ("earliest", "latest")


@pytest.fixture(scope="module")
def bases(
    make_counts: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """Bytes of a small h5ad with text columns in each layout of HDF5."""
    counts = make_counts(n_cells=50, n_genes=40)
    batch = pd.Categorical(["a", "b"] * 25)
    obs = pd.DataFrame({"batch": batch}, index=[f"cell{i}" for i in range(50)])
    var = pd.DataFrame({"id": [f"ENSG{i:011d}" for i in range(40)]}, [f"g{i}" for i in range(40)])
    folder = tmp_path_factory.mktemp("bases")
    anndata.AnnData(counts, obs, var).write_h5ad(folder / "written.h5ad")
    for version in VERSIONS:
        with (
            h5py.File(folder / "written.h5ad") as written,
            h5py.File(folder / version, "w", libver=version) as file,
        ):
            for name in written:
                written.copy(name, file)
    made = {version: (folder / version).read_bytes() for version in VERSIONS}
    for version in VERSIONS:  # kernels that reading brings start here, on no case's time
        _read(folder / version)
    return made


def _read(path: Path) -> None:
    source = open_source(path)
    try:
        for _ in source.blocks(16):
            pass
        source.cell_names(0, source.n_cells)
        source.obs_column("batch")
    finally:
        source.close()


@contextmanager
def _bounded() -> Iterator[None]:
    """End the whole run where a library hangs: it hears no exception."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)


def _mutated(data: bytes, draw: random.Random) -> bytes:
    changed = bytearray(data)
    at, size = draw.randrange(len(data)), draw.choice((8, 40, 200, 1000))
    size = min(size, len(data) - at)
    match draw.choice(("zeros", "zeros", "flips", "end", "noise")):
        case "zeros":
            changed[at : at + size] = bytes(size)
        case "noise":
            changed[at : at + size] = draw.randbytes(size)
        case "end":
            del changed[at:]
        case _:
            for _ in range(draw.choice((1, 20))):
                changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(changed)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no alarm")
@pytest.mark.parametrize("version", VERSIONS)
def test_mutated_files_end_in_a_sentence_or_an_answer(
    bases: dict[str, bytes], version: str, tmp_path: Path
) -> None:
    path, said = tmp_path / "query.h5ad", 0
    for seed in range(DRAWS // len(VERSIONS)):
        path.write_bytes(_mutated(bases[version], random.Random(seed)))
        with _bounded():
            try:
                _read(path)
            except CellportError as error:
                said += bool(str(error))
    assert said > DRAWS // len(VERSIONS) // 5


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("how", ["zeros", "itself", "back"])
def test_a_global_heap_without_an_end(
    bases: dict[str, bytes], version: str, how: str, tmp_path: Path
) -> None:
    """In a process of its own, which is ended from outside where it hangs."""
    data = bytearray(bases[version])
    at, heaps = -1, 0
    while (at := data.find(b"GCOL", at + 1)) >= 0:
        second = at + 16 + 16 + -(-struct.unpack_from("<Q", data, at + 24)[0] // 8) * 8
        size = {"zeros": 0, "itself": 0, "back": 2**64 - 16}[how]
        struct.pack_into("<HHIQ", data, second, 0, 0, 0, size)
        heaps += 1
    assert heaps
    path = tmp_path / "query.h5ad"
    path.write_bytes(data)
    code = f"from cellport.runtime.sources import open_source; open_source({str(path)!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=6 * SECONDS
    )
    assert "the file is damaged" in done.stderr


def test_a_local_heap_whose_free_blocks_go_round(tmp_path: Path) -> None:
    data = struct.pack("<QQ", 16, 16) + struct.pack("<QQ", 0, 16)
    for free, endless in ((1, False), (16, True), (0, True), (999, False)):
        header = b"HEAP\0\0\0\0" + struct.pack("<QQQ", len(data), free, 32)
        (tmp_path / "heap").write_bytes(header + data)
        watched = WatchedFile(tmp_path / "heap")
        found = bytearray(32)
        assert watched.readinto(found) == 32
        watched.close()
        assert (found != header) == endless


@pytest.mark.parametrize("size", range(9))
@pytest.mark.parametrize("version", VERSIONS)
def test_heaps_of_good_files_pass(size: int, version: str, tmp_path: Path) -> None:
    values = ["", *(chr(955) * i for i in range(size * 200))][: size * 40]
    with h5py.File(tmp_path / "good", "w", libver=version) as file:
        file.create_dataset("text", data=np.array(values, object), dtype=h5py.string_dtype())
        file.attrs["long"] = "x" * 3_000 * size
        for i in range(size * 5):
            file[f"group {i}/other"] = i
        for i in range(0, size * 5, 3):  # leaves free blocks
            del file[f"group {i}"]
    with open_watched(tmp_path / "good") as file:
        assert file["text"].asstr()[:].tolist() == values
        assert file.attrs["long"] == "x" * 3_000 * size
        assert len(file) == 1 + size * 5 - len(range(0, size * 5, 3))


def test_a_file_that_is_written_to_is_not_read(bases: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "query.h5ad"
    path.write_bytes(bases["earliest"])
    with h5py.File(path, "r+"), pytest.raises(InputError, match="open in another program"):
        open_source(path)
    open_source(path).close()


def test_descriptors_are_of_watched_files_alone(bases: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "query.h5ad"
    path.write_bytes(bases["latest"])
    with open_watched(path) as file, h5py.File(path, "r") as other:
        assert descriptor(file) is not None
        assert descriptor(other) is None


def test_a_file_left_open_at_the_end_does_no_harm(bases: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "query.h5ad"
    path.write_bytes(bases["earliest"])
    code = (
        "from cellport.runtime.sources import open_source\n"
        f"source = open_source({str(path)!r})\nnext(source.blocks(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_refusal_that_is_kept_does_not_outlive_python(tmp_path: Path) -> None:
    path = tmp_path / "query.h5ad"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(500))
    code = """
import ctypes, sys
from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source
try:
    open_source(sys.argv[1])
except InputError as error:
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(error))
"""
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
