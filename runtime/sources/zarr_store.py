"""Zarr stores in AnnData layout, formats 2 and 3, sharded or not."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from cellport.runtime.decisions import say, words
from cellport.runtime.errors import InputError
from cellport.runtime.sources.anndata_layout import open_layout
from cellport.runtime.sources.claims import check_extent
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cellport.runtime.sources.source import Container

METADATA = ("zarr.json", ".zarray")
MARKERS = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr store."""
    return any((path / marker).is_file() for marker in MARKERS)


def open_zarr(path: Path, threads: int) -> Container:
    """Open a zarr store."""
    from cellport.runtime.base.extras import require

    require("zarr", f"Reading {path}, a zarr store,")
    import zarr

    with readable(str(path)):
        root = zarr.open_group(str(path), mode="r")
        kind = _foreign(root)
    if kind:
        raise InputError(say("files.to_convert", file=path, what=words("files.convert")[kind]))
    return open_layout(root, str(path), threads, lambda: None, partial(_check_chunks, path))


def _foreign(root: Any) -> str:
    """Return which of the known foreign kinds a store is, '' when it is none."""
    if "cell_features" in root:
        return "xenium_zarr"
    of_pegasus = any("barcode_metadata" in group for _, group in root.groups())
    return "pegasus" if of_pegasus else ""


def _check_chunks(store: Path, array: Any, where: str) -> None:
    """Refuse chunks that are missing, and truncated Blosc ones, read beyond their end.

    What is missing would be read as zeros: right for a matrix in full, never for the non-zero
    counts and their positions.
    """
    folder = store / str(array.path)
    if array.ndim == 1:
        check_extent(array)
    if array.ndim == 1 and folder.name in ("data", "indices"):
        # shards are stored whole, whatever a version of zarr counts
        width, stored = (array.shards or array.chunks)[0], sum(1 for _ in _stored(folder))
        needed = -(-array.shape[0] // width)
        if 0 < stored < needed:
            raise damaged(where, f"{needed - stored} of its chunks are missing")
    metadata = next((p for name in METADATA if (p := folder / name).is_file()), None)
    text = metadata.read_text(errors="replace") if metadata else ""
    if '"blosc"' not in text or "sharding_indexed" in text:
        return
    for file in _stored(folder):
        with file.open("rb") as chunk:
            header = chunk.read(16)
        if int.from_bytes(header[12:16], "little") != file.stat().st_size:
            raise damaged(where, f"its chunk {file.relative_to(folder)} has lost its end")


def _stored(folder: Path) -> Iterator[Path]:
    """Yield the files of an array that hold its chunks or shards."""
    for file in folder.rglob("*"):
        if file.is_file() and not file.name.startswith((".", "zarr.")):
            yield file
