"""Refusing arrays and texts that claim more than their file can hold, before they are read.

The HDF5 library allocates what a file claims before it looks whether it is there: one damaged
length of a text costs up to 4 GB, a damaged extent as much as anybody likes (HDF5 2.0:
``H5T__conv_vlen``). Here the claims of an array are added up first, from the file as it is
stored. Layout of texts of any length: HDF5 File Format Specification 3.0, IV.A.2.d and VIII.
"""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.filters import UNDO, undo_filters
from cellport.runtime.sources.object_header import attribute_bytes, compact_bytes
from cellport.runtime.sources.watched import WatchedFile, watched_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    # of a text of any length: where its descriptor lies within an element
    Places = tuple[list[int], int]

# What is smaller is believed: it harms nobody.
HARMLESS_BYTES = 1 << 27
# How much smaller filters make their input at most. Deflate: zlib's technical details
# (https://zlib.net/zlib_tech.html); LZF: 264 bytes from 3; shuffling and checksums nothing; others
# (zstd, bzip2: a block of zeros of 128 kB and more in a few bytes) 2^16.
_SMALLER = {1: 1032, 2: 1, 3: 1, 32000: 88}
_OTHERS_SMALLER = 1 << 16
# descriptors are looked at in pieces of this many bytes
_PIECE = 1 << 22
# of a descriptor, before and behind the address of a heap: length, number of the object
_AROUND_ADDRESS = 8


def check_extent(array: Any, harmless: int = HARMLESS_BYTES) -> None:
    """Refuse an array of h5py or zarr whose extent is more than its stored bytes can fill.

    One of up to `harmless` bytes is believed.

    Raises
    ------
    InputError
        It claims more.
    """
    claimed = math.prod(array.shape) * array.dtype.itemsize
    if claimed > harmless and claimed > _most_bytes(array, claimed):
        raise _overstated(array.name, claimed)


def check_chunks(dataset: h5py.Dataset) -> None:
    """Refuse chunks that are more than the stored bytes of a dataset can fill: they are read whole.

    Raises
    ------
    InputError
        They claim more.
    """
    claimed = math.prod(dataset.chunks or (0,)) * dataset.dtype.itemsize
    # a chunk that was never written is not read either
    if claimed > HARMLESS_BYTES and 0 < _most_bytes(dataset, claimed) < claimed:
        raise _overstated(dataset.name, claimed)


def check_values(array: Any) -> None:
    """Refuse an array in other files, or whose extent or texts claim more than its file can hold.

    Of datasets in files that `watched` opened; each is looked at once.

    Raises
    ------
    InputError
        They claim more, their descriptors cannot be read, or values lie in other files.
    """
    check_extent(array)
    watched = watched_file(array) if isinstance(array, h5py.Dataset) else None
    if watched is None:
        return
    if array.is_virtual or array.external:
        raise InputError(say("files.elsewhere", where=array.name))
    offsets, width = _places(array.id.get_type(), watched.address_bytes + _AROUND_ADDRESS)
    if not offsets:
        return
    address = h5py.h5o.get_info(array.id).addr
    if address in watched.believed:
        return
    check_chunks(array)
    claimed = 0
    for stored in _stored(array, watched, address, width):
        for offset in offsets:
            claimed += _claimed(_lengths(stored, offset, width), array.name)
            _check_sum(array.name, claimed, watched)
    watched.believed.add(address)


def check_attribute(element: h5py.HLObject, name: str) -> None:
    """Refuse an attribute of texts that claim more than the file can hold.

    What an object with more than eight attributes keeps apart is not looked at.

    Raises
    ------
    InputError
        They claim more.
    """
    watched = watched_file(element)
    if watched is None:
        return
    address, width = h5py.h5o.get_info(element.id).addr, watched.address_bytes
    stored = attribute_bytes(watched.read_object, address, width, name)
    where = f"{element.name}, attribute {name}"
    _check_sum(where, _claimed(_lengths(stored, 0, width + _AROUND_ADDRESS), where), watched)


def _claimed(lengths: NDArray[np.uint32], name: str) -> int:
    """Return how long some texts claim to be together, none of them longer than any text is."""
    claimed = int(lengths.sum(dtype=np.uint64))
    if claimed > HARMLESS_BYTES and lengths.max() > HARMLESS_BYTES:
        raise _overstated(name, int(lengths.max()))
    return claimed


def _check_sum(name: str, claimed: int, watched: WatchedFile) -> None:
    # each text lies in the file once
    if claimed > max(HARMLESS_BYTES, watched.size):
        raise _overstated(name, claimed)


def _overstated(name: str, claimed: int) -> InputError:
    return InputError(say("files.overstated", name=name, megabytes=f"{claimed / 1e6:,.0f}"))


def _most_bytes(array: Any, enough: int) -> int:
    """Return how many bytes what is stored of an array can come to, or that they are `enough`."""
    if not isinstance(array, h5py.Dataset):
        return _most_in_files(Path(array.store.root, array.path), enough)
    created = array.id.get_create_plist()
    filters = [created.get_filter(i)[0] for i in range(created.get_nfilters())]
    smaller = math.prod(_SMALLER.get(number, _OTHERS_SMALLER) for number in filters)
    return int(array.id.get_storage_size()) * smaller


def _most_in_files(folder: Path, enough: int) -> int:
    most = 0
    for file in folder.rglob("*"):
        if most >= enough:
            break
        if file.is_file():
            most += file.stat().st_size * _OTHERS_SMALLER
    return most


def _places(kind: Any, descriptor: int) -> Places:
    """Return where an element keeps descriptors of texts or lists, and its size in the file.

    The library tells sizes in memory, where pointers take the place of descriptors.
    """
    if _is_variable(kind):
        return [0], descriptor
    offsets: list[int] = []
    grown = 0
    if kind.get_class() == h5py.h5t.COMPOUND:
        for i in range(kind.get_nmembers()):
            member = kind.get_member_type(i)
            if _is_variable(member):
                offsets.append(kind.get_member_offset(i) + grown)
                grown += descriptor - member.get_size()
    return offsets, kind.get_size() + grown


def _is_variable(kind: Any) -> bool:
    of_text = kind.get_class() == h5py.h5t.STRING and kind.is_variable_str()
    return bool(of_text or kind.get_class() == h5py.h5t.VLEN)


def _lengths(stored: bytes | memoryview, offset: int, width: int) -> NDArray[np.uint32]:
    n_elements = memoryview(stored).nbytes // width
    return np.ndarray((n_elements,), "<u4", stored, offset, (width,))


def _stored(
    dataset: h5py.Dataset, watched: WatchedFile, address: int, width: int
) -> Iterator[bytes | memoryview]:
    """Yield the elements of a dataset, of `width` bytes each, as they are stored."""
    created = dataset.id.get_create_plist()
    layout, begin = created.get_layout(), dataset.id.get_offset()
    if layout == h5py.h5d.COMPACT:
        yield compact_bytes(watched.read_object, address, watched.address_bytes)
    elif layout == h5py.h5d.CONTIGUOUS and begin is not None:
        size, piece = dataset.size * width, _PIECE // width * width
        for at in range(0, size, piece):
            yield watched.read_at(begin + at, min(piece, size - at))
    elif layout == h5py.h5d.CHUNKED and hasattr(dataset.id, "chunk_iter"):
        places: list[tuple[int, ...]] = []
        dataset.id.chunk_iter(lambda chunk: places.append(chunk.chunk_offset))
        filters = tuple(created.get_filter(i)[0] for i in range(created.get_nfilters()))
        kind, size = np.dtype((np.void, width)), math.prod(dataset.chunks) * width
        for place in places:
            skipped, raw = dataset.id.read_direct_chunk(place)
            if skipped == (1 << len(filters)) - 1:
                yield raw
            elif set(filters) <= set(UNDO):
                yield undo_filters(raw, filters, skipped, size, kind).data
            else:
                yield _unfiltered(raw, skipped, created, kind)


def _unfiltered(raw: bytes, skipped: int, created: Any, kind: np.dtype[np.void]) -> memoryview:
    """Undo the filters of a chunk by the library, as elements that nothing converts."""
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_chunk(created.get_chunk())
    for i in range(created.get_nfilters()):
        number, flags, values, _ = created.get_filter(i)
        settings.set_filter(number, flags, values)
    with h5py.File(BytesIO(), "w") as apart:
        space = h5py.h5s.create_simple(created.get_chunk())
        opaque = h5py.h5t.py_create(kind)
        dataset = h5py.Dataset(h5py.h5d.create(apart.id, b"chunk", opaque, space, settings))
        dataset.id.write_direct_chunk((0,) * len(created.get_chunk()), raw, skipped)
        return np.asarray(dataset[()]).data
