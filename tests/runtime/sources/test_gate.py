from __future__ import annotations

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import CountBlock, open_source
from cellport.runtime.sources.gate import check_block, classify
from cellport.runtime.sources.source import MatrixSample


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.4, 2.0, (1, 300)) * rng.lognormal(0, 0.5, (60, 1))
    return rng.poisson(rates).astype(np.float64)


def normalised(counts, total=1e4):
    return counts / counts.sum(1, keepdims=True) * total


def sample(dense):
    matrix = sparse.csr_matrix(dense.astype(np.float32))
    return MatrixSample(matrix.data, np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr)))


def scaled(counts):
    logged = np.log1p(normalised(counts))
    return (logged - logged.mean(0)) / (logged.std(0) + 1e-3)


def with_value(counts, value):
    changed = counts.copy()
    changed[3, 5] = value
    return changed


STATES = {
    "counts": lambda c: c,
    "normalised": normalised,
    "normalised to a million": lambda c: normalised(c, 1e6),
    "normalised and cut to some genes": lambda c: normalised(c)[:, ::3],
    "log-normalised": lambda c: np.log1p(normalised(c)),
    "log-normalised and cut to some genes": lambda c: np.log1p(normalised(c))[:, ::3],
    "log-normalised in base 2": lambda c: np.log1p(normalised(c)) / np.log(2),
    "log-normalised by square root": lambda c: np.sqrt(c + 0.1),
    "scaled": scaled,
    "fractional": lambda c: c * 2 + np.where(c % 5 == 1, 0.37, 0) + (c > 3) * 20,
    "nan": lambda c: with_value(c, np.nan),
    "infinite": lambda c: with_value(c, np.inf),
    "empty": np.zeros_like,
}


@pytest.mark.parametrize("state", STATES)
def test_classify(counts, state):
    assert classify(sample(STATES[state](counts))) == state.split()[0]


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 2**24), min_size=1),
    st.sampled_from([np.float32, np.float64, np.int64, np.uint32]),
)
def test_whole_numbers_of_any_type_are_counts(values, dtype):
    array = np.array(values, dtype)
    expected = "counts" if any(values) else "empty"
    for owners in (np.arange(len(values)), np.zeros(len(values), np.int64), None):
        assert classify(MatrixSample(array.astype(np.float32), owners)) == expected


def adata(X, layers=None, raw=None):
    genes = pd.DataFrame(index=[f"g{i}" for i in range(300)])
    made = anndata.AnnData(None if raw is None else raw, var=genes) if raw is not None else None
    result = anndata.AnnData(X, var=genes, layers=layers or {})
    if made is not None:
        result.raw = made
    return result


def opened(query, **kwargs):
    source = open_source(query, **kwargs)
    return source.description.split(", ")[1], source.notes


def test_x_wins_when_it_holds_counts(counts):
    assert opened(adata(counts, {"counts": counts})) == ("X", [])


@pytest.mark.parametrize("state", ["normalised", "log-normalised", "scaled", "nan", "infinite"])
def test_counts_elsewhere_are_found_and_noted(counts, state):
    other = STATES[state](counts)
    words = {"nan": "missing values", "infinite": "infinite values"}.get(state, state)
    place, (note,) = opened(adata(other, {"soup": other, "Counts": counts}))
    assert place == "layers['Counts']"
    assert words in note
    assert "found in layers['Counts'] and used" in note
    place, (note,) = opened(adata(other, {"soup": other, "umi": counts}))
    assert place == "layers['umi']"
    assert "layers['soup']" in note
    place, _ = opened(adata(other, {"soup": other}, raw=counts))
    assert place == "raw/X"


def test_spliced_counts_are_never_chosen_unasked(counts):
    query = adata(normalised(counts), {"spliced": counts, "unspliced": counts})
    with pytest.raises(InputError, match="no raw counts: X holds normalised values"):
        open_source(query)
    assert opened(query, layer="spliced") == ("layers['spliced']", [])


def test_the_matrix_found_can_be_asked_for_by_its_key(counts):
    nothing = sparse.csr_matrix(counts.shape)
    for query, key in (
        (adata(counts), "X"),
        (adata(scaled(counts), {"umi": counts}), "umi"),
        (adata(scaled(counts), raw=counts), "raw"),
        (adata(nothing), "X"),
    ):
        found = open_source(query)
        assert found.layer == key
        assert open_source(query, layer=key).description == found.description


def test_empty_x_gives_way_to_counts(counts):
    nothing = sparse.csr_matrix(counts.shape)
    assert opened(adata(nothing, {"counts": counts}))[0] == "layers['counts']"
    assert opened(adata(nothing)) == ("X", [])
    assert opened(adata(nothing, {"log": np.log1p(normalised(counts))}))[0] == "X"


def test_the_layer_named_is_the_only_one_used(counts):
    logged = np.log1p(normalised(counts))
    query = adata(logged, {"log": logged, "counts": counts})
    assert opened(query, layer="counts") == ("layers['counts']", [])
    with pytest.raises(
        InputError, match=r"X holds log-normalised .* Raw counts are in layers\['co"
    ):
        open_source(query, layer="X")
    with pytest.raises(InputError, match=r"no layer 'count'\. Did you mean 'counts'"):
        open_source(query, layer="count")


def test_nothing_holds_counts(counts):
    logged = np.log1p(normalised(counts))
    with pytest.raises(InputError) as caught:
        open_source(adata(scaled(counts), {"log": logged}, raw=logged))
    for words in ("X holds scaled", "layers['log'] holds log-", "raw/X holds log-norm", "needed"):
        assert words in str(caught.value)


def test_fractions_pass_when_allowed_and_nothing_else_does(counts):
    fractions = STATES["fractional"](counts)
    with pytest.raises(InputError, match="not whole numbers"):
        open_source(adata(fractions))
    place, (note,) = opened(adata(fractions), allow_fractional=True)
    assert place == "X"
    assert "allowed" in note
    for state in ("log-normalised", "scaled", "nan"):
        with pytest.raises(InputError, match="no raw counts"):
            open_source(adata(STATES[state](counts)), allow_fractional=True)


@pytest.mark.parametrize(
    ("value", "words"),
    [(np.nan, "1 missing"), (np.inf, "1 infinite"), (-2, "1 negative"), (0.5, "1 not whole")],
)
def test_check_block(value, words):
    block = CountBlock(
        40,
        np.array([0, 1, 3]),
        np.array([0, 1, 2], np.int32),
        np.array([1, value, 3], np.float32),
    )
    with pytest.raises(InputError, match=f"file, X, cells 40 to 41: .*{words}"):
        check_block(block, "file, X")
    if value == 0.5:
        check_block(block, "file, X", allow_fractional=True)
    else:
        with pytest.raises(InputError, match=words):
            check_block(block, "file, X", allow_fractional=True)


def test_counts_with_a_few_fractions_are_not_taken_for_normalised(counts):
    corrected = counts.copy()
    corrected[::7] += np.where(corrected[::7] > 1, 0.25, 0)
    assert classify(sample(corrected)) == "fractional"
