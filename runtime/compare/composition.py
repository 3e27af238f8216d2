"""How the share of each type changes between conditions, samples being the replicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.false_discovery import adjusted
from cellport.runtime.compare.design import Design, full_rank, without
from cellport.runtime.compare.moderated import moderated_effects
from cellport.runtime.decisions import number, say, text, whole

_ADDED = number("compare.added")
FEWEST_CELLS = whole("compare.fewest_cells")
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Composition:
    """Cells of each sample by category; weights where labels are uncertain."""

    kind: str  # what the categories are: ``type``, ``call``, ``cluster``, ...
    categories: tuple[str, ...]
    samples: tuple[str, ...]
    cells: NDArray[np.float64]  # [samples, categories]

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each sample's cells, float [samples, categories]; NaN without cells."""
        whole = self.cells.sum(axis=1, keepdims=True)
        nothing = np.full_like(self.cells, np.nan)
        return np.asarray(np.divide(self.cells, whole, out=nothing, where=whole > 0))

    def of(self, names: tuple[str, ...]) -> NDArray[np.float64]:
        """Cells of some samples, in their order."""
        at = {name: row for row, name in enumerate(self.samples)}
        return self.cells[[at[name] for name in names]]


@dataclass(frozen=True, slots=True)
class Change:
    """How one category, or the mean of a quantity, changes from one condition to another.

    NaN stands for what cannot be known.
    """

    kind: str
    category: str
    reference: str  # condition compared with
    level: str
    mean_reference: float  # mean share of the samples of that condition, or mean of the quantity
    mean_level: float
    # log2 of how many times as many there are beside the average of the other categories; of a
    # quantity, the difference of means
    change: float
    low: float  # 95 % interval
    high: float
    p: float
    p_adjusted: float  # for the number of categories of the kind
    note: str = ""  # why there is no p-value


def changes(composition: Composition, design: Design) -> list[Change]:
    """Test every category of a composition.

    The logarithm of a category's cells less the mean logarithm of the other categories' is modelled
    sample by sample, with variances moderated over the categories: a category that grows takes
    share of all others, but hardly moves the mean of their logarithms.

    References
    ----------
    Aitchison 1982, Journal of the Royal Statistical Society B 44:139, for log-ratios; Phipson et
    al. 2022, Bioinformatics 38:4720 (propeller), for moderated tests of transformed shares.
    """
    full = composition.of(design.samples.names).sum(axis=1) > 0
    design = design if full.all() else without(design, full)
    cells = composition.of(design.samples.names)
    enough = cells.sum(axis=0) >= FEWEST_CELLS * max(len(cells), 1)
    tested = np.full((5, len(enough)), np.nan)
    if np.count_nonzero(enough) > 1:
        tested[:4, enough] = _effects(log_ratios(cells[:, enough]).T, design)
    tested[4] = adjusted(tested[3])
    shares = cells / np.maximum(cells.sum(axis=1, keepdims=True), 1e-12)
    means = np.stack([_mean(shares, design, one) for one in (design.reference, design.level)])
    few = say("compare.few_cells", cells=FEWEST_CELLS)
    alone = text("compare.alone") if np.count_nonzero(enough) == 1 else ""
    ends = composition.kind, design.reference, design.level
    return [
        _change(
            ends,
            category,
            means[:, at],
            tested[:, at],
            (design.refusal or alone) if enough[at] else few,
        )
        for at, category in enumerate(composition.categories)
    ]


def mean_changes(
    kind: str, quantities: Mapping[str, Mapping[str, float]], design: Design
) -> list[Change]:
    """Test the means of quantities, each by sample; a sample may lack it."""
    found: list[Change] = []
    for name, by_sample in quantities.items():
        known = np.array([one in by_sample for one in design.samples.names], bool)
        part = design if known.all() else without(design, known)
        values = np.array([by_sample[one] for one in part.samples.names], float)
        column = values[:, np.newaxis]
        means = np.concatenate([_mean(column, part, one) for one in (part.reference, part.level)])
        effect = np.append(_effects(column.T, part)[:, 0], np.nan)
        ends = kind, part.reference, part.level
        found.append(_change(ends, name, means, effect, part.refusal))
    p = adjusted(np.array([change.p for change in found], float))
    return [replace(one, p_adjusted=float(p[at])) for at, one in enumerate(found)]


def _change(
    ends: tuple[str, str, str],
    category: str,
    means: NDArray[np.float64],
    effect: NDArray[np.float64],
    note: str,
) -> Change:
    kind, reference, level = ends
    change, low, high, p, p_adjusted = effect.tolist()
    return Change(
        kind, category, reference, level, float(means[0]), float(means[1]), change, low, high, p,
        p_adjusted, note,
    )  # fmt: skip


def log_ratios(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log2 of each category's cells beside the mean log2 of the others', [samples, categories]."""
    log = np.log2(cells + _ADDED)
    n = log.shape[1]
    centred = log - log.mean(axis=1, keepdims=True)
    return np.asarray(centred * n / (n - 1))


def _effects(values: NDArray[np.float64], design: Design) -> NDArray[np.float64]:
    """Estimate, interval and p-value of each row, float [4, rows]; NaN where there is none."""
    matrix = full_rank(design)
    if design.refusal:
        found = np.full((4, len(values)), np.nan)
        sides = np.array(design.samples.condition) == design.level
        if sides.any() and not sides.all():
            found[0] = values[:, sides].mean(axis=1) - values[:, ~sides].mean(axis=1)
        return found
    effects = moderated_effects(values, matrix, 1)
    return np.stack([effects.estimate, *effects.interval(LEVEL), effects.p])


def _mean(shares: NDArray[np.float64], design: Design, condition: str) -> NDArray[np.float64]:
    rows = np.array([one == condition for one in design.samples.condition], bool)
    return shares[rows].mean(axis=0) if rows.any() else np.full(shares.shape[1], np.nan)
