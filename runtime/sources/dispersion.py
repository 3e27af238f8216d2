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
_SHARE = number("gate.dispersion_share")
_FLAT, _FLAT_GENES = number("gate.flat"), number("gate.flat_genes")
_SEEN_VARIES, _RARER_LARGER = number("gate.seen_varies"), number("gate.rarer_larger")


@dataclass(frozen=True, slots=True)
class Entries:
    """Values of whole cells, none of which is zero: [n_values] each."""

    values: NDArray[np.float64]
    cells: NDArray[np.intp]  # 0, 1, ... without gaps
    genes: NDArray[np.int32]

    def of_cells(self, kept: NDArray[np.bool_]) -> Entries:
        """Leave out all other cells."""
        if kept.all():
            return self
        inside = kept[self.cells]
        places = np.cumsum(kept) - 1
        return Entries(self.values[inside], places[self.cells[inside]], self.genes[inside])

    def distinct(self) -> Entries:
        """Leave out cells that were there before: a cell that is copied says nothing again."""
        totals = np.bincount(self.cells, weights=self.values)
        _, which, times = np.unique(totals, return_inverse=True, return_counts=True)
        some = (times > 1)[which][self.cells]
        marks = self.values[some] * (self.genes[some] + 1.0)
        mark = np.bincount(self.cells[some], weights=marks, minlength=len(totals))
        first = np.zeros(len(totals), dtype=bool)
        first[np.unique(totals + 1j * mark, return_index=True)[1]] = True
        return self.of_cells(first)


def varies_too_little(entries: Entries) -> bool:
    """Tell whether several genes vary less over cells than counts can.

    The variance in parts of the mean, and Pearson's chi-square over cells of their totals, are 1 or
    more for counts; the bound below that is the quantile of chi-square by Wilson and Hilferty
    (1931, https://doi.org/10.1073/pnas.17.12.684).
    """
    entries = _of_full_cells(entries)
    totals = np.bincount(entries.cells, weights=entries.values)
    sums = np.bincount(entries.genes, weights=entries.values)
    n, whole = len(totals), totals.sum()
    if n < _FEWEST_CELLS:
        return False
    high = (sums >= _LEAST_MEAN * n) & (sums < whole / 2)
    squared = _by_cell(entries, high) ** 2
    squares, relative = squared.sum(axis=0), (1 / totals) @ squared
    sums = sums[high]
    of_mean = (squares - sums**2 / n) / (sums / n)
    of_totals = relative * whole / sums - sums
    ninth = (2 + whole / sums * np.mean(1 / totals)) / (9 * (n - 1))
    least = np.maximum(1 - ninth - _UNLIKELY * np.sqrt(ninth), 0)
    bound = least**3 * (n - 1) * (1 - sums / whole)
    enough = max(_FEWEST_GENES, _SHARE * len(sums))
    return any(np.count_nonzero(one < bound) >= enough for one in (of_mean, of_totals))


def _of_full_cells(entries: Entries) -> Entries:
    """Leave out cells with less than half the mean sum: chance hardly shows in them."""
    totals = np.bincount(entries.cells, weights=entries.values)
    return entries.of_cells(totals >= totals.mean() / 2)


def _by_cell(entries: Entries, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the values of some genes, [cells, genes]; a gene's of one cell are added."""
    inside = kept[entries.genes]
    places = (np.cumsum(kept) - 1)[entries.genes[inside]]
    shape = (int(entries.cells.max()) + 1, np.count_nonzero(kept))
    places += entries.cells[inside] * shape[1]
    values = entries.values[inside]
    added = np.bincount(places, weights=values, minlength=shape[0] * shape[1])
    return added.astype(np.float64, copy=False).reshape(shape)


def is_flat(entries: Entries) -> bool:
    """Tell whether genes have about one mean, the larger values the fewer cells they are seen in.

    So do scaled values, which have one variance; counts are the larger the more cells a gene is
    seen in. The mean is about one where Simpson's index, less what chance adds, is that of nearly
    as many genes of equal means.
    """
    n_cells = entries.cells.max() + 1
    if n_cells < _FEWEST_CELLS:
        return False
    sums = np.bincount(entries.genes, weights=entries.values)
    sums = sums[sums > 0]
    meetings = np.sum(sums * (sums - 1))
    if len(sums) < _FLAT_GENES or sums.sum() ** 2 <= _FLAT * len(sums) * meetings:
        return False
    seen = np.bincount(entries.genes)
    seen = seen[seen > 0]
    share = seen.mean() / n_cells
    if seen.var() < _SEEN_VARIES * n_cells * share * (1 - share):
        return False
    often, large = np.log(seen), np.log(sums / seen)
    often, large = often - often.mean(), large - large.mean()
    return bool(often @ large < _RARER_LARGER * np.sqrt((often @ often) * (large @ large)))
