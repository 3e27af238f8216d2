"""The counts that were mapped, read again in the order of the mapped cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cellport.runtime.errors import InputError
from cellport.runtime.export.mapped import WINDOW, MappedCells
from cellport.runtime.mapping.options import BLOCK_CELLS
from cellport.runtime.sources import CountSource, open_source
from cellport.runtime.sources.block import CountBlock
from cellport.runtime.sources.source import Text


@dataclass(frozen=True, slots=True)
class Counts:
    """Files that were mapped, one after the other."""

    sources: tuple[CountSource, ...]

    @property
    def n_cells(self) -> int:
        """Cells of all files."""
        return sum(source.n_cells for source in self.sources)

    def close(self) -> None:
        """Release the files."""
        for source in self.sources:
            source.close()

    def genes(self) -> list[str]:
        """Names of the genes, each once: the second of a name is ``NAME-1``, as anndata has it.

        Raises
        ------
        InputError
            The files do not have the same genes.
        """
        first, *others = (source.gene_columns["index"].tolist() for source in self.sources)
        for source, genes in zip(self.sources[1:], others, strict=True):
            if genes != first:
                raise InputError(
                    f"{source.description} has other genes than {self.sources[0].description}, and "
                    "one matrix has one set of them: write a folder for each file."
                )
        taken = set(first)
        seen: dict[str, int] = {}
        return [_unique(name or "unnamed", seen, taken) for name in first]

    def blocks(self) -> Iterator[CountBlock]:
        """Yield the counts of all cells in order, in bounded memory."""
        offset = 0
        for source in self.sources:
            for block in source.blocks(BLOCK_CELLS):
                yield replace(block, start=block.start + offset)
            offset += source.n_cells

    def column(self, name: str) -> Text | None:
        """Return a column of the files' own, object [cells] of str; None where no file has it."""
        if not any(source.has_obs(name) for source in self.sources):
            return None
        nothing = (np.full(source.n_cells, "", object) for source in self.sources)
        parts = [
            source.obs_column(name) if source.has_obs(name) else empty
            for source, empty in zip(self.sources, nothing, strict=True)
        ]
        return np.concatenate(parts)


def _unique(name: str, seen: dict[str, int], taken: set[str]) -> str:
    if name not in seen:
        seen[name] = 0
        return name
    while (made := f"{name}-{seen[name] + 1}") in taken:
        seen[name] += 1
    seen[name] += 1
    taken.add(made)
    return made


def open_counts(given: Sequence[Any], cells: MappedCells) -> Counts:
    """Open the files that were mapped.

    Raises
    ------
    InputError
        They hold other cells than the mapped ones, or in another order, or no counts.
    """
    sources: list[CountSource] = []
    try:
        # one by one, so that those before one that cannot be read are closed
        sources.extend(map(open_source, given))
        counts = Counts(tuple(sources))
        _check_order(counts, cells)
    except BaseException:
        for source in sources:
            source.close()
        raise
    return counts


def _check_order(counts: Counts, cells: MappedCells) -> None:
    if counts.n_cells != cells.n_cells:
        raise InputError(
            f"{cells.title} has {cells.n_cells:,} cells, and the files of --counts have "
            f"{counts.n_cells:,}: give all files that were mapped, in the same order."
        )
    begin = 0
    for source in counts.sources:
        for start in range(0, source.n_cells, WINDOW):
            stop = min(start + WINDOW, source.n_cells)
            mapped = cells.obs.index(begin + start, begin + stop).tolist()
            for one, own in zip(mapped, source.cell_names(start, stop).tolist(), strict=True):
                # mapping numbers the cells of several files that share names
                if not one.startswith(own):
                    raise InputError(
                        f"The cells of {source.description} are not those of {cells.title} "
                        f"('{own}' stands where '{one}' does): give the files that were mapped, "
                        "in the same order."
                    )
        begin += source.n_cells
