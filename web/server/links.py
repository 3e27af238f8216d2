"""Refuse HDF5 files that lead to other files: a server must never open what a client names."""

from __future__ import annotations

from typing import Any

import h5py

from cellport.runtime.errors import InputError
from cellport.runtime.sources.watched import open_watched

_MOST_LINKS = 100_000


def refuse_links(path: str) -> None:
    """Look through all links of an HDF5 file without following any that leave it.

    Files that are not HDF5 pass: the reader refuses them in its own words.

    Raises
    ------
    InputError
        A link, or the values of a dataset, lie in another file; or there is no end to them.
    """
    try:
        file = open_watched(path)
    except OSError:
        return
    with file:
        try:
            _look(file.id, path)
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise InputError(f"{path} is a damaged HDF5 file ({error}). Write it again.") from error


def _look(root: Any, path: str) -> None:
    seen = 0

    def complaint(name: bytes, info: Any) -> str | None:
        nonlocal seen
        seen += 1
        where = f"{path}, {name.decode('utf-8', 'replace')}"
        if seen > _MOST_LINKS:
            return f"{path} holds more than {_MOST_LINKS:,} groups and arrays. Refused."
        if info.type == h5py.h5l.TYPE_SOFT:
            return None
        if info.type != h5py.h5l.TYPE_HARD:
            return f"{where} links to another file; write it as one file."
        if _lies_elsewhere(h5py.h5o.open(root, name)):
            return f"{where} keeps its values in other files; write it as one file."
        return None

    # the walk ends at the first complaint; an exception may not pass through the library
    found = root.links.visit(complaint, info=True)
    if found is not None:
        raise InputError(found)


def _lies_elsewhere(item: Any) -> bool:
    if not isinstance(item, h5py.h5d.DatasetID):
        return False
    created = item.get_create_plist()
    return bool(created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count())
