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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.label_tree import build_tree
from cellport.runtime.atlas.onnx_scan import refuse_external_data
from cellport.runtime.base.files import PendingOutput, plain_errors
from cellport.runtime.errors import AtlasError, first_line
from cellport.runtime.version import FORMAT_VERSION, __version__

MANIFEST = "manifest.json"
GRAPHS = ("encoder.onnx", "encoder_tail.onnx", "decoder.onnx")
REQUIRED = (
    "README.md",
    *GRAPHS,
    "arrays/first_layer_weight.npy",
    "arrays/first_layer_bias.npy",
    "arrays/gene_mean.npy",
    "arrays/gene_cap.npy",
    "arrays/gene_share.npy",
    "arrays/gene_loading.npy",
    "arrays/gene_noise.npy",
    "arrays/reference_latent.npy",
    "arrays/reference_umap.npy",
    "arrays/canary_counts.npy",
    "arrays/label_mean.npy",
    "arrays/novelty_p.npy",
    "arrays/novelty_share.npy",
    "arrays/novelty_depth.npy",
    "arrays/novelty_score.npy",
)
THRESHOLDS = ("call_prob", "set_level", "low_depth", "low_gene_coverage", "novelty_p")
# from so many reference cells on, neighbours are searched through an index
EXACT_BELOW = 20_000
_NAME = re.compile(r"README\.md|[a-z_]+\.onnx|arrays/[a-z0-9_]+\.npy")
_SEAL = b"cellport atlas, sha256 of all bytes before these 64: "
_ALIGN = 64
_LARGEST_MANIFEST = 64 << 20
_MOST_MEMBERS = 1000
_LARGEST_NUMBER = 1e12
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,3}")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an atlas says of itself.

    Attributes
    ----------
    name, licence, organism, created
        Text; organism is ``human``, ``mouse`` or empty.
    symbols, ensembl
        Names of the panel genes, of equal length; empty where unknown.
    target_sum
        Counts per cell after normalisation.
    n_latent
        Width of the latent.
    labels, batches
        Category names; labels may be empty.
    parents
        The label tree: parent of each label or group of labels that has one.
    set_prob
        Least probability at which each label enters a cell's label set.
    thresholds
        Numbers that decide calls and flags, by name.
    training
        Provenance: settings, data, seconds, held-out scores.
    minimum_runtime
        Oldest cellport that can map with this atlas.
    """

    name: str
    licence: str
    organism: str
    created: str
    symbols: tuple[str, ...]
    ensembl: tuple[str, ...]
    target_sum: float
    n_latent: int
    labels: tuple[str, ...]
    batches: tuple[str, ...]
    parents: dict[str, str]
    set_prob: tuple[float, ...]
    thresholds: dict[str, float]
    training: dict[str, Any]
    minimum_runtime: str

    @property
    def n_genes(self) -> int:
        """Number of panel genes."""
        return len(self.symbols)


@dataclass(frozen=True, slots=True)
class AtlasFile:
    """An open atlas file whose seal, hashes and members have been checked.

    Attributes
    ----------
    path
        Where it lies.
    sha256
        Of the whole file, hexadecimal.
    format_version
        Of the file.
    manifest
        What it says of itself.
    """

    path: Path
    sha256: str
    format_version: int
    manifest: Manifest
    _members: dict[str, memoryview] = field(repr=False)

    def __contains__(self, name: str) -> bool:
        return name in self._members

    @property
    def members(self) -> dict[str, int]:
        """Size in bytes of each member."""
        return {name: len(data) for name, data in self._members.items()}

    def read(self, name: str) -> memoryview:
        """Bytes of a member, a view of the mapped file."""
        if name not in self._members:
            raise AtlasError(f"{self.path.name} has no member {name}.")
        return self._members[name]

    def array(self, name: str) -> NDArray[Any]:
        """Array ``arrays/<name>.npy``, a read-only view of the mapped file."""
        return _read_npy(self.read(f"arrays/{name}.npy"), f"{self.path.name}, arrays/{name}.npy")

    def has_array(self, name: str) -> bool:
        """Whether ``arrays/<name>.npy`` is there."""
        return f"arrays/{name}.npy" in self._members


def open_atlas_file(path: str | os.PathLike[str]) -> AtlasFile:
    """Open and check an atlas file.

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
    except (OSError, ValueError) as error:
        raise AtlasError(f"{path} cannot be read: {error}.") from None
    return _checked(data, path, path)


def atlas_from_bytes(data: bytes, path: str | os.PathLike[str]) -> AtlasFile:
    """Open and check an atlas that is in memory; `path` says where it came from.

    Raises
    ------
    AtlasError
        Not an atlas, damaged, hostile, or of a newer format.
    """
    return _checked(memoryview(data), Path(path), io.BytesIO(data))


def _checked(data: memoryview, path: Path, file: Path | io.BytesIO) -> AtlasFile:
    found = _check_seal(data, path)
    members = _members(data, path, file)
    text = _json(members.pop(MANIFEST), path)
    version = text.get("format_version")
    if type(version) is not int or version not in _READERS:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        raise AtlasError(
            f"{path.name} has atlas format {version!r}; this cellport {__version__} reads up to "
            f"{FORMAT_VERSION}. " + ("Update cellport." if newer else "Get the atlas again.")
        )
    _check_hashes(members, text.get("members"), path)
    manifest = _READERS[version](text, path)
    if _version(manifest.minimum_runtime) > _version(__version__):
        raise AtlasError(
            f"{path.name} needs cellport {manifest.minimum_runtime} or newer; "
            f"this is {__version__}. Update cellport."
        )
    missing = [name for name in REQUIRED if name not in members]
    if missing:
        raise AtlasError(f"{path.name} lacks {', '.join(missing)}; get the atlas again.")
    for name in members:
        if name.endswith(".onnx"):
            refuse_external_data(members[name], f"{path.name}, {name}")
    return AtlasFile(path, found, version, manifest, members)


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
        _write_zip(handle, manifest, members)
        handle.seek(0)
        return hashlib.file_digest(handle, "sha256").hexdigest()


def npy_bytes(array: NDArray[Any]) -> bytes:
    """Serialise an array as ``.npy``."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def _write_zip(handle: Any, manifest: Manifest, members: Mapping[str, bytes]) -> None:
    text = {
        "format_version": FORMAT_VERSION,
        **{name: getattr(manifest, name) for name in Manifest.__dataclass_fields__},
        "members": {
            name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
            for name, data in members.items()
        },
    }
    with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
        whole = {MANIFEST: json.dumps(text, indent=1, allow_nan=False).encode(), **members}
        for name, data in whole.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            start = handle.tell() + 30 + len(name) + 4
            padding = -start % _ALIGN
            info.extra = struct.pack("<HH", 0xD935, padding) + bytes(padding)
            archive.writestr(info, data)
        archive.comment = _SEAL + b"0" * 64
    handle.seek(0)
    seal = hashlib.sha256(handle.read()[:-64]).hexdigest()
    handle.seek(-64, os.SEEK_END)
    handle.write(seal.encode())


def _check_seal(data: memoryview, path: Path) -> str:
    tail = bytes(data[-64 - len(_SEAL) :])
    if bytes(data[:4]) != b"PK\x03\x04" or not tail.startswith(_SEAL):
        raise AtlasError(
            f"{path} is not a whole cellport atlas; it may be cut off, or another file."
        )
    whole = hashlib.sha256(data[:-64])
    seal = whole.hexdigest()
    if tail[-64:].decode("latin-1") != seal:
        raise AtlasError(f"{path} is damaged: its contents do not match its seal. Get it again.")
    whole.update(data[-64:])
    return whole.hexdigest()


def _members(data: memoryview, path: Path, file: Path | io.BytesIO) -> dict[str, memoryview]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise AtlasError(f"{path} is not a valid zip: {error}.") from None
    if len(infos) > _MOST_MEMBERS:
        raise AtlasError(f"{path} has {len(infos)} members; no atlas has that many. Refused.")
    members: dict[str, memoryview] = {}
    for info in infos:
        name = info.filename
        if name != MANIFEST and not _NAME.fullmatch(name):
            raise AtlasError(f"{path} holds {name!r}, which no atlas holds. Refused.")
        if name in members:
            raise AtlasError(f"{path} holds {name} twice. Refused.")
        if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
            raise AtlasError(f"{path}: member {name} is compressed or encrypted. Refused.")
        members[name] = _stored(data, info, path)
    if MANIFEST not in members:
        raise AtlasError(f"{path} has no {MANIFEST}: not a cellport atlas.")
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
    raise AtlasError(f"{path}: member {info.filename} lies outside the file. Refused.")


def _json(data: memoryview, path: Path) -> dict[str, Any]:
    if len(data) > _LARGEST_MANIFEST:
        raise AtlasError(f"{path}: its manifest has {len(data):,} bytes. Refused.")
    try:
        text = json.loads(bytes(data))
    except (ValueError, RecursionError):
        text = None
    if not isinstance(text, dict):
        raise AtlasError(f"{path}: its manifest is not valid JSON. Get the atlas again.")
    return text


def _check_hashes(members: dict[str, memoryview], stated: Any, path: Path) -> None:
    if not isinstance(stated, dict) or set(stated) != set(members):
        raise AtlasError(f"{path}: its members are not those its manifest lists. Refused.")
    for name, data in members.items():
        entry = stated[name]
        if not isinstance(entry, dict) or entry.get("sha256") != hashlib.sha256(data).hexdigest():
            raise AtlasError(f"{path}: member {name} does not match its hash. Get the atlas again.")


def _read_npy(data: memoryview, where: str) -> NDArray[Any]:
    head = io.BytesIO(bytes(data[: 1 << 16]))
    try:
        version = np.lib.format.read_magic(head)
        if version != (1, 0):
            raise ValueError(f"npy version {version}")
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


def _read_v1(text: dict[str, Any], path: Path) -> Manifest:
    def checked(name: str, kind: type, fits: Callable[[Any], object] = lambda _: True) -> Any:
        value = text.get(name)
        if not isinstance(value, kind) or not fits(value):
            raise AtlasError(f"{path}: field {name!r} of its manifest is missing or malformed.")
        return value

    def texts(name: str) -> tuple[str, ...]:
        return tuple(checked(name, list, lambda items: all(isinstance(i, str) for i in items)))

    symbols, ensembl = texts("symbols"), texts("ensembl")
    labels = texts("labels")
    parents = checked("parents", dict, lambda tree: all(isinstance(i, str) for i in tree.values()))
    set_prob = tuple(checked("set_prob", list, lambda items: all(map(_is_number, items))))
    fitting = len(symbols) == len(ensembl) and len(set_prob) == len(labels) == len(set(labels))
    if not symbols or not fitting:
        raise AtlasError(f"{path}: gene or label lists of its manifest do not fit each other.")
    build_tree(labels, parents)
    return Manifest(
        name=checked("name", str),
        licence=checked("licence", str),
        organism=checked("organism", str),
        created=checked("created", str),
        symbols=symbols,
        ensembl=ensembl,
        target_sum=checked("target_sum", object, _is_number),
        n_latent=checked("n_latent", int, _is_number),
        labels=labels,
        batches=texts("batches"),
        parents=parents,
        set_prob=set_prob,
        thresholds=checked("thresholds", dict, _are_thresholds),
        training=checked("training", dict),
        minimum_runtime=checked("minimum_runtime", str, _VERSION.fullmatch),
    )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value < _LARGEST_NUMBER


def _are_thresholds(named: dict[str, Any]) -> bool:
    return named.keys() >= set(THRESHOLDS) and all(map(_is_number, named.values()))


_READERS: dict[Any, Callable[[dict[str, Any], Path], Manifest]] = {1: _read_v1}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])
