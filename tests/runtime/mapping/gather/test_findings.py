from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from cellport.runtime.columns import MappedBlock
from cellport.runtime.mapping.gather.findings import Findings
from cellport.runtime.mapping.gather.gatherer import PARTS


def collect(cells: Any, sampled: int = 40) -> Findings:
    findings = Findings(cells.schema, sampled)
    for block, genes in cells.blocks(list(range(0, cells.n, 500))):
        findings.add(block, genes)
    return findings


def test_it_counts_what_is_there(made_up_cells: Any) -> None:
    cells = made_up_cells(500, queries=("x.h5ad", "y.h5ad"), novel=0.2)
    found = collect(cells)
    obs = cells.obs
    names = {c.name: c.categories for c in cells.schema.columns}
    label, call = (
        np.array(names[f"cellport_{what}"], object)[obs[f"cellport_{what}"]]
        for what in ("label", "call")
    )
    outcome = np.where(call == "unknown", "unknown", np.where(call == label, "sure", "broader"))
    assert found.n_cells == 500
    assert found.outcome == {k: int((outcome == k).sum()) for k in ("sure", "broader", "unknown")}
    assert dict(zip(found.calls, found.by_call.tolist(), strict=True)) == Counter(call)
    for i, name in enumerate(found.labels):
        assert found.by_label[i].sum() == (label == name).sum()
        assert found.by_label[i, 2] == ((label == name) & (outcome == "unknown")).sum()
        assert found.novel_by_label[i] == obs["cellport_novel"][label == name].sum()
    assert_array_equal(found.by_query.sum(axis=1), np.bincount(obs["cellport_query"]))
    assert sum(found.quality.values()) == 500
    assert found.quality["empty"] == (obs["cellport_qc"] == 1).sum()
    assert found.mean_prob == pytest.approx(obs["cellport_prob"].mean(), rel=1e-4)
    sure_high = (outcome == "sure") & (obs["cellport_prob"] >= 0.95)
    assert found.prob_bins[-1, 0] == sure_high.sum()
    assert found.prob_bins.sum() == 500
    assert found.novelty_bins[0] == (obs["cellport_novelty_p"] < 0.05).sum()
    sets = Counter(obs["cellport_label_set"])
    assert found.set_sizes.tolist() == [sets[""], sets["a"], sets["a;b"], sets["a;b;c;d"]]
    assert found.n_novel == obs["cellport_novel"].sum()
    kept = cells.obsm["X_cellport"][obs["cellport_qc"] != 1].astype(float)
    n_kept, total, squares = found.latent_moments
    assert n_kept == len(kept)
    assert_allclose(total, kept.sum(axis=0), atol=n_kept / PARTS)
    assert_allclose(squares, (kept**2).sum(axis=0), atol=n_kept / PARTS)


def test_a_type_that_is_called_unknown_is_a_type(made_up_cells: Any) -> None:
    cells = made_up_cells(200, labels=("unknown", "b"), groups=(), sure=1.0)
    found = collect(cells)
    assert found.outcome == {"sure": 200, "broader": 0, "unknown": 0}


def test_columns_that_are_not_there(made_up_cells: Any) -> None:
    found = collect(made_up_cells(30, labels=()))
    assert found.labels == found.calls == found.queries == ()
    assert found.n_cells == found.novelty_bins.sum() == 30
    assert found.mean_prob == 0
    assert_array_equal(found.sample.call, np.full(30, -1))


def test_values_that_are_not_numbers_fall_in_no_bin(made_up_cells: Any) -> None:
    cells = made_up_cells(3, novel=0.0)
    cells.obs["cellport_novelty_p"][:] = [np.nan, 1.0, 0.0]
    bins = collect(cells).novelty_bins
    assert bins.sum() == 2
    assert (bins[0], bins[-1]) == (1, 1)


@pytest.mark.parametrize("n", [39, 40, 41, 3000])
def test_the_sample_is_small_even_and_in_order(n: int, made_up_cells: Any) -> None:
    cells = made_up_cells(n)
    cells.obsm["X_cellport_umap"][:, 0] = np.arange(n)
    position = collect(cells).sample.point[:, 0]
    assert len(position) == min(n, 40)
    assert (np.diff(position) > 0).all()
    if n == 3000:
        in_thirds = np.bincount((position // 1000).astype(int), minlength=3)
        assert in_thirds.min() >= 6


def test_memory_does_not_grow_with_the_cells(made_up_cells: Any) -> None:
    cells = made_up_cells(2000)
    findings = Findings(cells.schema, 100)
    size = {name: array.nbytes for name, array in findings.state().items()}
    for start in range(0, 200_000, 2000):
        block = cells.block(0, 2000)
        findings.add(MappedBlock(start, block.cell_names, block.obs, block.obsm))
    assert findings.n_cells == 200_000
    assert len(findings.sample.point) == 100
    found = {name: array.nbytes for name, array in findings.state().items()}
    assert {name for name in size if found[name] != size[name]} == {
        name for name in size if name.startswith("sample.")
    }
