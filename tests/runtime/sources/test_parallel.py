from __future__ import annotations

import contextlib
import itertools
import os
import sys
import threading
import time
import weakref
import zlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.sources import filters, open_source
from cellport.runtime.sources.chunks import locate
from cellport.runtime.sources.csr import CsrMatrix
from cellport.runtime.sources.csr_checks import as_positions
from cellport.runtime.sources.parallel import _work_off, open_parallel
from cellport.runtime.sources.ranges import PlainPairs, open_pairs

KNOWN_FILTERS = [
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "compression_opts": 1, "shuffle": True},
    {"compression": "lzf"},
    {"compression": "lzf", "shuffle": True},
    {"shuffle": True},
]
DTYPES = [
    "f4",
    "f8",
    "f2",
    "i1",
    "i2",
    "i4",
    "i8",
    "u1",
    "u2",
    "u4",
    "u8",
    ">f4",
    ">f8",
    ">i4",
    ">i8",
    ">u2",
]
INDEX_DTYPES = ["i4", "i8", "u4", "u8", ">i4", ">i8", "u2", "i2"]


def write_pair(path, indices, data, chunk=None, data_filters=None, index_filters=None):
    with h5py.File(path, "w") as file:
        for name, values, options in (
            ("indices", indices, index_filters),
            ("data", data, data_filters),
        ):
            options = dict(options or {})
            if chunk is not None:
                options["chunks"] = (chunk,)
            file.create_dataset(name, data=values, **options)
    return h5py.File(path, "r")


def read_in_steps(pairs, cuts):
    pieces = [pairs.read(a, b) for a, b in itertools.pairwise(cuts)]
    pairs.close()
    return tuple(np.concatenate(part) for part in zip(*pieces, strict=True))


@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_equals_h5py_bit_for_bit(tmp_path, data):
    n = data.draw(st.integers(1, 300))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    chunk = data.draw(st.one_of(st.none(), st.integers(1, n)))
    chunked = KNOWN_FILTERS if chunk else KNOWN_FILTERS[:1]
    values = rng.integers(0, 100, n).astype(data.draw(st.sampled_from(DTYPES)))
    indices = rng.integers(0, 120, n).astype(data.draw(st.sampled_from(INDEX_DTYPES)))
    cuts = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=6))})
    threads = data.draw(st.integers(1, 3))
    with write_pair(
        tmp_path / "pair.h5",
        indices,
        values,
        chunk,
        data.draw(st.sampled_from(chunked)),
        data.draw(st.sampled_from(chunked)),
    ) as file:
        pairs = open_parallel(file["indices"], file["data"], 120, threads)
        assert pairs is not None
        got = read_in_steps(pairs, cuts)
        plain = read_in_steps(PlainPairs(file["indices"], file["data"], 120), cuts)
    for ours, theirs, dtype in zip(got, plain, (np.int32, np.float32), strict=True):
        assert ours.dtype == theirs.dtype == dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(got[0], indices.astype(np.int32))
    np.testing.assert_array_equal(got[1], values.astype(np.float32))


def test_every_chunk_is_inflated_once(tmp_path, monkeypatch):
    values = np.arange(100, dtype="f4")
    with write_pair(
        tmp_path / "pair.h5", np.arange(100), values, 16, {"compression": "gzip"}, {"shuffle": True}
    ) as file:
        count, lock, real = [0], threading.Lock(), filters.UNDO[1]

        def counted(*arguments):
            with lock:
                count[0] += 1
            return real(*arguments)

        monkeypatch.setitem(filters.UNDO, 1, counted)
        pairs = open_parallel(file["indices"], file["data"], 100, 2)
        _, data = read_in_steps(pairs, [0, 1, 2, 17, 20, 31, 70, 71, 100])
    np.testing.assert_array_equal(data, values)
    assert count[0] == 7


def test_only_the_chunks_asked_for_are_read(tmp_path, monkeypatch):
    options = {"compression": "gzip"}, {"compression": "gzip"}
    with write_pair(tmp_path / "pair.h5", np.arange(100), np.ones(100, "f4"), 10, *options) as file:
        pairs = open_parallel(file["indices"], file["data"], 100, 1)
        seen, read = [], os.pread
        monkeypatch.setattr(
            os, "pread", lambda file, size, offset: seen.append(offset) or read(file, size, offset)
        )
        pairs.read(35, 52)
        offsets = [*locate(file["indices"]).offsets[3:6], *locate(file["data"]).offsets[3:6]]
        pairs.close()
    assert seen == offsets


@pytest.mark.parametrize("chunk", [None, 7])
def test_what_is_stored_as_it_lies_in_memory_is_read_to_its_place(tmp_path, monkeypatch, chunk):
    values, indices = np.arange(50, dtype="f4"), np.arange(50, dtype="i4")
    with write_pair(tmp_path / "pair.h5", indices, values, chunk) as file:
        pairs = open_parallel(file["indices"], file["data"], 50, 2)
        monkeypatch.setattr(os, "pread", None)  # nothing is copied through bytes
        got = read_in_steps(pairs, [0, 3, 17, 17, 44, 50])
        np.testing.assert_array_equal(got[0], indices)
        np.testing.assert_array_equal(got[1], values)
        short = open_parallel(file["indices"], file["data"], 49, 2)
        with pytest.raises(InputError, match="a position lies outside 0 to 48"):
            short.read(40, 50)
        short.close()


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", "<u4", ">i4", "<i8", ">i8", "<u8"])
def test_positions_outside_are_refused_whatever_their_type(dtype):
    info = np.iinfo(dtype)
    for limit in (1, 100, 128, 40_000, 2**31 - 1):
        inside = np.array([0, min(limit - 1, info.max)], dtype)
        positions = as_positions(inside, limit)
        assert positions.dtype == np.int32
        np.testing.assert_array_equal(positions, inside.astype(np.int64))
        wrong = [value for value in (-1, info.min, limit, info.max)
                 if info.min <= value <= info.max and not 0 <= value < limit]  # fmt: skip
        for value in wrong:
            with pytest.raises(InputError, match=f"outside 0 to {limit - 1}"):
                as_positions(np.array([0, value], dtype), limit)
    assert as_positions(np.empty(0, dtype), 5).size == 0


def test_chunks_never_written_are_refused(tmp_path):
    path = tmp_path / "pair.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "data", (50,), "f4", chunks=(8,), fillvalue=3, compression="gzip"
        )
        data[20:30] = 7
        file.create_dataset("indices", data=np.zeros(50, "i4"), chunks=(8,))
    never = pytest.raises(InputError, match="some of its chunks were never written")
    with h5py.File(path) as file, never:
        open_parallel(file["indices"], file["data"], 5, 2)


def test_filters_skipped_for_a_chunk(tmp_path):
    path = tmp_path / "pair.h5"
    values = np.arange(30, dtype="<f4")
    with h5py.File(path, "w") as file:
        options = {"chunks": (10,), "compression": "gzip", "shuffle": True}
        data = file.create_dataset("data", (30,), "<f4", **options)
        data[:] = values
        data.id.write_direct_chunk((10,), values[10:20].tobytes(), filter_mask=0b11)
        data.id.write_direct_chunk((20,), zlib.compress(values[20:].tobytes()), filter_mask=0b01)
        file.create_dataset("indices", data=np.zeros(30, "i4"))
    with h5py.File(path) as file:
        pairs = open_parallel(file["indices"], file["data"], 5, 2)
        np.testing.assert_array_equal(read_in_steps(pairs, [0, 30])[1], values)


def test_what_is_left_to_h5py(tmp_path):
    path = tmp_path / "pair.h5"
    values = np.arange(40, dtype="f4")
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("data", data=values, chunks=(8,))
    with h5py.File(path) as file:
        assert locate(file["data"]) is None
    with h5py.File(path, "w") as file:
        file.create_dataset("checked", data=values, chunks=(8,), fletcher32=True)
        file.create_dataset("scaled", data=values.astype("i4"), chunks=(8,), scaleoffset=0)
        file.create_dataset("flags", data=values > 3)
        file.create_dataset("square", data=values.reshape(5, 8))
        file.create_dataset("plain", data=values)
        file.create_dataset("unwritten", (40,), "f4")
        created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        created.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((40,))
        h5py.h5d.create(file.id, b"compact", h5py.h5t.IEEE_F32LE, space, dcpl=created)
    with h5py.File(path) as file:
        for name in ("checked", "scaled", "flags", "square", "unwritten", "compact"):
            assert locate(file[name]) is None, name
        assert locate(file["plain"]) is not None
        assert locate(values) is None
    with h5py.File(path, "r+") as file:
        assert locate(file["plain"]) is None
    with h5py.File(path, driver="core") as file:
        assert locate(file["plain"]) is None


@pytest.mark.parametrize("options", [{"fletcher32": True}, {"scaleoffset": 0}])
def test_h5py_gives_the_same_where_it_is_left_to(tmp_path, options):
    values, indices = np.arange(50), np.arange(50)[::-1].copy()
    with write_pair(tmp_path / "pair.h5", indices, values, 8, options) as file:
        pairs = open_pairs(file["indices"], file["data"], 50, 2)
        assert isinstance(pairs, PlainPairs)
        got = read_in_steps(pairs, [0, 3, 17, 50])
    np.testing.assert_array_equal(got[0], indices)
    np.testing.assert_array_equal(got[1], values)


@pytest.mark.parametrize("name", ["Blosc", "Zstd", "LZ4", "Blosc2"])
def test_plugin_filters(tmp_path, make_anndata, make_counts, check_stream, name):
    hdf5plugin = pytest.importorskip("hdf5plugin")
    counts = make_counts()
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        for part in ("data", "indices"):
            values = file["X"][part][:]
            del file["X"][part]
            options = getattr(hdf5plugin, name)()
            file["X"].create_dataset(part, data=values, chunks=(20,), compression=options)
    check_stream(path, counts).close()


def test_missing_plugin_is_named(tmp_path, make_anndata, monkeypatch):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path, compression="gzip")
    monkeypatch.setattr("cellport.runtime.sources.hdf5.h5py.h5z.filter_avail", lambda number: False)
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(MissingDependencyError, match=r"deflate, .* pip install hdf5plugin"):
        open_source(path)


def test_reading_goes_on_after_the_source_is_closed(tmp_path, make_anndata, make_counts):
    counts = make_counts(n_cells=200)
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        pairs = open_parallel(file["X/indices"], file["X/data"], 17, 2)
    np.testing.assert_array_equal(pairs.read(0, counts.nnz)[1], counts.data)
    pairs.close()
    pairs.close()


def open_files(folder: Path) -> list[str]:
    """Files under ``folder`` that this process holds open."""
    held = []
    for handle in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            held.append(os.readlink(f"/proc/self/fd/{handle}"))
    return [name for name in held if name.startswith(str(folder))]


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at files through /proc")
def test_nothing_stays_open(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path, compression="gzip")
    before = set(threading.enumerate())
    for _ in range(3):
        source = open_source(path)
        next(source.blocks(2))
        assert open_files(tmp_path)
        assert len(list(source.blocks(5))) == 5
        source.close()
        with pytest.raises(InputError):
            open_source(path, layer="nothing")
    assert not open_files(tmp_path)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("options", KNOWN_FILTERS[1:5])
def test_damaged_chunks_end_in_errors(tmp_path, options):
    path = tmp_path / "pair.h5"
    values = np.arange(3000, dtype="f4")
    write_pair(path, np.arange(3000), values, 1000, options, {}).close()
    with h5py.File(path) as file:
        chunks = locate(file["data"])
        offset, size = int(chunks.offsets[1]), int(chunks.sizes[1])
    whole = path.read_bytes()
    path.write_bytes(whole[:offset] + b"\xff" * size + whole[offset + size :])
    with h5py.File(path) as file:
        pairs = open_parallel(file["indices"], file["data"], 3000, 2)
        with pytest.raises(InputError, match="a chunk does not decompress"):
            pairs.read(0, 3000)
        pairs.close()


def test_file_cut_while_it_is_read(tmp_path):
    path = tmp_path / "pair.h5"
    with write_pair(path, np.arange(3000), np.arange(3000.0), 100) as file:
        pairs = open_parallel(file["indices"], file["data"], 3000, 2)
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(InputError, match="ends in the middle of a chunk"):
            pairs.read(0, 3000)
        pairs.close()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_next_block_is_read_while_one_is_in_use(tmp_path, monkeypatch, threads):
    gzip = {"compression": "gzip"}
    with write_pair(tmp_path / "pair.h5", np.arange(100), np.ones(100), 10, gzip, gzip) as file:
        inflated, real = [], filters.UNDO[1]
        monkeypatch.setitem(filters.UNDO, 1, lambda *of: inflated.append(1) or real(*of))
        pointers = np.arange(0, 101, 10)
        matrix = CsrMatrix("here", 10, 100, pointers, file["indices"], file["data"], threads)
        blocks = matrix.blocks(5, 0, 10)
        next(blocks)
        until = time.monotonic() + 20
        while threads > 1 and len(inflated) < 20 and time.monotonic() < until:
            time.sleep(0.01)
        assert len(inflated) == (20 if threads > 1 else 10)
        assert next(blocks).start == 5
        blocks.close()


def test_a_block_is_let_go_of_by_what_read_it(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path, compression="gzip")
    source = open_source(path, threads=2)
    blocks = source.blocks(3)
    first = weakref.ref(next(blocks).data)
    assert first() is None
    assert next(blocks).n_cells == 3
    blocks.close()
    source.close()


def test_of_several_failures_the_first_in_the_file_is_told(tmp_path):
    for _ in range(20):
        failed: dict[int, Exception] = {}
        jobs = deque(enumerate([lambda: None, *[partial(_fail, at) for at in range(1, 9)]]))
        with ThreadPoolExecutor(3) as pool:
            for _ in range(3):
                pool.submit(_work_off, jobs, failed)
        assert not jobs
        assert str(failed[min(failed)]) == "1"


def _fail(number: int) -> None:
    raise ValueError(number)
