"""What is written beside the cells comes out the same from a cluster as from one process."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pytest
import scipy.sparse as sp

from cellport.runtime.cluster.dataset import GATHERED, read_manifest
from cellport.runtime.cluster.plan import sums_key
from cellport.runtime.cluster.run import map_dask
from cellport.runtime.cluster.sums import PartSums
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.gather import PSEUDOBULK, REPORT, TALLY, start_gathering
from cellport.runtime.mapping.options import MapOptions

PART_CELLS = 20
SUMMED = ("donor", "cellport_query", "cellport_call")


@pytest.fixture(scope="module")
def fork(tiny_path_atlas: Path) -> Atlas:
    return load_atlas(tiny_path_atlas)


@pytest.fixture(scope="module")
def queries(tiny_fork: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files: in one some cells are of no type, the other lacks genes."""
    folder = tmp_path_factory.mktemp("queries")
    strange, short = tiny_fork(200, seed=1), tiny_fork(120, seed=2)
    strange.X = sp.vstack([strange.X[:30, ::-1], strange.X[30:]], format="csr")
    paths = [folder / "strange.h5ad", folder / "short.h5ad"]
    strange.write_h5ad(paths[0])
    short[:, np.arange(120) % 5 > 0].copy().write_h5ad(paths[1])
    return paths


@pytest.fixture(scope="module")
def single(
    fork: Atlas, queries: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> SimpleNamespace:
    """The report and the table of one process."""
    folder = tmp_path_factory.mktemp("single")
    report, table = folder / "report.html", folder / "genes.csv"
    out, how = folder / "out.parquet", MapOptions(pseudobulk=SUMMED)
    made = map_files(fork, queries, out, how, report=report, lineage_genes=table)
    page = undated(report)
    assert "lie together and look like nothing in the atlas (p " in page
    assert "take the same course in your cells" in page
    summed = anndata.read_h5ad(str(made.pseudobulk))
    assert summed.obs["cells"].sum() == 320
    return SimpleNamespace(report=page, table=table.read_bytes(), summed=summed)


def undated(page: Path) -> str:
    return re.sub(r"<td>[\d.]+ s for", "<td>? s for", page.read_text("utf-8"))


@pytest.fixture
def mapped(
    client: Any, fork: Atlas, queries: list[Path], single: SimpleNamespace, tmp_path: Path
) -> Callable[[], Any]:
    """Map on the cluster and hold what is beside the cells to be that of one process."""
    report, table = tmp_path / "report.html", tmp_path / "genes.csv"

    def run() -> Any:
        report.unlink(missing_ok=True)
        summary = map_dask(
            fork,
            queries,
            client,
            tmp_path / "out.parquet",
            part_cells=PART_CELLS,
            report=report,
            lineage_genes=table,
            pseudobulk=SUMMED,
        )
        summed = anndata.read_h5ad(str(summary.pseudobulk))
        assert summed.obs.equals(single.summed.obs)
        assert summed.var.equals(single.summed.var)
        np.testing.assert_array_equal(summed.X, single.summed.X)
        probs = (one.obsm["cellport_label_prob"] for one in (summed, single.summed))
        np.testing.assert_array_equal(*probs)
        assert undated(report) == single.report
        assert table.read_bytes() == single.table
        assert (summary.report, summary.lineage_genes) == (str(report), str(table))
        return summary

    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("part-*")}


def test_report_and_table_are_those_of_one_process(
    mapped: Callable[[], Any], tmp_path: Path
) -> None:
    summary = mapped()
    assert (summary.parts, summary.parts_kept, summary.n_cells) == (16, 0, 320)
    found = {path.name for path in (tmp_path / "out.parquet" / GATHERED).iterdir()}
    assert found == {"total.npz"}
    assert mapped().parts_kept == 16


@pytest.mark.parametrize("total", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_mapping_goes_on_with_what_is_there(
    mapped: Callable[[], Any],
    fork: Atlas,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    total: bool,
    seed: int,
) -> None:
    """Parts, their sums and the total are there or not; only what is missing is mapped again."""
    folder = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(PartSums, "save", lambda self: None)
        mapped()
    before = contents(folder)
    rng = np.random.default_rng(seed)
    added, no_file, no_sums = (set(rng.permutation(16)[:n].tolist()) for n in (6, 3, 4))
    _add_up(fork, folder, added)
    for number in no_file:
        (folder / f"part-{number:05d}.parquet").unlink()
    for number in no_sums:
        (folder / GATHERED / f"part-{number:05d}.npz").unlink(missing_ok=True)
    if not total:
        (folder / GATHERED / "total.npz").unlink()
    lost = no_sums - added if total else no_sums | added
    assert mapped().parts_kept == 16 - len(no_file | lost)
    assert contents(folder) == before
    assert mapped().parts_kept == 16


def _add_up(atlas: Atlas, folder: Path, numbers: set[int]) -> None:
    """Write the total of some parts, as a run that was killed may have done."""
    manifest = read_manifest(folder)
    assert manifest is not None
    schema = atlas.stream(manifest["queries"][0]["path"], among=(("a", "b"), 0)).schema
    how = MapOptions(pseudobulk=SUMMED)
    gathered = start_gathering((*REPORT, PSEUDOBULK), atlas.file, schema, how)
    sums = PartSums(folder, sums_key(manifest["key"], how), gathered)
    for number in sorted(numbers):
        sums.add(SimpleNamespace(number=number))  # type: ignore[arg-type]
    sums.save()
    assert sums.parts == numbers


def test_a_report_that_is_asked_for_later(
    client: Any, mapped: Callable[[], Any], fork: Atlas, queries: list[Path], tmp_path: Path
) -> None:
    """Its sums are not there, so the cells are mapped again, to the same files."""
    folder = tmp_path / "out.parquet"

    def without() -> Any:
        return map_dask(fork, queries, client, folder, part_cells=PART_CELLS)

    without()
    assert not (folder / GATHERED).exists()
    before = contents(folder)
    assert mapped().parts_kept == 0
    assert contents(folder) == before
    assert without().parts_kept == 16
    assert mapped().parts_kept == 16


def test_counts_are_copied(client: Any, fork: Atlas, queries: list[Path], tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole.h5ad", tmp_path / "out"
    map_files(fork, queries[0], whole, with_counts=True)
    for kept in (0, 7):
        summary = map_dask(
            fork, queries[0], client, folder, part_cells=30, with_counts=True,
            report=tmp_path / "report.html",
        )  # fmt: skip
        assert (summary.parts, summary.parts_kept) == (7, kept)
    parts = [anndata.read_h5ad(path) for path in sorted(folder.glob("part-*.h5ad"))]
    expected, found = anndata.read_h5ad(whole), anndata.concat(parts)
    assert (found.X != expected.X).nnz == 0
    assert found.var_names.tolist() == expected.var_names.tolist()
    assert found.obs_names.tolist() == expected.obs_names.tolist()
    np.testing.assert_array_equal(found.obsm["X_cellport"], expected.obsm["X_cellport"])
    codes = (each.obs["cellport_call"].to_numpy() for each in (found, expected))
    np.testing.assert_array_equal(*codes)
    with pytest.raises(OutputError, match="parts with or without counts"):
        map_dask(fork, queries[0], client, folder, part_cells=30)


def test_what_cannot_be_written_is_refused_before_anything_is_mapped(
    client: Any, atlas: Atlas, fork: Atlas, queries: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(OutputError, match=r"let its name end in \.html"):
        map_dask(fork, queries, client, out, report=tmp_path / "report.pdf")
    with pytest.raises(OutputError, match="also an input"):
        map_dask(fork, queries, client, out, lineage_genes=_linked(queries[0], tmp_path))
    with pytest.raises(InputError, match="'tiny' has no trajectory"):
        map_dask(atlas, queries, client, out, lineage_genes=tmp_path / "genes.csv")
    assert not out.exists()


def _linked(query: Path, folder: Path) -> Path:
    link = folder / "genes.csv"
    link.symlink_to(query)
    return link


def test_without_a_report_only_a_tally_is_kept(
    client: Any, fork: Atlas, queries: list[Path], tmp_path: Path
) -> None:
    summary = map_dask(fork, queries, client, tmp_path / "out", part_cells=100)
    single = map_files(fork, queries, tmp_path / "out.csv")
    assert (summary.calls, summary.quality) == (single.calls, single.quality)
    assert summary.mean_prob == single.mean_prob
    assert summary.genes == single.genes
    assert TALLY not in REPORT


def test_sums_by_other_columns_are_made_anew(
    client: Any, mapped: Callable[[], Any], fork: Atlas, queries: list[Path], tmp_path: Path
) -> None:
    mapped()
    before = contents(tmp_path / "out.parquet")
    summary = map_dask(
        fork, queries, client, tmp_path / "out.parquet", part_cells=PART_CELLS,
        pseudobulk="cellport_query,cellport_label",
    )  # fmt: skip
    assert contents(tmp_path / "out.parquet") == before
    summed = anndata.read_h5ad(str(summary.pseudobulk))
    assert summed.obs.columns.tolist() == ["cellport_query", "cellport_label", "cells"]
    assert summed.obs["cells"].sum() == 320
