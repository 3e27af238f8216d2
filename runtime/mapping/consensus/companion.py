"""Another atlas that the same counts are mapped onto, block by block."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import NOVEL
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate import labels, novelty
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.consensus.encoder import Encode, encoder_of
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import Decided, Query, open_query
from cellport.runtime.sources import CountSource


class Opinion(NamedTuple):
    """What an atlas says of cells."""

    prob: NDArray[np.float32]  # [cells, labels]
    novel: NDArray[np.bool_]  # [cells], those unlike it; none where it cannot tell


@dataclass(frozen=True, slots=True)
class Companion:
    """An atlas beside the first, and the query as it has it."""

    name: str  # after which its columns are called
    atlas: AtlasFile
    tail: Any  # session of its ``encoder_tail.onnx``
    query: Query
    annotators: tuple[Annotator, ...]  # what gives labels, and tells cells unlike it

    def encoder(self, threads: int, pool: Executor | None) -> Encode:
        """Return what takes counts to its answers."""
        return encoder_of(self.query, self.atlas, self.tail, threads, pool)

    def annotate(self, cells: EncodedCells) -> dict[str, NDArray[Any]]:
        """Return its columns, under the names that they have when it is mapped onto alone."""
        found: dict[str, NDArray[Any]] = {}
        for one in self.annotators:
            found |= one.annotate(cells)
        return found

    @property
    def gene_notes(self) -> tuple[str, ...]:
        """What the user should know of its genes in the query, a sentence each."""
        return self.query.coverage.notes(self.query.genes, self.query.source.description)

    def opinion(self, cells: EncodedCells) -> Opinion:
        """Return what is heard of it."""
        nothing = np.zeros(len(cells.library), bool)
        novel = self.annotate(cells).get(NOVEL, nothing)
        return Opinion(cells.answers["label_prob"], novel)


def companion(
    name: str,
    atlas: AtlasFile,
    tail: Any,
    source: CountSource,
    how: MapOptions,
    decided: Decided | None,
) -> Companion:
    """Match an open query with another atlas.

    Raises
    ------
    InputError
        It gives no probabilities of labels, or the query has too few of its genes.
    """
    profiles = partial(atlas.array, "label_mean") if atlas.manifest.has_reference else None
    return of_query(name, atlas, tail, open_query(source, atlas, how, profiles, decided), how)


def of_query(name: str, atlas: AtlasFile, tail: Any, query: Query, how: MapOptions) -> Companion:
    """Prepare what an atlas says of the cells of a query, to be heard with others.

    Raises
    ------
    InputError
        It gives no probabilities of labels that add up to 1.
    """
    manifest = atlas.manifest
    if manifest.head.kind != "softmax":
        raise InputError(
            f"The atlas '{manifest.name}' gives no probabilities that add up to 1, by which "
            "atlases are heard together; map onto it apart."
        )
    setting = Setting(
        atlas,
        replace(how, also=()),
        _decodes_nothing,
        {},
        measured_share=query.genes.share,
        covered=query.coverage.enough,
    )
    made = (labels.prepare(setting), novelty.prepare(setting))
    return Companion(name, atlas, tail, query, tuple(one for one in made if one is not None))


def _decodes_nothing(latent: NDArray[np.floating], batch: str | None) -> NDArray[np.float32]:
    raise NotImplementedError
