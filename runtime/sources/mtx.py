"""MatrixMarket files, parsed in blocks of cells.

Cost: text is parsed from the beginning for every stream of blocks; memory is one block and a
few pieces of text.
"""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.triplets import parse_triplets
from cellport.runtime.base.prefetch import prefetch
from cellport.runtime.errors import InputError
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.csr_checks import MAX_NONZEROS, as_positions, row_limit, split
from cellport.runtime.sources.source import MatrixSample
from cellport.runtime.sources.text_file import open_text
from cellport.runtime.sources.trouble import damaged, readable

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

PIECE = 1 << 22
SAMPLE_CELLS = 256
FIELDS = {"integer": True, "real": True, "pattern": False}

Triplets = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class MtxMatrix:
    """A MatrixMarket file, sorted by cell as Cell Ranger (genes by cells) and others write it."""

    where: str
    path: Path  # gzip-compressed or not
    n_genes: int
    n_cells: int
    n_entries: int
    with_values: bool
    entries_at: int  # where the entries begin in the text
    cells_first: bool = False  # an entry is 'cell gene count', sorted by cell all the same
    sorted_by_cell: bool = True  # whether entries in another order are refused
    seekable: ClassVar[bool] = False  # text is parsed from the beginning

    def blocks(self, block_cells: int, start: int, stop: int) -> Generator[CountBlock, None, None]:
        """Yield the cells ``start:stop``, structure checked, values not."""
        first, held, n_held = start, [_EMPTY], 0
        with closing(self.entries()) as pieces:
            for piece in pieces:
                last = int(piece[0][-1])
                held.append(_take(piece, (piece[0] >= first) & (piece[0] < stop)))
                n_held += len(held[-1][0])
                # The last cell seen may go on in the next piece, so that a block is sure only
                # when a whole cell lies behind it.
                if last - first > block_cells or n_held > MAX_NONZEROS:
                    joined = _join(held)
                    for block in _runs(joined, first, min(last, stop), block_cells):
                        end = block.start + block.n_cells
                        if end < min(last, stop):
                            yield block
                            first = end
                    held = [_take(joined, joined[0] >= first)]
                    n_held = len(held[0][0])
                    if n_held > 2 * row_limit(self.n_genes) + PIECE:
                        raise damaged(self.where, f"cell {first} has more entries than genes")
                if last >= stop:
                    break
        yield from _runs(_join(held), first, stop, block_cells)

    def sample(self) -> MatrixSample:
        """Read the values of the first cells."""
        with closing(self.blocks(SAMPLE_CELLS, 0, min(SAMPLE_CELLS, self.n_cells))) as blocks:
            block = next(blocks)
        return MatrixSample.of_cells([block])

    def begins_sorted(self) -> bool:
        """Tell whether the first entries come by cell, as far as they can be read."""
        with closing(replace(self, sorted_by_cell=False).entries()) as pieces, suppress(InputError):
            return _rise(next(pieces, _EMPTY)[0], 0)
        return True

    def entries(self) -> Generator[Triplets, None, None]:
        """Yield cells, genes and values of pieces of the file, checked."""
        seen, last = 0, 0
        with closing(prefetch(self._lines(), 2)) as texts:
            for text in texts:
                rows, columns, values, fault = parse_triplets(text, self.with_values)
                if fault >= 0:
                    line = text[fault : fault + 60].split(b"\n")[0].decode("utf-8", "replace")
                    entry = f"entry {seen + len(rows) + 1}"
                    order = "cell gene" if self.cells_first else "gene cell"
                    raise damaged(self.where, f"{entry} is not '{order} count': '{line}'")
                if not len(rows):
                    continue
                if self.cells_first:
                    rows, columns = columns, rows
                with readable(f"{self.where}, entries {seen + 1} to {seen + len(rows)}"):
                    genes = as_positions(rows - 1, self.n_genes)
                    cells = as_positions(columns - 1, self.n_cells)
                if self.sorted_by_cell and not _rise(cells, last):
                    column = "first" if self.cells_first else "second"
                    raise InputError(
                        f"{self.where} is not sorted by cell, so it cannot be read in blocks; "
                        f"sort it by its {column} column, or save it as h5ad."
                    )
                seen, last = seen + len(rows), int(cells[-1])
                yield cells, genes, values
        if seen != self.n_entries:
            raise damaged(self.where, f"it has {seen} entries and says {self.n_entries}")

    def _lines(self) -> Iterator[bytes]:
        """Yield the text behind the header in pieces of whole lines."""
        with readable(self.where), open_text(self.path) as file:
            file.seek(self.entries_at)
            rest = b""
            while piece := file.read(PIECE):
                end = piece.rfind(b"\n") + 1
                if end:
                    yield rest + piece[:end]
                    rest = b""
                rest += piece[end:]
                if len(rest) > 2 * PIECE:
                    raise damaged(self.where, "one of its lines is longer than 8 MB")
            if rest:
                yield rest


def _rise(cells: NDArray[np.int32], last: int) -> bool:
    """Tell whether cells come one after the other, after the last."""
    return not len(cells) or bool(cells[0] >= last and (np.diff(cells) >= 0).all())


_EMPTY: Triplets = (np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def _take(entries: Triplets, mask: NDArray[np.bool_]) -> Triplets:
    return entries[0][mask], entries[1][mask], entries[2][mask]


def _join(pieces: list[Triplets]) -> Triplets:
    cells, genes, values = zip(*pieces, strict=True)
    return np.concatenate(cells), np.concatenate(genes), np.concatenate(values)


def _runs(held: Triplets, first: int, stop: int, block_cells: int) -> Iterator[CountBlock]:
    """Cut held entries, sorted by cell, into blocks of the cells ``first:stop``."""
    cells, genes, values = held
    pointers = np.searchsorted(cells, np.arange(first, stop + 1)).astype(np.int64)
    inside = slice(pointers[0], pointers[-1])
    block = CountBlock(first, pointers - pointers[0], genes[inside], values[inside])
    yield from split(block, block_cells)


def open_matrix(path: Path) -> MtxMatrix:
    """Read the first lines of a MatrixMarket file of coordinates, not a symmetric one."""
    where = str(path)
    with readable(where), open_text(path) as file:
        line = file.readline(4096)
        length = len(line)
        words = line.decode("utf-8", "replace").lower().split()
        if len(words) != 5 or words[:2] != ["%%matrixmarket", "matrix"]:
            raise InputError(f"{where} is not a MatrixMarket file; its first line says otherwise.")
        if words[2] != "coordinate" or words[3] not in FIELDS or words[4] != "general":
            raise InputError(
                f"{where} is '{' '.join(words[2:])}', not 'coordinate integer general'."
            )
        while (line := file.readline(1 << 20)).startswith(b"%") or line.strip() == b"" != line:
            length += len(line)
        sizes = line.split()
        if len(sizes) != 3 or not all(size.isdigit() and len(size) < 19 for size in sizes):
            raise damaged(where, "its shape is not three numbers")
        genes, cells, entries = (int(size) for size in sizes)
        at = length + len(line)
        return MtxMatrix(where, path, genes, cells, entries, FIELDS[words[3]], at)
