"""Where the chunks of a zarr array lie on a disk, and how each is decompressed.

zarr hands every chunk through an event loop and a pool of its own; read here, on the threads that
read HDF5 chunks, the same libraries decompress them and nothing else is between. Whatever is not
known here is left to zarr.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.sources.chunks import CUT_SHORT, MOST_CHUNK_BYTES, check_stored
from cellport.runtime.sources.filters import DAMAGED

if TYPE_CHECKING:
    from numpy.typing import NDArray

Expand = Callable[[bytes], Any]

# what the index of a shard says of a chunk that was never written
_NEVER = 2**64 - 1
# bytes of an entry of that index, and of the checksum behind it
_ENTRY, _CHECKSUM = 16, 4
# names of zarr 3's codecs, and the classes of numcodecs that undo them
_UNDO = {"zstd": "Zstd", "blosc": "Blosc", "gzip": "GZip"}
_BLOSC_HEADER = 16


@dataclass(frozen=True, slots=True)
class ZarrChunks:
    """The chunks of a one-dimensional array: `length` elements, `width` a chunk."""

    dtype: np.dtype[Any]
    length: int
    width: int
    per_file: int  # chunks in each file: 1, or those of a shard
    files: tuple[str, ...]
    # offset and size of each chunk in its file, int64 [chunks, 2]; None where each has its own
    places: NDArray[np.int64] | None
    expand: Expand

    def decode(self, number: int) -> NDArray[Any]:
        """Read a chunk, without the padding behind the end of the array."""
        expected = self.width * self.dtype.itemsize
        with open(self.files[number // self.per_file], "rb", buffering=0) as file:
            if self.places is None:
                offset, size = 0, os.fstat(file.fileno()).st_size
            else:
                offset, size = self.places[number].tolist()
            check_stored(size, expected)
            file.seek(offset)
            raw = file.read(size)
        if len(raw) != size:
            raise InputError(CUT_SHORT)
        plain = self.expand(raw)
        if len(plain) != expected:
            raise InputError(DAMAGED)
        inside = min(self.width, self.length - number * self.width)
        return np.frombuffer(plain, self.dtype)[:inside]


def locate_zarr(array: Any) -> ZarrChunks | None:
    """Find the chunks of an array of zarr's.

    None for whatever must be read through zarr: stores that are no folder, and types, codecs and
    layouts that are not known here, and arrays some chunks of which were never written.
    """
    import zarr

    store = getattr(array, "store", None)
    if not isinstance(array, zarr.Array) or not isinstance(store, zarr.storage.LocalStore):
        return None
    dtype, shape = array.dtype, array.shape
    if len(shape) != 1 or not shape[0] or dtype.kind not in "iuf":
        return None
    if array.chunks[0] * dtype.itemsize > MOST_CHUNK_BYTES:
        return None
    folder = Path(store.root) / array.path
    if array.metadata.zarr_format == 2:
        return _of_format_2(array, folder)
    return _of_format_3(array, folder)


def _of_format_2(array: Any, folder: Path) -> ZarrChunks | None:
    made = array.metadata
    compressor = made.compressor
    known = ("Zstd", "Blosc", "GZip", "Zlib", "LZ4")
    if made.filters or type(compressor).__name__ not in (*known, "NoneType"):
        return None
    return _whole_files(array, folder, _expansion(compressor))


def _of_format_3(array: Any, folder: Path) -> ZarrChunks | None:
    codecs = [codec.to_dict() for codec in array.metadata.codecs]
    if [codec["name"] for codec in codecs] != ["sharding_indexed"]:
        expand = _of_codecs(codecs)
        return None if expand is None else _whole_files(array, folder, expand)
    how = codecs[0]["configuration"]
    expand = _of_codecs(how["codecs"])
    index = [codec["name"] for codec in how["index_codecs"]]
    if expand is None or index != ["bytes", "crc32c"] or how["index_location"] != "end":
        return None
    per_file = array.shards[0] // array.chunks[0]
    files = _files(array, folder, array.shards[0])
    places = None if files is None else _places(files, per_file, array)
    if files is None or places is None:
        return None
    width = array.chunks[0]
    return ZarrChunks(array.dtype, array.shape[0], width, per_file, files, places, expand)


def _whole_files(array: Any, folder: Path, expand: Expand) -> ZarrChunks | None:
    files, width = _files(array, folder, array.chunks[0]), array.chunks[0]
    if files is None:
        return None
    return ZarrChunks(array.dtype, array.shape[0], width, 1, files, None, expand)


def _files(array: Any, folder: Path, width: int) -> tuple[str, ...] | None:
    """Name the files of chunks or shards of so many elements; None if one is not there."""
    keys = (array.metadata.encode_chunk_key((i,)) for i in range(-(-array.shape[0] // width)))
    files = tuple(str(folder / key) for key in keys)
    return files if all(map(os.path.isfile, files)) else None


def _places(files: tuple[str, ...], per_file: int, array: Any) -> NDArray[np.int64] | None:
    """Read the index at the end of each shard; None where a chunk was never written."""
    found: list[NDArray[np.uint64]] = []
    for file in files:
        index = _index(file, per_file)
        if index is None:
            return None
        found.append(index)
    places = np.concatenate(found)[: -(-array.shape[0] // array.chunks[0])]
    return None if (places == np.uint64(_NEVER)).any() else places.astype(np.int64)


def _index(file: str, per_file: int) -> NDArray[np.uint64] | None:
    """Read offset and size of each chunk of a shard; None where its checksum says otherwise."""
    try:
        from google_crc32c import value as checksum
    except ImportError:
        return None
    size = per_file * _ENTRY + _CHECKSUM
    with open(file, "rb", buffering=0) as shard:
        if shard.seek(0, os.SEEK_END) < size:
            return None
        shard.seek(-size, os.SEEK_END)
        end = shard.read(size)
    if checksum(end[:-_CHECKSUM]) != int.from_bytes(end[-_CHECKSUM:], "little"):
        return None
    return np.frombuffer(end[:-_CHECKSUM], "<u8").reshape(-1, 2)


def _of_codecs(codecs: Any) -> Expand | None:
    """Return what undoes codecs of format 3; None if one is not known here."""
    import numcodecs

    first, *others = codecs
    little = first.get("configuration", {}).get("endian") in ("little", None)
    if first["name"] != "bytes" or not little:
        return None
    if not others:
        return _expansion(None)
    if len(others) > 1 or others[0]["name"] not in _UNDO:
        return None
    return _expansion(getattr(numcodecs, _UNDO[others[0]["name"]])())


def _expansion(codec: Any) -> Expand:
    """Return what a codec of numcodecs does to the bytes of a chunk."""
    if codec is None:
        return bytes
    if type(codec).__name__ != "Blosc":
        undone: Expand = codec.decode
        return undone

    def expand(raw: bytes) -> Any:
        # Blosc believes its header, and reads beyond the end of what was cut short
        stated = int.from_bytes(raw[12:_BLOSC_HEADER], "little")
        if len(raw) < _BLOSC_HEADER or stated != len(raw):
            raise InputError(DAMAGED)
        return codec.decode(raw)

    return expand
