"""Which of several atlases a query fits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.processors import available_threads, small_products
from cellport.runtime.columns import (
    CALL,
    LABEL,
    NOVEL,
    PROB,
    QUALITIES,
    QUALITY,
    MappedBlock,
    Schema,
)
from cellport.runtime.decisions import number, say, text, whole
from cellport.runtime.errors import AtlasError, CellportError, InputError
from cellport.runtime.fetch.listing import list_atlases
from cellport.runtime.genes.names import GeneNames
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import covered_genes
from cellport.runtime.sources import CountSource, open_source
from cellport.runtime.sources.gate import Covered
from cellport.runtime.sources.spread import spread_source

_CELLS, _WINDOWS = whole("rank.cells"), whole("rank.windows")
_UNTOLD, _COMMON = number("rank.untold"), number("rank.common")
_EMPTY = QUALITIES.index("empty")
# atlases at a time on machines of many processors: more would wait for the interpreter
_TOGETHER = 8

_Opened = tuple[str, Atlas | CellportError]


@dataclass(frozen=True, slots=True)
class AtlasFit:
    """How a query fits an atlas; shares are of the looked-at cells that have counts.

    Attributes
    ----------
    atlas
        As it was given, or its name.
    name
        As it calls itself; empty where it could not be opened.
    organism
        ``human`` or ``mouse``.
    n_labels
        Number of its labels.
    refused
        Why the query cannot be mapped onto it; empty where it can.
    genes
        Share of its genes that the query has.
    like
        Share of cells like something in it; None where it cannot tell.
    right
        Mean probability of their labels; None where it gives none.
    called
        Share with a call; None without labels.
    types
        Labels that at least a hundredth of the cells have.
    score
        By which atlases are ranked, 0 to 1.
    """

    atlas: str
    name: str = ""
    organism: str = ""
    n_labels: int = 0
    refused: str = ""
    genes: float = 0.0
    like: float | None = None
    right: float | None = None
    called: float | None = None
    types: int = 0
    score: float = 0.0

    @property
    def sentence(self) -> str:
        """What it comes to, in words."""
        if self.refused:
            return self.refused
        said = [say("rank.genes", genes=self.genes)]
        said.append(
            text("rank.cannot_tell") if self.like is None else say("rank.like", like=self.like)
        )
        if self.right is not None:
            said.append(say("rank.right", types=self.types, right=self.right))
        return f"{'; '.join(said)}."


def rank_atlases(
    query: Any,
    atlases: Sequence[str | os.PathLike[str] | Atlas] = (),
    options: MapOptions | None = None,
    on_atlas: Callable[[str], None] = lambda name: None,
) -> tuple[AtlasFit, ...]:
    """Rank atlases by how well a query fits them, the best first.

    Some 2,000 of its cells, evenly spread, are read once and mapped onto each atlas.

    Parameters
    ----------
    query
        As for `Atlas.map`.
    atlases
        Paths, folders of ``.cellport`` files, names or addresses, or atlases that are open; without
        any, all that are here.
    options
        How to map.
    on_atlas
        Called with each atlas before it is asked, from the thread that asks it.

    Returns
    -------
    tuple of AtlasFit
        The best first; those that the query cannot be mapped onto last.

    Raises
    ------
    InputError
        The query holds no raw counts.
    AtlasError
        There is no such folder, or no atlas in it.

    Examples
    --------
    >>> cellport.rank_atlases(
    ...     "my_cells.h5ad", ["lung", "blood"]
    ... )[0].sentence  # doctest: +SKIP
    """
    how = options or MapOptions()
    asked = [one for atlas in atlases for one in _named(atlas)]
    asked = asked or [entry.name for entry, here in list_atlases() if here]
    # atlases are opened and asked side by side: 2,000 cells are too few to share out, and no
    # processor is left for the threads of small matrix products, which would wait for each other
    # longer than they work
    threads = min(how.threads or available_threads(), _TOGETHER)
    with small_products(), ThreadPoolExecutor(threads) as pool:
        try:
            found = _fits(query, dict.fromkeys(asked), how, on_atlas, pool)
        finally:
            # whoever stops does not wait for atlases that nobody will ask
            pool.shutdown(cancel_futures=True)
    return tuple(sorted(found, key=lambda fit: -fit.score))


def _fits(
    query: Any,
    asked: Iterable[str | Atlas],
    how: MapOptions,
    on_atlas: Callable[[str], None],
    pool: Executor,
) -> list[AtlasFit]:
    alone = replace(how, threads=1)
    opening = pool.map(partial(_opened, how=alone), asked)
    opened: list[_Opened] = []

    def covered(columns: Mapping[str, NDArray[np.object_]]) -> int:
        opened.extend(opening)
        panels = [one.panel for _, one in opened if isinstance(one, Atlas)]
        return max((covered_genes(columns, panel) for panel in panels), default=0)

    cells = _some_cells(query, how, covered)

    def fit(one: _Opened) -> AtlasFit:
        on_atlas(one[0])
        return _fit(*one, cells, alone)

    return list(pool.map(fit, chain(opened, opening)))


def _opened(asked: str | Atlas, how: MapOptions) -> _Opened:
    name = asked if isinstance(asked, str) else str(asked.file.path)
    try:
        atlas = load_atlas(asked) if isinstance(asked, str) else asked
    except CellportError as error:
        return name, error
    # why it cannot be opened is said when the query is mapped
    with suppress(CellportError):
        atlas.open_network(how)
    return name, atlas


def _some_cells(query: Any, how: MapOptions, covered: Covered) -> CountSource:
    source = open_source(
        query,
        layer=how.layer,
        threads=how.threads,
        allow_fractional=how.allow_fractional,
        covered=covered,
        genome=how.genome,
    )
    cells = spread_source(source, _CELLS, _WINDOWS)
    # what their genes are called is found out once, not for each atlas
    return replace(cells, gene_columns=GeneNames(cells.gene_columns))


def _named(atlas: str | os.PathLike[str] | Atlas) -> Sequence[str | Atlas]:
    """Return an atlas, or those in a folder."""
    if isinstance(atlas, Atlas):
        return [atlas]
    folder = Path(atlas)
    if not folder.is_dir():
        return [os.fspath(atlas)]
    found = sorted(str(path) for path in folder.glob("*.cellport"))
    if not found:
        raise AtlasError(f"There is no .cellport file in the folder {atlas}.")
    return found


def _fit(name: str, atlas: Atlas | CellportError, cells: CountSource, how: MapOptions) -> AtlasFit:
    if isinstance(atlas, CellportError):
        return AtlasFit(name, refused=str(atlas))
    manifest = atlas.manifest
    fit = AtlasFit(name, manifest.name, manifest.organism, len(manifest.labels))
    try:
        stream = atlas.stream(cells, how)
        fit = replace(fit, genes=stream.genes.share)
        return _judged(fit, stream.schema, stream.blocks)
    except (InputError, AtlasError) as error:
        return replace(fit, refused=str(error))


def _judged(fit: AtlasFit, schema: Schema, blocks: Iterable[MappedBlock]) -> AtlasFit:
    parts = list(blocks)
    obs = {n: np.concatenate([p.obs[n] for p in parts]) for n in parts[0].obs}
    some = obs[QUALITY] != _EMPTY
    like = right = called = None
    types = 0
    known = some
    if NOVEL in obs:
        known = some & ~obs[NOVEL]
        like = float(known.sum() / max(some.sum(), 1))
    if PROB in obs:
        right = float(obs[PROB][known].mean()) if known.any() else 0.0
    if CALL in obs:
        n_called = (obs[CALL][some] < len(schema.categories(CALL)) - 1).sum()
        called = float(n_called / max(some.sum(), 1))
    if LABEL in obs:
        types = int((np.bincount(obs[LABEL][some]) > _COMMON * some.sum()).sum())
    score = (_UNTOLD if like is None else like) * (1.0 if right is None else right)
    return replace(fit, like=like, right=right, called=called, types=types, score=score)
