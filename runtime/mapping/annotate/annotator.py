"""What adds columns to mapped cells, and what it is prepared from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import Schema
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import Query

Decode = Callable[[NDArray[np.floating], str | None], NDArray[np.float32]]
Made = TypeVar("Made")


class Survey(ABC):
    """What has to be known of all cells of a query before the first of them gets its columns.

    What surveys of parts of the cells found adds up, in any order and on any machine, to what one
    finds on all.
    """

    def __init__(self) -> None:
        self._known: Mapping[str, NDArray[Any]] | None = None

    @abstractmethod
    def add(self, cells: EncodedCells) -> None:
        """Take in some cells."""

    @abstractmethod
    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that was taken in, as plain arrays."""

    @abstractmethod
    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add what another one took in, from its `state`."""

    @abstractmethod
    def conclude(self) -> dict[str, NDArray[Any]]:
        """Return what the columns need, which is little."""

    def settle(self, known: Mapping[str, NDArray[Any]]) -> None:
        """Take over what another one concluded from all cells."""
        self._known = known

    def known(self) -> Mapping[str, NDArray[Any]]:
        """Return what was concluded, once and for all."""
        if self._known is None:
            self._known = self.conclude()
        return self._known


class Surveys(Survey):
    """Several surveys of the same cells, made in one pass."""

    def __init__(self, surveys: Sequence[Survey]) -> None:
        super().__init__()
        self._surveys = surveys

    def add(self, cells: EncodedCells) -> None:
        """Have all take in some cells."""
        for one in self._surveys:
            one.add(cells)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return all that they took in."""
        return _numbered([one.state() for one in self._surveys])

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add what others took in."""
        for at, one in enumerate(self._surveys):
            one.absorb(_of_number(state, at))

    def conclude(self) -> dict[str, NDArray[Any]]:
        """Return what each concluded."""
        return _numbered([one.known() for one in self._surveys])

    def settle(self, known: Mapping[str, NDArray[Any]]) -> None:
        """Have each take over what another one concluded."""
        for at, one in enumerate(self._surveys):
            one.settle(_of_number(known, at))


def _numbered(each: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    return {f"{at}.{name}": array for at, one in enumerate(each) for name, array in one.items()}


def _of_number(arrays: Mapping[str, NDArray[Any]], at: int) -> dict[str, NDArray[Any]]:
    start = f"{at}."
    return {
        name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)
    }


@dataclass(frozen=True, slots=True)
class Annotator:
    """Adds columns and matrices to blocks of encoded cells."""

    schema: Schema  # what it adds
    # encoded cells to the columns and matrices of the schema, by name
    annotate: Callable[[EncodedCells], dict[str, NDArray[Any]]]
    # what the user should know before cells are mapped, a sentence each
    notes: tuple[str, ...] = ()
    # what ``uns["cellport"]`` says of it, by key
    facts: dict[str, Any] = field(default_factory=dict)
    # what has to see all cells first, where `annotate` needs it
    survey: Survey | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What annotators are prepared from."""

    atlas: AtlasFile
    options: MapOptions
    # latent float [n, latent] and a batch (None for the mean over all) to expected counts per
    # 10,000, float32 [n, genes]
    decode: Decode
    # what is costly to make and the same for every query on this atlas; see `once`
    made: dict[Any, Any]
    measured_share: float = 1.0  # share of the panel genes that the query has
    covered: bool = True  # whether these genes are enough to judge cells by
    # names of all queries of the result, and the position of this one
    queries: tuple[str, ...] = ()
    query: int = 0
    # reads a whole column of the query's ``obs`` as text, object [cells], '' where missing; None
    # before a query is known
    obs_column: Callable[[str], NDArray[np.object_]] | None = None
    # group of each label, where those are merged that these genes cannot tell apart; none before a
    # query is known
    merged: tuple[int, ...] = ()

    def of_query(self, query: Query) -> Setting:
        """Add what is known once a query is open."""
        return replace(
            self,
            measured_share=query.genes.share,
            covered=query.coverage.enough,
            merged=query.decided.merged,
            obs_column=query.source.obs_column,
        )

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """Make something, or return what was made for another query."""
        if key not in self.made:
            self.made[key] = make()
        value: Made = self.made[key]
        return value


Prepare = Callable[[Setting], Annotator | None]
