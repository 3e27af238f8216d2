"""Cohorts to compare: donors of a real study, and made-up ones that spread as they do."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.shared.data import KANG
from cellport.runtime.compare.design import Design, Samples, designs

FEWEST_CELLS = 10


@dataclass(frozen=True)
class Donors:
    """The control donors of Kang et al. 2018."""

    types: tuple[str, ...]
    genes: NDArray[np.object_]
    cells: NDArray[np.float64]  # [donors, types]
    counts: dict[str, NDArray[np.int64]]  # of each type, [donors, genes]
    stimulated: dict[str, NDArray[np.int64]]  # the same of the stimulated donors
    stimulated_cells: NDArray[np.float64]


def donors() -> Donors:
    """Read the donors, with the labels that the study gave."""
    cells = KANG.read()
    who = cells.obs["donor"].astype(str).to_numpy()
    condition = cells.obs["condition"].astype(str).to_numpy()
    kind = cells.obs["cell_type"].astype(str).to_numpy()
    types = tuple(sorted(set(kind)))
    counts = cells.X.tocsr()

    def summed(side: str) -> tuple[NDArray[np.float64], dict[str, NDArray[np.int64]]]:
        names = sorted(set(who[condition == side]))
        number = np.zeros((len(names), len(types)))
        by_type = {name: np.zeros((len(names), cells.n_vars), np.int64) for name in types}
        for row, name in enumerate(names):
            for at, one in enumerate(types):
                rows = (who == name) & (condition == side) & (kind == one)
                number[row, at] = rows.sum()
                by_type[one][row] = np.asarray(sp.csr_matrix(counts[rows]).sum(axis=0)).ravel()
        return number, by_type

    control, of_control = summed("ctrl")
    treated, of_treated = summed("stim")
    names = cells.var_names.to_numpy(object)
    return Donors(types, names, control, of_control, of_treated, treated)


def wilcoxon(name: str, side: NDArray[np.int64]) -> NDArray[np.float64]:
    """P-values of genes when the cells of a type, not the donors, are tested."""
    from scipy.stats import mannwhitneyu

    cells = KANG.read()
    control = (cells.obs["condition"] == "ctrl") & (cells.obs["cell_type"] == name)
    cells = cells[control.to_numpy()]
    known = {donor: at for at, donor in enumerate(sorted(set(cells.obs["donor"].astype(str))))}
    group = np.array([side[known[one]] for one in cells.obs["donor"].astype(str)])
    counts = cells.X.toarray()
    level = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    kept = (counts > 0).mean(axis=0) > 0.1
    found = mannwhitneyu(level[group == 0][:, kept], level[group == 1][:, kept], axis=0)
    return np.asarray(found.pvalue)


def design(side: NDArray[np.int64]) -> Design:
    """Lay out samples of two sides, 0 and 1."""
    names = tuple(f"s{at}" for at in range(len(side)))
    (made,) = designs(Samples(names, tuple("b" if one else "a" for one in side)))
    return made


def halves(n: int) -> NDArray[np.int64]:
    """Sides of n samples against n."""
    return np.repeat([0, 1], n)


def even_splits(n: int) -> list[NDArray[np.int64]]:
    """Every way to split n samples into two sides, of n // 2 and the rest; which is which is one.

    Eight donors can be split in 35 ways: drawn 200 times, each would come up again and again.
    """
    ways = [np.isin(np.arange(n), one) for one in combinations(range(n), n // 2)]
    once = ways if n % 2 else [one for one in ways if one[0]]
    return [np.where(one, 0, 1).astype(np.int64) for one in once]


def made_up(
    real: Donors, n: int, rng: np.random.Generator, fold: float = 1.0
) -> tuple[NDArray[np.float64], int]:
    """Cells of n + n samples, [samples, types], and the type whose cells change by `fold`.

    Shares are log-normal with the means and the spread between donors of the real ones; sizes are
    drawn from the real ones.
    """
    log = np.log((real.cells + 0.5) / (real.cells + 0.5).sum(axis=1, keepdims=True))
    share = np.exp(rng.normal(log.mean(axis=0), log.std(axis=0, ddof=1), (2 * n, log.shape[1])))
    changed = int(rng.integers(log.shape[1]))
    share[n:, changed] *= fold
    share /= share.sum(axis=1, keepdims=True)
    sizes = rng.choice(real.cells.sum(axis=1), 2 * n).astype(int)
    cells = [rng.multinomial(size, one) for size, one in zip(sizes, share, strict=True)]
    return np.array(cells, float), changed


def made_up_counts(real: Donors, name: str, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Make up counts of a type of n + n samples: gamma-Poisson, with the real means and spread."""
    counts = real.counts[name].astype(float)
    depth = counts.sum(axis=1)
    rate = counts / depth[:, None]
    mean = rate.mean(axis=0)
    noise = (mean / depth[:, None]).mean(axis=0)
    spread = np.maximum(rate.var(axis=0, ddof=1) - noise, 0) / np.maximum(mean, 1e-12) ** 2
    spread = np.clip(spread, 0.02, 2.0)
    drawn = rng.gamma(1 / spread, mean * spread, (2 * n, len(mean)))
    return rng.poisson(drawn * rng.choice(depth, 2 * n)[:, None])
