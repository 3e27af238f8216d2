"""Columns, tables and counts that do not fit a comparison, and comparisons of pairs, drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest

import cellport
from cellport.runtime.compare.counts import Queries
from cellport.runtime.compare.inputs import read_result, read_samples
from cellport.runtime.compare.study import Columns, Sources, Study, read_study
from cellport.runtime.errors import InputError


def told(query: Any, mapped: Any, **columns: Any) -> Study:
    queries = Queries([query])
    try:
        chosen = Columns(**{"condition": "disease", "sample": "donor", **columns})
        return read_study([read_result(mapped)], chosen, Sources(queries))
    finally:
        queries.close()


def test_an_anndata_compares_like_its_file(study: SimpleNamespace) -> None:
    mapped = anndata.read_h5ad(study.mapped)
    mapped.obs["donor"], mapped.obs["disease"] = study.obs["donor"], study.obs["disease"]
    ours = cellport.compare(mapped, "disease", sample="donor")
    file = cellport.compare(study.mapped, "disease", sample="donor", counts=study.query)
    p = [[one.p for one in found.composition] for found in (ours, file)]
    np.testing.assert_array_equal(*p)
    with pytest.raises(InputError, match="name it as out"):
        cellport.compare(mapped, "disease", sample="donor", report=True)


def test_tables_of_samples_that_are_none(tmp_path: Path) -> None:
    table = tmp_path / "samples.csv"
    with pytest.raises(InputError, match=r"samples\.csv cannot be read"):
        read_samples(table)
    table.write_bytes(b"sample,disease\nd0,\xff\xfe\n")
    with pytest.raises(InputError, match=r"samples\.csv cannot be read"):
        read_samples(table)
    table.write_text("sample,disease\nd0,ill\nd1,ill\nd0,healthy\n")
    with pytest.raises(InputError, match=r"samples\.csv names the sample 'd0' twice"):
        read_samples(table)


def test_facts_of_samples(study: SimpleNamespace, tmp_path: Path) -> None:
    query = anndata.read_h5ad(study.query)
    path = tmp_path / "query.h5ad"

    def change(column: str, cells: Any, value: Any) -> Path:
        changed = query.copy()
        changed.obs[column] = changed.obs[column].astype(object)
        changed.obs.loc[cells, column] = value
        changed.write_h5ad(path)
        return path

    with pytest.raises(InputError, match="Sample 'd0' has several values in 'run'"):
        told(change("run", query.obs_names[:5], "r9"), study.mapped, batch="run")
    found = told(change("run", query.obs["donor"] == "d3", ""), study.mapped, batch="run")
    assert "d3" not in found.samples.names
    assert len(found.samples.names) == 7
    assert any("'run'" in note and "d3" in note for note in found.notes)
    with pytest.raises(InputError, match="No cell has both a sample and a condition"):
        told(change("donor", query.obs_names, ""), study.mapped)


def test_cells_are_found_by_name_in_any_order(study: SimpleNamespace, tmp_path: Path) -> None:
    whole = told(study.query, study.mapped)
    order = np.random.default_rng(0).permutation(720)
    anndata.read_h5ad(study.query)[order].write_h5ad(tmp_path / "turned.h5ad")
    # fewer cells than were mapped, too
    anndata.read_h5ad(study.query)[order[:700]].write_h5ad(tmp_path / "fewer.h5ad")
    turned = told(tmp_path / "turned.h5ad", study.mapped)
    assert turned.counts is not None
    assert whole.counts is not None
    np.testing.assert_array_equal(turned.counts.counts, whole.counts.counts)
    assert told(tmp_path / "fewer.h5ad", study.mapped).notes[0].startswith("20 of 720 cells")
    study.result.rename({"c1": "c0"}).rename_axis("cell").to_csv(tmp_path / "mapped.csv")
    with pytest.raises(InputError, match="Names of mapped cells repeat"):
        told(tmp_path / "turned.h5ad", tmp_path / "mapped.csv")


def test_one_of_several_files_that_is_none_releases_the_others(
    study: SimpleNamespace, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"none\.h5ad"):
        Queries([study.query, tmp_path / "none.h5ad"])
    with study.query.open("r+b"):  # nothing holds it
        read_result(study.mapped)


def test_files_that_share_no_gene(study: SimpleNamespace, tmp_path: Path) -> None:
    folders = []
    for number, donors in enumerate((("d0", "d1", "d2", "d3"), ("d4", "d5", "d6", "d7"))):
        rows = study.obs["donor"].isin(donors).to_numpy()
        query = anndata.read_h5ad(study.query)[rows].copy()
        query.var_names = [f"{'ab'[number]}{name}" for name in query.var_names]
        folder = tmp_path / str(number)
        folder.mkdir()
        query.write_h5ad(folder / "query.h5ad")
        anndata.AnnData(obs=study.result[rows]).write_h5ad(folder / "mapped.h5ad")
        folders.append(folder)
    with pytest.raises(InputError, match="The files share no gene by name"):
        cellport.compare(
            [folder / "mapped.h5ad" for folder in folders], "disease", sample="donor",
            counts=[folder / "query.h5ad" for folder in folders],
        )  # fmt: skip


def test_batches_that_hold_whole_pairs_change_nothing(
    make_study: Callable[..., Any], tmp_path: Path
) -> None:
    both = make_study(tmp_path, donors=12, paired=True)
    how = {"sample": "donor", "pairs": "donor", "counts": both.query}
    figures = tmp_path / "figures"
    pairs = cellport.compare(both.mapped, "disease", **how, out=tmp_path / "out", figures=figures)
    batches = cellport.compare(both.mapped, "disease", **how, batch="run")
    for one, other in zip(pairs.expression, batches.expression, strict=True):
        assert one.genes is not None
        assert other.genes is not None
        ours = one.genes.set_index("gene").sort_index()
        theirs = other.genes.set_index("gene").sort_index()
        for column in ("mean", "log2_fold_change", "shrunken", "p"):
            np.testing.assert_allclose(ours[column], theirs[column], rtol=1e-3, atol=2e-3)
    t_cells = {one.type: one for one in batches.expression}["T"].genes
    assert t_cells is not None
    assert set(t_cells["gene"][:5]) == {f"GENE{at}" for at in range(5)}
    # samples of a pair are joined: a line for each of the six in every panel
    drawn = (figures / "points_T.svg").read_text()
    genes = pd.read_csv(figures / "points_T.csv")["gene"].nunique()
    assert genes >= 5
    assert drawn.count('stroke-opacity="0.6"') == 6 * genes


def test_samples_with_few_cells_of_a_type_are_left_out_of_it(
    study: SimpleNamespace, tmp_path: Path
) -> None:
    mapped = anndata.read_h5ad(study.mapped)
    few = (study.obs["donor"] == "d0").to_numpy() & (mapped.obs["cellport_call"] == "NK").to_numpy()
    call = mapped.obs["cellport_call"].astype(str)
    call[few] = "B"
    mapped.obs["cellport_call"] = call.astype("category")
    mapped.write_h5ad(tmp_path / "mapped.h5ad")
    found = cellport.compare(tmp_path / "mapped.h5ad", "disease", sample="donor",
                             counts=study.query)  # fmt: skip
    of_nk = {one.type: one for one in found.expression}["NK"]
    assert of_nk.note == "1 of 8 samples have fewer than 10 cells of it."
    assert of_nk.samples == ("d2", "d4", "d6", "d1", "d3", "d5", "d7")
    assert of_nk.genes is not None


def test_types_without_counts_say_so(study: SimpleNamespace, tmp_path: Path) -> None:
    query = anndata.read_h5ad(study.query)
    is_nk = (study.result["cellport_call"] == "NK").to_numpy()
    counts = query.X.tolil()
    counts[is_nk, 1:] = 0
    query.X = counts.tocsr()
    query.write_h5ad(tmp_path / "query.h5ad")
    found = cellport.compare(study.mapped, "disease", sample="donor",
                             counts=tmp_path / "query.h5ad")  # fmt: skip
    of_nk = {one.type: one for one in found.expression}["NK"]
    assert of_nk.genes is None
    assert of_nk.note == "No gene has counts enough in these samples."
