"""Linear features straight from the raw counts of a query: no intermediate matrix.

The features of a cell are its log-normalised counts, centred, times a fixed basis: what the
encoder reads. One pass over the non-zeros of a cell selects the panel genes, sums the library,
log-normalises and sums the rows of the basis that the cell needs (`features_loops`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .arrays import frozen, frozen_csr, on_cache_lines
from .lanes import LANES, TILE
from .machine_code import call
from .rows import over_rows
from .signatures import LinearFeatures

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


Library = Literal["none", "panel", "query"]
"""What counts are divided by: nothing, or their sum over the panel or over the query's genes."""

_NO_CAP = np.finfo(np.float32).max
_LIBRARIES: tuple[Library, ...] = ("none", "panel", "query")


@dataclass(frozen=True, slots=True)
class Factors:
    """A factor model of the values of the panel genes, `cellport.models.missing`."""

    noise: NDArray[np.float32]  # [genes]
    loading: NDArray[np.float32]  # [genes, factors]


@dataclass(frozen=True, slots=True)
class PanelGenes:
    """What is known of the panel genes of a reference."""

    mean: NDArray[np.float32]  # [genes], taken off each value; 0 where values are not centred
    cap: NDArray[np.float32] | None  # [genes], largest value let through, before the mean is off
    # [genes], mean share of a cell's counts, sums to 1: the library of the measured genes is that
    # share of the whole one
    share: NDArray[np.float32] | None
    factors: Factors | None  # what missing genes stand at; without, they add nothing
    library: Library
    target: float  # counts that a cell with all genes is scaled to; 1 without a library
    log1p: bool = True  # whether log(1 + x) of what was scaled is taken
    wide: bool = False  # whether features are summed in float64


@dataclass(frozen=True, slots=True)
class GeneScaling:
    """What puts each gene of a query on the reference's scale: a value v becomes slope v + shift.

    Values are as `PanelGenes` makes them of counts, before the largest are cut.
    """

    slope: NDArray[np.float64]  # [genes], above 0
    shift: NDArray[np.float64]  # [genes]


@dataclass(frozen=True, slots=True)
class QueryBasis:
    """A basis laid out for one query's gene order; see `prepare`."""

    in_panel: NDArray[np.uint8]  # [query genes], 1 for genes of the panel
    counted: NDArray[np.uint8]  # [query genes], 1 for those in the library of the query
    row: NDArray[np.int32]  # [query genes], row of `basis` and `cap`, or -1
    distinct: bool  # whether no two query genes share a row
    # [rows], the next row of a gene that comes again in the panel, or -1
    twin: NDArray[np.int32]
    # [parts, rows, LANES], the features in parts of `LANES`, padded with 0; only the panel genes
    # that the query has
    basis: NDArray[np.float32]
    cap: NDArray[np.float32]  # [rows]
    offset: NDArray[np.float32]  # [parts, LANES]
    n_features: int  # features before padding
    library: Library
    target: float  # counts that a cell is scaled to
    log1p: bool
    wide: bool


def prepare(
    panel_column: NDArray[Any],
    basis: NDArray[Any],
    cap: NDArray[Any],
    offset: NDArray[Any],
    target: float,
    library: Library = "panel",
    counted: NDArray[np.bool_] | None = None,
    representative: NDArray[np.int64] | None = None,
    log1p: bool = True,
    wide: bool = False,
) -> QueryBasis:
    """Lay a basis out once, for any number of blocks of one query.

    Parameters
    ----------
    panel_column
        Integer [query genes], panel position of each query gene or -1; query genes with the
        same position are summed.
    basis
        float32 [panel genes, features].
    cap
        float32 [panel genes], largest log-normalised value of each gene.
    offset
        float32 [features], what a cell without counts gets.
    target
        Counts that a cell is scaled to.
    library
        What its counts are divided by.
    counted
        bool [query genes], those that count in the library of the query; all when None.
    representative
        int64 [panel genes], for a gene that comes twice the position of the first, to which
        `panel_column` leads; nothing comes twice when None.
    log1p
        Whether log(1 + x) is taken.
    wide
        Whether features are summed in float64, and rounded to float32 in the end.
    """
    in_panel = panel_column >= 0
    used = panel_column[in_panel]
    # The basis in the order of the query's genes: a cell then walks through it forwards.
    panel, first = np.unique(used, return_index=True)
    panel = panel[np.argsort(first)]
    if representative is not None:
        repeated = representative != np.arange(len(basis))
        panel = np.append(panel, np.flatnonzero(repeated & np.isin(representative, panel)))
    rank = np.zeros(len(basis), np.int32)
    rank[panel] = np.arange(len(panel))
    rows = np.where(in_panel, rank[panel_column], -1)
    n_features = basis.shape[1]
    parts = -(-n_features // LANES)
    padding = (0, parts * LANES - n_features)
    padded = np.pad(basis[panel].astype(np.float32), ((0, 0), padding))
    in_parts = padded.reshape(len(panel), parts, LANES).transpose(1, 0, 2)
    return QueryBasis(
        in_panel=frozen(in_panel, np.uint8),
        counted=frozen(np.ones(len(in_panel)) if counted is None else counted, np.uint8),
        row=frozen(rows, np.int32),
        distinct=len(first) == len(used),
        twin=_twins(panel, representative),
        basis=frozen(on_cache_lines(in_parts)),
        cap=frozen(cap[panel], np.float32),
        offset=frozen(np.pad(offset, padding).reshape(parts, LANES), np.float32),
        n_features=n_features,
        library=library,
        target=float(target),
        log1p=log1p,
        wide=wide,
    )


def _twins(panel: NDArray[np.int64], representative: NDArray[np.int64] | None) -> NDArray[np.int32]:
    """Lead from each row to the next one of the same gene, or to -1."""
    twin = np.full(len(panel), -1, np.int32)
    last: dict[int, int] = {}
    for row, gene in enumerate(() if representative is None else representative[panel].tolist()):
        if gene in last:
            twin[last[gene]] = row
        last[gene] = row
    return frozen(twin, np.int32)


def fitted_to_measured(
    basis: NDArray[np.float32], measured: NDArray[np.bool_], panel: PanelGenes
) -> tuple[NDArray[np.float32], float]:
    """Basis and target for cells that measured these genes, as `prepare_measured` says."""
    target = panel.target
    if panel.factors is not None:
        basis = basis_of_measured(basis, measured, panel.factors)
    if panel.share is not None:
        target *= float(panel.share[measured].sum(dtype=np.float64))
    return basis, target


def prepare_measured(
    panel_column: NDArray[Any],
    measured: NDArray[np.bool_],
    basis: NDArray[np.float32],
    panel: PanelGenes,
    counted: NDArray[np.bool_] | None = None,
    representative: NDArray[np.int64] | None = None,
    scaling: GeneScaling | None = None,
) -> QueryBasis:
    """`prepare` for centred values of cells in which some panel genes were not measured.

    These stand at what the others make most likely, or add nothing where there is no model of that.
    They take no part in a library over the panel, which is scaled to the share of a reference
    cell's counts that the measured genes hold. What is expected of a gene is linear in the others,
    so its row of the basis is added to theirs. A scaling of the genes is linear as well.

    Parameters
    ----------
    panel_column, counted, representative
        As for `prepare`.
    measured
        bool [genes].
    basis
        float32 [genes, features].
    scaling
        Of the genes, where they are to be scaled.
    """
    basis, target = fitted_to_measured(basis, measured, panel)
    cap, mean = panel.cap, panel.mean.astype(np.float64)
    if cap is None:
        cap = np.full(len(basis), _NO_CAP, np.float32)
    if scaling is not None:
        mean = mean - scaling.shift
        cap = np.maximum((cap - scaling.shift) / scaling.slope, 0).astype(np.float32)
    centre = np.where(measured, mean, 0) @ basis
    if scaling is not None:
        basis = (basis * scaling.slope[:, None]).astype(np.float32)
    # not -centre: that would make -0.0 of 0
    offset = (0 - centre).astype(np.float32)
    return prepare(
        panel_column,
        basis,
        cap,
        offset,
        target,
        library=panel.library,
        counted=counted,
        representative=representative,
        log1p=panel.log1p,
        wide=panel.wide,
    )


def basis_of_measured(
    basis: NDArray[np.float32],
    measured: NDArray[np.bool_],
    factors: Factors,
) -> NDArray[np.float32]:
    """Add the rows of the missing genes to those of the genes that foretell them.

    Parameters
    ----------
    basis
        float32 [panel genes, features].
    measured
        bool [panel genes].
    factors
        Of the panel genes.

    Returns
    -------
    ndarray
        float32 [panel genes, features]; the rows of missing genes mean nothing.
    """
    if measured.all():
        return basis
    exact = factors.loading.astype(np.float64)
    known = np.where(measured, 1 / factors.noise.astype(np.float64), 0)[:, None] * exact
    system = np.eye(exact.shape[1]) + known.T @ exact
    of_factors = exact[~measured].T @ basis[~measured]
    added: NDArray[np.float64] = known @ np.linalg.solve(system, of_factors)
    return (basis + added).astype(np.float32)


def linear_features(
    prepared: QueryBasis,
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Compute the linear features of raw counts.

    Parameters
    ----------
    prepared
        From `prepare` or `prepare_measured`.
    indptr, indices, data
        CSR counts in the query's gene order, as `cellport.kernels.arrays.frozen_csr` takes them;
        indices in any order, a gene any number of times in a cell (summed).
    threads, pool
        As in `cellport.kernels.rows.over_rows`. A cell gives the same bits whatever the threads,
        the block and its place in it.

    Returns
    -------
    features
        float32 [cells, features]: ``offset + sum of min(log1p(count * target / library), cap) *
        basis`` over the panel genes; ``offset`` for a cell without counts in the panel.
    library
        float64 [cells], counts over the panel, whatever the counts are divided by.
    """
    n_cells = len(indptr) - 1
    features = np.empty((n_cells, prepared.n_features), np.float32)
    library = np.empty(n_cells, np.float64)
    counts = frozen_csr(indptr, indices, data)
    over_rows(_of_rows, *counts, prepared, features, library, threads=threads, pool=pool)
    return features, library


def _of_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    prepared: QueryBasis,
    features: NDArray[np.float32],
    library: NDArray[np.float64],
    start: int,
    stop: int,
) -> None:
    tiles = indptr[[*range(start, stop, TILE), stop]]
    twins = int(np.count_nonzero(prepared.twin >= 0))
    room = int(np.diff(tiles).max(initial=0)) + twins * TILE
    call(
        LinearFeatures(
            indptr=indptr,
            indices=indices,
            data=data,
            in_panel=prepared.in_panel,
            counted=prepared.counted,
            row=prepared.row,
            distinct=prepared.distinct,
            twin=prepared.twin,
            twins=twins,
            basis=prepared.basis,
            cap=prepared.cap,
            offset=prepared.offset,
            logged=prepared.log1p,
            wide=prepared.wide,
            divisor=_LIBRARIES.index(prepared.library),
            target=prepared.target,
            features=features,
            library=library,
            columns=np.empty(room, np.int32),
            values=np.empty(room, np.float32),
            slot=np.zeros(len(prepared.cap), np.int32),
            ends=np.zeros(TILE + 1, np.int64),
            last=np.empty(LANES, np.float32),
            start=start,
            stop=stop,
        )
    )
