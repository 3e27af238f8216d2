"""Naming what cannot be read, and what to do about it: addresses, archives, tables, stand-ins."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from cellport.runtime.decisions import rows, say, text, texts, words
from cellport.runtime.errors import InputError
from cellport.runtime.sources.tables import is_table, table_refusal
from cellport.runtime.sources.text_file import open_text

READABLE = (
    ".h5ad, .h5mu, .loom, 10x .h5, a folder with matrix.mtx (10x, STARsolo, kb-python, alevin-fry, "
    "Parse), or an AnnData zarr store"
)
# of a file, enough to tell what it is: the mark of a tar archive ends at 262
HEAD_BYTES = 1024
_CONVERT, _ARCHIVES = words("files.convert"), words("files.archives")
_ENDINGS, _BEGINNINGS = words("files.archive_endings"), rows("files.archive_beginnings")
_STAND_INS, _TABLES = rows("files.stand_ins"), texts("files.table_endings")
_OF_R = re.compile(text("files.r_beginnings"))
_PARTS = ("features.tsv", "genes.tsv", "barcodes.tsv")
_ADDRESS = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+(?=.)")


def refuse_address(query: str) -> None:
    """Refuse an address of the web or of a cloud, with the command that downloads from there."""
    found = _ADDRESS.match(query)
    if found is None:
        return
    # a pathlib.Path has lost one of the slashes
    scheme = found[1].lower()
    place = f"{scheme}://{query[found.end() :]}"
    commands = words("files.download")
    command = commands.get(scheme, commands[""]).format(place=place)
    raise InputError(say("files.not_local", place=place, command=command))


def refuse_stand_in(path: Path) -> None:
    """Refuse what was saved in place of a file: a pointer, a web page, a server's error."""
    head = _head(path).removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    for row in _STAND_INS:
        if re.match(row["begins"], head, re.IGNORECASE | re.DOTALL):
            raise InputError(row["said"].format(file=path))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD_BYTES)


def _head_inside(path: Path) -> bytes:
    """Read the beginning of a file through gzip; of one that is no gzip within, as it is."""
    try:
        with open_text(path) as file:
            return file.read(HEAD_BYTES)
    except (OSError, EOFError, zlib.error):
        return _head(path)


def refuse_all_but_mtx(path: Path) -> None:
    """Refuse a file that is not HDF5 unless it is, by its name, a matrix of text."""
    refuse_stand_in(path)
    bare = path.name.lower().removesuffix(".gz")
    ending = Path(bare).suffix.removeprefix(".")
    if ending == "mtx":
        return
    if ending in _CONVERT and ending != "loom":
        raise InputError(say("files.to_convert", file=path, what=_CONVERT[ending]))
    if bare.endswith(_PARTS):
        raise InputError(say("files.one_of_three", file=path))
    archive = _ENDINGS.get(ending) or _archive(path)
    if archive in (None, "gzip"):
        inside = _head_inside(path)
        if inside.lower().startswith(b"%%matrixmarket"):
            raise InputError(say("files.matrix_alone", file=path))
        if ending in _TABLES or is_table(inside):
            raise InputError(table_refusal(path))
        if _OF_R.match(inside.decode("latin-1")):
            raise InputError(say("files.to_convert", file=path, what=_CONVERT["rdata"]))
    if archive:
        raise InputError(say("files.to_unpack", file=path, what=_ARCHIVES[archive]))
    if ending in ("h5ad", "h5", "hdf5", "h5mu", "loom"):
        raise InputError(say("files.not_hdf5", file=path))
    raise InputError(say("files.no_kind", file=path, readable=READABLE))


def _archive(path: Path) -> str | None:
    """Return the kind of archive that a file begins as."""
    head = _head(path)
    for row in _BEGINNINGS:
        begins = bytes.fromhex(row["begins"])
        if head[row["at"] : row["at"] + len(begins)] == begins:
            return str(row["kind"])
    return None
