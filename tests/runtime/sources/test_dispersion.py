"""Sparse values are judged as the same formulas judge the dense matrix, gene by gene."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.decisions import number
from cellport.runtime.sources.dispersion import Entries, is_flat, varies_too_little

FEWEST, LEAST_MEAN = int(number("gate.dispersion_cells")), number("gate.dispersion_mean")
seeds = st.integers(0, 2**32)


def entries(dense):
    cells, genes = np.nonzero(dense)
    return Entries(dense[cells, genes].astype(np.float64), cells, genes.astype(np.int32))


def dense_of(found, n_genes):
    dense = np.zeros((found.cells.max() + 1, n_genes))
    np.add.at(dense, (found.cells, found.genes), found.values)
    return dense


@given(seeds, st.integers(1, 12), st.integers(1, 4))
def test_of_equal_cells_the_first_is_left(seed, n_cells, n_genes):
    rng = np.random.default_rng(seed)
    dense = rng.integers(0, 1000, (n_cells, n_genes))[rng.integers(0, n_cells, n_cells)]
    dense[:, 0] += 1  # no cell is empty
    first = np.sort(np.unique(dense, axis=0, return_index=True)[1])
    np.testing.assert_array_equal(dense_of(entries(dense).distinct(), n_genes), dense[first])


def varies_too_little_plainly(dense):
    totals = dense.sum(axis=1)
    dense = dense[totals >= totals.mean() / 2]
    totals, n, whole = dense.sum(axis=1), len(dense), dense.sum()
    genes = [x for x in dense.T if x.sum() >= LEAST_MEAN * n and x.sum() < whole / 2]
    fewer = np.zeros(2, int)
    for x in genes:
        expected = totals * x.sum() / whole
        ninth = (2 + np.mean(whole / x.sum() / totals)) / (9 * (n - 1))
        least = max(0, 1 - ninth - number("gate.dispersion_unlikely") * np.sqrt(ninth)) ** 3
        bound = least * (n - 1) * (1 - x.sum() / whole)
        of_mean = ((x - x.mean()) ** 2).sum() / x.mean()
        fewer += np.array([of_mean, ((x - expected) ** 2 / expected).sum()]) < bound
    share = number("gate.dispersion_share") * len(genes)
    return n >= FEWEST and bool((fewer >= max(number("gate.dispersion_genes"), share)).any())


@settings(deadline=None, max_examples=300)
@given(
    seeds,
    st.sampled_from([FEWEST - 1, FEWEST, FEWEST + 1, 60]),
    st.integers(0, 2),
    st.sampled_from([0, 0.05, 0.1, 0.2, 0.3, 0.5]),
    st.integers(2, 6),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0, 0.3]),
)
def test_variance_is_judged_as_of_a_dense_matrix(
    seed, n, shallow, part, n_even, of_depth, one_leads, depths_vary
):
    rng = np.random.default_rng(seed)
    means = rng.uniform(0.5, 9, 12) * rng.lognormal(0, depths_vary, (n, 1))
    dense = rng.poisson(means).astype(np.float64)
    # some genes of a part of that variance, or of a mean at the limit and none at all
    even = means[:, :n_even] if of_depth else np.tile(means[:1, :n_even], (n, 1))
    even = even + np.sqrt(part * even) * rng.normal(size=(n, n_even))
    dense[:, :n_even] = np.maximum(np.round(even), 0) if part else LEAST_MEAN
    if one_leads:
        dense[:, -1] = dense[:, :-1].sum(axis=1)  # half of all, or one more or less
        dense[0, -1] += rng.integers(-1, 2)
    droplets = rng.poisson(dense.mean(axis=0) * rng.choice([0.02, 0.4, 0.55]), (shallow, 12))
    dense = np.concatenate([dense, droplets])
    dense = dense[dense.sum(axis=1) > 0]
    assert varies_too_little(entries(dense)) == varies_too_little_plainly(dense)


def test_of_very_many_genes_more_must_vary_too_little():
    dense = np.random.default_rng(0).poisson(5.0, (60, 4500)).astype(np.float64)
    for n_even, expected in ((4, False), (5, True)):
        dense[:, :n_even] = 5
        assert varies_too_little(entries(dense)) == expected


def is_flat_plainly(dense):
    sums, seen, n = dense.sum(axis=0), (dense > 0).sum(axis=0), len(dense)
    sums, seen = sums[seen > 0], seen[seen > 0]
    met = (sums * (sums - 1)).sum() / sums.sum() ** 2
    chance = n * np.mean(seen / n) * (1 - np.mean(seen / n))
    return bool(
        n >= FEWEST
        and len(sums) >= number("gate.flat_genes")
        and 1 / (met * len(sums)) > number("gate.flat")
        and np.var(seen) >= number("gate.seen_varies") * chance
        and np.corrcoef(np.log(seen), np.log(sums / seen))[0, 1] < number("gate.rarer_larger")
    )


@settings(deadline=None, max_examples=250)
@given(
    seeds,
    st.sampled_from([FEWEST - 1, FEWEST, 60]),
    st.sampled_from([499, 500, 505, 510, 600]),
    st.floats(0, 1.2),
    st.floats(0.5, 1.5),
    st.floats(0, 0.6),
    st.sampled_from([0.5, 30]),
)
def test_flatness_is_judged_as_of_a_dense_matrix(seed, n, n_genes, rarer, larger, noise, level):
    rng = np.random.default_rng(seed)
    share = rng.beta(2 / (0.1 + rarer), 4 / (0.1 + rarer), n_genes).clip(0.1, 0.98)
    value = level * share**-larger * rng.lognormal(0, noise, n_genes)
    dense = np.maximum(np.round(value), 1) * (rng.random((n, n_genes)) < share)
    dense[:, 0] += 1  # no cell is empty
    dense[:, 1] = np.arange(n) == 0
    assert is_flat(entries(dense)) == is_flat_plainly(dense)


def test_what_chance_adds_to_few_counts_is_taken_off():
    dense = np.zeros((20, 600))
    dense[:14, :300], dense[19, 300:] = 1, 2
    assert is_flat_plainly(dense)
    assert is_flat(entries(dense))


def test_uneven_sums_and_genes_seen_equally_often_are_not_flat():
    uneven, alike = np.zeros((60, 600)), np.zeros((20, 600))
    uneven[:55, :300], uneven[59, 300:] = 1, 2
    alike[:11, :300], alike[11:, 300:] = 4, 5
    for dense in (uneven, alike):
        assert not is_flat_plainly(dense)
        assert not is_flat(entries(dense))
