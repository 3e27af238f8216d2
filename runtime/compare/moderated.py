"""Linear models of many rows at once, their variances moderated towards each other.

The formulas of limma (Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3:3),
written plainly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Effects:
    """One coefficient of each row's model."""

    estimate: NDArray[np.float64]  # [rows]
    error: NDArray[np.float64]  # [rows], standard error, moderated
    freedom: NDArray[np.float64]  # [rows], degrees of freedom of the error
    p: NDArray[np.float64]  # [rows], two-sided

    def interval(self, level: float = 0.95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lower and upper end of the interval that covers the truth so often."""
        from scipy.stats import t

        reach = t.ppf(0.5 + level / 2, self.freedom) * self.error
        return self.estimate - reach, self.estimate + reach


def moderated_effects(
    values: NDArray[np.float64], design: NDArray[np.float64], coefficient: int
) -> Effects:
    """Fit a linear model to each row, and test one coefficient.

    Parameters
    ----------
    values
        float [rows, samples].
    design
        float [samples, coefficients], of full rank, with fewer coefficients than samples.
    coefficient
        Position of the one that is asked for.
    """
    from scipy.stats import t

    n_samples, n_coefficients = design.shape
    freedom = n_samples - n_coefficients
    solution, *_ = np.linalg.lstsq(design, values.T, rcond=None)
    residual = values.T - design @ solution
    variance = (residual**2).sum(axis=0) / freedom
    moderated, prior_freedom = squeezed_variance(variance, freedom)
    unscaled = np.linalg.inv(design.T @ design)[coefficient, coefficient]
    error = np.sqrt(np.maximum(moderated, 1e-300) * unscaled)
    # no more than all rows have together, as limma bounds it
    total = min(freedom + prior_freedom, freedom * len(values))
    estimate = solution[coefficient]
    of_rows = np.full(len(values), float(total))
    return Effects(estimate, error, of_rows, 2 * t.sf(np.abs(estimate) / error, of_rows))


def squeezed_variance(
    variance: NDArray[np.float64], freedom: int
) -> tuple[NDArray[np.float64], float]:
    """Move the variances of rows towards a common one, as far as they agree.

    Returns
    -------
    ndarray
        float [rows], the posterior variances.
    float
        Degrees of freedom of the common one: 0 where there is a single row, at most one a row.
        However well few rows seem to agree, they know their common variance no better: without
        the bound, 1,200 made-up cohorts of 4 + 4 donors and 8 types (``benchmarks.compare``) had
        5.6 % of p-values below 5 %, with it 5.2 %, and found as many planted changes.
    """
    from scipy.special import digamma, polygamma

    positive = variance > 1e-12 * max(float(np.median(variance)), 1e-300)
    if np.count_nonzero(positive) < 2:
        return variance, 0.0
    half = freedom / 2
    log = np.log(variance[positive]) - digamma(half) + np.log(half)
    spread = float(log.var(ddof=1) - polygamma(1, half))
    most = float(np.count_nonzero(positive))
    prior = most if spread <= 0 else min(2 * _trigamma_inverse(spread), most)
    common = np.exp(log.mean() + digamma(prior / 2) - np.log(prior / 2))
    return (prior * common + freedom * variance) / (prior + freedom), prior


def _trigamma_inverse(value: float) -> float:
    """Solve trigamma(x) = value by Newton's method on its reciprocal (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = polygamma(1, x)
        step = trigamma * (1 - trigamma / value) / polygamma(2, x)
        x += step
        if -step / x < 1e-9:
            break
    return float(x)
