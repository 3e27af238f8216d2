"""Genes that a query lists and did not measure."""

from __future__ import annotations

import re

import anndata
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.decisions import text
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.genes.listed import unmeasured
from cellport.runtime.sources.csc import CscMatrix

N_GENES = 300
seeds = st.integers(0, 2**32)


def profiles(rng, n_types):
    """Mean log(1 + counts per 10,000) of types that share most of their genes."""
    common = rng.lognormal(0, 1.5, N_GENES)
    rates = common * rng.lognormal(0, 0.7, (n_types, N_GENES))
    rates[rng.random(rates.shape) < 0.2] = 0
    return rates / rates.sum(axis=1, keepdims=True)


def cells_of(rng, rates, n_cells, shift):
    """Counts of cells of some of the types, whose genes are seen otherwise by `shift`."""
    kinds = rng.choice(len(rates), rng.integers(1, len(rates) + 1), replace=False)
    here = rates[rng.choice(kinds, n_cells)] * shift
    return rng.poisson(rng.lognormal(8, 0.5, (n_cells, 1)) * here).astype(float)


def sums(counts):
    library = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return np.log1p(counts * 1e4 / library).sum(axis=0), (counts > 0).sum(axis=0)


def logged(rates):
    rng = np.random.default_rng(1)
    means = [sums(rng.poisson(3000 * rate, (200, N_GENES)).astype(float))[0] for rate in rates]
    return np.array(means, np.float32) / 200


@settings(deadline=None, max_examples=60)
@given(seed=seeds, n_types=st.integers(1, 6), n_cells=st.integers(1, 800), gone=st.floats(0, 0.6))
def test_no_gene_that_was_measured_is_taken_for_one_that_was_not(seed, n_types, n_cells, gone):
    """Of queries of few types, and of another technology, too."""
    rng = np.random.default_rng(seed)
    rates = profiles(rng, n_types)
    counts = cells_of(rng, rates, n_cells, rng.lognormal(0, 0.5, N_GENES))
    zeroed = rng.random(N_GENES) < gone
    counts[:, zeroed] = 0
    everything = np.ones(N_GENES, bool)
    found = unmeasured(*sums(counts), everything, logged(rates))
    # a gene far less well caught than all others may have no count by chance
    assert np.count_nonzero(~zeroed[found]) <= 1
    if n_cells < 100:
        assert not len(found)


@settings(deadline=None, max_examples=20)
@given(seed=seeds, gone=st.floats(0.1, 0.6))
def test_what_was_not_measured_is_found_where_it_matters(seed, gone):
    rng = np.random.default_rng(seed)
    rates = profiles(rng, 4)
    counts = cells_of(rng, rates, 600, 1)
    zeroed = (rng.random(N_GENES) < gone) & ((counts > 0).mean(axis=0) > 0.7)
    counts[:, zeroed] = 0
    found = unmeasured(*sums(counts), np.ones(N_GENES, bool), logged(rates))
    if zeroed.sum() >= 20:
        assert zeroed[found].all()
        assert len(found) > 0.5 * zeroed.sum()


def test_genes_that_are_not_listed_are_not_found():
    counts = np.ones((300, 40))
    counts[:, :20] = 0
    listed = np.arange(40) >= 20
    assert not len(unmeasured(*sums(counts), listed, np.ones((1, 40), np.float32)))
    every = unmeasured(*sums(counts), np.ones(40, bool), np.ones((1, 40), np.float32))
    assert every.tolist() == list(range(20))


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path):
    return load_atlas(tiny_atlas_path)


def zeroed_cells(tiny_cells, atlas, share):
    """Cells of which some genes have no count, and the names of these."""
    cells = tiny_cells.adata()
    rng = np.random.default_rng(0)
    panel = cells.var_names.isin(atlas.panel.symbols)
    gone = panel & (rng.random(cells.n_vars) < share)
    counts = cells.X.toarray()
    counts[:, gone] = 0
    cells.X = counts
    return cells, set(cells.var_names[gone])


def test_a_query_is_mapped_as_if_they_were_not_there(tiny_cells, atlas):
    cells, gone = zeroed_cells(tiny_cells, atlas, 0.3)
    mapping = atlas.map(cells)
    missing = set(mapping.uns["cellport"]["genes"]["missing"])
    assert len(missing) >= 10
    assert missing <= gone
    (note,) = [note for note in mapping.uns["cellport"]["notes"] if "not measured" in note]
    assert f"{len(missing)} genes of the atlas are listed" in note
    without = atlas.map(cells[:, ~cells.var_names.isin(missing)].copy())
    for name, values in mapping.obs.items():
        assert np.array_equal(values, without.obs[name]), name
    for name, values in mapping.obsm.items():
        assert values.tobytes() == without.obsm[name].tobytes()


def test_blocks_threads_and_places_decide_alike(tiny_cells, atlas, tmp_path):
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    first = atlas.map(cells)
    other = atlas.map(tmp_path / "cells.h5ad", block_cells=7, threads=2)
    assert first.uns["cellport"]["genes"]["missing"] == other.uns["cellport"]["genes"]["missing"]
    assert first.obsm["X_cellport"].tobytes() == other.obsm["X_cellport"].tobytes()


@pytest.mark.parametrize("whole", [0, 4_000_000])
def test_genes_stored_one_by_one_are_judged_alike(tiny_cells, atlas, tmp_path, monkeypatch, whole):
    """Where a small matrix is turned round for looking, and where a large one is not."""
    monkeypatch.setattr("cellport.runtime.sources.csc.SAMPLE_WHOLE", whole)
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    expected = atlas.map(cells)
    cells.X = sp.csc_matrix(cells.X)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    found = atlas.map(tmp_path / "cells.h5ad")
    assert found.uns["cellport"]["genes"]["missing"] == expected.uns["cellport"]["genes"]["missing"]
    assert found.obsm["X_cellport"].tobytes() == expected.obsm["X_cellport"].tobytes()


def test_a_large_matrix_that_has_counts_of_all_genes_is_not_scanned_to_look(
    tiny_cells, atlas, tmp_path, monkeypatch
):
    monkeypatch.setattr("cellport.runtime.sources.csc.SAMPLE_WHOLE", 0)
    cells = tiny_cells.adata()
    cells.X = sp.csc_matrix(cells.X)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    scans, turn = [], CscMatrix._turn
    monkeypatch.setattr(CscMatrix, "_turn", lambda *given: scans.append(1) or turn(*given))
    atlas.map(tmp_path / "cells.h5ad")
    assert len(scans) == 1


def test_zeros_that_are_stored_are_no_counts(tiny_cells, atlas):
    """Where no other panel gene is without a count in the first cells."""
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    expected = atlas.map(cells).uns["cellport"]["genes"]["missing"]
    rows, columns = np.indices(cells.shape)
    every = (cells.X.ravel(), (rows.ravel(), columns.ravel()))
    cells.X = sp.csr_matrix(every, shape=cells.shape)
    assert cells.X.nnz == cells.n_obs * cells.n_vars
    assert atlas.map(cells).uns["cellport"]["genes"]["missing"] == expected


def test_a_few_absent_genes_and_whole_queries_change_nothing(tiny_cells, atlas):
    cells = tiny_cells.adata()
    assert not atlas.map(cells).uns["cellport"]["genes"]["missing"]
    counts = cells.X.toarray()
    counts[:, :9] = 0
    cells.X = counts
    assert not atlas.map(cells).uns["cellport"]["genes"]["missing"]


def test_what_is_found_by_symbol_is_what_is_left(tiny_cells, atlas):
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    genes = atlas.map(cells).uns["cellport"]["genes"]
    assert sum(genes["by_rule"].values()) == genes["n_matched"] < genes["n_panel"]


def test_empty_droplets_before_the_cells_and_among_them_hide_nothing(tiny_cells, atlas):
    """As in a file before cells were told from them: a few counts in each."""
    cells, gone = zeroed_cells(tiny_cells, atlas, 0.3)
    expected = set(atlas.map(cells).uns["cellport"]["genes"]["missing"])
    rng = np.random.default_rng(3)
    soup = cells.X.sum(axis=0) / cells.X.sum()
    for n_before in (300, 3000):
        droplets = rng.poisson(4 * soup, (n_before, cells.n_vars)).astype(np.float32)
        with_empty = anndata.AnnData(sp.csr_matrix(np.vstack([droplets, cells.X])), var=cells.var)
        found = set(atlas.map(with_empty).uns["cellport"]["genes"]["missing"])
        assert found == expected
        assert found <= gone


def test_a_gene_that_a_droplet_has_was_measured(tiny_cells, atlas):
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    expected = atlas.map(cells).uns["cellport"]["genes"]["missing"]
    droplet = np.zeros((1, cells.n_vars), np.float32)
    droplet[0, cells.var_names.get_loc(expected[0])] = 1
    more = anndata.AnnData(np.vstack([cells.X, droplet]), var=cells.var)
    assert set(atlas.map(more).uns["cellport"]["genes"]["missing"]) == set(expected[1:])


def test_genes_of_one_sex_are_true_zeros():
    """Ten and more of the Y chromosome are without a count in all cells of women."""
    rng = np.random.default_rng(5)
    rates = profiles(rng, 3)
    counts = cells_of(rng, rates, 600, 1)
    common = np.flatnonzero((counts > 0).mean(axis=0) > 0.7)[:12]
    counts[:, common] = 0
    values, cells = sums(counts)
    everything = np.ones(N_GENES, bool)
    assert len(unmeasured(values, cells, everything, logged(rates))) == 12
    asked = everything.copy()
    asked[common] = False
    assert not len(unmeasured(values, cells, everything, logged(rates), asked=asked))


@pytest.mark.parametrize("symbol", ["RPS4Y1", "DDX3Y", "Kdm5d", "Eif2s3y", "TTTY14", "XIST"])
def test_sex_genes_are_known(symbol):
    pattern = re.compile(text("listed.sex_genes"), re.IGNORECASE)
    assert pattern.fullmatch(symbol)
    assert not pattern.fullmatch(symbol.replace("Y", "X").replace("y", "x") + "0")


def test_genes_of_next_to_no_counts_are_not_worth_a_word():
    """So little moves no cell, whatever became of it."""
    expected = np.full(300, 10.0, np.float32)
    expected[:10] = 0.1
    counts = np.random.default_rng(0).poisson(expected, (6000, 300)).astype(float)
    counts[:, :10] = 0
    profile = np.log1p(expected * 1e4 / expected.sum())[None]
    profile[:, :10] = 0.15
    found = unmeasured(*sums(counts), np.ones(300, bool), profile)
    assert not len(found)


def test_too_few_that_were_measured_are_refused(tiny_cells, atlas):
    cells, _ = zeroed_cells(tiny_cells, atlas, 0.3)
    with pytest.raises(InputError, match=r"measured \d+ of the \d+ genes .* at least 99% are need"):
        atlas.map(cells, minimum_genes=0.99)
