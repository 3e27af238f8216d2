"""Opening HDF5 files and telling what they are: h5ad, 10x, or something to convert first."""

from __future__ import annotations

import errno
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import h5py

from cellport.runtime.decisions import rows, say, words
from cellport.runtime.errors import InputError, MissingDependencyError, first_line
from cellport.runtime.sources.anndata_layout import open_layout
from cellport.runtime.sources.annotations import names_in
from cellport.runtime.sources.claims import check_chunks, check_extent
from cellport.runtime.sources.loom import is_loom, open_loom
from cellport.runtime.sources.tenx_h5 import open_tenx_h5
from cellport.runtime.sources.trouble import led_away, readable
from cellport.runtime.sources.watched import open_watched

if TYPE_CHECKING:
    from pathlib import Path

    from cellport.runtime.sources.source import Container

_FOREIGN = rows("files.foreign_hdf5")


def open_hdf5(path: Path, threads: int, genome: str | None = None) -> Container:
    """Open a file that begins as HDF5 does, by what it holds and not by its name."""
    try:
        file = open_watched(path)
    except OSError as error:
        raise InputError(_unopened(path, error)) from error
    try:
        return _by_content(file, path, threads, genome)
    except BaseException:
        file.close()
        raise


def _unopened(path: Path, error: OSError) -> str:
    said = first_line(error)
    if "unable to lock" in said:
        held = isinstance(error, BlockingIOError) or error.errno in (errno.EACCES, errno.EAGAIN)
        return say("files.locked" if held else "files.unlockable", file=path, reason=said)
    if "already open for" in said:
        return say("files.left_open", file=path)
    fault = f"a damaged HDF5 file ({said})"
    if "truncated" in said:
        fault = "truncated: it is shorter than it says"
    return f"{path} is {fault}. Download or write it again."


def _by_content(file: h5py.File, path: Path, threads: int, genome: str | None) -> Container:
    title = str(path)
    check = partial(check_inside, file.filename)
    with readable(title):
        names = set(names_in(file))
        convert = _foreign(names)
        tenx = [] if "obs" in names else _tenx_groups(file)
    if convert:
        raise InputError(say("files.to_convert", file=title, what=words("files.convert")[convert]))
    if tenx:
        return open_tenx_h5(file, title, tenx, threads, check_dataset, genome)
    if is_loom(names):
        return open_loom(file, title, file.close, check)
    if "obs" in names or "var" in names:
        return open_layout(file, title, threads, file.close, check)
    there = ", ".join(sorted(names)[:8]) or "nothing"
    raise InputError(say("files.other_hdf5", file=title, names=there))


def _foreign(names: set[str]) -> str:
    """Return which of the known foreign kinds a file is, '' when it is none."""
    return next((row["kind"] for row in _FOREIGN if names.issuperset(row["holds"])), "")


def _tenx_groups(file: h5py.File) -> list[str]:
    needed = {"barcodes", "data", "indices", "indptr", "shape"}
    groups = [name for name in names_in(file) if isinstance(file.get(name), h5py.Group)]
    return [name for name in groups if needed <= set(names_in(file[name]))]


def check_inside(name: str, dataset: Any, where: str) -> None:
    """Refuse datasets that are not in the file of that name, and those of `check_dataset`."""
    if dataset.file.filename != name:
        raise led_away(where)
    check_dataset(dataset, where)


def check_dataset(dataset: Any, where: str) -> None:
    """Refuse datasets in other files, of filters that are not installed, or of impossible sizes."""
    if dataset.is_virtual or dataset.external:
        raise InputError(say("files.elsewhere", where=where))
    created = dataset.id.get_create_plist()
    filters = [created.get_filter(i) for i in range(created.get_nfilters())]
    for number, _, _, name in filters:
        if not h5py.h5z.filter_avail(number) and not _load_plugins(number):
            label = re.split("[\0;]", name.decode("utf-8", "replace"))[0] or f"filter {number}"
            raise MissingDependencyError(
                f"{where} is compressed with {label}, which needs a plugin: pip install hdf5plugin."
            )
    check_chunks(dataset)
    # non-zero counts and where they are; of a whole matrix what is missing is zero
    if len(dataset.shape) == 1:
        check_extent(dataset)


def _load_plugins(number: int) -> bool:
    try:
        import hdf5plugin  # noqa: F401
    except ImportError:
        return False
    return bool(h5py.h5z.filter_avail(number))
