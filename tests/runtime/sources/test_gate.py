from __future__ import annotations

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from became_of_counts import normalised, scaled, with_value
from scipy import sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import CountBlock, open_source
from cellport.runtime.sources.gate import check_block, choose_counts
from cellport.runtime.sources.source import Candidate, MatrixSample


@pytest.fixture(scope="module")
def counts():
    rng = np.random.default_rng(0)
    rates = rng.gamma(0.4, 2.0, (1, 300)) * rng.lognormal(0, 0.5, (60, 1))
    return rng.poisson(rates).astype(np.float64)


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


def adata(X, layers=None, raw=None):
    genes = pd.DataFrame(index=[f"g{i}" for i in range(300)])
    made = anndata.AnnData(None if raw is None else raw, var=genes) if raw is not None else None
    result = anndata.AnnData(X, var=genes, layers=layers or {})
    if made is not None:
        result.raw = made
    return result


def candidate(dense, name):
    def sample():
        stored = sparse.csr_matrix(dense)
        cells = np.repeat(np.arange(len(dense)), np.diff(stored.indptr))
        return MatrixSample(stored.data.astype(np.float32), cells, stored.indices)

    matrix = SimpleNamespace(n_genes=dense.shape[1], sample=sample)
    return Candidate(name, matrix, dict)


def opened(query, **kwargs):
    source = open_source(query, **kwargs)
    return source.description.split(", ")[1], source.notes


def test_x_wins_when_it_holds_counts(counts):
    assert opened(adata(counts, {"counts": counts})) == ("X", [])
    assert opened(adata(counts, {"other": counts + counts})) == ("X", [])


def test_a_layer_called_counts_wins_over_what_became_of_them(counts):
    clipped = np.minimum(counts, 2)
    place, notes = opened(adata(clipped, {"Counts": counts, "counts 2": clipped}))
    assert place == "layers['Counts']"
    assert "X and layers['Counts'] hold different whole numbers" in notes[0]


def test_a_layer_of_the_name_of_raw_hides_nothing(counts):
    made = adata(np.log1p(counts), {"raw": np.log1p(counts)})
    made.raw = anndata.AnnData(counts, var=made.var)
    assert opened(made)[0] == "raw/X"


def test_layers_that_differ_in_case_are_all_looked_at(counts):
    log = np.log1p(counts)
    assert opened(adata(log, {"counts": log, "Counts": counts}))[0] == "layers['Counts']"


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
    query.layers["log"] = np.log1p(normalised(counts))
    with pytest.raises(InputError, match="no raw counts: X holds normalised values") as caught:
        open_source(query)
    assert "Layers of RNA velocity ('spliced', 'unspliced') hold a part" in str(caught.value)
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
    place, (note,) = opened(adata(nothing))
    assert place == "X"
    assert "only zeros where looked; cells without counts get no label" in note
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


def broken():
    raise InputError("q.h5ad is damaged")


def test_a_place_that_cannot_be_read_is_named_beside_others_and_alone_is_the_fault(counts):
    def logged():
        return candidate(np.log1p(normalised(counts)), "X")

    def whole():
        return candidate(counts, "raw/X")

    for candidates in ({"X": broken, "raw": whole}, {"umi": broken}):
        with pytest.raises(InputError, match=r"^q\.h5ad is damaged$"):
            choose_counts("q.h5ad", candidates, None, False)
    places = {"X": logged, "umi": broken}
    with pytest.raises(
        InputError, match=r"X holds log-.*; umi cannot be read \(q\.h5ad is damaged"
    ):
        choose_counts("q.h5ad", places, None, False)
    chosen = choose_counts("q.h5ad", {**places, "raw": whole}, None, False)
    assert chosen.key == "raw"
    assert "umi cannot be read" in chosen.notes[0]


def test_what_joins_files_is_told_of_missing_values_alone(counts):
    for state in ("nan", "log-normalised"):
        for layer in (None, "X"):
            with pytest.raises(InputError) as caught:
                open_source(adata(STATES[state](counts)), layer=layer)
            assert ("join='inner'" in str(caught.value)) == (state == "nan")


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
    with pytest.raises(InputError, match=f"file, X, cells 40 to 41: .*{words}") as caught:
        check_block(block, "file, X")
    assert ("--fractional-counts" in str(caught.value)) == (value == 0.5)
    if value == 0.5:
        check_block(block, "file, X", allow_fractional=True)
    else:
        with pytest.raises(InputError, match=words):
            check_block(block, "file, X", allow_fractional=True)


def ranks(counts):
    return np.argsort(np.argsort(counts, axis=1), axis=1)


DECOYS = {
    "binary": lambda c: (c > 0) * 1,
    "boolean": lambda c: c > 0,
    "ranks": ranks,
    "rounded": lambda c: np.round(normalised(c)),
    "rounded to a million": lambda c: np.round(normalised(c, 1e6)),
}
SAID = {"binary": "0 and 1", "boolean": "0 and 1", "ranks": "ranks"}


@pytest.mark.parametrize("decoy", DECOYS)
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_whole_numbers_that_are_no_counts_give_way_or_are_refused(counts, decoy, form):
    wrong = form(DECOYS[decoy](counts))
    said = SAID.get(decoy, "rounded to whole numbers")
    logged = np.log1p(normalised(counts))
    for query, expected in (
        (adata(wrong, {"counts": form(counts)}), "layers['counts']"),
        (adata(wrong, {"a": wrong, "umi": form(counts)}), "layers['umi']"),
        (adata(logged, {"counts": wrong, "z": form(counts)}), "layers['z']"),
        (adata(logged, {"a": wrong}, raw=form(counts)), "raw/X"),
    ):
        place, (note,) = opened(query)
        assert place == expected
        assert said in note
    for query in (adata(wrong), adata(wrong, {"a": wrong})):
        with pytest.raises(InputError, match=f"no raw counts: X holds .*{said}"):
            open_source(query)
        with pytest.raises(InputError, match=said):
            open_source(query, layer="X")


def test_counts_go_before_what_may_be_none(counts):
    cells = [[1] * (60 + 2 * i) + [2] * (40 - i) + [0] * (200 - i) for i in range(20)]
    alike = np.array(cells)
    alike[:, 0] += np.arange(20) % 7
    place, (note,) = opened(adata(alike))
    assert place == "X"
    assert "nearly the same sum" in note
    place, (note,) = opened(adata(alike, {"umi": counts[:20]}))
    assert place == "layers['umi']"
    assert "X holds whole numbers with nearly the same sum" in note


def test_the_place_with_more_of_the_genes_is_chosen(counts):
    few = adata(counts, {"log": np.log1p(counts)})[:, :200].copy()
    few.raw = adata(counts)

    def covered(columns):
        return len(columns["index"])

    place, (note,) = opened(few, covered=covered)
    assert place == "raw/X"
    assert "X too holds raw counts, but of 200 of the atlas's genes; raw/X holds 300" in note
    assert opened(few, covered=lambda columns: 7) == ("X", [])
    assert opened(few) == ("X", [])
    assert opened(few, covered=covered, layer="X") == ("X", [])
    few.raw = adata(normalised(counts))
    assert opened(few, covered=covered) == ("X", [])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_counts_but_for_rounding_are_what_they_were(counts, form):
    sums = counts.sum(axis=1, keepdims=True)
    back = np.expm1(np.log1p(counts / sums * 1e4).astype(np.float32)) * (sums / 1e4)
    assert 0 < np.abs(back - counts).max() < 1e-4
    source = open_source(adata(form(back.astype(np.float32))))
    (note,) = source.notes
    assert "but for rounding" in note
    read = np.zeros_like(counts)
    for block in source.blocks(7):
        part = sparse.csr_matrix((block.data, block.indices, block.indptr), (block.n_cells, 300))
        read[block.start : block.start + block.n_cells] = part.toarray()
    assert (read == counts).all()


def test_what_helps_with_fractions_is_said(counts):
    with pytest.raises(InputError, match="--fractional-counts"):
        open_source(adata(STATES["fractional"](counts)))
    with pytest.raises(InputError, match="--fractional-counts"):
        open_source(adata(STATES["fractional"](counts)), layer="X")
    with pytest.raises(InputError, match=r"'spliced'\) hold a part .*--layer"):
        open_source(adata(normalised(counts), {"spliced": counts}))


def with_raw(counts, raw, raw_genes=None):
    made = adata(counts)
    names = made.var_names if raw_genes is None else raw_genes
    made.raw = anndata.AnnData(raw, obs=made.obs, var=pd.DataFrame(index=list(names)))
    return made


def all_genes(columns):
    return len(columns["index"])


SMALLER = {
    "clipped": lambda c, rng: np.minimum(c, 30),
    "thinned": lambda c, rng: rng.binomial(c.astype(int), 0.5),
    "one count less": lambda c, rng: c - (np.arange(c.size).reshape(c.shape) == c.argmax()),
}


@pytest.mark.parametrize("smaller", SMALLER)
@pytest.mark.parametrize("stored", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
def test_raw_counts_go_before_what_they_became(counts, smaller, stored):
    rng = np.random.default_rng(0)
    became = SMALLER[smaller](counts, rng).astype(np.float32)
    order = rng.permutation(300)
    query = with_raw(stored(became), stored(counts[:, order]), [f"g{i}" for i in order])
    place, (note,) = opened(query, covered=all_genes)
    assert place == "raw/X"
    assert note.startswith("X holds the counts of raw/X, smaller in places")
    assert opened(query, layer="X") == ("X", [])


def test_a_layer_that_goes_before_x_is_compared_with_raw_too(counts):
    few = adata(np.minimum(counts, 2), {"counts": counts})[:, :200].copy()
    assert opened(few, covered=all_genes)[0] == "layers['counts']"
    few.raw = adata(counts)
    place, (note,) = opened(few, covered=all_genes)
    assert place == "raw/X"
    assert note.startswith("layers['counts'] too holds raw counts, but of 200")


def test_counts_that_raw_does_not_explain_are_used_and_named(counts):
    pooled = counts + counts[::-1]
    place, (note,) = opened(with_raw(pooled, counts), covered=all_genes)
    assert place == "X"
    assert note.startswith("X and raw/X hold different whole numbers")
    assert "--layer raw" in note


def test_the_same_counts_in_raw_change_nothing(counts):
    order = np.random.default_rng(0).permutation(300)
    query = with_raw(counts, counts[:, order] * (1 + 1e-6), [f"g{i}" for i in order])
    assert opened(query, covered=all_genes) == ("X", [])


def test_raw_with_logarithms_of_many_more_genes_is_named(counts):
    logged = np.log1p(np.hstack([counts, counts]))
    query = with_raw(counts, logged, [f"g{i}" for i in range(600)])
    place, (note,) = opened(query, covered=all_genes)
    assert place == "X"
    assert note.startswith("raw/X has 600 of the atlas's genes, X only 300,")
    assert "log-normalised values instead of counts" in note
    few = with_raw(counts, logged[:, :320], [f"g{i}" for i in range(320)])
    assert opened(few, covered=all_genes) == ("X", [])


@pytest.mark.parametrize("dtype", [str, object, "S8"])
def test_text_is_told_from_numbers(counts, dtype):
    names = [f"g{i}" for i in range(300)]
    with pytest.raises(InputError, match=r"values are no numbers \(text, perhaps\); write them"):
        open_source((counts.astype(dtype), names))


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [
        (lambda c: np.minimum(c * 100, 255).astype(np.uint8).view(np.int8), "such as int8"),
        (lambda c: (c - 1).astype(np.uint32), "stored without a sign"),
        (lambda c: c * 3e9, "more than any count"),
    ],
)
def test_numbers_that_their_type_spoilt_are_named(counts, spoilt, said):
    with pytest.raises(InputError, match=said):
        open_source(adata(spoilt(counts)))
    assert opened(adata(spoilt(counts), {"umi": counts}))[0] == "layers['umi']"


def test_counts_beyond_what_float32_tells_apart_are_counts(counts):
    counts = counts.copy()
    counts[3, 5] = 2**24 + 1
    assert opened(adata(counts)) == ("X", [])


def test_a_count_too_large_is_named_wherever_it_stands():
    block = CountBlock(7, np.array([0, 2]), np.array([0, 1], np.int32), np.float32([1, 5e9]))
    with pytest.raises(InputError, match=r"cells 7 to 7: 2 values are stored, 1 above 2,147"):
        check_block(block, "q.h5ad, X")
