"""A query on its way: counts to features to answers to columns, block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.errors import CellportError, first_line
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.annotate import annotators, facts_of, schema_of, survey_of
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting, Survey
from cellport.runtime.mapping.consensus.annotate import consensus
from cellport.runtime.mapping.consensus.companion import Companion
from cellport.runtime.mapping.consensus.encoder import Encode, encoder_of, from_known, on_all
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.gather.own_columns import OwnColumns, own_columns
from cellport.runtime.mapping.query import Query, QueryFacts
from cellport.runtime.sources import CountBlock


@dataclass(frozen=True, slots=True)
class Stream:
    """A query being mapped, block by block.

    Attributes
    ----------
    schema
        Columns of the result.
    n_cells
        Cells that will be mapped.
    genes
        Which panel genes the query has.
    gene_names
        [query genes], the query's own names, from the column that matched.
    facts
        What the result says of the query.
    atlas_facts
        What it says of the atlas and the options, by key.
    device
        ``cpu`` or ``cuda``.
    gpu_build
        Whether ONNX Runtime is the GPU build, which uses the CPU where it finds no card.
    cell_names
        Reads the names of the query's cells ``start:stop``.
    blocks
        The mapped cells, in order; reading happens while it is consumed.
    """

    schema: Schema
    n_cells: int
    genes: GeneMatch
    gene_names: NDArray[np.object_]
    facts: QueryFacts
    atlas_facts: dict[str, Any]
    device: str
    gpu_build: bool
    cell_names: Callable[[int, int], NDArray[np.object_]]
    blocks: Iterator[MappedBlock]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Everything that maps the cells of one query."""

    query: Query
    setting: Setting  # what the annotators were prepared from
    annotators: tuple[Annotator, ...]  # what adds columns, in their order
    own: OwnColumns  # columns of the query that its counts are summed up by
    companions: tuple[Companion, ...] = ()  # other atlases that the cells are mapped onto beside
    known: EncodedCells | None = None  # what all encoders say of all cells, where they were asked

    @property
    def schema(self) -> Schema:
        """Names and types of all that is added to a cell."""
        return schema_of(self.annotators)

    @property
    def facts(self) -> QueryFacts:
        """What the result says of the query."""
        notes = [note for one in self.annotators for note in one.notes]
        return self.query.facts(tuple(notes))

    @property
    def atlas_facts(self) -> dict[str, Any]:
        """What the result says of the atlas and the options, by key."""
        return facts_of(self.annotators)

    @property
    def survey(self) -> Survey | None:
        """What has to see all cells before the first gets its columns, where something has."""
        return survey_of(self.annotators)

    def survey_cells(self, tail: Any, threads: int, start: int, stop: int) -> None:
        """Have the survey take in the cells ``start:stop``.

        The query is closed at the end.
        """
        with closing(self.query.source), ThreadPoolExecutor(threads) as pool:
            self._survey(self._encoder(tail, threads, pool), threads, start, stop)

    def blocks(
        self,
        tail: Any,
        threads: int,
        start: int,
        stop: int,
        known: Mapping[str, NDArray[Any]] | None = None,
    ) -> Iterator[MappedBlock]:
        """Map the cells ``start:stop`` with a session of ``encoder_tail.onnx``.

        `known` is what the survey concluded from all cells; where it has not, they are gone through
        first. The query is closed at the end.
        """
        source, schema, how = self.query.source, self.schema, self.setting.options
        with closing(source), ThreadPoolExecutor(threads) as pool:
            encode = self._encoder(tail, threads, pool)
            if self.survey is not None and known is not None:
                self.survey.settle(known)
            elif self.survey is not None:
                self._survey(encode, threads, 0, source.n_cells)
            for block in self._counts(threads, start, stop):
                with _concerning(block):
                    cells = encode(block)
                    mapped = self.annotate(block, cells, schema)
                yield self._with_counts(mapped, block, cells) if how.keep_counts else mapped

    def annotate(self, counts: CountBlock, cells: EncodedCells, schema: Schema) -> MappedBlock:
        """Put what every annotator says of a block of cells into the columns of the result."""
        values: dict[str, NDArray[Any]] = {}
        for annotator in self.annotators:
            values |= annotator.annotate(cells)
        names = self.query.source.cell_names(counts.start, counts.start + counts.n_cells)
        obs = {column.name: values[column.name] for column in schema.columns}
        return MappedBlock(counts.start, names, obs, {name: values[name] for name in schema.obsm})

    def _with_counts(
        self, mapped: MappedBlock, counts: CountBlock, cells: EncodedCells
    ) -> MappedBlock:
        if not self.setting.options.summed_by:
            return replace(mapped, counts=counts)
        own, prob = self.own.of(counts.start, counts.n_cells), cells.answers.get("label_prob")
        if prob is not None:
            prob = np.where(cells.empty[:, np.newaxis], np.float32(0), prob)
        return replace(mapped, counts=counts, own=own, label_prob=prob)

    def _encoder(self, tail: Any, threads: int, pool: Executor) -> Encode:
        if self.known is not None:
            return from_known(self.known, threads, pool)
        encode = encoder_of(self.query, self.setting.atlas, tail, threads, pool)
        others = [one.encoder(threads, pool) for one in self.companions]
        return on_all(encode, others) if others else encode

    def _counts(self, threads: int, start: int, stop: int) -> Iterator[CountBlock]:
        counts = self.query.source.blocks(self.setting.options.block_cells, start, stop)
        # one thread is one processor: nothing goes on beside it
        return prefetch(counts, 1) if threads > 1 else counts

    def _survey(self, encode: Encode, threads: int, start: int, stop: int) -> None:
        assert self.survey is not None
        for block in self._counts(threads, start, stop):
            with _concerning(block):
                self.survey.add(encode(block))


def prepared(
    query: Query,
    setting: Setting,
    companions: tuple[Companion, ...] = (),
    known: EncodedCells | None = None,
) -> Pipeline:
    """Prepare what adds columns to a query's cells.

    Parameters
    ----------
    companions
        Where several atlases are heard, this one and the others.
    known
        What all encoders say of all cells, where they were asked before.

    Raises
    ------
    CellportError
        The atlas or the options do not allow it.
    """
    setting = setting.of_query(query)
    added = annotators(setting)
    if companions:
        first, *others = companions
        added = (*added, consensus(first, others, query.decided.heard))
    own = own_columns(query.source, setting.options.summed_by, schema_of(added))
    return Pipeline(query, setting, added, own, companions[1:], known)


@contextmanager
def _concerning(block: CountBlock) -> Iterator[None]:
    """Say which cells a failure concerns."""
    cells = f"Cells {block.start} to {block.start + block.n_cells - 1}"
    try:
        yield
    except CellportError as error:
        raise type(error)(f"{cells} could not be mapped. {error}") from error
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise CellportError(f"{cells} could not be mapped: {reason}.") from error
