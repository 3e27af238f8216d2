"""Two matrices of the same cells: whether one holds what became of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cellport.runtime.sources.source import MatrixSample, Text

Compared = Literal["same", "smaller", "differing"]


def compare(one: MatrixSample, genes: Text, other: MatrixSample, other_genes: Text) -> Compared:
    """Say how the values of `one` differ from those of `other`, in cells and genes of both.

    Parameters
    ----------
    genes, other_genes
        Names of the columns, by which they are compared; those that are repeated are left out.

    Returns
    -------
    str
        ``same`` also where nothing can be compared; ``smaller`` where no value is larger.
    """
    if one.cells is None or other.cells is None or one.genes is None or other.genes is None:
        return "same"
    at, other_at = _shared(genes, other_genes)
    shared = np.intersect1d(one.cells, other.cells)
    values = _values((one.cells, one.genes, one.values), shared, at, len(genes))
    entries = (other.cells, other.genes, other.values)
    others = _values(entries, shared, other_at, len(other_genes))
    if np.array_equal(values, others):
        return "same"
    return "smaller" if (values <= others).all() else "differing"


def _shared(genes: Text, other_genes: Text) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return where the names stand that are once in both."""
    once, other_once = _once(genes), _once(other_genes)
    both = [name for name in once if name in other_once]
    at = [[places[name] for name in both] for places in (once, other_once)]
    return np.array(at[0], dtype=np.intp), np.array(at[1], dtype=np.intp)


def _once(genes: Text) -> dict[str, int]:
    names, first, times = np.unique(genes.astype(str), return_index=True, return_counts=True)
    return dict(zip(names[times == 1].tolist(), first[times == 1].tolist(), strict=True))


def _values(
    entries: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float32]],
    shared: NDArray[np.int64],
    columns: NDArray[np.intp],
    n_genes: int,
) -> NDArray[np.float64]:
    """Return the values of some cells and genes, [cells, genes]; a gene's of one cell are added."""
    cells, genes, values = entries
    place = np.full(n_genes, -1)
    place[columns] = np.arange(len(columns))
    kept = np.isin(cells, shared) & (place[genes] >= 0)
    found = np.zeros((len(shared), len(columns)))
    rows = np.searchsorted(shared, cells[kept])
    np.add.at(found, (rows, place[genes[kept]]), np.round(values[kept]))
    return found
