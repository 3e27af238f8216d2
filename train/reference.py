"""The reference in memory: counts, genes, labels and batches, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source

# obs values that mean "nobody labelled this cell"
UNLABELLED = frozenset(
    {"", "nan", "na", "n/a", "none", "unknown", "unlabelled", "unlabeled", "unassigned"}
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Annotated counts to train on.

    Attributes
    ----------
    counts
        float32 CSR [cells, genes], raw counts.
    gene_columns
        Candidate gene names, as in `CountSource`.
    cell_names
        [cells] object array of str.
    labels, batches
        Category names.
    label, batch
        int64 [cells], positions in them; label -1 where unknown.
    description, notes
        Where the counts came from, in words.
    annotations
        object [cells] of str for each further column that was asked for.
    """

    counts: sp.csr_matrix
    gene_columns: dict[str, NDArray[np.object_]]
    cell_names: NDArray[np.object_]
    labels: tuple[str, ...]
    label: NDArray[np.int64]
    batches: tuple[str, ...]
    batch: NDArray[np.int64]
    description: str
    notes: tuple[str, ...] = ()
    annotations: dict[str, NDArray[np.object_]] = field(default_factory=dict)

    def take(self, rows: NDArray[np.integer]) -> Reference:
        """Return the given cells only, with the same categories."""
        return Reference(
            self.counts[rows], self.gene_columns, self.cell_names[rows], self.labels,
            self.label[rows], self.batches, self.batch[rows], self.description, self.notes,
            {column: values[rows] for column, values in self.annotations.items()},
        )  # fmt: skip


def read_reference(
    source: str | Path | Any,
    labels: str | None = None,
    batch: str | None = None,
    layer: str | None = None,
    annotations: Sequence[str] = (),
) -> Reference:
    """Read a reference: a path, an AnnData, or any source the runtime maps.

    Parameters
    ----------
    source
        What holds the counts.
    labels, batch
        Columns of ``obs``; without `batch` all cells are one batch, without `labels` the
        model has no label head.
    layer
        Where the raw counts are; found by itself when None.
    annotations
        Further columns of ``obs`` to keep.

    Raises
    ------
    InputError
        The counts are not raw, a column is missing, or the labels are all the same.
    """
    opened = open_source(source, layer=layer)
    try:
        # a wrong column is found before all counts are read, not after
        label_names, label = _codes(opened.obs_column(labels), True) if labels else ((), None)
        batch_names, batch_code = _codes(opened.obs_column(batch), False) if batch else ((), None)
        if labels and len(label_names) < 2:
            raise InputError(_too_few_labels(opened.description, labels, label_names))
        kept = {column: _texts(opened.obs_column(column)) for column in annotations}
        blocks = list(opened.blocks(4096))
        counts = sp.vstack(
            [
                sp.csr_matrix((b.data, b.indices, b.indptr), shape=(b.n_cells, opened.n_genes))
                for b in blocks
            ],
            format="csr",
        )
        counts.sum_duplicates()
        names = opened.cell_names(0, opened.n_cells)
    finally:
        opened.close()
    n_cells = counts.shape[0]
    return Reference(
        counts,
        dict(opened.gene_columns),
        names,
        label_names,
        label if label is not None else np.full(n_cells, -1),
        batch_names or ("all",),
        batch_code if batch_code is not None else np.zeros(n_cells, np.int64),
        opened.description,
        tuple(opened.notes),
        kept,
    )


def _too_few_labels(where: str, column: str, names: Sequence[str]) -> str:
    found = f"only one value, {names[0]!r}" if names else "no label at all"
    return (
        f"{where}: obs column {column!r} holds {found}; a label head needs two or more. "
        "Name another column, or leave the labels out to train without them."
    )


def _texts(values: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.asarray([str(v) for v in values], dtype=object)


def _codes(
    values: NDArray[np.object_], missing_allowed: bool
) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    text = _texts(values)
    known = np.asarray(
        [not missing_allowed or t.strip().lower() not in UNLABELLED for t in text], dtype=bool
    )
    names = sorted(set(text[known]))
    position = {name: i for i, name in enumerate(names)}
    codes = np.asarray(
        [position[t] if k else -1 for t, k in zip(text, known, strict=True)], np.int64
    )
    return tuple(names), codes
