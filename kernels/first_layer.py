"""First encoder layer straight from the raw counts of a query: no intermediate matrix.

One pass over the non-zeros of a cell selects the panel genes, sums the library, log-normalises
and multiplies with the rows of the weight matrix that the cell needs (`first_layer_loops`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .jit import frozen
from .machine_code import call
from .rows import over_rows

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from numpy.typing import NDArray


TILE = 128
"""Cells that share one pass over a slice of the weights while it is in the L2 cache."""
LANES = 32
"""Floats that are summed at once: 4 registers of AVX2, 2 of AVX-512, 8 of NEON."""


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """A first layer made ready for one query's gene order; see `prepare`.

    Attributes
    ----------
    in_panel
        uint8 [n_query_genes], 1 for genes of the panel.
    row
        int32 [n_query_genes], row of `weight` and `cap`, or -1.
    distinct
        Whether no two query genes share a row.
    weight
        float32 [parts, n_rows, LANES], the hidden units in parts of `LANES`, padded with 0; only
        the panel genes that the query has.
    cap
        float32 [n_rows].
    bias
        float32 [parts * LANES].
    n_hidden
        Hidden units before padding.
    target
        Counts that a cell is scaled to.
    """

    in_panel: NDArray[np.uint8]
    row: NDArray[np.int32]
    distinct: bool
    weight: NDArray[np.float32]
    cap: NDArray[np.float32]
    bias: NDArray[np.float32]
    n_hidden: int
    target: float


def prepare(
    panel_column: NDArray[Any],
    weight: NDArray[Any],
    cap: NDArray[Any],
    bias: NDArray[Any],
    target: float,
) -> FirstLayer:
    """Arrange a first layer once, for any number of blocks of one query.

    Parameters
    ----------
    panel_column
        Integer [n_query_genes], panel position of each query gene or -1; query genes with the
        same position are summed.
    weight
        float32 [n_panel, n_hidden].
    cap
        float32 [n_panel], largest log-normalised value of each gene.
    bias
        float32 [n_hidden].
    target
        Counts that a cell is scaled to.

    Returns
    -------
    FirstLayer
        What `encode` needs.
    """
    in_panel = panel_column >= 0
    used = panel_column[in_panel]
    # Weights in the order of the query's genes: a cell then walks through them forwards.
    panel, first = np.unique(used, return_index=True)
    panel = panel[np.argsort(first)]
    rank = np.zeros(len(weight), np.int32)
    rank[panel] = np.arange(len(panel))
    rows = np.where(in_panel, rank[panel_column], -1)
    n_hidden = weight.shape[1]
    parts = -(-n_hidden // LANES)
    padded = np.zeros((len(panel), parts * LANES), np.float32)
    padded[:, :n_hidden] = weight[panel]
    return FirstLayer(
        in_panel=frozen(in_panel, np.uint8),
        row=frozen(rows, np.int32),
        distinct=len(panel) == len(used),
        weight=frozen(padded.reshape(len(panel), parts, LANES).transpose(1, 0, 2)),
        cap=frozen(cap[panel], np.float32),
        bias=frozen(np.pad(bias, (0, parts * LANES - n_hidden)), np.float32),
        n_hidden=n_hidden,
        target=float(target),
    )


@dataclass(frozen=True, slots=True)
class Panel:
    """What is known of the panel genes of a reference.

    Attributes
    ----------
    cap
        float32 [genes], largest log-normalised value let through.
    mean
        float32 [genes], mean log-normalised value.
    share
        float32 [genes], mean share of a cell's counts; sums to 1.
    noise, loading
        float32 [genes] and [genes, factors], the factor model of `cellport.models.missing`.
    target
        Counts that a cell with all genes is scaled to.
    """

    cap: NDArray[np.float32]
    mean: NDArray[np.float32]
    share: NDArray[np.float32]
    noise: NDArray[np.float32]
    loading: NDArray[np.float32]
    target: float


def prepare_measured(
    panel_column: NDArray[Any],
    measured: NDArray[np.bool_],
    weight: NDArray[np.float32],
    bias: NDArray[np.float32],
    panel: Panel,
) -> FirstLayer:
    """`prepare` for centred values of cells in which some panel genes were not measured.

    These stand at what the others make most likely, and take no part in the library size, which
    is scaled to the share of a reference cell's counts that the measured genes hold. What is
    expected of a gene is linear in the others, so its weights are added to theirs.

    Parameters
    ----------
    panel_column
        As for `prepare`.
    measured
        bool [genes].
    weight, bias
        float32 [genes, n_hidden] and [n_hidden].
    panel
        Its genes.
    """
    weight = weight_of_measured(weight, measured, panel.loading, panel.noise)
    centre = np.where(measured, panel.mean, 0).astype(np.float64) @ weight
    target = panel.target * float(panel.share[measured].sum(dtype=np.float64))
    return prepare(panel_column, weight, panel.cap, (bias - centre).astype(np.float32), target)


def weight_of_measured(
    weight: NDArray[np.float32],
    measured: NDArray[np.bool_],
    loading: NDArray[np.float32],
    noise: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Add the weights of the missing genes to those of the genes that foretell them.

    Parameters
    ----------
    weight
        float32 [panel genes, hidden].
    measured
        bool [panel genes].
    loading, noise
        float32 [panel genes, factors] and [panel genes], the factor model of
        `cellport.models.missing`.

    Returns
    -------
    ndarray
        float32 [panel genes, hidden]; the rows of missing genes mean nothing.
    """
    if measured.all():
        return weight
    exact = loading.astype(np.float64)
    known = np.where(measured, 1 / noise.astype(np.float64), 0)[:, None] * exact
    system = np.eye(loading.shape[1]) + known.T @ exact
    of_factors = exact[~measured].T @ weight[~measured]
    added: NDArray[np.float64] = known @ np.linalg.solve(system, of_factors)
    return (weight + added).astype(np.float32)


def encode(
    layer: FirstLayer,
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int32]]:
    """Apply the first layer to raw counts.

    Parameters
    ----------
    layer
        From `prepare`.
    indptr, indices, data
        CSR counts of the query in its own gene order, checked by
        `cellport.kernels.check.check_structure`; any numeric types (indices are taken as int32,
        data as float32); indices in any order, a gene any number of times in a cell (summed).
    threads, pool
        As in `cellport.kernels.rows.over_rows`. A cell gives the same bits whatever the threads,
        the block and its place in it.

    Returns
    -------
    hidden
        float32 [n_cells, n_hidden]: ``bias + sum of min(log1p(count * target / library), cap) *
        weight`` over the panel genes; ``bias`` for a cell without counts in the panel.
    library
        float64 [n_cells], counts over the panel.
    detected
        int32 [n_cells], panel genes with a count above 0.
    """
    n_cells = len(indptr) - 1
    hidden = np.empty((n_cells, layer.n_hidden), np.float32)
    library = np.empty(n_cells, np.float64)
    detected = np.empty(n_cells, np.int32)
    over_rows(
        _encode_rows,
        frozen(indptr, np.int64),
        frozen(indices, np.int32),
        frozen(data, np.float32),
        layer,
        hidden,
        library,
        detected,
        threads=threads,
        pool=pool,
    )
    return hidden, library, detected


def _encode_rows(
    indptr: NDArray[np.int64],
    indices: NDArray[np.int32],
    data: NDArray[np.float32],
    layer: FirstLayer,
    hidden: NDArray[np.float32],
    library: NDArray[np.float64],
    detected: NDArray[np.int32],
    start: int,
    stop: int,
) -> None:
    tiles = indptr[[*range(start, stop, TILE), stop]]
    room = int(np.diff(tiles).max(initial=0))
    call(
        "first_layer",
        indptr,
        indices,
        data,
        layer.in_panel,
        layer.row,
        layer.distinct,
        layer.weight,
        layer.cap,
        layer.bias,
        layer.target,
        hidden,
        library,
        detected,
        np.empty(room, np.int32),
        np.empty(room, np.float32),
        np.zeros(len(layer.cap), np.int32),
        np.zeros(TILE + 1, np.int64),
        np.empty(LANES, np.float32),
        start,
        stop,
        len(data),
        len(hidden),
        layer.n_hidden,
        len(layer.row),
        len(layer.cap),
        room,
    )


def encode_first_layer(
    indptr: NDArray[Any],
    indices: NDArray[Any],
    data: NDArray[Any],
    panel_column: NDArray[Any],
    weight: NDArray[Any],
    cap: NDArray[Any],
    bias: NDArray[Any],
    target: float,
    threads: int = 1,
    pool: Executor | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.int32]]:
    """`prepare` and `encode` in one call; parameters and results are theirs."""
    layer = prepare(panel_column, weight, cap, bias, target)
    return encode(layer, indptr, indices, data, threads=threads, pool=pool)
