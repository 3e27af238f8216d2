"""Refuse HDF5 files that lead to other files, or claim what they do not hold, before they are read.

A server must never open what a client names, nor work on what nobody has sent.
"""

from __future__ import annotations

from typing import Any

import h5py

from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError, first_line
from cellport.runtime.sources.claims import check_extent
from cellport.runtime.sources.trouble import UNREADABLE
from cellport.runtime.sources.watched import open_watched

_MOST_LINKS = 100_000
# what no stored chunk backs costs time and space all the same; lists of this many bytes hardly any
_BELIEVED_BYTES = 1 << 20


def refuse_links(path: str) -> None:
    """Look through all links of an HDF5 file without following any that leave it.

    Files that are not HDF5 pass: the reader refuses them in its own words.

    Raises
    ------
    InputError
        A link, or the values of a dataset, lie in another file; there is no end to them; or a list
        claims more than is stored.
    """
    try:
        file = open_watched(path)
    except OSError:
        return
    with file:
        try:
            _look(file.id, path)
        except UNREADABLE as error:
            raise _damaged(path, error) from error


def _damaged(path: str, error: Exception) -> InputError:
    return InputError(f"{path} is a damaged HDF5 file ({first_line(error)}). Write it again.")


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
        try:
            return _fault_of(h5py.h5o.open(root, name), where)
        except InputError as error:
            return f"{path}: {error}"
        except UNREADABLE as error:
            return str(_damaged(path, error))

    # the walk ends at the first complaint; an exception may not pass through the library
    found = root.links.visit(complaint, info=True)
    if found is not None:
        raise InputError(found)


def _fault_of(item: Any, where: str) -> str | None:
    if not isinstance(item, h5py.h5d.DatasetID):
        return None
    created = item.get_create_plist()
    if created.get_layout() == h5py.h5d.VIRTUAL or created.get_external_count():
        return say("files.elsewhere", where=where)
    if item.rank == 1:
        # of tables zeros need not be stored, of lists they do
        check_extent(h5py.Dataset(item), _BELIEVED_BYTES)
    return None
