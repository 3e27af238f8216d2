from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.genes.information import as_sure_as_its_genes, label_information

PANEL = 100


def told(atlas: AtlasFile, genes: Any) -> float:
    return label_information(atlas, np.isin(np.arange(PANEL), genes))


def test_it_is_the_variance_of_discriminants_that_the_genes_foretell(
    tiny_atlas: AtlasFile,
) -> None:
    genes = np.arange(0, PANEL, 7)
    loading = tiny_atlas.array("gene_loading").astype(np.float64)
    covariance = loading @ loading.T + np.diag(tiny_atlas.array("gene_noise"))
    first = loading.shape[1]
    weight = tiny_atlas.array("basis")[:, first : first + 3].astype(np.float64)
    shared = covariance[genes] @ weight
    foretold = (shared * np.linalg.solve(covariance[np.ix_(genes, genes)], shared)).sum(axis=0)
    expected = (foretold / np.einsum("gk,gh,hk->k", weight, covariance, weight)).mean()
    assert told(tiny_atlas, genes) == pytest.approx(expected, abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(st.sets(st.integers(0, PANEL - 1)), st.sets(st.integers(0, PANEL - 1)))
def test_more_genes_never_tell_less(tiny_atlas: AtlasFile, some: set[int], more: set[int]) -> None:
    fewer, all_of_them = told(tiny_atlas, list(some)), told(tiny_atlas, list(some | more))
    assert 0 <= fewer <= all_of_them + 1e-9 <= 1 + 1e-9


def test_all_genes_tell_all_and_none_nothing(tiny_atlas: AtlasFile) -> None:
    assert told(tiny_atlas, np.arange(PANEL)) == 1.0
    assert told(tiny_atlas, []) == pytest.approx(0, abs=1e-12)


def test_a_model_that_does_not_know_its_genes_is_taken_at_its_word(converted: Any) -> None:
    atlas = load_atlas(converted("celltypist_duplicates")).file
    assert label_information(atlas, np.zeros(atlas.manifest.n_genes, bool)) == 1.0


@given(st.floats(0, 1), st.integers(0, 2**31))
def test_labels_keep_their_order_and_their_sum(information: float, seed: int) -> None:
    prob = np.random.default_rng(seed).dirichlet(np.full(5, 0.3), 20).astype(np.float32)
    cells = EncodedCells(0, {"label_prob": prob}, np.ones(20))
    found = as_sure_as_its_genes(cells, information, 2.0).answers["label_prob"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found.max(axis=1) <= prob.max(axis=1) + 1e-6).all()
    assert (np.diff(np.take_along_axis(found, prob.argsort(axis=1), axis=1)) >= 0).all()
    assert as_sure_as_its_genes(cells, information, 0.0) is cells
    if information == 1:
        assert found is prob


def test_an_atlas_says_what_its_probabilities_ask_of_a_runtime(tiny_atlas: AtlasFile) -> None:
    needed = {"set_mass": "0.1.0", "information_power": "0.1.0"}
    assert tiny_atlas.manifest.requires == needed
