"""The atlas file: one zip of stored members, sealed, with no code and no pickle in it.

Members are stored, not deflated, and aligned to 64 bytes, so arrays are views of the mapped
file. The last 64 bytes of the file (the end of the zip comment) are the SHA-256 of everything
before them: one flipped byte anywhere is found when the file is opened.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import mmap
import os
import re
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import bad_values, first_misfit
from cellport.runtime.atlas.manifest import Manifest, manifest_json, read_manifest
from cellport.runtime.atlas.onnx_scan import refuse_external_data
from cellport.runtime.atlas.seal import LARGE, check_seal, known, remember, seal, state_of, unsealed
from cellport.runtime.base.files import PendingOutput, plain_errors
from cellport.runtime.base.typed_json import quoted
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError, first_line
from cellport.runtime.version import FORMAT_VERSION, __version__

MANIFEST = "manifest.json"
# beside decoder.onnx, which models of other tools may come without
GRAPHS = ("encoder.onnx", "encoder_tail.onnx")
_NAME = re.compile(r"README\.md|[a-z_]+\.onnx|arrays/[a-z0-9_]+\.npy")
_ALIGN = 64
_LARGEST_MANIFEST = 64 << 20
_MOST_MEMBERS = 1000


@dataclass(frozen=True, slots=True)
class AtlasFile:
    """An open atlas file whose seal, hashes and members have been checked.

    Of a large file the members are hashed when they are first read.
    """

    path: Path  # where it lies
    sha256: str  # of the whole file, hexadecimal
    format_version: int
    manifest: Manifest
    _members: dict[str, memoryview] = field(repr=False)
    # SHA-256 that the manifest states of each member which was not hashed yet
    _unread: dict[str, str] = field(repr=False, default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def members(self) -> dict[str, int]:
        """Size in bytes of each member."""
        return {name: len(data) for name, data in self._members.items()}

    def read(self, name: str) -> memoryview:
        """Bytes of a member, a view of the mapped file.

        Raises
        ------
        AtlasError
            There is none, or it is not what the manifest says.
        """
        if name not in self._members:
            raise AtlasError(f"{self.path.name} has no member {name}.")
        data = self._members[name]
        if name in self._unread:
            if hashlib.sha256(data).hexdigest() != self._unread[name]:
                raise AtlasError(say("atlas_file.other_hash", atlas=self.path, member=name))
            self._unread.pop(name, None)
        return data

    def array(self, name: str) -> NDArray[Any]:
        """Array ``arrays/<name>.npy``, a read-only view of the mapped file.

        Raises
        ------
        AtlasError
            It is empty, or holds something else than it should.
        """
        array = _read_npy(self.read(f"arrays/{name}.npy"), f"{self.path.name}, arrays/{name}.npy")
        wanted = bad_values(self.manifest, name, array)
        if wanted:
            said = {"atlas": self.path.name, "array": name, "wanted": wanted}
            raise AtlasError(say("format.bad_values", **said))
        return array

    def headers(self) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
        """Type and shape of every array, by name."""
        names = [name for name in self._members if name.endswith(".npy")]
        return {
            name.removeprefix("arrays/").removesuffix(".npy"): (array.dtype, array.shape)
            for name in names
            for array in [_read_npy(self._members[name], f"{self.path.name}, {name}")]
        }

    def has_array(self, name: str) -> bool:
        """Whether ``arrays/<name>.npy`` is there."""
        return f"arrays/{name}.npy" in self._members


def open_atlas_file(path: str | os.PathLike[str], *, whole: bool = False) -> AtlasFile:
    """Open and check an atlas file.

    Parameters
    ----------
    path
        Where it lies.
    whole
        Hash every byte, also of a large file that is known to be whole: before it is passed on.

    Raises
    ------
    AtlasError
        No such file, not an atlas, damaged, hostile, or of a newer format.
    """
    path = Path(path)
    if not path.is_file():
        raise AtlasError(f"No such atlas file: {path}.")
    try:
        with path.open("rb") as handle:
            data = memoryview(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ))
            state = state_of(handle)
    except (OSError, ValueError) as error:
        raise AtlasError(f"{path} cannot be read: {error}.") from None
    if whole or len(data) < LARGE:
        return _checked(data, path, path, check_seal(data, path))

    def manifest() -> memoryview:
        return _members(data, path, path)[MANIFEST]

    found = known(path, state, manifest)
    atlas = _checked(data, path, path, found or check_seal(data, path), lazily=True)
    if not found:
        remember(path, state, atlas.sha256, manifest())
    return atlas


def atlas_from_bytes(data: bytes, path: str | os.PathLike[str]) -> AtlasFile:
    """Open and check an atlas that is in memory; `path` says where it came from.

    Raises
    ------
    AtlasError
        Not an atlas, damaged, hostile, or of a newer format.
    """
    path, whole = Path(path), memoryview(data)
    return _checked(whole, path, io.BytesIO(data), check_seal(whole, path))


def _checked(
    data: memoryview, path: Path, file: Path | io.BytesIO, sha256: str, *, lazily: bool = False
) -> AtlasFile:
    """Check all but the seal; the hashes of members when they are read, if `lazily`."""
    members = _members(data, path, file)
    text = _json(members.pop(MANIFEST), path)
    version = text.get("format_version")
    if type(version) is not int or version not in _READERS:
        raise AtlasError(_other_format(version, path))
    stated = _stated_hashes(members, text.get("members"), path)
    manifest = _READERS[version](text, path)
    missing = [name for name in ("README.md", *GRAPHS) if name not in members]
    if missing:
        lacks = say("format.lacks", members=", ".join(missing))
        raise AtlasError(say("format.unfit", atlas=path.name, unfit=lacks))
    atlas = AtlasFile(path, sha256, version, manifest, members, stated)
    for name in members:
        if name.endswith(".onnx"):
            refuse_external_data(atlas.read(name), f"{path.name}, {name}")
        elif not lazily:
            atlas.read(name)
    misfit = first_misfit(manifest, atlas.headers())
    if misfit:
        raise AtlasError(say("format.unfit", atlas=path.name, unfit=misfit))
    return atlas


def _other_format(version: Any, path: Path) -> str:
    newer = isinstance(version, int) and version > FORMAT_VERSION
    return say(
        "format.other_format",
        atlas=path.name,
        version=quoted(version),
        cellport=__version__,
        newest=FORMAT_VERSION,
        remedy=say("format.update" if newer else "format.get_again"),
    )


def write_atlas_file(
    path: str | os.PathLike[str], manifest: Manifest, members: Mapping[str, bytes]
) -> str:
    """Write an atlas file in one step: it is there whole, or not at all.

    Parameters
    ----------
    path
        Where; replaced when it exists.
    manifest
        What the atlas says of itself.
    members
        Bytes of every member but the manifest, by name.

    Returns
    -------
    str
        SHA-256 of the file.

    Raises
    ------
    OutputError
        The folder is missing or cannot be written, or the disk is full.
    """
    sentence = "{path} cannot be written: {system}."
    with plain_errors(path, sentence), PendingOutput(path) as hidden, hidden.open("w+b") as handle:
        return _write_zip(handle, manifest, members)


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Serialise an array as ``.npy``."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _write_zip(handle: Any, manifest: Manifest, members: Mapping[str, bytes]) -> str:
    stated = {
        name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
        for name, data in members.items()
    }
    text = manifest_json(manifest, stated)
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
        whole = {MANIFEST: json.dumps(text, indent=1, allow_nan=False).encode(), **members}
        for name, data in whole.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            start = handle.tell() + 30 + len(name) + 4
            padding = -start % _ALIGN
            info.extra = struct.pack("<HH", 0xD935, padding) + bytes(padding)
            archive.writestr(info, data)
        archive.comment = unsealed()
    return seal(handle)


def _members(data: memoryview, path: Path, file: Path | io.BytesIO) -> dict[str, memoryview]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise AtlasError(f"{path} is not a valid zip: {error}.") from None
    if len(infos) > _MOST_MEMBERS:
        raise AtlasError(say("atlas_file.too_many", atlas=path, members=len(infos)))
    members: dict[str, memoryview] = {}
    for info in infos:
        name = info.filename
        if name != MANIFEST and not _NAME.fullmatch(name):
            raise AtlasError(say("atlas_file.foreign", atlas=path, member=quoted(name)))
        if name in members:
            raise AtlasError(say("atlas_file.twice", atlas=path, member=name))
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise AtlasError(say("atlas_file.packed", atlas=path, member=name))
        members[name] = _stored(data, info, path)
    if MANIFEST not in members:
        raise AtlasError(say("atlas_file.no_manifest", atlas=path, member=MANIFEST))
    return members


def _stored(data: memoryview, info: zipfile.ZipInfo, path: Path) -> memoryview:
    at = info.header_offset
    header = bytes(data[at : at + 30])
    if len(header) == 30 and header[:4] == b"PK\x03\x04" and info.file_size == info.compress_size:
        n_name, n_extra = struct.unpack("<HH", header[26:30])
        start = at + 30 + n_name + n_extra
        same_name = bytes(data[at + 30 : at + 30 + n_name]) == info.filename.encode()
        if same_name and start + info.file_size <= len(data):
            return data[start : start + info.file_size]
    raise AtlasError(say("atlas_file.outside", atlas=path, member=info.filename))


def _json(data: memoryview, path: Path) -> dict[str, Any]:
    if len(data) > _LARGEST_MANIFEST:
        raise AtlasError(say("atlas_file.large_manifest", atlas=path, bytes=len(data)))
    try:
        text = json.loads(bytes(data))
    except (ValueError, RecursionError):
        text = None
    if not isinstance(text, dict):
        raise AtlasError(say("format.not_json", atlas=path))
    return text


def _stated_hashes(members: dict[str, memoryview], stated: Any, path: Path) -> dict[str, str]:
    if not isinstance(stated, dict) or set(stated) != set(members):
        raise AtlasError(say("atlas_file.other_members", atlas=path))
    return {
        name: str(entry.get("sha256")) if isinstance(entry, dict) else ""
        for name, entry in stated.items()
    }


# numpy has Python parse a header, and Python 3.11 counts how deep all threads are in that as one:
# "AST constructor recursion depth mismatch" (https://github.com/python/cpython/issues/106905)
_ONE_HEADER = Lock()


def _read_npy(data: memoryview, where: str) -> NDArray[Any]:
    head = io.BytesIO(bytes(data[: 1 << 16]))
    try:
        version = np.lib.format.read_magic(head)
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
        with _ONE_HEADER:
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(head)
    except Exception as error:  # noqa: BLE001 - numpy parses the header as Python, and trips in many ways
        raise AtlasError(f"{where} is not a valid array: {first_line(error)}.") from None
    body = data[head.tell() :]
    plain = dtype.kind in "fiub" and not fortran and all(extent >= 0 for extent in shape)
    if not plain or len(body) != math.prod(shape) * dtype.itemsize:
        raise AtlasError(f"{where} is not a plain array of numbers of its stated size. Refused.")
    try:
        return np.frombuffer(body, dtype).reshape([int(extent) for extent in shape])
    except ValueError as error:
        raise AtlasError(f"{where} is not a valid array: {first_line(error)}.") from None


_READERS: dict[Any, Callable[[dict[str, Any], Path], Manifest]] = {1: read_manifest}
