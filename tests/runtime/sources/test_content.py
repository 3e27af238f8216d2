from __future__ import annotations

import numpy as np
import pytest
from became_of_counts import normalised, scaled, with_value
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellport.runtime.sources.content import classify, nearest_counts
from cellport.runtime.sources.source import MatrixSample


def drawn(rng, n_cells, n_genes, depth, spread):
    """Counts of cells of a few types: profiles with a heavy tail, depths that vary."""
    profiles = rng.gamma(0.3, 1, (3, n_genes)) * rng.lognormal(0, 1, n_genes)
    profiles /= profiles.sum(axis=1, keepdims=True)
    depths = depth * rng.lognormal(0, spread, (n_cells, 1))
    return rng.poisson(profiles[rng.integers(0, 3, n_cells)] * depths).astype(np.float64)


def what(dense, whole_cells=True):
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    cells = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    sample = MatrixSample(matrix.data, cells, matrix.indices)
    return classify(sample if whole_cells else MatrixSample(matrix.data, None), matrix.shape[1])


def placed(counts, kind, zeros):
    """Ranks in each cell, ties solved in a way of scipy's, of all genes or those expressed."""
    from scipy.stats import rankdata

    ranks = rankdata(counts, kind, axis=1)
    if not zeros:
        expressed = np.where(counts > 0, counts, np.inf)
        ranks = np.where(counts > 0, rankdata(expressed, kind, axis=1), 0)
    return ranks


COUNTS = {
    "as drawn": lambda c, rng: c,
    "cut to some genes": lambda c, rng: c[:, ::7],
    "five cells pooled": lambda c, rng: c[:60].reshape(12, 5, -1).sum(axis=1),
    "one cell": lambda c, rng: c[:1],
    "sampled down to one depth": lambda c, rng: np.array(
        [rng.multivariate_hypergeometric(row.astype(int), min(400, int(row.sum()))) for row in c]
    ),
}
OTHERS = {
    "binary": lambda c: c > 0,
    "rounded": lambda c: np.round(normalised(c)),
    "rounded to a million": lambda c: np.round(normalised(c, 1e6)),
    "rounded to the median": lambda c: np.round(normalised(c, np.median(c.sum(axis=1)))),
    "rounded and cut to some genes": lambda c: np.round(normalised(c))[:, ::2],
    "normalised": normalised,
    "normalised to a million": lambda c: normalised(c, 1e6),
    "normalised and cut to some genes": lambda c: normalised(c)[:, ::3],
    "log-normalised": lambda c: np.log1p(normalised(c)),
    "log-normalised and cut to some genes": lambda c: np.log1p(normalised(c))[:, ::3],
    "log-normalised in base 2": lambda c: np.log2(1 + normalised(c)),
    "log-normalised, counts in base 2": lambda c: np.log2(1 + c),
    "log-normalised, counts": np.log1p,
    "roots": np.sqrt,
    "roots of normalised values": lambda c: np.sqrt(normalised(c)),
    "scaled": scaled,
    "fractional": lambda c: c * 2 + np.where(c % 5 == 1, 0.37, 0) + (c > 3) * 20,
    "nan": lambda c: with_value(c, np.nan),
    "infinite": lambda c: with_value(c, np.inf),
    "empty": np.zeros_like,
    "nearly": lambda c: c * (1 + 1e-6),
    "negative": lambda c: np.minimum(c * 100, 200).astype(np.uint8).view(np.int8),
    "negative, scaled values that were rounded": lambda c: np.round(scaled(c)),
    "large": lambda c: (c - 1).astype(np.uint32),
    "large, counts of thousands of millions": lambda c: c * 3e9,
    "ranks, which one more than counts is for many genes": lambda c: c + 1,
}


@settings(deadline=None, max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from([600, 3000, 20_000]),
    st.sampled_from([300, 2500, 30_000]),
    st.sampled_from([0.3, 0.6]),
)
def test_counts_of_cells_of_any_depth_are_counts(seed, n_genes, depth, spread):
    rng = np.random.default_rng(seed)
    counts = drawn(rng, 64, n_genes, depth, spread)
    for name, change in COUNTS.items():
        assert what(change(counts, rng)) == "counts", name


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 2**32),
    st.sampled_from([2000, 8000]),
    st.sampled_from([1500, 4000]),
    st.sampled_from([0.3, 0.6]),
)
def test_what_is_no_counts_is_told(seed, n_genes, depth, spread):
    counts = drawn(np.random.default_rng(seed), 64, n_genes, depth, spread)
    for name, change in OTHERS.items():
        assert what(change(counts)) == name.replace(",", "").split()[0], name


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**32), st.sampled_from([2000, 8000]), st.sampled_from([0.3, 0.6]))
def test_what_varies_too_little_is_no_counts(seed, n_genes, spread):
    counts = drawn(np.random.default_rng(seed), 128, n_genes, 4000, spread)
    alike = np.random.default_rng(seed).poisson(np.tile(2 * counts[0], (128, 1)))
    for damp in (np.sqrt, lambda c: np.log2(1 + c), lambda c: np.minimum(c, 3)):
        assert what(np.round(damp(alike))) == "damped"
    assert what(np.clip(np.round(scaled(counts)), 0, 10)) == "flat"


@settings(deadline=None, max_examples=200)
@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 6, 21, 60, 128]),
    st.sampled_from([3, 20, 33, 300, 1000]),
    st.sampled_from([0.05, 1, 3, 10, 100]),
    st.sampled_from([0, 0.2, 2]),
    st.sampled_from([0, 0.1, 0.6, 2.5]),
    st.booleans(),
)
def test_drawn_counts_are_counts(seed, n_cells, n_genes, mean, alike, spread, copied):
    rng = np.random.default_rng(seed)
    means = rng.gamma(1 / alike, alike, n_genes) if alike else np.ones(n_genes)
    depths = rng.lognormal(0, spread, (n_cells, 1))
    counts = rng.poisson(mean * means * depths).astype(np.float64)
    if copied:
        counts = counts[rng.integers(0, min(n_cells, 5), n_cells)]
    assert what(counts) in ("counts", "alike", "empty")


def test_a_few_cells_among_nearly_empty_ones_are_counts():
    rng = np.random.default_rng(0)
    cells = drawn(rng, 12, 2000, 20_000, 0.3)
    droplets = drawn(rng, 116, 2000, 3, 0.3)
    assert what(np.concatenate([cells, droplets])) == "counts"


def test_cells_drawn_of_one_depth_are_not_taken_for_normalised():
    rng = np.random.default_rng(0)
    share = normalised(drawn(rng, 128, 2000, 4000, 0.3), 1)
    assert what(rng.poisson(share * 1e4)) == "alike"


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(20, 200))
def test_a_few_cells_of_any_counts_are_counts(seed, n_cells, n_genes):
    counts = np.random.default_rng(seed).integers(0, 127, (n_cells, n_genes))
    assert what(counts * 1.0) == "counts"


@pytest.mark.parametrize("zeros", [True, False])
@pytest.mark.parametrize("kind", ["ordinal", "min", "max", "dense", "average"])
@pytest.mark.parametrize("sign", [1, -1])
def test_ranks_are_told_however_ties_were_solved(kind, zeros, sign):
    counts = drawn(np.random.default_rng(1), 64, 3000, 6000, 0.4)
    ranks = placed(-counts, kind, True) if sign < 0 and zeros else placed(counts, kind, zeros)
    assert what(ranks) == "ranks"
    assert what(np.where(counts > 0, ranks, 0)) != "counts"
    assert zeros is False or what(ranks[:, ::3]) == "ranks"


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**24), min_size=1, max_size=19),
    st.sampled_from([np.float32, np.float64, np.int64, np.uint32]),
)
def test_few_whole_numbers_of_any_type_are_counts(values, dtype):
    array = np.array(values, dtype)
    expected = "counts" if any(values) else "empty"
    for owners in (np.arange(len(values)), np.zeros(len(values), np.int64), None):
        assert classify(MatrixSample(array.astype(np.float32), owners), 30_000) == expected


@pytest.mark.parametrize("whole_cells", [True, False])
def test_ones_alone_are_counts_where_cells_are_nearly_empty(whole_cells):
    rng = np.random.default_rng(0)
    empty = (rng.random((128, 30_000)) < 2e-4) * 1.0
    assert what(empty) == "counts"
    assert what((rng.random((128, 3000)) < 0.1) * 1.0, whole_cells) == "binary"


@given(st.lists(st.integers(0, 2**16), min_size=1), st.floats(-1e-6, 1e-6))
def test_nearest_counts_are_what_was_rounded(values, error):
    exact = np.array(values, np.float32)
    near = nearest_counts(exact * np.float32(1 + error))
    assert near is not None
    assert (near == exact).all()


@pytest.mark.parametrize("value", [0.5, 1e-5, 0.9999, 1.001, 100.01, 20_000.4])
def test_what_is_no_whole_number_stays(value):
    assert nearest_counts(np.array([1, value], np.float32)) is None


def test_counts_with_a_few_fractions_are_not_taken_for_normalised():
    corrected = drawn(np.random.default_rng(0), 60, 2000, 3000, 0.4)
    corrected[::7] += np.where(corrected[::7] > 1, 0.25, 0)
    assert what(corrected) == "fractional"
    halves = corrected // 1 * 1.0
    halves[::3] /= 2
    assert what(halves) == "fractional"
