"""What the values of a matrix are: counts, or what became of counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from cellport.kernels.check import check_values
from cellport.runtime.decisions import number
from cellport.runtime.sources.dispersion import Entries, is_flat, varies_too_little

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from cellport.runtime.sources.source import MatrixSample

Content = Literal[
    "counts",
    "nearly",
    "alike",
    "empty",
    "fractional",
    "binary",
    "ranks",
    "rounded",
    "damped",
    "flat",
    "normalised",
    "log-normalised",
    "roots",
    "scaled",
    "negative",
    "large",
    "nan",
    "infinite",
]

_ROUNDING, _MOST_ROUNDING = number("gate.rounding"), number("gate.most_rounding")
_LARGEST_COUNT = number("gate.largest_count")
_LARGEST_LOGARITHM = number("gate.largest_logarithm")
_MOSTLY_WHOLE, _HARDLY_WHOLE = number("gate.mostly_whole"), number("gate.hardly_whole")
_FEWEST_TOTALS, _SAME_TOTAL = number("gate.fewest_totals"), number("gate.same_total")
_LARGER, _NEAR = number("gate.larger_multiple"), number("gate.near_multiple")
_MULTIPLES, _LARGEST_POWER = number("gate.multiples"), number("gate.largest_power")
_REPEATS, _FEWEST_VALUES = number("gate.expected_repeats"), number("gate.fewest_values")
_MANY_LEVELS, _FEW_LEVELS = number("gate.many_levels"), number("gate.few_levels")
_NEVER_ZERO = number("gate.genes_never_zero")
_AT_AN_END, _DIFFER = number("gate.share_at_an_end"), number("gate.values_differ")
_TAIL = number("gate.shortest_tail")
_AFTER_GAP, _HIGHEST_GAP = number("gate.genes_after_gap"), number("gate.highest_gap")
_GAPS, _ALIKE = number("gate.cells_with_gaps"), number("gate.alike_totals")
_CELLS_TO_REFUSE = number("gate.cells_to_refuse")
_TOTALS_VARY, _CELLS_WITH_GAPS = number("gate.totals_vary"), number("gate.fewest_with_gaps")
_GENES_VARY, _SAMPLED_DOWN = number("gate.genes_vary"), number("gate.sampled_down")
_BASES = (np.e, 2.0, 10.0)  # of logarithms


@dataclass(frozen=True, slots=True)
class _Cell:
    """The values of one cell: which there are, in rising order, and how many genes have each."""

    levels: NDArray[np.float64]
    genes: NDArray[np.int64]

    @property
    def n(self) -> int:
        return int(self.genes.sum())

    @property
    def total(self) -> float:
        return float(self.levels @ self.genes)


def classify(sample: MatrixSample, n_genes: int) -> Content:
    """Say what the values of a matrix are, from a few of them, best of whole cells.

    Parameters
    ----------
    sample
        The values, and the cell of each.
    n_genes
        Columns of the matrix.

    Returns
    -------
    str
        ``counts`` for whole numbers, ``nearly`` for such but for rounding, and ``alike`` where all
        cells have nearly one total, as counts sampled down have, and normalised values that were
        rounded. Whole numbers that are none: ``binary`` where none exceeds 1 although chance would
        have it, ``negative``, ``large``, ``ranks``, ``rounded`` for normalised values, ``damped``
        for logarithms, roots and what was clipped, ``flat`` for scaled values. ``normalised`` and
        ``log-normalised`` when the cells have one total, when every cell's values are multiples of
        its smallest, or when values are small and hardly ever whole; ``roots`` when that holds of
        the squares; ``fractional`` for what is left, such as expected counts of RSEM or counts
        corrected for ambient RNA.
    """
    values = sample.values
    faults = check_values(values)
    if faults.nan:
        return "nan"
    if faults.infinite:
        return "infinite"
    if faults.negative:
        return "scaled" if faults.fractional else "negative"
    stored = values != 0
    if not stored.any():
        return "empty"
    if has_large(values):
        return "large"
    kept = values[stored].astype(np.float64)
    owners = None
    if sample.cells is not None:
        owners = _numbered(sample.cells[stored])
    near = kept if not faults.fractional else nearest_counts(values[stored])
    if near is None:
        return _fractional(kept, owners, n_genes)
    found = _whole_of(near.astype(np.float64), owners, sample, n_genes)
    return "nearly" if found == "counts" and faults.fractional else found


def _numbered(cells: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return the number of each value's cell: 0, 1, ... without gaps."""
    steps = np.diff(cells, prepend=cells[:1])
    if (steps >= 0).all():
        return np.cumsum(steps > 0)
    return np.unique(cells, return_inverse=True)[1]


def has_large(values: NDArray[np.float32]) -> bool:
    """Tell whether a number is larger than any count."""
    return bool(values.size and values.max() > _LARGEST_COUNT)


def _whole_of(
    values: NDArray[np.float64],
    owners: NDArray[np.intp] | None,
    sample: MatrixSample,
    n_genes: int,
) -> Content:
    """Say what whole numbers are, of cells none of which is another's copy where genes are told."""
    if owners is None or sample.genes is None:
        return _whole(values, owners, n_genes)
    genes = sample.genes[sample.values != 0]
    entries = Entries(values, owners, genes).distinct()
    found = _whole(entries.values, entries.cells, n_genes)
    may_be = found in ("counts", "alike") and values.max() > 1
    return (_by_gene(entries) if may_be else None) or found


def _by_gene(entries: Entries) -> Content | None:
    """Say what values of whole cells are by how genes vary, None where they may be counts."""
    if varies_too_little(entries):
        return "damped"
    return "flat" if is_flat(entries) else None


def nearest_counts(values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the whole numbers that values are but for rounding; None where one is none."""
    whole = np.round(values)
    allowed = np.minimum(_ROUNDING * np.maximum(values, 1), _MOST_ROUNDING)
    near = (np.abs(values - whole) <= allowed) & ((whole >= 1) | (values == 0))
    return whole if near.all() else None


def _whole(values: NDArray[np.float64], owners: NDArray[np.intp] | None, n_genes: int) -> Content:
    if values.max() <= 1:
        return "binary" if _never_twice(owners, len(values), n_genes) else "counts"
    cells = _cells(values, owners)
    if not cells:
        return "counts"
    if _ranked(cells, n_genes):
        return "ranks"
    if sum(map(_gap, cells)) >= max(_GAPS * len(cells), min(_CELLS_WITH_GAPS, len(cells))):
        return "rounded"
    return _of_totals(cells)


def _fractional(
    values: NDArray[np.float64], owners: NDArray[np.intp] | None, n_genes: int
) -> Content:
    cells = _cells(values, owners)
    if cells and _ranked(cells, n_genes):
        return "ranks"
    small = bool(values.max() < _LARGEST_LOGARITHM)
    whole = values == np.floor(values)
    share = np.count_nonzero(whole) / len(values)
    if share > _MOSTLY_WHOLE:
        parts = values[~whole]
        if small and _whole_after(np.exp2(parts) - 1):
            return "log-normalised"
        return "roots" if _whole_after(parts**2) else "fractional"
    if owners is not None:
        if small and any(_rescaled(base**values - 1, owners) for base in _BASES):
            return "log-normalised"
        if _rescaled(values, owners):
            return "normalised"
        if _rescaled(values**2, owners):
            return "roots"
    return "log-normalised" if small and share < _HARDLY_WHOLE else "fractional"


def _whole_after(powers: NDArray[np.float64]) -> bool:
    """Tell whether values turn whole when a logarithm or root is undone."""
    seen = powers[powers < _LARGEST_POWER]
    near = np.abs(seen - np.round(seen)) < _NEAR
    return bool(len(seen) and near.mean() > _MULTIPLES)


def _rescaled(values: NDArray[np.float64], owners: NDArray[np.intp]) -> bool:
    """Tell whether every cell's values are counts times a factor of that cell."""
    totals = np.bincount(owners, weights=values)
    if len(totals) >= _FEWEST_TOTALS and totals.std() < _SAME_TOTAL * totals.mean():
        return True
    smallest = np.full(len(totals), np.inf)
    np.minimum.at(smallest, owners, values)
    multiples = values / smallest[owners]
    larger = multiples > _LARGER
    near = np.abs(multiples - np.round(multiples)) < _NEAR
    return bool(larger.any() and near[larger].mean() > _MULTIPLES)


def _never_twice(owners: NDArray[np.intp] | None, n: int, n_genes: int) -> bool:
    """Tell whether counts would have met in one gene of a cell, were they counts.

    Of k counts, k (k - 1) / 2 pairs could have: at least one in `n_genes` of them does, more where
    genes differ in expression.
    """
    of_cell = np.array([n]) if owners is None else np.bincount(owners)
    pairs = of_cell.astype(np.float64) * (of_cell - 1) / 2
    return bool(pairs.sum() / n_genes >= _REPEATS)


def _cells(values: NDArray[np.float64], owners: NDArray[np.intp] | None) -> list[_Cell]:
    """Return the cells that have values enough to judge them by."""
    if owners is None:
        return []
    # bits of positive float32 rise as the numbers do, so that one sort serves all cells
    keys = (owners.astype(np.int64) << 32) | values.astype(np.float32).view(np.int32)
    keys.sort()
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    genes = np.diff(first, append=len(keys))
    levels = (keys[first] & 0xFFFFFFFF).astype(np.int32).view(np.float32).astype(np.float64)
    cuts = np.flatnonzero(np.diff(keys[first] >> 32)) + 1
    parts = zip(np.split(levels, cuts), np.split(genes, cuts), strict=True)
    cells = [_Cell(*part) for part in parts]
    return [cell for cell in cells if cell.n >= _FEWEST_VALUES]


def _ranked(cells: Sequence[_Cell], n_genes: int) -> bool:
    """Tell whether values are places in an order, from either end and however ties were solved."""
    zeros = [n_genes - cell.n for cell in cells]
    if all(_in_order(cell, 0) or _in_order(cell, n) for cell, n in zip(cells, zeros, strict=True)):
        return True
    if n_genes >= _NEVER_ZERO and not any(zeros) and all(map(_stands_for_zero, cells)):
        return True
    if len(cells) >= _CELLS_TO_REFUSE and (_without_gap(cells) or all(map(_even, cells))):
        return True
    first = cells[0]
    return _several(cells, lambda cell: len(cell.levels) >= _FEW_LEVELS) and all(
        np.array_equal(cell.levels, first.levels) and np.array_equal(cell.genes, first.genes)
        for cell in cells
    )


def _without_gap(cells: Sequence[_Cell]) -> bool:
    """Tell whether every cell has each number up to its largest, and several have many."""
    has_all = all(cell.levels[-1] == len(cell.levels) for cell in cells)
    return has_all and _several(cells, lambda cell: len(cell.levels) >= _MANY_LEVELS)


def _stands_for_zero(cell: _Cell) -> bool:
    """Tell whether many genes of a cell have its smallest value, or its largest."""
    return bool(max(cell.genes[0], cell.genes[-1]) > _AT_AN_END * cell.n)


def _even(cell: _Cell) -> bool:
    """Tell whether nearly all values differ, and lie as evenly as ranks do, not as counts."""
    middle = cell.levels[len(cell.levels) // 2]
    return bool(len(cell.levels) > _DIFFER * cell.n and cell.levels[-1] < _TAIL * middle)


def _several(cells: Sequence[_Cell], does: Callable[[_Cell], bool]) -> bool:
    return sum(map(does, cells)) >= _FEWEST_TOTALS


def _in_order(cell: _Cell, zeros: int) -> bool:
    if len(cell.levels) < _FEW_LEVELS:
        return False
    upto = np.cumsum(cell.genes)
    rising = (upto - cell.genes + zeros <= cell.levels) & (cell.levels <= upto + zeros)
    falling = (cell.n - upto <= cell.levels) & (cell.levels <= cell.n - upto + cell.genes)
    return bool(rising.all() or falling.all())


def _gap(cell: _Cell) -> bool:
    """Tell whether many genes have a number and none the number before, as after scaling."""
    before = np.concatenate([[0.0], cell.levels[:-1]])
    gap = (cell.levels - before > 1) & (cell.genes >= _AFTER_GAP)
    gap[1:] &= cell.levels[1:] <= _HIGHEST_GAP
    return bool(gap[:-1].any())


def _of_totals(cells: Sequence[_Cell]) -> Content:
    """Tell counts from rounded values by how totals and numbers of genes vary over cells.

    Cells that have more counts have more genes, so that the genes vary less than the totals.
    """
    totals = np.array([cell.total for cell in cells])
    genes = np.array([cell.n for cell in cells], dtype=np.float64)
    varied = totals.std() / totals.mean()
    if len(cells) < _FEWEST_TOTALS or varied >= _ALIKE:
        return "counts"
    if genes.std() / genes.mean() <= _GENES_VARY * varied:
        return "counts"
    if np.unique(totals, return_counts=True)[1].max() > _SAMPLED_DOWN * len(totals):
        return "counts"
    power = 10.0 ** np.round(np.log10(np.median(totals)))
    around = len(cells) >= _CELLS_TO_REFUSE and totals.min() < power < totals.max()
    return "rounded" if around and totals.var() < _TOTALS_VARY * totals.mean() else "alike"
