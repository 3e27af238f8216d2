"""Genes that a query lists and did not measure: without a count in any cell, against all chance.

Joined tables and lists of probes hold columns of zeros for genes that nobody looked for. Zero is a
measurement, and a strong one; what was not measured is better filled in.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.decisions import number, say, text, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.genes.panel import Panel
from cellport.runtime.genes.rules import RULES
from cellport.runtime.sources import CountSource

# a fixed size, whatever the blocks of the mapping: sums must not depend on it
_BLOCK = 2048
_LOOKED_AT = whole("listed.cells_looked_at")
_VALUES, _MOST_CELLS = whole("listed.values_looked_at"), whole("listed.most_cells_looked_at")
_LEAST_COUNTS, _LEAST_SHARE = number("listed.least_counts"), number("listed.least_share")
_OF_SEX = re.compile(text("listed.sex_genes"), re.IGNORECASE)
_FEWEST_GENES, _STEPS = whole("listed.fewest_genes"), whole("listed.steps")
_EXPECTED, _EXPECTED_AT_LEAST = number("listed.expected"), number("listed.expected_at_least")
_EXPECTED_OF_FEW = number("listed.expected_of_few")
_COMMON, _QUANTILE = number("listed.common"), number("listed.quantile")
_NAMED, _NAMED_IN_REFUSAL = whole("listed.named"), 3
_TINY = 1e-12


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over cells, of each panel gene."""

    values: NDArray[np.float64]  # of log(1 + counts per 10,000), of cells that are not empty
    cells: NDArray[np.int64]  # cells with a count that are not empty
    seen: NDArray[np.bool_]  # whether any cell has a count

    @property
    def enough(self) -> bool:
        return int(self.cells.sum()) >= _VALUES


def find_unmeasured(
    source: CountSource,
    genes: GeneMatch,
    profiles: Callable[[], NDArray[np.float32]],
    symbols: Sequence[str],
) -> tuple[int, ...]:
    """Find the panel genes that a query lists without having measured them.

    They have no count in any cell, where the labels' profiles, mixed as fits the query best, expect
    hundreds of cells with one; and would still do so were they as rare beside that expectation as
    the rarest of the genes that are there. A few such genes may be truly absent (deleted ones), so
    fewer than ten are none, and genes that only one sex has never are. The first cells are looked
    at, more of them where these are empty droplets; where they have such genes, or say nothing,
    all are.

    Parameters
    ----------
    profiles
        Reads float32 [labels, genes], mean log(1 + counts per 10,000) of the cells of each label.
    symbols
        Of the panel's genes.

    Returns
    -------
    tuple of int
        Positions in the panel, ascending.
    """
    may_lack = np.array([_OF_SEX.fullmatch(symbol) is None for symbol in symbols], np.bool_)
    try:
        return _found(source, genes, profiles, may_lack)
    except InputError:
        # mapping says what is wrong with which cells
        return ()


def _found(
    source: CountSource,
    genes: GeneMatch,
    profiles: Callable[[], NDArray[np.float32]],
    may_lack: NDArray[np.bool_],
) -> tuple[int, ...]:
    empty = source.empty_genes()
    if empty is not None and np.count_nonzero(empty & (genes.panel_column >= 0)) < _FEWEST_GENES:
        return ()
    sums, all_seen = _first_cells(source, genes)
    if np.count_nonzero(genes.measured & ~sums.seen) < _FEWEST_GENES:
        return ()
    means = profiles()

    def judged(sums: _Sums, sure: bool) -> NDArray[np.int64]:
        asked = may_lack & ~sums.seen
        return unmeasured(sums.values, sums.cells, genes.measured, means, sure=sure, asked=asked)

    found = judged(sums, all_seen)
    if not all_seen and (len(found) >= _FEWEST_GENES or not sums.enough):
        found = judged(_last(_running(source, genes, source.n_cells)), True)
    return tuple(found.tolist()) if len(found) >= _FEWEST_GENES else ()


def _first_cells(source: CountSource, genes: GeneMatch) -> tuple[_Sums, bool]:
    """Sum over the first cells, more of them where these are empty; tell whether these are all."""
    n = min(_LOOKED_AT, source.n_cells)
    sums = _last(_running(source, genes, n))
    most = min(_MOST_CELLS, source.n_cells)
    if sums.enough or n == most:
        return sums, n == source.n_cells
    with closing(_running(source, genes, most)) as running:
        for sums in running:
            if sums.enough:
                # whatever came behind it has not been seen
                return sums, False
    return sums, most == source.n_cells


def _last(running: Iterable[_Sums]) -> _Sums:
    (last,) = deque(running, maxlen=1)
    return last


def unmeasured(
    values: NDArray[np.float64],
    cells: NDArray[np.int64],
    measured: NDArray[np.bool_],
    profiles: NDArray[np.float32],
    *,
    sure: bool = True,
    asked: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return the genes without a count that many cells should have, by sums over cells.

    Where the cells are a few that cannot make `sure`, less is asked for.

    Parameters
    ----------
    values
        float64 [genes], sums of log(1 + counts per 10,000).
    cells
        int64 [genes], cells with a count.
    measured
        bool [genes], genes that are listed.
    profiles
        float32 [labels, genes], mean log(1 + counts per 10,000) of the cells of each label.
    asked
        bool [genes], those of which it is asked; all by default.

    Returns
    -------
    ndarray
        int64, positions in the panel, ascending.

    References
    ----------
    Lee and Seung 1999, Nature, "Learning the parts of objects by non-negative matrix
    factorization": the update by which the profiles are mixed.
    """
    found = measured & (cells == 0) & (True if asked is None else asked)
    known = measured
    # once more without those found, which drew the mixture to types that hardly have them
    for _ in range(2):
        expected = _mixed(values, profiles, known)
        n_expected = expected * (cells.sum() / max(values.sum(), _TINY))
        common = (cells > 0) & (n_expected >= _COMMON)
        if min(np.count_nonzero(found), np.count_nonzero(common)) < _FEWEST_GENES:
            return np.empty(0, np.int64)
        ratio = values[common] / expected[common]
        # numpy.quantile loads numpy.ma, as numpy.unique does: a fortieth of a short mapping
        place, ranks = _QUANTILE * (len(ratio) - 1), np.arange(len(ratio))
        rarest = min(float(np.interp(place, ranks, np.sort(ratio))), 1.0)
        found &= n_expected * rarest >= (_EXPECTED_AT_LEAST if sure else _EXPECTED_OF_FEW)
        if sure:
            found &= n_expected >= _EXPECTED
        known = measured & ~found
    if expected[found].sum() < _LEAST_SHARE * expected[measured].sum():
        return np.empty(0, np.int64)
    return np.flatnonzero(found)


def without(
    genes: GeneMatch, found: Sequence[int], panel: Panel, minimum: float, source: str
) -> GeneMatch:
    """Return a match in which some panel genes are not measured, and say so.

    Raises
    ------
    InputError
        A smaller share than `minimum` of the panel is left.
    """
    if not found:
        return genes
    measured = genes.measured.copy()
    measured[list(found)] = False
    names = panel.names[list(found)].tolist()
    said: dict[str, Any] = {"source": source, "genes": len(names)}
    if measured.mean() < minimum:
        said |= {"matched": int(measured.sum()), "panel": panel.n_genes}
        said |= {"minimum": f"{100 * minimum:g}%", "examples": _examples(names, _NAMED_IN_REFUSAL)}
        raise InputError(say("listed.too_few", **said))
    note = say("listed.note", **said, examples=_examples(names, _NAMED))
    gone = np.isin(genes.panel_column, found)
    return replace(
        genes,
        panel_column=np.where(gone, -1, genes.panel_column).astype(np.int32),
        rule=np.where(measured, genes.rule, len(RULES)).astype(np.int8),
        measured=measured,
        missing=(*genes.missing, *names),
        warnings=(*genes.warnings, note),
    )


def _examples(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most])


def _running(source: CountSource, genes: GeneMatch, stop: int) -> Generator[_Sums, None, None]:
    """Yield the sums over the cells until the end of each block."""
    n = len(genes.measured)
    sums = _Sums(np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.bool_))
    for block in source.blocks(_BLOCK, 0, stop):
        gene = genes.panel_column[block.indices]
        kept = np.flatnonzero((gene >= 0) & (block.data > 0))
        n_kept = np.diff(np.searchsorted(kept, block.indptr))
        cell = np.repeat(np.arange(block.n_cells), n_kept)
        gene, counts = gene[kept], block.data[kept].astype(np.float64)
        cells = np.bincount(gene, minlength=n)
        seen = sums.seen | (cells > 0)
        library = np.bincount(cell, counts, block.n_cells)[cell]
        full = library >= _LEAST_COUNTS
        # all are, unless there are empty droplets among them
        if not full.all():
            gene, counts, library = gene[full], counts[full], library[full]
            cells = np.bincount(gene, minlength=n)
        values = np.bincount(gene, np.log1p(counts * LIBRARY / library), n)
        sums = _Sums(sums.values + values, sums.cells + cells, seen)
        yield sums


def _mixed(
    values: NDArray[np.float64], profiles: NDArray[np.float32], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Mix profiles so that they come nearest to sums over cells, in the Poisson likelihood.

    Of the `known` genes; what the mixture expects of the others comes with it.
    """
    exact = profiles.astype(np.float64)
    fitted = np.where(known, exact, 0)
    total = fitted.sum(axis=1)
    weight = np.full(len(exact), values.sum() / max(total.sum(), _TINY))
    for _ in range(_STEPS):
        expected = weight @ fitted
        ratio = np.divide(values, expected, out=np.zeros_like(values), where=expected > 0)
        weight *= (fitted @ ratio) / np.maximum(total, _TINY)
    mixed: NDArray[np.float64] = weight @ exact
    return mixed
