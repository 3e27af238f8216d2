"""The reference: its cells, genes, labels and batches, checked, and where its counts are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.train.reference.chunks import SourceCounts
from cellport.train.reference.names import tidied_batches, tidied_labels, without_point
from cellport.train.reference.opened import opened_source
from cellport.train.reference.shared_genes import share_genes


@dataclass(frozen=True, slots=True)
class Reference:
    """Annotated counts to train on."""

    # raw counts [cells, genes]: in the sources they were read from, or a float32 CSR matrix
    counts: sp.csr_matrix | SourceCounts
    gene_columns: dict[str, NDArray[np.object_]]  # candidate gene names, as in `CountSource`
    cell_names: NDArray[np.object_]  # [cells] object array of str
    labels: tuple[str, ...]
    label: NDArray[np.int64]  # int64 [cells], positions in `labels`, -1 where unknown
    batches: tuple[str, ...]
    batch: NDArray[np.int64]  # int64 [cells], positions in `batches`
    description: str  # where the counts came from, in words
    notes: tuple[str, ...] = ()
    # object [cells] of str for each further column that was asked for
    annotations: dict[str, NDArray[np.object_]] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()  # what makes an atlas worse than its figures say


def read_reference(
    source: str | Path | Any,
    labels: str | None = None,
    batch: str | None = None,
    layer: str | None = None,
    annotations: Sequence[str] = (),
    genome: str | None = None,
    fewest_labels: int = 2,
) -> Reference:
    """Read what is known of a reference's cells and genes; its counts stay where they are.

    Parameters
    ----------
    source
        A path, an AnnData, or any source the runtime maps; or a list of them, whose genes are
        those that all of them have.
    labels, batch
        Columns of ``obs``, the same in every source; without `batch` the cells of a source are
        one batch, without `labels` the model has no label head.
    layer
        Where the raw counts are; found by itself when None.
    annotations
        Further columns of ``obs`` to keep.
    genome
        Of 10x files or folders of several genomes, the one to take.
    fewest_labels
        Refuse a column of labels with fewer.

    Raises
    ------
    InputError
        The counts are not raw, a column is missing, the labels are all the same, or the sources
        have too few genes in common.
    """
    several = source if isinstance(source, list) else [source]
    _check_different(several)
    parts = [_read_part(one, labels, batch, layer, annotations, genome) for one in several]
    label_text = np.concatenate([part.label for part in parts])
    label_text, label_notes = tidied_labels(label_text, labels) if labels else (label_text, [])
    label_names, label = _codes(label_text)
    batch_of = [part.batch for part in parts]
    if not batch and len(parts) > 1:
        named = zip(parts, _different([part.title for part in parts]), strict=True)
        batch_of = [np.full(part.n_cells, name, object) for part, name in named]
    batch_text, batch_notes = tidied_batches(np.concatenate(batch_of), batch or "")
    batch_names, batch_code = _codes(batch_text)
    if labels and len(label_names) < fewest_labels:
        raise InputError(_too_few_labels(parts[0].description, labels, label_names))
    shared = share_genes([(part.description, part.genes) for part in parts])
    notes = [note for part in parts for note in part.notes]
    notes += [*shared.notes, *label_notes, *batch_notes]
    n_cells = len(label)
    return Reference(
        SourceCounts(tuple(several), layer, shared.columns, (n_cells, shared.n_genes), genome),
        shared.gene_columns,
        np.concatenate(_unlike([part.names for part in parts])),
        label_names,
        label,
        batch_names,
        batch_code,
        _described([part.description for part in parts]),
        tuple(dict.fromkeys(notes)),
        {
            column: np.concatenate([part.annotations[column] for part in parts])
            for column in annotations
        },
    )


def without_folders(reference: Reference, paths: Sequence[Path]) -> Reference:
    """Leave the folders out of the description: an atlas is given away, and they tell nobody."""
    description = reference.description
    for path in paths:
        description = description.replace(f"{path.parent}{os.sep}", "")
    return replace(reference, description=description)


def _check_different(sources: Sequence[Any]) -> None:
    paths = [Path(one).resolve() for one in sources if isinstance(one, str | os.PathLike)]
    for path in paths:
        if paths.count(path) > 1:
            raise InputError(f"{path.name} was given twice; give each file once.")


@dataclass(frozen=True, slots=True)
class _Part:
    """One source: its description and title, and the text of its cells' columns."""

    description: str
    title: str
    n_cells: int
    genes: dict[str, NDArray[np.object_]]
    notes: tuple[str, ...]
    names: NDArray[np.object_]
    label: NDArray[np.object_]
    batch: NDArray[np.object_]
    annotations: dict[str, NDArray[np.object_]]


def _read_part(
    source: Any,
    labels: str | None,
    batch: str | None,
    layer: str | None,
    columns: Sequence[str],
    genome: str | None,
) -> _Part:
    with opened_source(source, layer, genome) as opened:
        n_cells = opened.n_cells
        is_path = isinstance(source, str | Path)
        return _Part(
            opened.description,
            Path(source).name if is_path else "cells",
            n_cells,
            dict(opened.gene_columns),
            tuple(opened.notes),
            opened.cell_names(0, n_cells),
            _texts(opened.obs_column(labels)) if labels else np.full(n_cells, "", object),
            _texts(opened.obs_column(batch)) if batch else np.full(n_cells, "all", object),
            {column: _texts(opened.obs_column(column)) for column in columns},
        )


def _different(names: list[str]) -> list[str]:
    """Names as they are where no two are the same, else numbered."""
    if len(set(names)) == len(names):
        return names
    return [f"{name}-{number}" for number, name in enumerate(names)]


def _unlike(names: list[NDArray[np.object_]]) -> list[NDArray[np.object_]]:
    """Cell names, with the number of their source where sources use the same ones."""
    if len(names) == 1 or len(set().union(*names)) == sum(map(len, names)):
        return names
    return [
        np.asarray([f"{name}-{number}" for name in part], object)
        for number, part in enumerate(names)
    ]


def _described(descriptions: list[str]) -> str:
    if len(descriptions) == 1:
        return descriptions[0]
    more = ", ..." if len(descriptions) > 3 else ""
    return f"{len(descriptions)} sources: {', '.join(descriptions[:3])}{more}"


def _too_few_labels(where: str, column: str, names: Sequence[str]) -> str:
    found = f"only one value, {names[0]!r}" if names else "no label at all"
    return (
        f"{where}: obs column {column!r} holds {found}; a label head needs two or more. "
        "Name another column, or leave the labels out to train without them."
    )


def _texts(values: NDArray[np.object_]) -> NDArray[np.object_]:
    return without_point(np.asarray([str(v) for v in values], dtype=object))


def _codes(text: NDArray[np.object_]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Names other than '', in order, and the position of each cell's among them, else -1."""
    values = sorted(set(text) - {""})
    position = {value: i for i, value in enumerate(values)}
    return tuple(values), np.asarray([position.get(t, -1) for t in text], np.int64)
