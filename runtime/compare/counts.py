"""Counts summed up by sample and type: of queries read again, or of what was written at mapping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import QUERY, MappedBlock, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.pseudobulk import CELLS, Pseudobulk
from cellport.runtime.mapping.options import BLOCK_CELLS
from cellport.runtime.sources import CountSource, open_source

if TYPE_CHECKING:
    import pandas as pd

    from cellport.runtime.compare.inputs import Summed

_NAMES = 1 << 16


@dataclass(frozen=True, slots=True)
class SampleCounts:
    """Counts by sample and type."""

    sample: tuple[str, ...]  # [rows]
    type: tuple[str, ...]  # [rows]
    cells: NDArray[np.int64]  # [rows]
    counts: NDArray[np.int64]  # [rows, genes]
    genes: NDArray[np.object_]  # [genes] of str, measured in all queries

    @classmethod
    def of(
        cls, summed: Summed, sample: NDArray[np.object_], type_: NDArray[np.object_]
    ) -> SampleCounts:
        """Return groups that have a sample and a type, as they are: `joined` adds them up."""
        known = (sample != "") & (type_ != "")
        cells = summed.groups[CELLS].to_numpy(np.int64)[known]
        names = tuple(sample[known].tolist()), tuple(type_[known].tolist())
        return cls(*names, cells, summed.counts[known], summed.genes)

    @property
    def types(self) -> tuple[str, ...]:
        """Every type once, by name."""
        return tuple(sorted(set(self.type)))

    def without_type(self, name: str) -> SampleCounts:
        """Return all but one type."""
        keep = np.array([one != name for one in self.type], bool)
        sample, type_ = (tuple(np.array(names, object)[keep]) for names in (self.sample, self.type))
        return SampleCounts(sample, type_, self.cells[keep], self.counts[keep], self.genes)

    def of_type(
        self, name: str, samples: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Cells [samples] and counts [samples, genes] of one type, 0 where a sample has none."""
        at = {
            sample: row
            for row, (sample, type_) in enumerate(zip(self.sample, self.type, strict=True))
            if type_ == name
        }
        cells = np.zeros(len(samples), np.int64)
        counts = np.zeros((len(samples), len(self.genes)), np.int64)
        for row, sample in enumerate(samples):
            if sample in at:
                cells[row], counts[row] = self.cells[at[sample]], self.counts[at[sample]]
        return cells, counts


def joined(parts: Sequence[SampleCounts]) -> SampleCounts:
    """Add up counts by sample and type, over the genes that all files have.

    Raises
    ------
    InputError
        They share hardly any.
    """
    shared = set(parts[0].genes).intersection(*(set(part.genes) for part in parts[1:]))
    if len(parts) > 1 and not shared:
        raise InputError(
            "The files share no gene by name, so their counts cannot be compared; they call genes "
            "in different ways."
        )
    genes = np.array([gene for gene in parts[0].genes if gene in shared], object)
    order = sorted({key for part in parts for key in zip(part.sample, part.type, strict=True)})
    place = {key: at for at, key in enumerate(order)}
    counts = np.zeros((len(order), len(genes)), np.int64)
    cells = np.zeros(len(order), np.int64)
    for part in parts:
        at = {gene: column for column, gene in enumerate(part.genes)}
        columns = np.array([at[gene] for gene in genes], np.int64)
        for row, key in enumerate(zip(part.sample, part.type, strict=True)):
            counts[place[key]] += part.counts[row, columns]
            cells[place[key]] += part.cells[row]
    samples, types = (tuple(key[at] for key in order) for at in (0, 1))
    return SampleCounts(samples, types, cells, counts, genes)


class Queries:
    """The files that were mapped, read again for their columns and counts."""

    def __init__(self, given: Sequence[Any]) -> None:
        self._sources: list[CountSource] = []
        try:
            for query in given:
                self._sources.append(open_source(query))
        except BaseException:
            self.close()
            raise
        self._places: tuple[Any, list[NDArray[np.int64]]] = (None, [])

    def close(self) -> None:
        """Release the files."""
        for source in self._sources:
            source.close()

    @property
    def columns(self) -> list[str]:
        """Names of columns that hold text."""
        return list(dict.fromkeys(name for one in self._sources for name in one.obs_texts))

    def column(self, name: str, cells: pd.Index) -> NDArray[np.object_] | None:
        """Return a column of the queries for mapped cells, object [cells]; None without one."""
        if not any(source.has_obs(name) for source in self._sources):
            return None
        values = np.full(len(cells), "", object)
        for source, place in zip(self._sources, self._found(cells), strict=True):
            if source.has_obs(name):
                known = place >= 0
                values[place[known]] = source.obs_column(name)[known]
        return values

    def summed(
        self, cells: pd.Index, sample: NDArray[np.object_], type_: NDArray[np.object_]
    ) -> SampleCounts:
        """Sum up the counts of mapped cells by their samples and types, in one pass over each file.

        Raises
        ------
        InputError
            A file cannot be read.
        """
        gathered = Pseudobulk(Schema(), ("sample", "type"), ())
        for number, (source, place) in enumerate(
            zip(self._sources, self._found(cells), strict=True)
        ):
            genes = _genes(source)
            own = {
                name: _coded(np.append(values, "")[place])
                for name, values in (("sample", sample), ("type", type_))
            }
            if not any(own["sample"][1]):
                continue
            for counts in source.blocks(BLOCK_CELLS):
                rows = slice(counts.start, counts.start + counts.n_cells)
                of_block = {name: (codes[rows], values) for name, (codes, values) in own.items()}
                obs = {QUERY: np.full(counts.n_cells, number, np.int32)}
                names = np.empty(counts.n_cells, object)
                block = MappedBlock(counts.start, names, obs, {}, counts, of_block)
                gathered.add(block, genes)
        found = gathered.found()
        samples, types = (tuple(group[at] for group in found.groups) for at in (0, 1))
        measured = found.measured
        return SampleCounts(
            samples, types, found.cells, found.counts[:, measured], found.genes[measured]
        )

    def _found(self, cells: pd.Index) -> list[NDArray[np.int64]]:
        """Position among mapped cells of each cell of each query; -1 for those not mapped.

        Raises
        ------
        InputError
            No cell of any file is among them, or names do not tell cells apart.
        """
        known, places = self._places
        if known is not cells:
            places = self._in_order(cells) or self._by_name(cells)
            self._places = cells, places
        return places

    def _in_order(self, cells: pd.Index) -> list[NDArray[np.int64]] | None:
        """Return positions where the mapped cells are those of the queries one after the other."""
        if sum(source.n_cells for source in self._sources) != len(cells):
            return None
        names, places, begin = cells.astype(str).to_numpy(object), [], 0
        for source in self._sources:
            for start in range(0, source.n_cells, _NAMES):
                stop = min(start + _NAMES, source.n_cells)
                own, there = source.cell_names(start, stop), names[begin + start : begin + stop]
                if not all(a.startswith(b) for a, b in zip(there, own, strict=True)):
                    return None
            places.append(np.arange(begin, begin + source.n_cells))
            begin += source.n_cells
        return places

    def _by_name(self, cells: pd.Index) -> list[NDArray[np.int64]]:
        if not cells.is_unique:
            raise InputError(
                "Names of mapped cells repeat, so they cannot be found in the files of --counts; "
                "give all files that were mapped, in the same order."
            )
        places = []
        for number, source in enumerate(self._sources):
            names = source.cell_names(0, source.n_cells)
            place = cells.get_indexer(names)
            if not (place >= 0).any():
                # as mapping names cells that several queries have
                place = cells.get_indexer(names + f"-{number}")
            places.append(np.asarray(place, np.int64))
        if not any((place >= 0).any() for place in places):
            raise InputError(
                "No cell of the files of --counts is among the mapped ones by its name; give the "
                "files that were mapped."
            )
        return places


def _coded(values: NDArray[np.object_]) -> tuple[NDArray[np.int32], NDArray[np.object_]]:
    import pandas as pd

    codes, known = pd.factorize(values)
    return codes.astype(np.int32), np.asarray(known, object)


def _genes(source: CountSource) -> GeneMatch:
    """Names of a source's genes, of which none has to feed a panel."""
    names = np.asarray(source.gene_columns["index"], object)
    nothing = np.empty(0, bool)
    return GeneMatch(
        np.full(len(names), -1, np.int32), np.ones(len(names), bool), nothing, "index", None,
        np.empty(0, np.int8), (), (), (), names,
    )  # fmt: skip
