"""Fit the novelty score, and the table that turns it into p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from cellport.models.feature_layout import FeatureLayout
from cellport.models.novelty import (
    GroupDistance,
    Groups,
    Knots,
    LayerGroups,
    NoveltyScore,
    NoveltySignals,
)
from cellport.runtime.atlas.novelty_table import ARRAYS, NoveltyTable, novelty_p_values
from cellport.train.cells import TrainingCells, at_random
from cellport.train.degrade import thin
from cellport.train.infer import CellEncoder, EncodedCells, encode_layers

# linear features, latent mean and logits of cells, float32 [cells, ...] each
Layers = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
# closest where cells are called novel
P_LEVELS = (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01,
            0.005, 0.002, 0.001)  # fmt: skip
# shares of held-out cells at which the rarity of a signal has knots, down to the smallest that so
# many cells show
_KNOT_LEVELS = (1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01,
                0.005)  # fmt: skip
# what signals weigh: chosen on 87 queries, from each of which a type of one of seven datasets was
# left out as `benchmarks.novelty` does it; a dozen other weights came to areas up to .011 smaller
_WEIGHTS = {"scores": 1.0, "latent": 0.5, "own": 2.0, "relative": 0.5, "doubt": 0.5}
# knots at least so far apart, of signals that are around one: rounding, of which a step is the
# larger the shorter it is, stays far below what a score is compared to
_KNOTS_APART = 0.01
# beyond those levels, ones that are extrapolated from the scores between 0.05 and 0.001
_TAIL_LEVELS = (1e-4, 1e-6, 1e-9, 1e-13, 1e-18, 1e-25, 1e-36)
# cells to a row of the table at least, where only some genes are measured
_FEWEST_IN_ROW = 100
# so that the last level is at 45 times the score of the first: cells beyond it all look alike
_FLATTEST_TAIL = 0.05
# fewer held-out cells have no tail to speak of
FEWEST_HELD_OUT = 30


@dataclass(frozen=True, slots=True)
class NoveltyConfig:
    """How novelty is measured."""

    # shares of the panel genes for which there is a table, and depths for which it has a row
    shares: tuple[float, ...] = (0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
    bins: int = 12
    # cells at most that the groups, and the table, are fitted to: more add time alone
    most_fitted: int = 20_000
    most_judged: int = 2_000
    # held-out cells of each batch, which trained ones make up where they are fewer: of 131 cells of
    # a second technology three were held out, and 22 % of all looked strange; with these 5 %
    fewest_of_batch: int = 20
    # cells to a table at least, the same ones thinned again where they are fewer: 500 to a row,
    # of which 5 % are 25
    copies: int = 6_000
    # counts of the measured genes down to which they are thinned: of fewer nothing can be said
    shallowest: float = 10.0
    # share of the known cells of a new batch that is to have a p-value below it, and a bound of
    # the power that brings this about, so that strange cells keep small ones
    known_p: float = 0.05
    least_exponent: float = 0.1
    # that power where there is one batch: what references of several come to, as a rule
    usual_exponent: float = 0.85


@dataclass(frozen=True, slots=True)
class Novelty:
    """What an atlas needs to tell strange cells."""

    score: NoveltyScore
    # the table of `cellport.runtime.atlas.novelty_table.NoveltyTable`, by array name
    arrays: dict[str, NDArray[np.float32]]
    p_exponent: float  # power to which the table's p-values were raised

    @property
    def table(self) -> NoveltyTable:
        """The arrays as what p-values are looked up in."""
        return NoveltyTable(*(self.arrays[name] for name in ARRAYS))


def fit_novelty(
    fitted: EncodedCells, p_exponent: float = 1.0, config: NoveltyConfig = NoveltyConfig()
) -> Novelty:
    """Measure the groups of the reference, and how strange its held-out cells look.

    Groups are the labels; without labels, k-means clusters of the latent. The held-out cells
    are scored as they are and again thinned and with genes missing, so that a shallow query,
    or one that lacks genes, is compared with reference cells just as poor.

    Where fewer than 30 were held out, all cells stand in for them, and where fewer than 20 of a
    batch, some of its others, and p-values of new cells come out somewhat too small. P-values are
    raised to a power, from `fit_p_exponent`, or 1 where queries are of the reference's own batches.
    """
    encoder, cells = fitted.encoder, fitted.cells
    rng = np.random.default_rng(fitted.seed)
    trained = at_random(cells.trained, config.most_fitted, rng)
    layers = encode_layers(encoder, cells.counts[trained])
    group = groups_of_cells(cells.label[trained], layers[1], layers[2], fitted.seed)
    enough = len(cells.held_out) >= FEWEST_HELD_OUT
    known = of_all_batches(cells, config.fewest_of_batch, rng) if enough else trained
    judged = at_random(known, config.most_judged, rng)
    of_judged = encode_layers(encoder, cells.counts[judged])
    signals = NoveltySignals(
        encoder.layout, _layer_groups(encoder.layout, layers, group, of_judged)
    ).eval()
    score = fit_score(signals, of_judged)
    arrays = _null_table(encoder, score, cells.counts[judged], config, rng)
    arrays["novelty_p"] **= np.float32(p_exponent)
    return Novelty(score, arrays, p_exponent)


def of_all_batches(
    cells: TrainingCells, fewest: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the held-out cells, and trained ones of batches of which too few were held out.

    Rows, int64, ascending. At most as many are added as were held out, as many of each batch as it
    is short of: to those that were trained on, new cells look somewhat too strange.
    """
    held_out = cells.held_out
    per_batch = np.bincount(cells.batch[held_out], minlength=cells.n_batches)
    short = np.maximum(fewest - per_batch, 0)
    if not short.any():
        return held_out
    wanted = (short * min(1, len(held_out) / short.sum())).astype(np.int64)
    rows = rng.permutation(cells.trained)
    rows = rows[np.argsort(cells.batch[rows], kind="stable")]
    batch = cells.batch[rows]
    rank = np.arange(len(rows)) - np.searchsorted(batch, batch)
    return np.union1d(held_out, rows[rank < wanted[batch]])


def fit_score(signals: NoveltySignals, of_judged: Layers) -> NoveltyScore:
    """Find how rare each signal is among held-out cells, of which these are the layers."""
    with torch.inference_mode():
        reached = signals(*map(torch.from_numpy, of_judged))
    knots = {name: fit_knots(one.numpy(), _WEIGHTS[name]) for name, one in reached.items()}
    return NoveltyScore(signals, knots).eval()


def _layer_groups(
    layout: FeatureLayout, layers: Layers, code: NDArray[np.int64], of_judged: Layers
) -> LayerGroups:
    """Fit the groups of reference cells, which have these codes, in each layer."""
    (features, latent, logits), (judged_features, judged_latent, _) = layers, of_judged
    codes, group = np.unique(code, return_inverse=True)
    of_label = np.full(logits.shape[1], -1)
    known = codes < len(of_label)
    of_label[codes[known]] = np.flatnonzero(known)
    scores, apart = layout.scores, layout.discriminants
    discriminants = None
    if features[:, apart].any():
        values, judged = features[:, apart], judged_features[:, apart]
        together = np.zeros_like(group)
        discriminants = fit_groups(values, group, judged), fit_groups(values, together, judged)
    return LayerGroups(
        scores=fit_groups(features[:, scores], group, judged_features[:, scores]),
        latent=fit_groups(latent, group, judged_latent),
        discriminants=discriminants,
        of_label=torch.from_numpy(of_label),
    )


def fit_p_exponent(
    left_out_p: Sequence[NDArray[np.float32]], config: NoveltyConfig = NoveltyConfig()
) -> float:
    """Power to which p-values are raised so that a new batch does not look novel as a whole.

    Held-out cells share their batches with the trained ones, and no query does. Models
    trained without some batches say how strange known types of such a batch look, and to
    which power 5 % of their cells are below 0.05. They know fewer batches than the model in
    use, for which that is too careful: it takes the root of that power, or a usual value where
    no batch was left out. P-values are float32 [cells] for each group of batches left out.

    References
    ----------
    Dunn, Wasserman and Ramdas 2022, JASA, "Distribution-free prediction sets for two-layer
    hierarchical models": groups count alike, whatever their numbers of cells.
    """
    if not left_out_p:
        return config.usual_exponent
    p = np.concatenate(left_out_p).astype(np.float64)
    weight = np.concatenate([np.full(len(one), 1 / len(one)) for one in left_out_p])
    order = np.argsort(p)
    below = weight[order].cumsum() / len(left_out_p)
    reached = max(p[order[np.searchsorted(below, config.known_p)]], 1e-300)
    power = np.log(config.known_p) / np.log(reached)
    return float(np.sqrt(np.clip(power, config.least_exponent, 1.0)))


def novelty_p(
    encoder: CellEncoder, novelty: Novelty, counts: sp.csr_matrix | NDArray[np.float32]
) -> NDArray[np.float32]:
    """Novelty p-values, float32 [n], of CSR counts or of dense ones, NaN where not measured."""
    library, score = _scored(encoder, novelty.score, counts)
    share = float(np.isfinite(counts[:1]).mean()) if isinstance(counts, np.ndarray) else 1.0
    return novelty_p_values(novelty.table, score, library, share)


def fit_groups(
    values: NDArray[np.float32], group: NDArray[np.int64], judged: NDArray[np.float32]
) -> Groups:
    """Whiten one layer within groups, and weigh its principal axes.

    The axes are taken in order of their variance, each whitened given those before it, and the
    squared distance along the j-th counts 1 / (j + 30): late axes are mostly noise, and their
    number would drown what the first ones show. Of float32 [cells, width], in groups int64 [cells]
    from 0 on, none without a cell; those judged, held-out cells, set the unit of the distance.
    """
    wide = values.astype(np.float64)
    centres = np.stack([wide[group == code].mean(axis=0) for code in range(group.max() + 1)])
    variance, axes = np.linalg.eigh(np.cov(wide, rowvar=False))
    axes = axes[:, variance > 1e-9 * variance[-1]][:, ::-1]
    within = (wide - centres[group]) @ axes
    covariance = within.T @ within / len(within)
    ridge = 1e-3 * covariance.trace() / len(covariance) + 1e-9
    half = np.linalg.cholesky(covariance + ridge * np.eye(len(covariance)))
    weight = (np.arange(axes.shape[1]) + 30.0) ** -0.5
    whiten = np.linalg.solve(half, axes.T).T * weight
    origin = centres.mean(axis=0) @ whiten
    fitted = Groups(
        axes=torch.from_numpy(whiten.astype(np.float32)),
        origin=torch.from_numpy(origin.astype(np.float32)),
        centres=torch.from_numpy((centres @ whiten - origin).astype(np.float32)),
        usual=1.0,
    )
    distance = GroupDistance(fitted)(torch.from_numpy(judged)).numpy().astype(np.float64) ** 2 - 1
    return fitted._replace(usual=max(float(np.median(distance)), 1e-6))


def fit_knots(signal: NDArray[np.floating], weight: float) -> Knots:
    """Find where a signal of held-out cells, float [cells], is how rare."""
    levels = np.array([level for level in _KNOT_LEVELS if level * len(signal) >= 1])
    at: list[float] = []
    rarity: list[float] = []
    for value, level in zip(np.quantile(signal, 1 - levels), levels, strict=True):
        if not at or value >= at[-1] + _KNOTS_APART:
            at.append(float(value))
            rarity.append(-float(np.log(level)))
    if len(at) < 2:
        at, rarity = [at[0] - _KNOTS_APART, at[0]], [0.0, rarity[0]]
    return Knots(torch.tensor(at), torch.tensor(rarity), weight)


def groups_of_cells(
    label: NDArray[np.int64],
    latent: NDArray[np.float32],
    logits: NDArray[np.float32],
    seed: int,
) -> NDArray[np.int64]:
    """Return the label of each cell, or its cluster where none is known, int64 [cells].

    Of labels int64 [cells], -1 unknown, latents and logits float32 [cells, ...].
    """
    if not logits.shape[1] and (label >= 0).all():
        code = label
    elif logits.shape[1]:
        # a reference cell without a label is no less a part of the reference
        code = np.where(label >= 0, label, logits.argmax(axis=1))
    else:
        k = int(np.clip(len(latent) // 50, 1, 30))
        code = kmeans2(latent.astype(np.float64), k, minit="++", seed=seed, missing="warn")[1]
    return np.asarray(code, np.int64)


def _null_table(
    encoder: CellEncoder,
    score: NoveltyScore,
    counts: sp.csr_matrix,
    config: NoveltyConfig,
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float32]]:
    """Scores of held-out cells by share of the genes and by depth, at each p-value."""
    copies = max(2, -(-config.copies // counts.shape[0]))
    n_genes = counts.shape[1]
    shares, depth, scores = [], [], []
    for number in sorted({max(1, round(share * n_genes)) for share in config.shares}):
        parts = []
        for copy in range(copies):
            least = config.shallowest if copy % 2 else None
            parts.append(_scored(encoder, score, *_poorer(counts, number, least, rng)))
        library, found = (np.concatenate(part) for part in zip(*parts, strict=True))
        # cells without any count are given no p-value
        some = np.flatnonzero(library)
        if number < n_genes and len(some) < config.bins * _FEWEST_IN_ROW:
            continue
        library, found = (library[some], found[some]) if len(some) else (library, found)
        of_bins, reached = by_depth(library, found, min(config.bins, len(library)))
        shares.append(number / n_genes)
        depth.append(of_bins)
        scores.append(_with_tail(reached))
    table = {"novelty_p": (*P_LEVELS, *_TAIL_LEVELS), "novelty_share": shares,
             "novelty_depth": depth, "novelty_score": scores}  # fmt: skip
    return {name: np.asarray(values, dtype=np.float32) for name, values in table.items()}


def by_depth(
    library: NDArray[np.floating], score: NDArray[np.floating], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Split cells into bins of like depth; of each the mean depth, and the scores at `P_LEVELS`.

    Of counts and scores float [cells]: depths [bins], in log(1 + counts), and [bins, levels].
    """
    rows = np.array_split(np.argsort(library, kind="stable"), bins)
    # of cells of one depth the mean may round to less in a later bin
    depth = np.maximum.accumulate([np.log1p(library[some]).mean() for some in rows])
    return depth, np.stack([np.quantile(score[some], 1 - np.array(P_LEVELS)) for some in rows])


def _with_tail(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append to [bins, levels] the scores at which a power law reaches the tail's levels.

    The tail ranks the strangest cells and promises nothing. All depths share one: each has too
    few cells for its own, and a query far from the reference would be ranked by their noise.
    """
    # cells that are all alike have no tail
    start, end = (np.maximum(scores[:, P_LEVELS.index(level)], 1e-3) for level in (0.05, 0.001))
    slope = float(np.median(np.log(end / start))) / np.log(0.05 / 0.001)
    exponent = float(np.clip(slope, _FLATTEST_TAIL, 1.0))
    drawn = (0.001 / np.array(_TAIL_LEVELS)) ** exponent
    return np.column_stack([scores, scores[:, -1:] * drawn])


def _poorer(
    counts: sp.csr_matrix, number: int, shallowest: float | None, rng: np.random.Generator
) -> tuple[sp.csr_matrix, NDArray[np.bool_]]:
    """Cells with so many of the genes, thinned down to so many counts, and which genes these are.

    Counts are CSR [n, genes], the genes bool [genes].
    """
    n_cells, n_genes = counts.shape
    measured = np.ones(n_genes, np.bool_)
    measured[rng.permutation(n_genes)[number:]] = False
    values = np.rint(counts.data * measured[counts.indices])
    poorer = sp.csr_matrix((values, counts.indices, counts.indptr), counts.shape)
    if shallowest is not None:
        library = np.maximum(np.asarray(poorer.sum(axis=1), np.float64).ravel(), 1.0)
        lowest = np.log(np.minimum(1.0, shallowest / library))
        poorer.data = thin(poorer, np.exp(lowest * rng.random(n_cells)), rng).astype(np.float32)
    return poorer, measured


def _scored(
    encoder: CellEncoder,
    score: NoveltyScore,
    counts: sp.csr_matrix | NDArray[np.float32],
    measured: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Library size over the genes that were measured, and novelty score, float32 [n] each."""
    with torch.inference_mode():
        found = score(*map(torch.from_numpy, encode_layers(encoder, counts, measured))).numpy()
    of_panel = counts[:, : encoder.n_genes]
    if isinstance(of_panel, np.ndarray):
        return np.nansum(of_panel, axis=1), found
    return np.asarray(of_panel.sum(axis=1), np.float32).ravel(), found
