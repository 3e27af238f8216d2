"""The folders that an agent may read, and the one it may write to: nothing else is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from cellport.runtime.errors import InputError, OutputError, first_line
from cellport.runtime.fetch.model_name import is_model_name, read_model_name
from cellport.runtime.fetch.pull import cached
from cellport.runtime.fetch.registry import known_atlases
from cellport.runtime.writers.output import FORMATS
from cellport.web.server.links import refuse_links

ENDING = ".cellport"
REPORT = ".html"
# a run of Cell Ranger has hundreds of files, a zarr store of a million cells thousands
_MOST_ENTRIES = 100_000
# what is opened in a folder
_HDF5 = (".h5", ".h5ad", ".h5mu", ".loom")
_LONGEST = 4096  # characters of a path, PATH_MAX of Linux


@dataclass(frozen=True, slots=True)
class Folders:
    """Where files may be read and written; every path is whole and has no link in it."""

    readable: tuple[Path, ...]
    out: Path | None = None  # where results go, one of `readable` too; None for nowhere
    fetch: bool = False  # whether atlases may be fetched by name

    def file(self, given: str) -> Path:
        """Return a file or folder of one of the folders, with all that it may lead to inside them.

        A path that is not whole is looked for in each of the folders.

        Raises
        ------
        InputError
            It is not there, lies elsewhere, or leads there by a link.
        """
        places = self._places(given)
        try:
            path = next((one for one in places if one.exists()), None)
            if path is None:
                raise InputError(f"There is no file {given} in {self._named}.")
            for one in _belonging(path):
                self._check_link(one)
                if one == path or one.name.lower().endswith(_HDF5):
                    _check_hdf5(one)
        except OSError as error:
            raise InputError(f"{given} cannot be read ({first_line(error)}).") from error
        return path

    def atlas(self, given: str) -> str:
        """Return a path or name of an atlas that may be opened.

        Raises
        ------
        InputError
            It is neither known and here nor a file inside the folders.
        """
        known = known_atlases().get(given)
        named = known is not None or is_model_name(given)
        here = cached(known) if known else named and read_model_name(given).path.is_file()
        if here or (named and self.fetch):
            return given
        if named:
            raise InputError(
                f"The atlas {given} is not here, and this server fetches nothing. Start it with "
                f"--fetch, or run: cellport pull {given}"
            )
        return str(self.file(given))

    def atlases(self) -> list[Path]:
        """Return the atlas files that lie in the folders themselves, by name."""
        found = {path for folder in self.readable for path in folder.glob(f"*{ENDING}")}
        return sorted(path for path in found if self._holds(path.resolve()))

    def result(self, name: str, endings: Sequence[str] = (*FORMATS, REPORT)) -> Path:
        """Return where a result of that name can be written, in the folder for results.

        Raises
        ------
        OutputError
            There is no such folder, the name is more than a name, or something has it.
        """
        if self.out is None:
            raise OutputError("This server writes nothing; start it with --out FOLDER.")
        plain = name.isprintable() and not name.startswith(".") and not set(name) & set("/\\:")
        if not plain or not name.lower().endswith(tuple(endings)):
            raise OutputError(
                f"{name!r} is no name of a result: give a name without a folder that ends in "
                f"{', '.join(endings)}."
            )
        if os.path.lexists(self.out / name):
            raise OutputError(f"{self.out / name} is there already; give another name.")
        return self.out / name

    @property
    def _named(self) -> str:
        return ", ".join(map(str, self.readable))

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(folder) for folder in self.readable)

    def _places(self, given: str) -> list[Path]:
        """Return where a path may be, all inside the folders."""
        if "://" in given:
            raise InputError(f"{given} is an address; this server reads local files only.")
        if not given or not given.isprintable() or len(given) > _LONGEST:
            raise InputError("A path is a line of printable characters.")
        try:
            places = [(folder / given).resolve() for folder in self.readable]
        except (OSError, RuntimeError):
            raise InputError(f"{given} is no path.") from None
        inside = [place for place in places if self._holds(place)]
        if not inside:
            raise self._elsewhere(given)
        return inside

    def _check_link(self, path: Path) -> None:
        if not path.is_symlink():
            return
        if path.is_dir():
            raise InputError(f"{path} is a link to a folder; put the files there.")
        if not self._holds(path.resolve()):
            raise self._elsewhere(path)

    def _elsewhere(self, given: str | Path) -> InputError:
        return InputError(
            f"{given} lies, or leads by a link, outside the folders of this server: {self._named}."
        )


def open_folders(
    folders: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str] | None = None,
    fetch: bool = False,
) -> Folders:
    """Return the folders that a server is started with.

    Raises
    ------
    InputError
        There is none, or one is not there.
    """
    if not folders:
        raise InputError("Name at least one folder that may be read: --folder FOLDER.")
    given = [*folders, *([] if out is None else [out])]
    for one in given:
        if not os.path.isdir(one):
            raise InputError(f"There is no folder {os.fspath(one)}.")
    readable = tuple(dict.fromkeys(Path(one).resolve() for one in given))
    return Folders(readable, None if out is None else Path(out).resolve(), fetch)


def _belonging(path: Path) -> Iterator[Path]:
    """Yield what is opened with a path: all in a folder, and what lies beside a file of text."""
    yield path
    if path.is_dir():
        for seen, one in enumerate(path.rglob("*")):
            if seen >= _MOST_ENTRIES:
                raise InputError(f"{path} holds more than {_MOST_ENTRIES:,} files. Refused.")
            yield one
    elif path.suffix != ENDING and not h5py.is_hdf5(path):
        # genes and barcodes of a matrix of text are files beside it
        yield from (one for one in path.parent.iterdir() if not one.is_dir())


def _check_hdf5(path: Path) -> None:
    if path.is_file() and h5py.is_hdf5(path):
        refuse_links(str(path))
