"""Fit the novelty score, and the table that turns it into p-values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from cellport.models.novelty import GroupDistance, Groups, NoveltyScore
from cellport.models.vae import CountVAE
from cellport.runtime.atlas.novelty_table import ARRAYS, NoveltyTable, novelty_p_values
from cellport.train.features.log_normalise import LIBRARY, label_means
from cellport.train.fit.loop import TrainingCells

P_LEVELS = (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01,
            0.005, 0.002, 0.001)  # fmt: skip
# beyond those levels, ones that are extrapolated from the scores between 0.05 and 0.001
_TAIL_LEVELS = (1e-4, 1e-6, 1e-9, 1e-13, 1e-18, 1e-25, 1e-36)
# so that the last level is at 45 times the score of the first: cells beyond it all look alike
_FLATTEST_TAIL = 0.05
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
FEWEST_HELD_OUT = 30
_BINS = 8
_MOST_FITTED = 20_000
_MOST_JUDGED = 2_000
_COPIES = 4_000
_SHALLOWEST = 100.0
_CHUNK = 1024
# the share of known cells of a new batch that is to fall below itself, and bounds of its price
_LEVEL = 0.05
_LEAST_EASING = 0.1
# where there is one batch: what references of several batches come to, as a rule
_USUAL_EASING = 0.85


@dataclass(frozen=True, slots=True)
class Novelty:
    """What an atlas needs to tell strange cells.

    Attributes
    ----------
    score
        The module that scores them.
    arrays
        The table of `cellport.runtime.atlas.novelty_table.NoveltyTable`, by array name.
    """

    score: NoveltyScore
    arrays: dict[str, NDArray[np.float32]]


def fit_novelty(
    model: CountVAE,
    cells: TrainingCells,
    seed: int,
    easing: float = 1.0,
    shares: tuple[float, ...] = SHARES,
) -> Novelty:
    """Measure the groups of the reference, and how strange its held-out cells look.

    Groups are the labels; without labels, k-means clusters of the latent. The held-out cells
    are scored as they are and again thinned and with genes missing, so that a shallow query,
    or one that lacks genes, is compared with reference cells just as poor.

    Parameters
    ----------
    model
        Trained, in evaluation mode.
    cells
        What it was trained on, with the cells held out of it; where fewer than 30 were, all
        cells stand in for them, and p-values of new cells come out somewhat too small.
    seed
        Of the choice of cells, and of their thinning.
    easing
        Power to which p-values are raised, from `fit_easing`; 1 where queries are of the
        reference's own batches.
    shares
        Shares of the panel genes for which there is to be a table.
    """
    rng = np.random.default_rng(seed)
    trained = np.setdiff1d(np.arange(cells.counts.shape[0]), cells.held_out)
    trained = _some(trained, _MOST_FITTED, rng)
    features, latent, logits = encode_layers(model, cells.counts[trained])
    group = _groups(cells.label[trained], latent, logits, seed)
    enough = len(cells.held_out) >= FEWEST_HELD_OUT
    judged = _some(cells.held_out if enough else trained, _MOST_JUDGED, rng)
    judged_features, judged_latent, _ = encode_layers(model, cells.counts[judged])
    n = model.config.n_factors
    scores, discriminants = slice(n), slice(n, n + model.config.n_labels)
    told_apart = features[:, discriminants].any()
    score = NoveltyScore(
        n,
        fit_groups(features[:, scores], group, judged_features[:, scores]),
        fit_groups(features[:, discriminants], group, judged_features[:, discriminants])
        if told_apart
        else None,
        fit_groups(latent, group, judged_latent),
    ).eval()
    arrays = _null_table(model, score, cells.counts[judged], shares, rng)
    arrays["novelty_p"] **= np.float32(easing)
    return Novelty(score, arrays)


def fit_easing(unseen_p: Sequence[NDArray[np.float32]]) -> float:
    """Power to which p-values are raised so that a new batch does not look novel as a whole.

    Held-out cells share their batches with the trained ones, and no query does. Models
    trained without some batches say how strange known types of an unseen batch look, and to
    which power 5 % of their cells are below 0.05. They know fewer batches than the model in
    use, for which that is too careful: it takes the root of that power.

    Parameters
    ----------
    unseen_p
        float32 [cells] for each group of batches left out: p-values of its cells.

    Returns
    -------
    float
        At most 1; a usual value where no batch was left out.

    References
    ----------
    Dunn, Wasserman and Ramdas 2022, JASA, "Distribution-free prediction sets for two-layer
    hierarchical models": groups count alike, whatever their numbers of cells.
    """
    if not unseen_p:
        return _USUAL_EASING
    p = np.concatenate(unseen_p).astype(np.float64)
    weight = np.concatenate([np.full(len(one), 1 / len(one)) for one in unseen_p])
    order = np.argsort(p)
    below = weight[order].cumsum() / len(unseen_p)
    reached = max(p[order[np.searchsorted(below, _LEVEL)]], 1e-300)
    return float(np.sqrt(np.clip(np.log(_LEVEL) / np.log(reached), _LEAST_EASING, 1.0)))


def novelty_p(
    model: CountVAE, novelty: Novelty, counts: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Novelty p-values of dense counts, float32 [n]; NaN where a gene was not measured."""
    features, latent, _ = encode_layers(model, counts)
    with torch.inference_mode():
        score = novelty.score(torch.from_numpy(features), torch.from_numpy(latent)).numpy()
    table = NoveltyTable(*(novelty.arrays[name] for name in ARRAYS))
    share = float(np.isfinite(counts[:1]).mean())
    return novelty_p_values(table, score, np.nansum(counts, axis=1), share)


def encode_layers(
    model: CountVAE, counts: sp.csr_matrix | NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Linear features, latent mean and logits of cells, float32 [n, ...] each."""
    parts = []
    with torch.inference_mode():
        for start in range(0, counts.shape[0], _CHUNK):
            some = counts[start : start + _CHUNK]
            dense = some if isinstance(some, np.ndarray) else some.toarray()
            values, _ = model.encoder.normalise(torch.from_numpy(dense))
            features = values @ model.encoder.basis
            encoded = model.encoder.tail(features)
            parts.append((features, encoded.mean, encoded.logits))
    features, latent, logits = (torch.cat(layer).numpy() for layer in zip(*parts, strict=True))
    return features, latent, logits


def fit_groups(
    values: NDArray[np.float32], group: NDArray[np.int64], judged: NDArray[np.float32]
) -> Groups:
    """Whiten one layer within groups, and weigh its principal axes.

    The axes are taken in order of their variance, each whitened given those before it, and the
    squared distance along the j-th counts 1 / (j + 30): late axes are mostly noise, and their
    number would drown what the first ones show.

    Parameters
    ----------
    values
        float32 [cells, width].
    group
        int64 [cells], 0 to the number of groups - 1, each with a cell.
    judged
        float32 [held-out cells, width], which set the unit of the score.
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
        scale=1.0,
    )
    distance = GroupDistance(fitted)(torch.from_numpy(judged)).numpy().astype(np.float64) ** 2 - 1
    usual = max(float(np.median(distance)), 1e-6)
    low, high = np.quantile(np.sqrt(1 + distance / usual), (0.1, 0.9))
    return fitted._replace(usual=usual, scale=float(max(high - low, 1e-2)))


def _groups(
    label: NDArray[np.int64],
    latent: NDArray[np.float32],
    logits: NDArray[np.float32],
    seed: int,
) -> NDArray[np.int64]:
    if logits.shape[1]:
        # a reference cell without a label is no less a part of the reference
        code = np.where(label >= 0, label, logits.argmax(axis=1))
    else:
        k = int(np.clip(len(latent) // 50, 1, 30))
        code = kmeans2(latent.astype(np.float64), k, minit="++", seed=seed, missing="warn")[1]
    group: NDArray[np.int64] = np.unique(code, return_inverse=True)[1]
    return group


def _null_table(
    model: CountVAE,
    score: NoveltyScore,
    counts: sp.csr_matrix,
    shares: tuple[float, ...],
    rng: np.random.Generator,
) -> dict[str, NDArray[np.float32]]:
    copies = max(2, -(-_COPIES // counts.shape[0]))
    depth, scores = [], []
    for share in shares:
        library, found = (
            np.concatenate(part)
            for part in zip(
                *(
                    _judge(model, score, _poorer(counts, share, copy % 2 == 1, rng))
                    for copy in range(copies)
                ),
                strict=True,
            )
        )
        order = np.argsort(library, kind="stable")
        bins = np.array_split(order, _BINS)
        depth.append([np.log1p(library[rows]).mean() for rows in bins])
        scores.append(
            _with_tail(np.stack([np.quantile(found[r], 1 - np.array(P_LEVELS)) for r in bins]))
        )
    table = {"novelty_p": (*P_LEVELS, *_TAIL_LEVELS), "novelty_share": shares,
             "novelty_depth": depth, "novelty_score": scores}  # fmt: skip
    return {name: np.asarray(values, dtype=np.float32) for name, values in table.items()}


def _with_tail(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Append to [bins, levels] the scores at which a power law reaches the tail's levels.

    The tail ranks the strangest cells and promises nothing. All depths share one: each has too
    few cells for its own, and a query far from the reference would be ranked by their noise.
    """
    start, end = (scores[:, P_LEVELS.index(level)] for level in (0.05, 0.001))
    slope = float(np.median(np.log(end / start))) / np.log(0.05 / 0.001)
    exponent = float(np.clip(slope, _FLATTEST_TAIL, 1.0))
    drawn = (0.001 / np.array(_TAIL_LEVELS)) ** exponent
    return np.column_stack([scores, scores[:, -1:] * drawn])


def _poorer(
    counts: sp.csr_matrix, share: float, thinned: bool, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Cells as a shallower query with a share of the genes would hold them; NaN = missing."""
    values = np.rint(counts.toarray()).astype(np.int64)
    if thinned:
        library = np.maximum(values.sum(axis=1, keepdims=True), 1)
        lowest = np.log(np.minimum(1.0, _SHALLOWEST / library))
        values = rng.binomial(values, np.exp(lowest * rng.random(library.shape)))
    poorer: NDArray[np.float32] = values.astype(np.float32)
    n_genes = counts.shape[1]
    missing = rng.permutation(n_genes)[: n_genes - max(1, round(share * n_genes))]
    poorer[:, missing] = np.nan
    return poorer


def _judge(
    model: CountVAE, score: NoveltyScore, counts: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    features, latent, _ = encode_layers(model, counts)
    with torch.inference_mode():
        found = score(torch.from_numpy(features), torch.from_numpy(latent)).numpy()
    return np.nansum(counts, axis=1), found


def _some(rows: NDArray[np.int64], most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rows if len(rows) <= most else np.sort(rng.choice(rows, most, replace=False))


def label_profiles(cells: TrainingCells) -> NDArray[np.float32]:
    """Mean log-normalised profile (10,000 counts a cell) of each label, float32 [labels, genes].

    Without labels there is one row, the mean of all cells.
    """
    label = cells.label if cells.n_labels else np.zeros_like(cells.label)
    return label_means(cells.counts, label, max(1, cells.n_labels), LIBRARY).astype(np.float32)
