"""Summed counts are those that pandas sums up, by any columns; what makes no groups is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError
from cellport.runtime.map_files import map_files, pseudobulk_place
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather import PSEUDOBULK, own_columns, start_gathering
from cellport.runtime.mapping.gather.pseudobulk import GroupedCounts, Pseudobulk, pseudobulk_h5ad
from cellport.runtime.mapping.options import MapOptions


def found(gatherer: Any) -> GroupedCounts:
    assert isinstance(gatherer, Pseudobulk)
    return gatherer.found()


@given(
    n=st.integers(2, 150), seed=st.integers(0, 30), by=st.sampled_from(["donor", "cellport_novel"])
)
@settings(max_examples=20, deadline=None)
def test_sums_are_those_of_pandas(
    n: int, seed: int, by: str, fork_atlas: AtlasFile, mapped: Any
) -> None:
    cells = mapped(n, seed)
    how = MapOptions(pseudobulk=(by, "cellport_call"))
    gatherer = start_gathering([PSEUDOBULK], fork_atlas, cells.schema, how)[PSEUDOBULK]
    frames = []
    for block, genes in cells.blocks([n // 3]):
        gatherer.add(block, genes)
        dense = pd.DataFrame(cells.counts[block.start : block.start + block.n_cells].toarray())
        dense.columns = genes.names
        named = dense.drop(columns="").T.groupby(level=0).sum().T
        calls = np.array([*cells.schema.categories("cellport_call")], object)
        codes, values = block.own["donor"]
        own = values[codes] if by == "donor" else block.obs[by]
        named["by"] = np.where(own, "yes", "no") if own.dtype == bool else own
        named["call"] = calls[block.obs["cellport_call"]]
        if block.n_cells:
            frames.append(named)
    summed = found(gatherer)
    everything = pd.concat(frames).fillna(0)
    kept = everything[everything["by"] != ""]
    expected = kept.groupby(["by", "call"]).sum()
    assert summed.left_out == len(everything) - len(kept)
    assert list(summed.groups) == list(expected.index)
    assert summed.cells.tolist() == kept.groupby(["by", "call"]).size().tolist()
    np.testing.assert_array_equal(summed.counts, expected[summed.genes.tolist()])
    assert summed.label_prob.sum() == pytest.approx(len(kept), abs=1e-2)
    everywhere = [set(one.names) for one in cells.genes]
    for gene, measured in zip(summed.genes, summed.measured, strict=True):
        used = {int(q) for q in np.unique(cells.obs["cellport_query"])}
        assert measured == all(gene in everywhere[q] for q in used)


def test_fractional_counts_add_up_before_they_are_rounded(
    fork_atlas: AtlasFile, mapped: Any
) -> None:
    cells = mapped(60, 3)
    cells.counts.data *= np.float32(0.25)
    how = MapOptions(pseudobulk="cellport_query")
    gatherer = start_gathering([PSEUDOBULK], fork_atlas, cells.schema, how)[PSEUDOBULK]
    for block, genes in cells.blocks([]):
        gatherer.add(block, genes)
    summed = found(gatherer)
    of_genes = cells.counts.sum() - sum(
        cells.counts[block.start : block.start + block.n_cells][:, genes.names == ""].sum()
        for block, genes in cells.blocks([])
    )
    assert summed.counts.sum() == pytest.approx(of_genes, abs=summed.counts.size / 2)
    assert summed.counts.max() > 1


@pytest.fixture(scope="module")
def atlas(tiny_path_atlas: Path) -> Atlas:
    return load_atlas(tiny_path_atlas)


@pytest.fixture
def query(tiny_fork: Callable[..., Any]) -> Any:
    cells = tiny_fork(150, seed=4)
    rng = np.random.default_rng(0)
    cells.obs["donor"] = pd.Categorical(rng.choice(["d1", "d2", "d3"], 150))
    cells.obs["visit"] = rng.integers(1, 3, 150)
    return cells


@pytest.mark.parametrize("ending", [".h5ad", ".csv.gz", ".parquet"])
def test_written_beside_the_cells(atlas: Atlas, query: Any, tmp_path: Path, ending: str) -> None:
    file, out = tmp_path / "query.h5ad", tmp_path / f"cells{ending}"
    query.write_h5ad(file)
    how = MapOptions(pseudobulk="donor,visit,cellport_label", block_cells=17)
    summary = map_files(atlas, file, out, how)
    assert summary.pseudobulk == str(tmp_path / "cells.pseudobulk.h5ad")
    summed = anndata.read_h5ad(summary.pseudobulk)
    in_memory = atlas.map(query, pseudobulk=["donor", "visit", "cellport_label"])
    labels = in_memory["cellport_label"]
    sample = query.obs["donor"].astype(str) + " | " + query.obs["visit"].astype(str)
    expected = (
        pd.DataFrame(sp.csr_matrix(query.X).toarray())
        .groupby((sample + " | " + labels).to_numpy())
        .sum()
    )
    assert summed.obs_names.tolist() == expected.index.tolist()
    assert summed.var_names.tolist() == query.var_names.tolist()
    assert summed.X.dtype == np.int64
    np.testing.assert_array_equal(summed.X, expected)
    assert summed.obs["cells"].sum() == 150
    assert summed.var["measured"].all()
    assert summed.uns["cellport_pseudobulk"]["columns"].tolist() == list(how.summed_by)
    assert summed.obsm["cellport_label_prob"].sum() == pytest.approx(150, abs=0.1)
    again = anndata.read_h5ad(
        io.BytesIO(pseudobulk_h5ad(found(in_memory.gathered[PSEUDOBULK]), in_memory.uns))
    )
    np.testing.assert_array_equal(again.X, summed.X)


def test_several_files_share_a_table(atlas: Atlas, query: Any, tmp_path: Path) -> None:
    files = [tmp_path / "a.h5ad", tmp_path / "b.h5ad"]
    query[:, ::-1].copy().write_h5ad(files[0])
    query[:, 5:].copy().write_h5ad(files[1])
    how = MapOptions(pseudobulk=["cellport_query", "cellport_call"])
    summary = map_files(atlas, files, tmp_path / "out.csv", how)
    summed = anndata.read_h5ad(str(summary.pseudobulk))
    assert set(summed.obs["cellport_query"]) == {"a.h5ad", "b.h5ad"}
    assert summed.var_names.tolist() == query.var_names.tolist()[::-1]
    assert summed.var_names[~summed.var["measured"]].tolist() == query.var_names.tolist()[:5][::-1]
    whole = summed[summed.obs["cellport_query"] == "a.h5ad"].X.sum(axis=0)
    np.testing.assert_array_equal(whole, np.asarray(query.X.sum(axis=0)).ravel()[::-1])


def test_cells_without_a_value_are_left_out(atlas: Atlas, query: Any) -> None:
    query.obs.loc[query.obs_names[:40], "donor"] = np.nan
    mapping = atlas.map(query, pseudobulk="donor,cellport_call")
    summed = found(mapping.gathered[PSEUDOBULK])
    assert (summed.left_out, summed.cells.sum()) == (40, 110)
    assert mapping.gathered.keys() == {PSEUDOBULK}


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ("donr,cellport_call", "no column 'donr', neither among the results .*cellport_call.*"
                               "'donor'"),
        ("donor,cellport_prob", "'cellport_prob' is a number of each cell"),
        ("donor,X_cellport", "'X_cellport' is a number of each cell"),
        ("donor,donor", "names the column 'donor' twice"),
        ("barcode,cellport_call", r"\['barcode'\] has more than 100 different values"),
    ],
)  # fmt: skip
def test_refused_before_anything_is_mapped(
    atlas: Atlas,
    query: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    columns: str,
    sentence: str,
) -> None:
    monkeypatch.setattr(own_columns, "_MOST_VALUES", 100)
    query.obs["barcode"] = query.obs_names
    with pytest.raises(InputError, match=sentence):
        map_files(atlas, query, tmp_path / "out.csv", MapOptions(pseudobulk=columns))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("columns", ["donor,visit", "cellport_label,cellport_novel"])
def test_absurdly_many_sums_are_refused(
    atlas: Atlas, query: Any, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setattr(own_columns, "MOST_SUMS", 2 * query.n_vars)
    with pytest.raises(InputError, match="are more sums than are kept"):
        atlas.map(query, pseudobulk=columns)


def test_the_place_follows_the_output() -> None:
    how = MapOptions(pseudobulk="a,b")
    places = {"x.h5ad": "x", "a/x.CSV.gz": "a/x", "folder/": "folder", "x.y.parquet": "x.y"}
    for out, start in places.items():
        assert pseudobulk_place(out, how) == f"{start}.pseudobulk.h5ad"
    assert pseudobulk_place("x.h5ad", MapOptions()) is None
