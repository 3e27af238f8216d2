"""Files of ``torch.save``: a zip of a pickle and of numbers, or the older form without the zip."""

from __future__ import annotations

import math
import mmap
import os
import struct
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.pickles.held import SPARE, Name, Stub
from cellport.runtime.convert.models.pickles.read import read_pickle, read_pickle_at
from cellport.runtime.decisions import rows, say
from cellport.runtime.errors import InputError, first_line

# torch/serialization.py, MAGIC_NUMBER and PROTOCOL_VERSION
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
_MAGIC_BEGINS = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
_MOST_MEMBERS = 20_000  # a tensor each
_MOST_NESTED = 50
_MOST_DIMENSIONS = 8
# memory that numbers may take which are made wider, beside what is proportional to the file
_SPARE, _PER_BYTE = 16 << 20, 4
_MOST_VALUES = 2_000_000
_IN_BYTES = "torch.storage._load_from_bytes"  # what a storage in a plain pickle asks for
_SPARE_IN_BYTES = 1 << 20
_DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Storage:
    kind: str  # as torch names it, such as FloatStorage
    key: str
    data: memoryview | None
    count: int = 0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Old:
    found: Any
    storages: dict[str, _Storage]


def read_bytes(path: Path) -> memoryview:
    """Map a file.

    Raises
    ------
    InputError
        It cannot be read, or is empty.
    """
    try:
        with path.open("rb") as handle:
            if not os.fstat(handle.fileno()).st_size:
                raise InputError(say("convert.model_empty", title=path))
            return memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise InputError(
            say("convert.unreadable_model", title=path, reason=first_line(error))
        ) from None


def is_torch(data: memoryview) -> bool:
    """Whether a file is one of ``torch.save``, by its beginning."""
    head = bytes(data[:64])
    return head.startswith(b"PK") or head[2:].startswith(_MAGIC_BEGINS)


def read_torch(path: Path) -> Any:
    """Return what ``torch.save`` wrote, tensors as arrays that lie in the mapped file.

    Raises
    ------
    InputError
        It is damaged, or holds what no model that cellport reads needs.
    """
    data, title = read_bytes(path), str(path)
    found = _read_zip(data, path) if bytes(data[:2]) == b"PK" else _read_old(data, title)
    return _resolved(found, data, title)


def read_attributes(path: Path) -> Any:
    """Return what a plain pickle holds, tensors in it as arrays.

    Raises
    ------
    InputError
        It is damaged, or holds what no model that cellport reads needs.
    """
    data, title = read_bytes(path), str(path)
    return _resolved(read_pickle(data, title), data, title)


def _resolved(found: Any, data: memoryview, title: str) -> Any:
    """Make arrays of the tensors in it, in memory that the size of the file bounds."""
    return _Resolver(title, _SPARE + _PER_BYTE * len(data)).resolve(found, 0)


def _members(data: memoryview, path: Path) -> dict[str, memoryview]:
    """Members of the zip by name without its first folder; none is packed."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError, struct.error, EOFError):
        raise InputError(say("convert.damaged_zip", title=path)) from None
    if len(infos) > _MOST_MEMBERS:
        raise InputError(say("convert.damaged_zip", title=path))
    for row in rows("convert.zip_members"):
        if any(info.filename.endswith(row["ends"]) for info in infos):
            raise InputError(say("convert.other_file", title=path, what=row["what"]))
    found = {}
    for info in infos:
        head = bytes(data[info.header_offset : info.header_offset + 30])
        if info.compress_type or info.flag_bits & 1:
            raise InputError(say("convert.packed_zip", title=path))
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise InputError(say("convert.damaged_zip", title=path))
        start = info.header_offset + 30 + sum(struct.unpack("<HH", head[26:30]))
        if not 0 <= info.file_size <= len(data) - start:
            raise InputError(say("convert.damaged_zip", title=path))
        found[info.filename.partition("/")[2]] = data[start : start + info.file_size]
    return found


def _read_zip(data: memoryview, path: Path) -> Any:
    members = _members(data, path)
    if "data.pkl" not in members:
        raise InputError(say("convert.zip_of_what", title=path))
    order = members.get("byteorder", memoryview(b"little"))
    if bytes(order[:8]).strip() != b"little":
        raise InputError(say("convert.big_endian", title=path))

    def stored(key: Any) -> _Storage:
        storage = _named_storage(key)
        return replace(storage, data=members[f"data/{storage.key}"])

    return read_pickle(members["data.pkl"], str(path), stored)


def _named_storage(key: Any) -> _Storage:
    word, kind, name, _, count, *views = key
    if word != "storage" or not isinstance(kind, Name) or not isinstance(name, str):
        raise ValueError("no storage")
    if type(count) is not int or count < 0 or any(view is not None for view in views):
        raise ValueError("no size")
    return _Storage(kind.dotted.rpartition(".")[2], name, None, count)


def _read_old(data: memoryview, title: str, spare: int = SPARE) -> _Old:
    """Read the form of before torch 1.6: pickles, one after another, and then the numbers."""
    magic, at = read_pickle_at(data, 0, title, spare=spare)
    if magic != _MAGIC:
        raise InputError(say("convert.not_a_model", title=title))
    protocol, at = read_pickle_at(data, at, title, spare=spare)
    system, at = read_pickle_at(data, at, title, spare=spare)
    little = isinstance(system, dict) and system.get("little_endian") is True
    if protocol != _PROTOCOL or not little:
        raise InputError(say("convert.big_endian", title=title))
    seen: dict[str, _Storage] = {}

    def named(key: Any) -> Stub:
        storage = _named_storage(key)
        seen.setdefault(storage.key, storage)
        # numbers come later; a stub says which
        return Stub("storage", (storage.key,))

    found, at = read_pickle_at(data, at, title, named, spare)
    keys, at = read_pickle_at(data, at, title, spare=spare)
    filled = {}
    for key in keys if isinstance(keys, list) else ():
        storage = seen.get(key) if isinstance(key, str) else None
        count = int.from_bytes(data[at : at + 8], "little")
        size = count * np.dtype(_DTYPES.get(storage.kind if storage else "", "u1")).itemsize
        if storage is None or len(data) - at - 8 < size:
            raise InputError(say("convert.damaged_pickle", title=title, at=at))
        filled[key] = replace(storage, data=data[at + 8 : at + 8 + size])
        at += 8 + size
    return _Old(found, filled)


class _Resolver:
    """Puts arrays where tensors are named, in dicts and lists as far as these are plain."""

    def __init__(self, title: str, left: int) -> None:
        self.title, self.left = title, left
        self.seen: dict[int, Any] = {}
        self.storages: dict[str, _Storage] = {}
        self.inner: dict[int, _Storage | None] = {}

    def damaged(self, what: str) -> InputError:
        return InputError(say("convert.bad_tensor", title=self.title, what=what))

    def resolve(self, value: Any, depth: int) -> Any:
        if isinstance(value, _Old):
            self.storages = value.storages
            return self.resolve(value.found, depth)
        if isinstance(value, Stub):
            return self._stub(value, depth)
        if not isinstance(value, (dict, list)):
            return value
        if id(value) in self.seen:
            return value
        self.seen[id(value)] = value
        if depth > _MOST_NESTED or len(self.seen) > _MOST_VALUES:
            raise self.damaged("too many things in one another")
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in list(pairs):
            if isinstance(one, (dict, list, Stub)):
                value[key] = self.resolve(one, depth + 1)
        return value

    def _stub(self, stub: Stub, depth: int) -> Any:
        name, args = stub.name.rpartition(".")[2], stub.args
        if name.startswith("_rebuild_parameter") and args and depth < _MOST_NESTED:
            return self.resolve(args[0], depth + 1)
        if not name.startswith("_rebuild_tensor"):
            return stub
        if id(stub) not in self.seen:
            self.seen[id(stub)] = self._tensor(args)
        return self.seen[id(stub)]

    def _tensor(self, args: tuple[Any, ...]) -> NDArray[Any]:
        if len(args) < 4 or not isinstance(args[2], tuple) or not isinstance(args[3], tuple):
            raise self.damaged("shape")
        storage, offset, shape, strides = args[:4]
        if isinstance(storage, Stub) and storage.name == _IN_BYTES:
            storage = self._of_bytes(storage.args)
        elif isinstance(storage, Stub):
            storage = self.storages.get(storage.args[0]) if storage.args else None
        if not isinstance(storage, _Storage) or storage.data is None or storage.kind not in _DTYPES:
            raise self.damaged("storage")
        fits = len(shape) == len(strides) <= _MOST_DIMENSIONS
        if not fits or not all(map(_whole, (offset, *shape, *strides))):
            raise self.damaged("shape")
        view = _view(storage, offset, shape, strides)
        if view is None:
            raise self.damaged("its place in the numbers")
        if storage.kind in ("HalfStorage", "BFloat16Storage"):
            self.left -= 8 * view.size
            if self.left < 0:
                raise self.damaged("more numbers than the file holds")
        return _widened(view, storage.kind)

    def _of_bytes(self, args: tuple[Any, ...]) -> _Storage | None:
        """Return the storage that a plain pickle holds as bytes of the older form; read once."""
        data = args[0] if len(args) == 1 else None
        if not isinstance(data, bytes) or not data:
            return None
        if id(data) not in self.inner:
            old = _read_old(memoryview(data), self.title, _SPARE_IN_BYTES)
            key = old.found.args[0] if isinstance(old.found, Stub) and old.found.args else None
            self.inner[id(data)] = old.storages.get(key) if isinstance(key, str) else None
        return self.inner[id(data)]


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 40


def _dtype(kind: str) -> np.dtype[Any]:
    return np.dtype(_DTYPES[kind])


def _view(
    storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]
) -> NDArray[Any] | None:
    """Return the part of a storage that a tensor is, or None where it reaches beyond it."""
    dtype = _dtype(storage.kind)
    size = len(storage.data or b"") // dtype.itemsize
    count = math.prod(shape)
    last = offset + sum(max(n - 1, 0) * step for n, step in zip(shape, strides, strict=True))
    if not count:
        return np.zeros([min(extent, 1) for extent in shape], dtype)
    # a tensor that repeats numbers (stride 0) is as large as its storage at most
    if last >= size or count > size:
        return None
    whole = np.frombuffer(storage.data or b"", dtype, size)
    steps = [stride * dtype.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(whole[offset:], shape, steps, writeable=False)


def _widened(array: NDArray[Any], kind: str) -> NDArray[Any]:
    """Half precision as float32."""
    if kind == "BFloat16Storage":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32) if kind == "HalfStorage" else array
