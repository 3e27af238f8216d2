"""Genes that a query lists and did not measure: without a count in any cell, against all chance.

Joined tables and lists of probes hold columns of zeros for genes that nobody looked for. Zero is a
measurement, and a strong one; what was not measured is better filled in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.decisions import number, say, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.genes.panel import Panel
from cellport.runtime.sources import CountBlock, CountSource

# a fixed size, whatever the blocks of the mapping: sums must not depend on it
_BLOCK = 2048
_LOOKED_AT = whole("listed.cells_looked_at")
_FEWEST_GENES, _STEPS = whole("listed.fewest_genes"), whole("listed.steps")
_EXPECTED, _EXPECTED_AT_LEAST = number("listed.expected"), number("listed.expected_at_least")
_EXPECTED_OF_FEW = number("listed.expected_of_few")
_COMMON, _QUANTILE = number("listed.common"), number("listed.quantile")
_NAMED, _NAMED_IN_REFUSAL = whole("listed.named"), 3
_TINY = 1e-12


def find_unmeasured(
    source: CountSource, genes: GeneMatch, profiles: Callable[[], NDArray[np.float32]]
) -> tuple[int, ...]:
    """Find the panel genes that a query lists without having measured them.

    They have no count in any cell, where the labels' profiles, mixed as fits the query best, expect
    hundreds of cells with one; and would still do so were they as rare beside that expectation as
    the rarest of the genes that are there. A few such genes may be truly absent (those of one sex,
    deleted ones), so fewer than ten are none. The first cells are looked at; where they have such
    genes, all are.

    Parameters
    ----------
    profiles
        Reads float32 [labels, genes], mean log(1 + counts per 10,000) of the cells of each label.

    Returns
    -------
    tuple of int
        Positions in the panel, ascending.
    """
    try:
        return _found(source, genes, profiles)
    except InputError:
        # mapping says what is wrong with which cells
        return ()


def _found(
    source: CountSource, genes: GeneMatch, profiles: Callable[[], NDArray[np.float32]]
) -> tuple[int, ...]:
    empty = source.empty_genes()
    if empty is not None and np.count_nonzero(empty & (genes.panel_column >= 0)) < _FEWEST_GENES:
        return ()
    first = list(source.blocks(_BLOCK, 0, min(_LOOKED_AT, source.n_cells)))
    seen = np.zeros(len(genes.measured) + 1, np.bool_)
    for block in first:
        seen[genes.panel_column[block.indices[block.data > 0]]] = True
    if np.count_nonzero(genes.measured & ~seen[:-1]) < _FEWEST_GENES:
        return ()
    few = source.n_cells > _LOOKED_AT
    means = profiles()
    found = unmeasured(*_summed(first, genes), genes.measured, means, sure=not few)
    if few and len(found) >= _FEWEST_GENES:
        every = source.blocks(_BLOCK, 0, source.n_cells)
        found = unmeasured(*_summed(every, genes), genes.measured, means)
    return tuple(found.tolist()) if len(found) >= _FEWEST_GENES else ()


def unmeasured(
    values: NDArray[np.float64],
    cells: NDArray[np.int64],
    measured: NDArray[np.bool_],
    profiles: NDArray[np.float32],
    *,
    sure: bool = True,
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

    Returns
    -------
    ndarray
        int64, positions in the panel, ascending.

    References
    ----------
    Lee and Seung 1999, Nature, "Learning the parts of objects by non-negative matrix
    factorization": the update by which the profiles are mixed.
    """
    found = measured & (cells == 0)
    known = measured
    # once more without those found, which drew the mixture to types that hardly have them
    for _ in range(2):
        expected = _mixed(values, profiles, known)
        n_expected = expected * (cells.sum() / max(values.sum(), _TINY))
        common = (cells > 0) & (n_expected >= _COMMON)
        if min(np.count_nonzero(found), np.count_nonzero(common)) < _FEWEST_GENES:
            return np.empty(0, np.int64)
        ratio = values[common] / expected[common]
        rarest = min(float(np.quantile(ratio, _QUANTILE)), 1.0)
        found &= n_expected * rarest >= (_EXPECTED_AT_LEAST if sure else _EXPECTED_OF_FEW)
        if sure:
            found &= n_expected >= _EXPECTED
        known = measured & ~found
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
        measured=measured,
        missing=(*genes.missing, *names),
        warnings=(*genes.warnings, note),
    )


def _examples(names: Sequence[str], most: int) -> str:
    return ", ".join(names[:most])


def _summed(
    blocks: Iterable[CountBlock], genes: GeneMatch
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum log(1 + counts per 10,000) and cells with a count of each panel gene."""
    n = len(genes.measured)
    values, cells = np.zeros(n), np.zeros(n, np.int64)
    for block in blocks:
        gene = genes.panel_column[block.indices]
        cell = np.repeat(np.arange(block.n_cells), np.diff(block.indptr))
        kept = (gene >= 0) & (block.data > 0)
        gene, cell, counts = gene[kept], cell[kept], block.data[kept].astype(np.float64)
        library = np.bincount(cell, counts, block.n_cells)
        values += np.bincount(gene, np.log1p(counts * LIBRARY / library[cell]), n)
        cells += np.bincount(gene, minlength=n)
    return values, cells


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
