"""The pieces that a format module hands over, and the source that is made from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.hints import hint
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.sources.trouble import cells, damaged, readable

if TYPE_CHECKING:
    from cellport.runtime.sources.block import CountBlock

Text = NDArray[np.object_]
# takes a stored array and its place in words, and raises where it must not be read
CheckArray = Callable[[Any, str], None]

# Cells looked at to judge a matrix: this many at the start of each of a few windows.
SAMPLE_WINDOWS = 8
SAMPLE_CELLS = 16
# rows of a column of text in memory at a time
_ROWS = 1 << 16


@dataclass(frozen=True, slots=True)
class MatrixSample:
    """A few stored values of a matrix, to judge what it holds, and the cell and gene of each.

    Only of cells that are there whole: both are None where the values are pieces of genes.
    """

    values: NDArray[np.float32]
    cells: NDArray[np.int64] | None
    genes: NDArray[np.int32] | None = None

    @classmethod
    def of_cells(cls, blocks: Iterable[CountBlock]) -> MatrixSample:
        """Join the values of runs of whole cells."""
        values, owners = [np.empty(0, np.float32)], [np.empty(0, np.int64)]
        genes = [np.empty(0, np.int32)]
        for block in blocks:
            values.append(block.data)
            genes.append(block.indices)
            cells = np.arange(block.start, block.start + block.n_cells)
            owners.append(np.repeat(cells, np.diff(block.indptr)))
        return cls(np.concatenate(values), np.concatenate(owners), np.concatenate(genes))


def sample_windows(n_cells: int) -> list[tuple[int, int]]:
    """Return a few short windows of cells, the first at the start, the last at the end."""
    last = max(0, n_cells - SAMPLE_CELLS)
    starts = sorted({last * step // (SAMPLE_WINDOWS - 1) for step in range(SAMPLE_WINDOWS)})
    ends = [*starts[1:], n_cells]
    return [
        (start, min(start + SAMPLE_CELLS, end)) for start, end in zip(starts, ends, strict=True)
    ]


class Matrix(Protocol):
    """A stored matrix, cells by genes, that can be streamed by cells.

    Its methods raise InputError where the file is damaged or contradicts itself.
    """

    @property
    def where(self) -> str:
        """File and field in words."""

    @property
    def n_cells(self) -> int:
        """Number of rows."""

    @property
    def n_genes(self) -> int:
        """Number of columns."""

    def blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop``, structure checked, values not."""

    def sample(self) -> MatrixSample:
        """Read a few values from all over the matrix."""


def _no_column(name: str) -> Text:
    raise LookupError(name)


@dataclass(frozen=True, slots=True)
class Frame:
    """A table of annotations, read on demand."""

    where: str  # in words, for messages: ``query.h5ad, obs``
    length: int
    index: Callable[[int, int], Text]  # reads the names of the rows ``start:stop``
    columns: tuple[str, ...] = ()
    text_columns: tuple[str, ...] = ()  # those that hold text
    column: Callable[[str], Text] = _no_column  # reads a whole column as text
    # reads the rows ``start:stop`` of a column; None where a column can only be read whole
    rows: Callable[[str, int, int], Text] | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One matrix of a container, which may hold the counts, and the genes it is about."""

    name: str  # ``X``, ``layers['counts']`` or ``raw/X``
    matrix: Matrix
    genes: Callable[[], Mapping[str, Text]]  # reads `CountSource.gene_columns`

    def __post_init__(self) -> None:
        if self.matrix.n_genes == 0:
            raise InputError(say("files.no_genes", where=self.matrix.where))


@dataclass(frozen=True, slots=True)
class Beside:
    """What AnnData keeps beside counts and tables, read on demand; None where there is none."""

    matrix: Callable[[str], NDArray[np.float32] | None] = lambda name: None  # of cells: ``obsm``
    text: Callable[[str], str | None] = lambda name: None  # of the whole: ``uns``


Candidates = Mapping[str, Callable[[], Candidate]]


@dataclass(frozen=True, slots=True)
class Container:
    """An opened container: its matrices, opened when asked for, and its cells."""

    title: str  # in words: a path, or ``the AnnData object``
    candidates: Candidates  # by key: ``X``, a layer's name, ``raw``
    cells: Frame
    notes: tuple[str, ...] = ()  # what the report should say
    close: Callable[[], None] = lambda: None
    of_genome: bool = False  # whether it is what was asked for of several genomes
    beside: Beside = Beside()


def gene_columns(frame: Frame) -> dict[str, Text]:
    """Return the index and every text column of a ``var`` table.

    A column called ``index``, as ``reset_index`` leaves it, becomes ``index (column)``.
    """
    with readable(frame.where):
        found = {"index": frame.index(0, frame.length)}
        for name in frame.text_columns:
            column = frame.column(name)
            if len(column) != frame.length:
                raise damaged(frame.where, _other_length(name, len(column), frame.length))
            found["index (column)" if name == "index" else name] = column
        return found


def _other_length(column: str, found: int, rows: int) -> str:
    return say("files.other_length", column=column, found=found, rows=rows)


def _in_rows(column: Text) -> Callable[[str, int, int], Text]:
    return lambda name, start, stop: column[start:stop]


@dataclass(slots=True)
class CountSource:
    """A matrix of counts that can be read in blocks of cells, in bounded memory.

    Attributes
    ----------
    description
        File and field in words, for messages: ``query.h5ad, layers['counts']``.
    n_cells, n_genes
        Shape of the matrix.
    gene_columns
        Candidate gene names, each an object array of str [n_genes]: ``index`` first, then
        every text column of ``var``. An empty name belongs to no gene (an antibody, say).
    notes
        What was repaired or chosen, one plain sentence each, for the report.
    layer
        Name under which the same matrix can be asked for again.
    seekable
        Whether cells from the middle can be read without reading all before them.
    beside
        What else AnnData keeps of the cells.
    in_memory
        Whether it was all read before, so that nothing is gained by reading a part of it.
    """

    description: str
    n_cells: int
    n_genes: int
    gene_columns: Mapping[str, Text]
    notes: list[str]
    layer: str
    seekable: bool
    beside: Beside
    _matrix: Matrix
    _cells: Frame
    _check: Callable[[CountBlock, str], CountBlock]
    _close: Callable[[], None]
    in_memory: bool = False

    def blocks(
        self, block_cells: int, start: int = 0, stop: int | None = None
    ) -> Iterator[CountBlock]:
        """Yield the cells ``start:stop`` in order, at most `block_cells` a block.

        Deep cells make shorter blocks (see `csr_checks.MAX_NONZEROS`). Structure and values of
        every block are checked before it leaves: an InputError names the cells.
        """
        stop = self.n_cells if stop is None else stop
        if block_cells < 1 or not 0 <= start <= stop <= self.n_cells:
            raise ValueError(
                f"cells {start}:{stop} in blocks of {block_cells} asked of {self.n_cells} cells"
            )
        return self._checked_blocks(block_cells, start, stop)

    def _checked_blocks(self, block_cells: int, start: int, stop: int) -> Iterator[CountBlock]:
        def checked(block: CountBlock) -> CountBlock:
            return self._check(block, self.description)

        # a loop would hold each block until it has the next one
        yield from map(checked, self._matrix.blocks(block_cells, start, stop))

    def empty_genes(self) -> NDArray[np.bool_] | None:
        """Return which genes have no stored value, bool [genes].

        None where values have to be read for it, or are read quickly.
        """
        tell = getattr(self._matrix, "empty_genes", None)
        return None if tell is None else cast("NDArray[np.bool_] | None", tell())

    def cell_names(self, start: int, stop: int) -> Text:
        """Names of the cells ``start:stop``, object array of str."""
        with readable(cells(f"{self._cells.where}, names", start, stop)):
            return self._cells.index(start, stop)

    @property
    def obs_texts(self) -> tuple[str, ...]:
        """Names of the columns of ``obs`` that hold text."""
        return self._cells.text_columns

    def has_obs(self, name: str) -> bool:
        """Whether there is a column of ``obs`` of that name."""
        return name in self._cells.columns

    def obs_column(self, name: str) -> Text:
        """Return a whole column of ``obs`` as an object array of str, missing values as ''."""
        where = self._column_place(name)
        with readable(where):
            column = self._cells.column(name)
        if len(column) != self.n_cells:
            fault = _other_length(name, len(column), self.n_cells)
            raise damaged(self._cells.where, fault)
        return column

    def obs_codes(self, name: str, most: int) -> tuple[NDArray[np.int32], tuple[str, ...]]:
        """Return a column of ``obs`` as codes, int32 [n_cells], and the values that they stand for.

        A missing value is the empty one. Values come in the order in which cells first have them,
        and memory does not grow with the cells by more than their codes.

        Raises
        ------
        InputError
            There is no such column, or it has more than `most` different values.
        """
        where = self._column_place(name)
        read = self._cells.rows or _in_rows(self.obs_column(name))
        known: dict[str, int] = {}
        codes = np.empty(self.n_cells, np.int32)
        for start in range(0, self.n_cells, _ROWS):
            stop = min(start + _ROWS, self.n_cells)
            with readable(where):
                values = read(name, start, stop)
            if len(values) != stop - start:
                fault = _other_length(name, start + len(values), self.n_cells)
                raise damaged(self._cells.where, fault)
            codes[start:stop] = [known.setdefault(value, len(known)) for value in values.tolist()]
            if len(known) > most:
                raise InputError(say("pseudobulk.many_values", where=where, most=most))
        return codes, tuple(known)

    def _column_place(self, name: str) -> str:
        if name not in self._cells.columns:
            near = hint(name, self._cells.columns)
            said = {"where": self._cells.where, "column": name, "near": near}
            raise InputError(say("files.no_column", **said))
        return f"{self._cells.where}['{name}']"

    def close(self) -> None:
        """Release the file."""
        self._close()
