"""Zarr stores in AnnData layout, formats 2 and 3, sharded or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cellport.runtime.errors import MissingDependencyError
from cellport.runtime.sources.anndata_layout import open_layout
from cellport.runtime.sources.trouble import readable

if TYPE_CHECKING:
    from pathlib import Path

    from cellport.runtime.sources.source import Contents

MARKERS = ("zarr.json", ".zgroup", ".zattrs", ".zmetadata")


def is_zarr(path: Path) -> bool:
    """Tell whether a folder is a zarr store."""
    return any((path / marker).is_file() for marker in MARKERS)


def open_zarr(path: Path, threads: int) -> Contents:
    """Open a zarr store.

    Raises
    ------
    MissingDependencyError
        When zarr is not installed.
    InputError
        When the store is damaged or does not hold an AnnData.
    """
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            f"{path} is a zarr store; reading it needs one more package: pip install zarr."
        ) from error
    with readable(str(path)):
        root = zarr.open_group(str(path), mode="r")
    return open_layout(root, str(path), threads, lambda: None, _nothing_to_check)


def _nothing_to_check(array: Any, where: str) -> None:
    """Zarr arrays cannot lead to other files."""
