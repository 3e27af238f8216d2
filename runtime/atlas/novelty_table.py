"""Novelty scores to p-values against held-out reference cells of like depth and coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError

ARRAYS = ("novelty_p", "novelty_share", "novelty_depth", "novelty_score")


@dataclass(frozen=True, slots=True)
class NoveltyTable:
    """Scores that held-out reference cells reach, by depth and by share of genes measured."""

    # [levels], descending from 1: share of held-out cells at or above a score; extrapolated where
    # it is below what their number can show
    p: NDArray[np.float32]
    share: NDArray[np.float32]  # [shares], ascending shares of the panel genes measured
    # [shares, bins], ascending log1p of the counts over the measured panel genes
    depth: NDArray[np.float32]
    score: NDArray[np.float32]  # [shares, bins, levels], ascending along levels


def read_novelty_table(atlas: AtlasFile) -> NoveltyTable:
    """Read the table of an atlas.

    Raises
    ------
    AtlasError
        It is empty, or not in order.
    """
    p, share, depth, score = (atlas.array(name) for name in ARRAYS)
    steps = (np.diff(-p), np.diff(share), np.diff(depth), np.diff(score))
    ordered = all(np.isfinite(step).all() and (step >= 0).all() for step in steps)
    if len(p) < 2 or not depth.size or not ordered or not p[-1] > 0:
        raise AtlasError(say("format.novelty_table", atlas=atlas.path.name))
    return NoveltyTable(p, share, depth, score)


def novelty_p_values(
    table: NoveltyTable,
    score: NDArray[np.floating],
    library: NDArray[np.floating],
    measured_share: float,
) -> NDArray[np.float32]:
    """Share of comparable held-out reference cells that are at least as strange.

    Each cell is judged on its own: by its score, its depth and the genes its query has.

    Parameters
    ----------
    score
        float [n], from the encoder.
    library
        float [n], counts over the measured panel genes.
    measured_share
        Share of the panel genes that the query has.

    Returns
    -------
    ndarray
        float32 [n], at most 1. Depths and shares outside the table are taken as its nearest
        ones.
    """
    below, above, weight = _between(table.share, np.array([measured_share]))
    lower = _at_share(table, int(below[0]), score, library)
    upper = lower
    if weight[0]:
        upper = _at_share(table, int(above[0]), score, library)
    p: NDArray[np.float32] = ((1 - weight[0]) * lower + weight[0] * upper).astype(np.float32)
    return p


def _at_share(
    table: NoveltyTable, row: int, score: NDArray[np.floating], library: NDArray[np.floating]
) -> NDArray[np.float64]:
    log_p = np.log(table.p.astype(np.float64))
    by_bin = np.stack([np.interp(score, levels, log_p) for levels in table.score[row]])
    below, above, weight = _between(table.depth[row], np.log1p(library))
    cell = np.arange(len(score))
    p: NDArray[np.float64] = np.exp(
        (1 - weight) * by_bin[below, cell] + weight * by_bin[above, cell]
    )
    return p


def _between(
    nodes: NDArray[np.float32], at: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Nodes below and above each position, and the weight of the one above."""
    above = np.clip(np.searchsorted(nodes, at), 0, len(nodes) - 1)
    below = np.maximum(above - 1, 0)
    gap = np.maximum(nodes[above] - nodes[below], 1e-6).astype(np.float64)
    weight = np.clip((at - nodes[below]) / gap, 0, 1)
    return below, above, weight
