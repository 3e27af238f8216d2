"""Why cells were given their labels: the genes that spoke for them, by type or by cell."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Unpack

import numpy as np

from cellport.runtime.base.files import whole_file
from cellport.runtime.base.hints import hint
from cellport.runtime.base.text_table import check_table, five_digits, table_bytes
from cellport.runtime.columns import LABEL, UNKNOWN, MappedBlock
from cellport.runtime.decisions import say, whole
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas
from cellport.runtime.mapping.explain.counted import CountedCells, count_cells
from cellport.runtime.mapping.explain.evidence import Explainer
from cellport.runtime.mapping.explain.genes import LabelReasons, reasons_of_cell
from cellport.runtime.mapping.gather.label_genes import LabelGenes
from cellport.runtime.mapping.options import MapChanges, MapOptions
from cellport.runtime.mapping.pipeline import Stream

GENES = whole("explain.genes")
COLUMNS = (
    "cell", "label", "runner_up", "cells", "probability", "rank", "gene", "for_label",
    "against_runner_up", "expressed", "probability_without", "probability_without_all",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why the cells of a query were given their labels.

    Attributes
    ----------
    atlas
        Its name.
    n_cells
        Cells of the query.
    reasons
        A type each, the most common first; or a cell each.
    notes
        What the user should know of the query.
    """

    atlas: str
    n_cells: int
    reasons: tuple[LabelReasons, ...]
    notes: tuple[str, ...]

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yield a line for each gene named, in the order of `COLUMNS`."""
        for one in self.reasons:
            about = one.cell, one.label, one.runner_up, one.cells, one.probability
            for rank, gene in enumerate(one.genes, start=1):
                numbers = gene.for_label, gene.against_runner_up, gene.expressed
                without = gene.probability_without, one.probability_without
                yield *about, rank, gene.gene, *numbers, *without

    def to_dataframe(self) -> Any:
        """Return `rows` as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(list(self.rows()), columns=COLUMNS)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write `rows` to a ``.csv`` or ``.tsv``; what is not known is left empty.

        Raises
        ------
        OutputError
            The file cannot be written there.
        """
        check_table(path)
        with whole_file(path, table_bytes(COLUMNS, map(_shown, self.rows()), path)):
            pass


def _shown(row: tuple[Any, ...]) -> list[Any]:
    return [five_digits(value) if isinstance(value, float) else value for value in row]


def explain(
    atlas: Atlas,
    query: Any,
    *,
    cells: Sequence[str] = (),
    labels: Sequence[str] = (),
    genes: int = GENES,
    options: MapOptions | None = None,
    on_start: Callable[[list[Stream]], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    **changes: Unpack[MapChanges],
) -> Explanation:
    """Name the genes that spoke for the labels of a query, and against the next label.

    Parameters
    ----------
    atlas
        The reference.
    query
        As for `Atlas.map`.
    cells
        Names of cells that are told one by one; none to tell the types, each of up to 100 cells.
    labels
        Of types, these alone; of cells, why they may be these, whatever they were labelled.
    genes
        Most genes to name of each.
    options, changes
        How to map, as for `Atlas.map`.
    on_start, on_progress
        As for `map_files`.

    Returns
    -------
    Explanation
        What a gene adds is in log-odds of the label, exact where counts become the values that
        enter the network, and by integrated gradients through it; what the probability would be
        without its counts stands beside it.

    Raises
    ------
    InputError
        The atlas has no labels, there is no such label or cell, or the query cannot be mapped.
    AtlasError
        The atlas's network cannot be followed back to the genes.

    Examples
    --------
    >>> cellport.explain(atlas, "my_cells.h5ad").to_dataframe()  # doctest: +SKIP
    """
    known = atlas.manifest.labels
    if not known:
        raise InputError(say("explain.no_labels", atlas=atlas.manifest.name))
    for label in labels:
        if label not in known:
            raise InputError(f"There is no label '{label}'. {hint(label, known)}")
    how = replace(options or MapOptions(), **changes)
    if how.rescale_genes:
        raise InputError(say("explain.rescaled"))
    stream = atlas.stream(query, replace(how, keep_counts=True))
    if on_start is not None:
        on_start([stream])
    blocks = _watched(stream, on_progress)
    if cells:
        reasons = _of_cells(Explainer(atlas.file), stream, blocks, cells, labels, genes)
    else:
        kept = LabelGenes(atlas.file)
        for block in blocks:
            kept.add(block, stream.genes)
        reasons = kept.reasons(genes, tuple(labels))
    return Explanation(atlas.manifest.name, stream.n_cells, reasons, stream.facts.notes)


def _watched(stream: Stream, on_progress: Callable[[int], None] | None) -> Iterator[MappedBlock]:
    for block in stream.blocks:
        yield block
        if on_progress is not None:
            on_progress(block.start + block.n_cells)


def _of_cells(
    explainer: Explainer,
    stream: Stream,
    blocks: Iterator[MappedBlock],
    names: Sequence[str],
    labels: Sequence[str],
    most: int,
) -> tuple[LabelReasons, ...]:
    wanted, found = set(names), []
    known = explainer.atlas.manifest.labels
    for block in blocks:
        rows = np.flatnonzero([name in wanted for name in block.cell_names])
        if not len(rows):
            continue
        counted = count_cells(block.counts, stream.genes, rows)
        for at, row in enumerate(rows.tolist()):
            own = int(block.obs[LABEL][row])
            asked = [known.index(label) for label in labels] or [own]
            cell, name = counted.take(np.array([at])), block.cell_names[row]
            found += [_of_cell(explainer, cell, name, label, most) for label in asked]
    missing = [name for name in names if name not in {one.cell for one in found}]
    if missing:
        raise InputError(say("explain.no_cell", cell=missing[0], cells=len(missing)))
    return tuple(found)


def _of_cell(
    explainer: Explainer, cell: CountedCells, name: str, label: int, most: int
) -> LabelReasons:
    """Of a cell without a count of a panel gene nothing speaks for anything."""
    if cell.counts.sum() <= 0:
        return LabelReasons(UNKNOWN, name, "", 1, 0.0, (), 0.0)
    return reasons_of_cell(explainer, cell, name, label, most)
