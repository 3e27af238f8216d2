"""How values vary from cell to cell: counts vary at least as chance makes them, and genes differ.

Counting is drawing: a gene's counts over cells have at least the variance of a Poisson
distribution, and over cells of given totals that of a multinomial one. Logarithms and roots that
were rounded, and counts that were clipped, have less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cellport.runtime.decisions import number

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST_CELLS, _FEWEST_GENES = number("gate.dispersion_cells"), number("gate.dispersion_genes")
_LEAST_MEAN, _UNLIKELY = number("gate.dispersion_mean"), number("gate.dispersion_unlikely")
_FLAT, _FLAT_GENES = number("gate.flat"), number("gate.flat_genes")


@dataclass(frozen=True, slots=True)
class Entries:
    """Values of whole cells, none of which is zero: [n_values] each."""

    values: NDArray[np.float64]
    cells: NDArray[np.intp]  # 0, 1, ... without gaps
    genes: NDArray[np.int64]


def varies_too_little(entries: Entries) -> bool:
    """Tell whether several genes vary less over cells than counts can.

    The variance in parts of the mean, and Pearson's chi-square over cells of their totals, are 1 or
    more for counts; the bound below that is the quantile of chi-square by Wilson and Hilferty
    (1931, https://doi.org/10.1073/pnas.17.12.684).
    """
    totals = np.bincount(entries.cells, weights=entries.values)
    sums = np.bincount(entries.genes, weights=entries.values)
    n, whole = len(totals), totals.sum()
    if n < _FEWEST_CELLS:
        return False
    high = (sums >= _LEAST_MEAN * n) & (sums < whole / 2)
    cells, genes, values = _added_up(entries, high[entries.genes], len(sums))
    squares = np.bincount(genes, weights=values**2, minlength=len(sums))[high]
    relative = np.bincount(genes, weights=values**2 / totals[cells], minlength=len(sums))[high]
    sums = sums[high]
    expected = (n - 1) * (1 - sums / whole)
    of_mean = (squares - sums**2 / n) / (sums / n)
    of_totals = relative * whole / sums - sums
    ninth = 2 / (9 * (n - 1))
    bound = (1 - ninth - _UNLIKELY * np.sqrt(ninth)) ** 3 * expected
    return any(np.count_nonzero(one < bound) >= _FEWEST_GENES for one in (of_mean, of_totals))


def _added_up(
    entries: Entries, kept: NDArray[np.bool_], n_genes: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return cells, genes and values of some entries, those of one gene in one cell as one."""
    places = entries.cells[kept] * n_genes + entries.genes[kept]
    places, which = np.unique(places, return_inverse=True)
    cells, genes = np.divmod(places, n_genes)
    values = np.bincount(which, weights=entries.values[kept], minlength=len(places))
    return cells, genes, values.astype(np.float64, copy=False)


def is_flat(entries: Entries) -> bool:
    """Tell whether all genes have about one mean, as scaled values have and no counts.

    By Simpson's index, the number of genes of equal means that would be as even. What chance makes
    uneven, or even where there are few counts, is taken off.
    """
    if entries.cells.max() + 1 < _FEWEST_CELLS:
        return False
    sums = np.bincount(entries.genes, weights=entries.values)
    seen = np.count_nonzero(sums)
    meetings = np.sum(sums * (sums - 1))
    return bool(seen >= _FLAT_GENES and sums.sum() ** 2 > _FLAT * seen * meetings)
