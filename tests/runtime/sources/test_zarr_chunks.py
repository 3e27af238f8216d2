from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.sources.parallel import open_parallel_zarr
from cellport.runtime.sources.ranges import PlainPairs, open_pairs
from cellport.runtime.sources.zarr_chunks import locate_zarr

zarr = pytest.importorskip("zarr")
numcodecs = pytest.importorskip("numcodecs")

OF_2 = {
    "none": None,
    "zstd": numcodecs.Zstd(3),
    "blosc lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
    "blosc zstd": numcodecs.Blosc("zstd", 1, numcodecs.Blosc.BITSHUFFLE),
    "gzip": numcodecs.GZip(1),
    "zlib": numcodecs.Zlib(1),
    "lz4": numcodecs.LZ4(),
}
OF_3 = {
    "none": None,
    "zstd": zarr.codecs.ZstdCodec(level=1),
    "blosc": zarr.codecs.BloscCodec(cname="lz4", shuffle="shuffle"),
    "gzip": zarr.codecs.GzipCodec(level=1),
}


def write(folder: Path, name: str, values: Any, version: int, codec: str, **layout: Any) -> Any:
    compressor = (OF_2 if version == 2 else OF_3)[codec]
    made = zarr.create_array(
        folder / name,
        shape=values.shape,
        dtype=values.dtype,
        zarr_format=version,
        compressors=compressor,
        config={"write_empty_chunks": True},
        overwrite=True,
        **layout,
    )
    made[:] = values
    return zarr.open_array(folder / name, mode="r")


def in_steps(pairs: Any, cuts: list[int]) -> Any:
    pieces = [pairs.read(a, b) for a, b in itertools.pairwise(cuts)]
    pairs.close()
    return [np.concatenate(part) for part in zip(*pieces, strict=True)]


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.data())
def test_equals_zarr_bit_for_bit(tmp_path: Path, data: Any) -> None:
    n = data.draw(st.integers(1, 200))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**20)))
    version = data.draw(st.sampled_from([2, 3]))
    chunk = data.draw(st.integers(1, n))
    layout: dict[str, Any] = {"chunks": (chunk,)}
    if version == 3 and data.draw(st.booleans()):
        layout["shards"] = (chunk * data.draw(st.integers(1, 4)),)
    codecs = st.sampled_from(sorted(OF_2 if version == 2 else OF_3))
    types = st.sampled_from(["<f4", "<f8", "<i2", "<i4", "<u8", *([">f4"] if version == 2 else [])])
    values = rng.integers(0, 100, n).astype(data.draw(types))
    places = rng.integers(0, 120, n).astype(data.draw(st.sampled_from(["<i4", "<i8", "<u2"])))
    stored = [
        write(tmp_path, name, of, version, data.draw(codecs), **layout)
        for name, of in (("indices", places), ("data", values))
    ]
    cuts = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=6))})
    pairs = open_parallel_zarr(*stored, 120, data.draw(st.integers(1, 3)))
    assert pairs is not None
    got, plain = in_steps(pairs, cuts), in_steps(PlainPairs(*stored, 120), cuts)
    for ours, theirs in zip(got, plain, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(got[0], places.astype(np.int32))
    np.testing.assert_array_equal(got[1], values.astype(np.float32))


def test_what_is_left_to_zarr(tmp_path: Path) -> None:
    values = np.arange(40, dtype="<f4")
    known = write(tmp_path, "known", values, 3, "zstd", chunks=(8,))
    assert locate_zarr(known) is not None
    assert locate_zarr(values) is None
    assert locate_zarr(zarr.array(values)) is None  # in memory
    square = write(tmp_path, "square", values.reshape(5, 8), 3, "zstd", chunks=(5, 8))
    assert locate_zarr(square) is None
    text = write(tmp_path, "flags", values > 3, 3, "zstd", chunks=(8,))
    assert locate_zarr(text) is None
    filtered = zarr.create_array(
        tmp_path / "filtered", shape=(40,), dtype="<i4", chunks=(8,), zarr_format=2,
        filters=[numcodecs.Delta("<i4")],
    )  # fmt: skip
    filtered[:] = values
    assert locate_zarr(filtered) is None
    checked = zarr.create_array(
        tmp_path / "checked", shape=(40,), dtype="<i4", chunks=(8,),
        compressors=[zarr.codecs.ZstdCodec(), zarr.codecs.Crc32cCodec()],
    )  # fmt: skip
    checked[:] = values
    assert locate_zarr(checked) is None
    big = zarr.create_array(
        tmp_path / "big", shape=(40,), dtype="<i4", chunks=(8,),
        serializer=zarr.codecs.BytesCodec(endian="big"),
    )  # fmt: skip
    big[:] = values
    assert locate_zarr(big) is None
    assert isinstance(open_pairs(big, big, 50, 2), PlainPairs)
    np.testing.assert_array_equal(in_steps(open_pairs(big, big, 50, 2), [0, 11, 40])[1], values)


@pytest.mark.parametrize("shards", [None, (16,)])
def test_chunks_never_written_are_left_to_zarr(tmp_path: Path, shards: Any) -> None:
    made = zarr.create_array(
        tmp_path / "some", shape=(40,), dtype="<f4", chunks=(8,), shards=shards, fill_value=7
    )
    made[24:] = 1
    assert locate_zarr(zarr.open_array(tmp_path / "some", mode="r")) is None


@pytest.mark.parametrize(("version", "codec"), [(2, "blosc lz4"), (2, "none"), (3, "zstd")])
@pytest.mark.parametrize("lost", [1, 7, 20])
def test_a_chunk_that_lost_its_end_is_refused(
    tmp_path: Path, version: int, codec: str, lost: int
) -> None:
    values = np.random.default_rng(0).integers(0, 9999, 40).astype("<f4")
    stored = write(tmp_path, "data", values, version, codec, chunks=(20,))
    found = locate_zarr(stored)
    assert found is not None
    file = Path(found.files[1])
    file.write_bytes(file.read_bytes()[:-lost])
    with pytest.raises((InputError, RuntimeError)):
        found.decode(1)
    np.testing.assert_array_equal(found.decode(0), values[:20])


def test_a_shard_whose_index_is_damaged_is_left_to_zarr(tmp_path: Path) -> None:
    values = np.arange(40, dtype="<f4")
    stored = write(tmp_path, "data", values, 3, "zstd", chunks=(5,), shards=(20,))
    found = locate_zarr(stored)
    assert found is not None
    file = Path(found.files[1])
    whole = file.read_bytes()
    file.write_bytes(whole[:-30] + bytes([whole[-30] ^ 1]) + whole[-29:])
    assert locate_zarr(stored) is None
    # cut where no index is any more, with places that are known from before
    file.write_bytes(whole[: len(whole) // 4])
    assert locate_zarr(stored) is None
    with pytest.raises((InputError, RuntimeError)):
        np.concatenate([found.decode(number) for number in range(4, 8)])


@pytest.mark.parametrize("shards", [None, (20,)])
def test_a_chunk_that_claims_to_be_huge_is_not_read(tmp_path: Path, shards: Any) -> None:
    values = np.arange(40, dtype="<f4")
    stored = write(tmp_path, "data", values, 3, "zstd", chunks=(20,), shards=shards)
    found = locate_zarr(stored)
    assert found is not None
    if found.places is None:
        with Path(found.files[1]).open("r+b") as file:
            file.truncate(1 << 40)  # a hole, which takes no room
    else:
        found.places[1, 1] = 1 << 40
    with pytest.raises(InputError, match="a chunk is larger than its elements can make it"):
        found.decode(1)
    np.testing.assert_array_equal(found.decode(0), values[:20])
