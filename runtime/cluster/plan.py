"""What a mapping on a cluster is made of: queries, ranges of their cells, and a key for both."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import Decided, QueryFacts

PART_CELLS = 50_000
# options that decide how fast cells are mapped or what is summed up beside, never what they get
_NO_MATTER = ("threads", "block_cells", "keep_counts", "pseudobulk")


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a file, or a folder with all files in it, is known again."""

    size: int  # bytes of all files
    mtime_ns: int  # when the newest was changed, nanoseconds since 1970
    files: int


def stamp(path: str) -> Stamp:
    """Take the stamp of a query: of one file, or of everything in a folder.

    Raises
    ------
    InputError
        It is not there, or cannot be looked at.
    """
    try:
        found = os.stat(path)
        if not os.path.isdir(path):
            return Stamp(found.st_size, found.st_mtime_ns, 1)
        size, newest, files = 0, found.st_mtime_ns, 0
        for folder, _, names in os.walk(path):
            newest = max(newest, os.stat(folder).st_mtime_ns)
            for name in names:
                inside = os.stat(os.path.join(folder, name))
                size, newest = size + inside.st_size, max(newest, inside.st_mtime_ns)
            files += len(names)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return Stamp(size, newest, files)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """A query as it was found before the mapping, and what was decided on the whole of it."""

    path: str  # absolute
    stamp: Stamp
    layer: str  # where its counts are
    seekable: bool  # a range of its cells can be read without reading all before it
    facts: QueryFacts  # what the result says of it
    decided: Decided  # what only all cells together tell
    suffix: str = ""  # what its cells' names get, to differ from those of other queries


@dataclass(frozen=True, slots=True)
class Looked:
    """What a worker says of a query before it is mapped."""

    query: QueryPlan
    names: NDArray[np.uint64]  # a number for the name of each cell, with several queries
    schema: Schema  # what its cells get
    atlas_facts: dict[str, Any]  # what a result says of the atlas and the options


@dataclass(frozen=True, slots=True)
class Part:
    """A range of a query's cells, which become one file."""

    number: int  # position among all parts
    query: int  # position of the query
    start: int
    stop: int
    offset: int  # cells of the queries before this one
    ending: str

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return self.stop - self.start

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"part-{self.number:05d}{self.ending}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that decides what will be in the dataset."""

    atlas: str  # its name
    atlas_sha256: str
    cellport: str  # version that maps
    options: dict[str, Any]  # how to map, see deciding_options
    part_cells: int  # most cells of a part
    ending: str  # of the parts: .parquet, or .h5ad where they hold counts
    queries: tuple[QueryPlan, ...]  # in the order of the dataset

    @property
    def n_cells(self) -> int:
        """Of all queries."""
        return sum(query.facts.n_cells for query in self.queries)

    @property
    def key(self) -> str:
        """Hash of all of it: the same for the same results."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def parts(self) -> Iterator[Part]:
        """Cut the queries into parts, in order; one that has to be read through is one part."""
        number = offset = 0
        for position, query in enumerate(self.queries):
            n_cells = query.facts.n_cells
            step = self.part_cells if query.seekable else n_cells
            for start in range(0, n_cells, step):
                stop = min(start + step, n_cells)
                yield Part(number, position, start, stop, offset, self.ending)
                number += 1
            offset += n_cells


@dataclass(frozen=True, slots=True)
class Run:
    """What all tasks of one run share.

    A worker opens the atlas where it lies when it sees that file there, and takes its bytes when
    it does not.
    """

    version: str  # of cellport where the run was started
    atlas_path: str
    atlas_sha256: str
    atlas_bytes: bytes
    options: MapOptions
    names: tuple[str, ...]  # of the queries, for the column that tells them apart
    folder: str  # of the dataset
    with_counts: bool


@dataclass(frozen=True, slots=True)
class Task:
    """A part to map and write, unless it is there already."""

    key: str  # of the plan
    query: QueryPlan
    part: Part
    sha256: str | None  # of the part, where a finished run has written it
    gather: tuple[str, ...]  # what to sum up of its cells, where nobody has yet
    # what a survey of all cells of the query concluded, where one was made
    surveyed: dict[str, NDArray[Any]] | None = None

    @property
    def place(self) -> str:
        """Which cells, for a sentence."""
        return f"{self.query.path}, cells {self.part.start} to {self.part.stop - 1}"


def everywhere(options: MapOptions) -> MapOptions:
    """Return options that mean the same to a process in any folder: other atlases by whole path."""
    others = [Path(one) for one in options.other_atlases]
    return replace(
        options, also=tuple(str(one.absolute() if one.exists() else one) for one in others)
    )


def deciding_options(options: MapOptions) -> dict[str, Any]:
    """Return the options on which results depend."""
    return {name: value for name, value in asdict(options).items() if name not in _NO_MATTER}


def sums_key(key: str, options: MapOptions) -> str:
    """Return what sums of parts are known again by: the key of the plan, and how they are made."""
    return f"{key} {json.dumps(options.summed_by)}" if options.summed_by else key


def absolute(query: Any) -> str:
    """Return the absolute path of a query.

    Raises
    ------
    InputError
        The query is no path: other processes have to find it.
    """
    if not isinstance(query, str | os.PathLike):
        raise InputError(
            f"A query of type {type(query).__name__} cannot be mapped on a cluster; give the path "
            "of a file that every worker can read."
        )
    return str(Path(query).absolute())
