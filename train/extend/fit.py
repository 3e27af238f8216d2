"""Tell new types from those that an atlas knows, and judge by cells left out how well it does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.stats import rankdata

from cellport.runtime.atlas.novelty_table import read_novelty_table
from cellport.train.extend.basis import first_new, new_discriminants, widened
from cellport.train.extend.drawn import DrawnCells, draw_cells
from cellport.train.extend.gate import MOST_MOVED, Gate, careful_offset, fit_calibration, joined
from cellport.train.extend.linear import (
    Measured,
    Types,
    distance,
    fit_types,
    log_odds,
    moved,
    whitening,
)
from cellport.train.extend.near import Near, fit_line
from cellport.train.extend.seen import Encoder, Seen

_FOLDS = 5
# given cells of a known label that judge a new type by themselves: an area of fewer is chance
FEWEST_BESIDE = 10


@dataclass(frozen=True, slots=True)
class NewCells:
    """Labelled cells on the panel of an atlas, in an order of their own."""

    counts: sp.csr_matrix  # float32 [cells, panel genes]
    # int64 [cells]: labels of the atlas in their order, then the new types
    code: NDArray[np.int64]
    measured: NDArray[np.bool_]  # [panel genes]


@dataclass(frozen=True, slots=True)
class Judged:
    """What cells that were left out say of a new type."""

    cells: int  # how many there were
    recall: float  # share of them that were given it
    # how well it is told from the label, old or new, that is most like it, and that label
    auroc: float
    rival: int


@dataclass(frozen=True, slots=True)
class Extension:
    """What is added to the encoder of an atlas."""

    discriminants: NDArray[np.float32]  # [genes, new types], columns of the basis
    gate: Gate
    near: Near
    seen: Seen  # the new cells, by the atlas as it was
    at: NDArray[np.float64]  # the same as `Measured.at`
    judged: tuple[Judged, ...]  # of each new type
    lost: float  # share of drawn cells whose right label is lost to a new type


@dataclass(frozen=True, slots=True)
class _Setting:
    """The new cells and those drawn in place of the old ones, as the atlas sees them."""

    encoder: Encoder
    new: NewCells
    seen: Seen
    drawn: DrawnCells
    seen_drawn: Seen
    old_cells: NDArray[np.int64]
    n_old: int

    @property
    def n_types(self) -> int:
        return max(self.n_old, int(self.new.code.max()) + 1)


@dataclass(frozen=True, slots=True)
class _Fit:
    """Types fitted to some of the cells; all cells in its coordinates."""

    discriminants: NDArray[np.float32]
    types: Types
    new: Measured
    drawn: Measured

    def odds(self, at: NDArray[np.float64], n_old: int) -> NDArray[np.float64]:
        return log_odds(at, self.types.weight, self.types.bias, n_old)


def fit_extension(encoder: Encoder, new: NewCells, seed: int) -> Extension:
    """Fit everything to the new cells, and to cells drawn in place of the old ones."""
    atlas, n_old = encoder.atlas, len(encoder.atlas.manifest.labels)
    drawn = draw_cells(atlas, seed)
    every = np.ones(atlas.manifest.n_genes, np.bool_)
    label = atlas.array("reference_label")
    old_cells = np.bincount(label[label >= 0], minlength=n_old)
    setting = _Setting(
        encoder, new, encoder.see(new.counts, new.measured),
        drawn, encoder.see(drawn.counts, every, drawn.noise), old_cells, n_old,
    )  # fmt: skip
    whole = _fitted(setting, np.ones(len(new.code), np.bool_), np.ones(len(drawn.label), np.bool_))
    left_out = _left_out(setting, seed)
    gate = _gate(setting, whole, left_out)
    return Extension(
        whole.discriminants,
        gate,
        _near(setting, whole, left_out),
        setting.seen,
        whole.new.at,
        *_judged(setting, gate, left_out),
    )


def _fitted(setting: _Setting, new_kept: NDArray[np.bool_], drawn_kept: NDArray[np.bool_]) -> _Fit:
    """Fit the types to the cells that are kept."""
    new, n_old = setting.new, setting.n_old
    strange = new_kept & (new.code >= n_old)
    more = np.empty((new.counts.shape[1], 0), np.float32)
    if strange.any():
        atlas = setting.encoder.atlas
        code = new.code[strange] - n_old
        more = new_discriminants(atlas, new.counts[strange], code, new.measured)
    every = np.ones(new.counts.shape[1], np.bool_)
    at = _places(setting, new.counts, new.measured, setting.seen, more)
    drawn = setting.drawn
    at_drawn = _places(setting, drawn.counts, every, setting.seen_drawn, more, drawn.noise)
    types = fit_types(
        Measured(at_drawn[drawn_kept], setting.drawn.label[drawn_kept]),
        Measured(at[new_kept], new.code[new_kept]),
        setting.old_cells,
        setting.n_types,
    )
    return _Fit(more, types, Measured(at, new.code), Measured(at_drawn, setting.drawn.label))


def _places(
    setting: _Setting,
    counts: sp.csr_matrix,
    measured: NDArray[np.bool_],
    seen: Seen,
    more: NDArray[np.float32],
    noise: NDArray[np.float32] | None = None,
) -> NDArray[np.float64]:
    """Put features, the new ones in their places, and latents side by side."""
    features = seen.features
    if more.shape[1]:
        added, _ = setting.encoder.features(counts, measured, more, noise)
        features = widened(features, added, first_new(setting.encoder.atlas))
    return np.column_stack([features, seen.answers["latent"]]).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """What fits say of the cells that they did not see."""

    odds: NDArray[np.float64]  # [new cells, new types]
    distance: NDArray[np.float64]  # likewise
    drawn_odds: NDArray[np.float64]  # [drawn cells, new types]


def _left_out(setting: _Setting, seed: int) -> _LeftOut:
    rng = np.random.default_rng(seed)
    n_new, n_drawn = len(setting.new.code), len(setting.drawn.label)
    shape = n_new, setting.n_types - setting.n_old
    found = _LeftOut(np.zeros(shape), np.zeros(shape), np.zeros((n_drawn, shape[1])))
    if not shape[1]:
        return found
    fold, fold_drawn = (_folds(code, rng) for code in (setting.new.code, setting.drawn.label))
    for number in range(_FOLDS):
        out, out_drawn = fold == number, fold_drawn == number
        made = _fitted(setting, ~out, ~out_drawn)
        axes = whitening(made.types)
        centre = made.types.mean[setting.n_old :] @ axes
        found.odds[out] = made.odds(made.new.at[out], setting.n_old)
        found.distance[out] = distance(made.new.at[out], axes, centre)
        found.drawn_odds[out_drawn] = made.odds(made.drawn.at[out_drawn], setting.n_old)
    return found


def _folds(code: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Deal cells of each type into folds, at random."""
    fold = np.empty(len(code), np.int64)
    for one in np.unique(code):
        rows = rng.permutation(np.flatnonzero(code == one))
        fold[rows] = np.arange(len(rows)) % _FOLDS
    return fold


def _gate(setting: _Setting, whole: _Fit, left_out: _LeftOut) -> Gate:
    n_old, code = setting.n_old, setting.new.code
    own = setting.seen_drawn.prob
    best, right = own.max(axis=1), own.argmax(axis=1) == setting.drawn.label
    scale, offset = np.ones(setting.n_types - n_old), np.zeros(setting.n_types - n_old)
    for at in range(len(scale)):
        odds = np.concatenate([left_out.odds[:, at], left_out.drawn_odds[:, at]])
        is_type = np.concatenate([code == n_old + at, np.zeros(len(own), np.bool_)])
        scale[at], offset[at] = fit_calibration(odds, is_type)
        drawn = left_out.drawn_odds[right, at]
        offset[at] = careful_offset(drawn, scale[at], offset[at], best[right])
    more = np.bincount(code[code < n_old], minlength=n_old)
    share = more / np.maximum(setting.old_cells + more, 1)
    weight, bias = moved(whole.types, whole.drawn, n_old)
    softness = setting.encoder.atlas.manifest.head.calibration.softness
    return Gate(
        whole.types.weight, whole.types.bias, n_old, scale, offset, softness,
        weight, bias, MOST_MOVED * share,
    )  # fmt: skip


def _near(setting: _Setting, whole: _Fit, left_out: _LeftOut) -> Near:
    axes, n_old = whitening(whole.types), setting.n_old
    table = read_novelty_table(setting.encoder.atlas)
    lines = []
    for at in range(setting.n_types - n_old):
        own = setting.new.code == n_old + at
        lines.append(fit_line(left_out.distance[own, at], setting.seen.library[own], table))
    slope, start = np.array(lines, np.float64).reshape(-1, 2).T
    return Near(axes, whole.types.mean[n_old:] @ axes, slope, start)


def _judged(setting: _Setting, gate: Gate, left_out: _LeftOut) -> tuple[tuple[Judged, ...], float]:
    """Judge each new type by cells left out, and what drawn cells lose."""
    n_old, code = setting.n_old, setting.new.code
    if not gate.n_new:
        return (), 0.0
    prob = joined(gate.calibrated(left_out.odds), setting.seen.prob)
    of_drawn = joined(gate.calibrated(left_out.drawn_odds), setting.seen_drawn.prob)
    given = prob.argmax(axis=1)
    right = setting.seen_drawn.prob.argmax(axis=1) == setting.drawn.label
    lost = float((of_drawn[right].argmax(axis=1) >= n_old).mean()) if right.any() else 0.0
    everyone = np.concatenate([code, setting.drawn.label])
    odds = np.concatenate([left_out.odds, left_out.drawn_odds])
    judged = []
    for type_ in range(n_old, n_old + gate.n_new):
        own = code == type_
        areas = _areas(odds[:, type_ - n_old], everyone, type_)
        # what is one type with given cells is far from many drawn ones all the same
        beside = _areas(left_out.odds[:, type_ - n_old], code, type_, FEWEST_BESIDE)
        for other, one in beside.items():
            areas[other] = min(areas[other], one)
        rival = min(areas, key=lambda one: (areas[one], one))
        recall = float((given[own] == type_).mean())
        judged.append(Judged(int(own.sum()), recall, areas[rival], rival))
    return tuple(judged), lost


def _areas(
    odds: NDArray[np.float64], code: NDArray[np.int64], type_: int, fewest: int = 1
) -> dict[int, float]:
    """Areas between a type and each other one of so many cells, by its code."""
    others, cells = np.unique(code, return_counts=True)
    own = odds[code == type_]
    judges = others[(others != type_) & (cells >= fewest)].tolist()
    return {other: area(own, odds[code == other]) for other in judges}


def area(above: NDArray[np.float64], below: NDArray[np.float64]) -> float:
    """Area under the ROC curve: how often one of the first is above one of the second."""
    ranks = rankdata(np.concatenate([above, below]))[: len(above)]
    return float((ranks.mean() - (len(above) + 1) / 2) / len(below))
