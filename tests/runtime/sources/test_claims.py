"""Texts and extents that claim more than the file can hold are refused before they are read."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cellport.runtime.errors import InputError
from cellport.runtime.sources import claims, open_source
from cellport.runtime.sources.annotations import attribute_value, read_whole
from cellport.runtime.sources.claims import check_chunks, check_extent, check_values
from cellport.runtime.sources.watched import open_watched

TEXTS = [f"gene{i}" * (i % 4) for i in range(60)]
LENGTH = 0xF0000001
VERSIONS = ("earliest", "latest")
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "chunked": {"chunks": (7,)},
    "gzip": {"chunks": (25,), "compression": "gzip"},
    "lzf": {"chunks": (25,), "compression": "lzf"},
    "plugin": {"chunks": (25,), "compression": 32015},  # Zstandard: the library undoes it
    "growing": {"chunks": (100,), "maxshape": (None,)},
}
FIELDS = np.dtype([("n", "i2"), ("name", h5py.string_dtype()), ("id", h5py.string_dtype())])


def write(path: Path, version: str, layout: str, userblock: int = 0) -> None:
    if layout == "plugin":
        pytest.importorskip("hdf5plugin")
    with h5py.File(path, "w", libver=version, userblock_size=userblock) as file:
        if layout == "compact":
            created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            created.set_layout(h5py.h5d.COMPACT)
            kind, space = h5py.h5t.py_create(h5py.string_dtype(), logical=True), (len(TEXTS),)
            made = h5py.h5d.create(
                file.id, b"text", kind, h5py.h5s.create_simple(space), dcpl=created
            )
            h5py.Dataset(made)[:] = TEXTS
        elif layout == "fields":
            rows = [(i, one.encode(), b"id") for i, one in enumerate(TEXTS)]
            file["text"] = np.array(rows, FIELDS)
        else:
            kind = h5py.string_dtype()
            file.create_dataset("text", data=np.array(TEXTS, object), dtype=kind, **LAYOUTS[layout])
        file["text"].attrs["encoding"] = "string"
        file["text"].attrs["order"] = np.array(TEXTS, object)


def descriptors(data: bytes, base: int = 0) -> list[int]:
    """Places of descriptors of texts that lie in a file as they are."""
    heaps = {one.start() - base for one in re.finditer(b"GCOL", data)}
    return [
        at
        for at in range(len(data) - 16)
        for length, heap, number in [struct.unpack_from("<IQI", data, at)]
        if heap in heaps and 0 < number < 300 and length < 300
    ]


def read(path: Path) -> list[Any]:
    with open_watched(path) as file:
        attributes = [attribute_value(file["text"], name) for name in ("encoding", "order")]
        table = file["text"]
        check_values(table)
        values = [] if table.dtype.names else read_whole(table).tolist()
        return [values, attributes[0], list(attributes[1])]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layout", [*LAYOUTS, "compact"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_good_files_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, layout: str, userblock: int
) -> None:
    monkeypatch.setattr(claims, "HARMLESS_BYTES", 0)
    write(tmp_path / "good", version, layout, userblock)
    monkeypatch.setattr(claims, "HARMLESS_BYTES", max(map(len, TEXTS)))
    assert read(tmp_path / "good") == [TEXTS, "string", TEXTS]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("layout", ["contiguous", "chunked", "growing", "compact", "fields"])
@pytest.mark.parametrize("userblock", [0, 512])
def test_every_forged_length_is_refused(
    tmp_path: Path, version: str, layout: str, userblock: int
) -> None:
    write(tmp_path / "good", version, layout, userblock)
    data = (tmp_path / "good").read_bytes()
    places = descriptors(data, userblock)
    assert len(places) >= 2 * sum(map(bool, TEXTS)) + 1
    for at in places[:: 1 if layout == "compact" else 7]:
        forged = bytearray(data)
        struct.pack_into("<I", forged, at, LENGTH)
        (tmp_path / "bad").write_bytes(forged)
        # newer headers have a checksum, which the library looks at
        said = r"/text.* claims 4,\d+ MB|checksum"
        with pytest.raises((InputError, OSError, KeyError), match=said):
            read(tmp_path / "bad")


@pytest.mark.parametrize("layout", ["gzip", "lzf", "plugin"])
def test_a_forged_length_in_a_chunk_is_refused(tmp_path: Path, layout: str) -> None:
    write(tmp_path / "bad", "earliest", layout)
    with h5py.File(tmp_path / "bad", "r+") as file:
        forged = bytearray(16 * 25)
        struct.pack_into("<I", forged, 16 * 3, LENGTH)
        # the mask says that a filter was not applied
        whole = (zlib.compress(forged), 0) if layout == "gzip" else (bytes(forged), 1)
        file["text"].id.write_direct_chunk((25,), *whole)
    with pytest.raises(InputError, match="/text claims 4,"):
        read(tmp_path / "bad")


def test_one_text_shared_by_all_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with h5py.File(tmp_path / "bad", "w") as file:
        file["text"] = np.array(["x" * 1000] * 500, object)
        begin, size = file["text"].id.get_offset(), file["text"].id.get_storage_size()
        file["text"].attrs["encoding"], file["text"].attrs["order"] = "string", ["a"]
    data = bytearray((tmp_path / "bad").read_bytes())
    struct.pack_into("<I", data, begin, len(data) // 400)
    data[begin : begin + size] = data[begin : begin + 16] * 500
    (tmp_path / "bad").write_bytes(data)
    monkeypatch.setattr(claims, "HARMLESS_BYTES", 100_000)
    with pytest.raises(InputError, match="/text claims 1 MB"):
        read(tmp_path / "bad")


@given(texts=st.lists(st.text(st.characters(exclude_characters="\0"), max_size=40), max_size=30))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("version", VERSIONS)
def test_texts_of_any_attribute_are_told(tmp_path: Path, version: str, texts: list[str]) -> None:
    texts = [one.encode("utf-8", "replace").decode() for one in texts]
    with h5py.File(tmp_path / "file", "w", libver=version) as file:
        for i, one in enumerate(texts[:6]):
            file.attrs[f"name{i}"] = one
        file.attrs.create("order", texts, (len(texts),), h5py.string_dtype())
    with open_watched(tmp_path / "file") as file:
        for i, one in enumerate(texts[:6]):
            assert attribute_value(file, f"name{i}") == one
        assert list(attribute_value(file, "order")) == texts


@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
@pytest.mark.parametrize("written", [0, 1])
def test_an_extent_that_nothing_fills_is_refused(
    tmp_path: Path, compression: str | None, written: int
) -> None:
    with h5py.File(tmp_path / "bad", "w") as file:
        names = file.create_dataset(
            "names", (10**10,), "S9", chunks=(1000,), compression=compression
        )
        names[:written] = b"a"
        file.create_dataset("chunks", (10,), "f8", maxshape=(None,), chunks=(10**8,))
    with open_watched(tmp_path / "bad") as file:
        with pytest.raises(InputError, match="/names claims 90,000 MB"):
            read_whole(file["names"])
        check_chunks(file["chunks"])  # none of them is stored, so none is read


@pytest.mark.parametrize("compression", ["gzip", "lzf"])
def test_arrays_that_filters_make_smallest_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    monkeypatch.setattr(claims, "HARMLESS_BYTES", 0)
    with h5py.File(tmp_path / "good", "w") as file:
        zeros = np.zeros(10**7, "i1")
        file.create_dataset("zeros", data=zeros, chunks=(10**6,), compression=compression)
    with open_watched(tmp_path / "good") as file:
        check_extent(file["zeros"])
        check_chunks(file["zeros"])


def test_an_extent_in_zarr_that_nothing_fills_is_refused(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    root = zarr.open_group(str(tmp_path / "store"), mode="w")
    names = root.create_array("names", shape=(10**11,), dtype="i4", chunks=(1000,))
    names[:3] = 7
    with pytest.raises(InputError, match="names claims 400,000 MB"):
        read_whole(root["names"])
    # as much as Zstandard and Blosc make of zeros
    zeros = root.create_array("zeros", shape=(10**8,), dtype="i4", chunks=(10**8,))
    zeros[:] = np.int32(1)
    check_extent(root["zeros"])


def test_the_sentence_names_file_and_field(small: Path) -> None:
    data = bytearray(small.read_bytes())
    with h5py.File(small) as file:
        at = file["var/_index"].id.get_offset()
    struct.pack_into("<I", data, at, LENGTH)
    small.write_bytes(data)
    with pytest.raises(InputError, match=r"small.h5ad, var: /var/_index claims .* copy or write"):
        open_source(small)


@pytest.fixture
def small(tmp_path: Path, make_anndata: Any, make_counts: Any) -> Path:
    make_anndata(make_counts(n_cells=20, n_genes=30)).write_h5ad(tmp_path / "small.h5ad")
    return tmp_path / "small.h5ad"
