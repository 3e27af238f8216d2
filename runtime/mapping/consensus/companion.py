"""Another atlas that the same counts are mapped onto, block by block."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.columns import NOVEL, Column
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate import labels, novelty
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.consensus.encoder import Encode, encoder_of
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.query import Query


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
    labels: Annotator
    novelty: Annotator | None  # tells cells unlike it, where it can

    def encoder(self, threads: int, pool: Executor | None) -> Encode:
        """Return what takes counts to its answers."""
        return encoder_of(self.query, self.atlas, self.tail, threads, pool)

    @property
    def columns(self) -> tuple[Column, ...]:
        """What it gives cells, under the names that it has when it is mapped onto alone."""
        return (*self.labels.schema.columns, *(self.novelty.schema.columns if self.novelty else ()))

    @property
    def gene_notes(self) -> tuple[str, ...]:
        """What the user should know of its genes in the query, a sentence each."""
        return self.query.coverage.notes(self.query.genes, self.query.source.description)

    def opinion(self, cells: EncodedCells) -> Opinion:
        """Return what is heard of it."""
        novel = np.zeros(len(cells.library), bool)
        if self.novelty is not None:
            novel = self.novelty.annotate(cells)[NOVEL]
        return Opinion(cells.answers["label_prob"], novel)


def companion(name: str, setting: Setting, tail: Any, query: Query) -> Companion:
    """Prepare what an atlas says of the cells of a query, to be heard with others.

    Parameters
    ----------
    setting
        That of the atlas, before the query is known.

    Raises
    ------
    InputError
        It gives no probabilities of labels that add up to 1.
    """
    atlas = setting.atlas
    if atlas.manifest.head.kind != "softmax":
        raise InputError(say("consensus.no_probabilities", atlas=atlas.manifest.name))
    known = setting.of_query(query)
    return Companion(name, atlas, tail, query, labels.best(known), novelty.prepare(known))
