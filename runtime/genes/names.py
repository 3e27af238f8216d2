"""Names of a query's genes, and what is found in them once for all atlases that read them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from threading import Lock
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.genes.tidy import Columns, tidied

Found = TypeVar("Found")
Text = NDArray[np.object_]


class FindIn(Protocol):
    """Finds something in the names of a column, or of all columns."""

    def __call__(
        self, find: Callable[..., Found], names: list[str] | Columns, *more: Hashable
    ) -> Found:
        """Return ``find(names, *more)``."""


def find_in(find: Callable[..., Found], names: list[str] | Columns, *more: Hashable) -> Found:
    """Find it now."""
    return find(names, *more)


class GeneNames(Mapping[str, Text]):
    """Candidate gene names of a query, object arrays of str [genes] by column name.

    What `match_genes` finds in them, whatever the atlas, is found once and kept. Names that an
    atlas had changed (antibodies taken out, suffixes taken off) are looked at each time, so that
    memory does not grow with the atlases.
    """

    def __init__(self, columns: Mapping[str, Text]) -> None:
        self._columns = dict(columns)
        self._tidied: dict[str, tuple[Columns, tuple[str, ...]]] = {}
        self._kept: set[int] = set()
        self._found: dict[Hashable, Any] = {}
        # threads that ask for other atlases must not tidy again: lists are known by their places
        self._tidying = Lock()

    def __getitem__(self, column: str) -> Text:
        return self._columns[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def tidied(self, source: str) -> tuple[Columns, tuple[str, ...]]:
        """Return the bare names, the same lists each time, and a note where they were not."""
        with self._tidying:
            if source not in self._tidied:
                listed = {name: values.tolist() for name, values in self._columns.items()}
                self._tidied[source] = tidied(listed, source)
                self._kept |= {id(values) for values in self._tidied[source][0].values()}
            return self._tidied[source]

    def find_in(
        self, find: Callable[..., Found], names: list[str] | Columns, *more: Hashable
    ) -> Found:
        """Return ``find(names, *more)``, from memory where these very lists were asked before."""
        columns = names if isinstance(names, dict) else {"": names}
        lists = tuple((name, id(values)) for name, values in columns.items())
        if not all(one in self._kept for _, one in lists):
            return find(names, *more)
        key = (find, isinstance(names, dict), lists, more)
        if key not in self._found:
            self._found[key] = find(names, *more)
        found: Found = self._found[key]
        return found
