"""Random queries, and what the kernels should make of them, in plain dense numpy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray


@dataclass
class Query:
    """A raw CSR query with its map to a panel."""

    indptr: NDArray[Any]
    indices: NDArray[Any]
    data: NDArray[Any]
    panel_column: NDArray[Any]
    n_panel: int

    @property
    def csr(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        return self.indptr, self.indices, self.data

    def dense(self) -> NDArray[np.float64]:
        """Counts on the panel, float64 [n_cells, n_panel]."""
        out = np.zeros((len(self.indptr) - 1, self.n_panel))
        cell = np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))
        column = self.panel_column[self.indices]
        kept = column >= 0
        np.add.at(out, (cell[kept], column[kept]), self.data[kept])
        return out

    def rows(self, order: NDArray[Any]) -> Query:
        """The cells in another order, or some of them."""
        parts = [np.arange(self.indptr[i], self.indptr[i + 1]) for i in order]
        take = np.concatenate([np.empty(0, np.int64), *parts])
        indptr = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        return Query(indptr, self.indices[take], self.data[take], self.panel_column, self.n_panel)


def make_query(
    seed: int, n_cells: int, n_genes: int, n_panel: int, canonical: bool = False
) -> Query:
    """Draw a query with empty cells, zeros that are stored and genes outside the panel.

    Unless `canonical`, also with unsorted and repeated genes in a cell and several genes at one
    place of the panel.
    """
    rng = np.random.default_rng(seed)
    size = rng.integers(0, n_genes + 1, n_cells) * (rng.random(n_cells) < 0.8)
    if canonical:
        rows = [np.sort(rng.choice(n_genes, n, replace=False)) for n in size]
        panel_column = np.full(n_genes, -1)
        shared = min(n_panel, n_genes)
        genes = rng.choice(n_genes, shared, replace=False)
        panel_column[genes] = rng.choice(n_panel, shared, replace=False)
    else:
        rows = [rng.integers(0, n_genes, n) for n in size]
        panel_column = rng.integers(-1, n_panel, n_genes)
    indices = np.concatenate([np.empty(0, np.int64), *rows])
    data = rng.poisson(rng.choice([0.5, 5, 500], len(indices)))
    indptr = np.concatenate([[0], np.cumsum(size)])
    return Query(
        indptr.astype(np.int64),
        indices.astype(np.int32),
        data.astype(np.float32),
        panel_column.astype(np.int32),
        n_panel,
    )


@pytest.fixture(scope="session")
def random_query() -> Callable[..., Query]:
    return make_query
