"""Columns of a query's own by which something is summed up, read once and handed on by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import Schema
from cellport.runtime.decisions import say, whole
from cellport.runtime.errors import InputError
from cellport.runtime.sources import CountSource

_MOST_VALUES, MOST_SUMS = whole("pseudobulk.most_values"), whole("pseudobulk.most_sums")


# int32 codes of cells, and the values that they stand for
Coded = tuple[NDArray[np.int32], NDArray[np.object_]]


@dataclass(frozen=True, slots=True)
class OwnColumns:
    """Some columns of a query, as codes of their values."""

    codes: dict[str, NDArray[np.int32]]  # [cells] each
    values: dict[str, NDArray[np.object_]]  # of str, what the codes stand for

    def of(self, start: int, n_cells: int) -> dict[str, Coded]:
        """Codes of a run of cells, and the values of all; '' where they are missing."""
        rows = slice(start, start + n_cells)
        return {name: (codes[rows], self.values[name]) for name, codes in self.codes.items()}


def own_columns(source: CountSource, wanted: Sequence[str], schema: Schema) -> OwnColumns:
    """Read those of the wanted columns that are no results.

    Raises
    ------
    InputError
        There is no such column, it names no groups of cells, or there would be too many sums.
    """
    results = {column.name: column.kind for column in schema.columns}
    known: dict[str, tuple[NDArray[np.int32], tuple[str, ...]]] = {}
    for name in wanted:
        if wanted.count(name) > 1:
            raise InputError(say("pseudobulk.twice", column=name))
        if name in schema.obsm or results.get(name) == "float":
            raise InputError(say("pseudobulk.no_names", column=name))
        if name not in results:
            known[name] = _read(source, name, schema)
    codes = {name: code for name, (code, _) in known.items()}
    check_sums(_n_groups(list(codes.values())), source.n_genes)
    return OwnColumns(codes, {name: np.array(text, object) for name, (_, text) in known.items()})


def check_sums(n_groups: int, n_genes: int) -> None:
    """Refuse more sums than are kept.

    Raises
    ------
    InputError
        Saying how many there would be.
    """
    if n_groups * n_genes > MOST_SUMS:
        said = {"groups": n_groups, "genes": n_genes, "most": MOST_SUMS}
        raise InputError(say("pseudobulk.too_many", **said))


def _read(
    source: CountSource, name: str, schema: Schema
) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    try:
        return source.obs_codes(name, _MOST_VALUES)
    except InputError as error:
        if source.has_obs(name):
            raise
        results = ", ".join(column.name for column in schema.columns if column.kind != "float")
        said = {"column": name, "results": results, "reason": error}
        raise InputError(say("pseudobulk.no_column", **said)) from error


def _n_groups(codes: Sequence[NDArray[np.int32]]) -> int:
    """How many different combinations of values cells have."""
    if not codes:
        return 0
    coded = [(code, int(code.max(initial=0)) + 1) for code in codes]
    return int(combined(coded, len(codes[0])).max(initial=-1)) + 1


def combined(coded: Iterable[tuple[NDArray[np.integer], int]], n_cells: int) -> NDArray[np.int64]:
    """Code of each cell's combination of values, int64 [cells] from 0 on.

    Of the codes of some columns from 0 on, and how many values each has. Combinations are made few
    again after each column, so that they can be counted through.
    """
    together = np.zeros(n_cells, np.int64)
    for codes, n_values in coded:
        together = np.unique(together * n_values + codes, return_inverse=True)[1]
    return together
