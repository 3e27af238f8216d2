from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from pandas.testing import assert_frame_equal

from cellport.runtime.cluster import run, sums
from cellport.runtime.cluster.dataset import GATHERED, MANIFEST
from cellport.runtime.cluster.run import map_dask
from cellport.runtime.errors import (
    CellportError,
    InputError,
    MissingDependencyError,
    OutputError,
)
from cellport.runtime.map_files import map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions

Save = Callable[..., Path]
PRETRAINED = Path(__file__).resolve().parents[3] / "models" / "pretrained"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("part-*")}


def single(atlas: Atlas, queries: list[Path], folder: Path, **changes: Any) -> pandas.DataFrame:
    out = folder / "single.parquet"
    map_files(atlas, queries, out, MapOptions(**changes))
    return pandas.read_parquet(out)


def test_results_are_those_of_one_process_bit_for_bit(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    queries = [save(0, 100), save(100, 240)]
    said: list[Any] = []
    genes = atlas.panel.symbols[:3]
    summary = map_dask(
        atlas,
        queries,
        client,
        tmp_path / "out",
        part_cells=33,
        neighbors=2,
        corrected_expression=genes,
        on_start=said.append,
        on_progress=said.append,
    )
    how = {"neighbors": 2, "corrected_expression": genes}
    expected = single(atlas, queries, tmp_path, **how, threads=2, block_cells=50)
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)
    assert len(list(said[0].parts())) == 9
    assert (said[1:], said[-1]) == (sorted(said[1:]), 240)
    assert (summary.parts, summary.parts_kept, summary.n_cells) == (9, 0, 240)
    assert summary.calls == expected["cellport_call"].value_counts()[list(summary.calls)].to_dict()
    assert summary.mean_prob == pytest.approx(expected["cellport_prob"].mean(), rel=1e-5)
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert manifest["uns"]["cellport"]["atlas_sha256"] == atlas.file.sha256
    assert manifest["uns"]["cellport"]["n_cells"] == 240
    assert manifest["uns"]["cellport"]["corrected"]["genes"] == list(genes)
    assert sum(part["rows"] for part in manifest["parts"]) == 240


@pytest.mark.parametrize("name", ["celltypist_duplicates", "scanvi_default", "scpoli_default"])
def test_converted_atlases_give_what_one_process_gives(
    name: str,
    client: Any,
    converted: Callable[[str], Path],
    foreign_query: Path,
    tmp_path: Path,
) -> None:
    atlas, out, page = load_atlas(converted(name)), tmp_path / "out", tmp_path / "page.html"
    summary = map_dask(atlas, [foreign_query], client, out, part_cells=17, report=page)
    expected = single(atlas, [foreign_query], tmp_path, threads=2)
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)
    counted = expected["cellport_label"].value_counts()
    assert summary.calls == counted[list(summary.calls)].to_dict()
    assert "nothing tells how often its labels are right" in page.read_text()


def test_other_atlases_are_heard_as_in_one_process(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lung, out, page = load_atlas("lung"), tmp_path / "out", tmp_path / "page.html"
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as cells:
        # as a path, which other processes find from wherever they are
        monkeypatch.chdir(PRETRAINED)
        for _ in range(2):
            also = Path("blood.cellport")
            done = map_dask(lung, [cells], client, out, part_cells=170, also=also, report=page)
        expected = single(lung, [cells], tmp_path, also="blood", block_cells=50)
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)
    assert "cellport_joint" in expected
    told = json.loads((out / MANIFEST).read_text())["uns"]["cellport"]
    assert [one["name"] for one in told["also"]] == list(told["labels_alike"]) == ["blood"]
    assert "What other atlases say" in page.read_text()
    assert done.parts_kept == done.parts


@pytest.mark.parametrize("how", ["cluster", "auto"])
def test_groups_are_of_all_cells_of_a_query(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path, how: str
) -> None:
    def cluster(cells: Any) -> None:
        cells.obs["cluster"] = [str(i % 5) for i in range(cells.n_obs)]

    queries = [save(0, 100, cluster), save(100, 240, cluster)]
    out = tmp_path / "out"
    map_dask(atlas, queries, client, out, part_cells=33, groups=how)
    expected = single(atlas, queries, tmp_path, groups=how)
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)
    before = contents(out)
    assert map_dask(atlas, queries, client, out, part_cells=33, groups=how).parts_kept == 9
    (out / "part-00003.parquet").unlink()
    map_dask(atlas, queries, client, out, part_cells=33, groups=how)
    assert contents(out) == before


def test_groups_unlike_the_atlas_are_numbered_as_in_one_process(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    """Beside groups of the query, which need all of its cells too."""

    def strange(cells: Any) -> None:
        counts = cells.X.toarray()
        counts[::3] = counts[::3, ::-1]
        cells.X = counts

    query, out = save(0, 240, strange), tmp_path / "out"
    asked: Any = {"novel_groups": True, "groups": "auto"}
    map_dask(atlas, query, client, out, part_cells=33, **asked)
    expected = single(atlas, [query], tmp_path, **asked)
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)
    assert "1" in set(expected["cellport_novel_group"])


@pytest.mark.parametrize("asked", [{"rescale_genes": True}, {"merge_labels": True}])
def test_what_takes_a_look_at_all_cells_is_decided_once_for_a_query(
    asked: dict[str, Any], client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    queries, out = [save(0, 100), save(100, 240)], tmp_path / "out"
    map_dask(atlas, queries, client, out, part_cells=33, **asked)
    expected = single(atlas, queries, tmp_path, **asked)
    assert_frame_equal(pandas.read_parquet(out), expected, check_exact=True)
    assert not expected.equals(single(atlas, queries, tmp_path))
    before = contents(out)
    assert map_dask(atlas, queries, client, out, part_cells=33, **asked).parts_kept == 9
    assert contents(out) == before


def test_genes_that_were_not_measured_are_told_from_all_cells(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    """No part has the hundred cells that it takes to tell."""

    def zero(cells: Any) -> None:
        counts = cells.X.toarray()
        counts[:, np.random.default_rng(0).random(cells.n_vars) < 0.3] = 0
        cells.X = counts

    query = save(0, 240, zero)
    map_dask(atlas, query, client, tmp_path / "out", part_cells=33)
    assert_frame_equal(
        pandas.read_parquet(tmp_path / "out"), single(atlas, [query], tmp_path), check_exact=True
    )
    said = json.loads((tmp_path / "out" / MANIFEST).read_text())["uns"]["cellport"]
    assert any("count as not measured" in note for note in said["notes"])


def test_genes_to_correct_are_named_here_and_not_at_the_workers(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    query, genes = save(0, 60), tmp_path / "genes.txt"
    genes.write_text("\n".join(atlas.panel.symbols[:3]))
    map_dask(atlas, query, client, tmp_path / "out", part_cells=25, corrected_expression=str(genes))
    expected = single(atlas, [query], tmp_path, corrected_expression=atlas.panel.symbols[:3])
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    named = manifest["uns"]["cellport"]["corrected"]["genes"]
    assert named == list(atlas.panel.symbols[:3])
    with pytest.raises(InputError, match="Not among"):
        map_dask(atlas, query, client, tmp_path / "other", corrected_expression="nothing")


def test_the_same_call_again_changes_nothing_and_fills_gaps(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    query = save(0, 100)

    def mapped() -> Any:
        return map_dask(atlas, query, client, out, part_cells=20)

    mapped()
    before = contents(out)
    times = {path: path.stat().st_mtime_ns for path in out.glob("part-*")}
    assert mapped().parts_kept == 5
    assert {path: path.stat().st_mtime_ns for path in out.glob("part-*")} == times
    (out / "part-00002.parquet").unlink()
    with (out / "part-00003.parquet").open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(b"damage")
    shutil.copy(out / "part-00001.parquet", out / "part-00004.parquet")
    assert mapped().parts_kept == 2
    assert contents(out) == before


def test_lost_workers_cost_retries_and_no_cell(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_APART", 2)
    queries = [save(0, 240)]
    killed: list[int] = []

    def kill(done: int) -> None:
        if len(killed) < 3 and done >= 30 * (len(killed) + 1):
            with suppress(OSError):  # asking while one of them dies
                pids = client.run(os.getpid, on_error="ignore").values()
                killed.append(next(pid for pid in pids if pid not in killed))
                os.kill(killed[-1], signal.SIGKILL)

    report, expected = tmp_path / "report.html", tmp_path / "expected.html"
    out = tmp_path / "out"
    map_dask(atlas, queries, client, out, part_cells=10, on_progress=kill, report=report)
    assert len(killed) == 3
    map_files(atlas, queries, tmp_path / "out.parquet", report=expected)
    pages = (
        re.sub(r"<td>[\d.]+ s for", "", page.read_text("utf-8")) for page in (report, expected)
    )
    assert len({page.replace("out.parquet", "out") for page in pages}) == 1
    found = pandas.read_parquet(tmp_path / "out")
    assert_frame_equal(found, single(atlas, queries, tmp_path), check_exact=True)
    assert not list(out.glob(".*"))
    # what a worker held of a part is not asked for again
    assert os.listdir(out / GATHERED) == ["total.npz"]


def test_what_was_decided_on_the_whole_file_holds_for_every_range(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    def without_counts_in_x(adata: Any) -> None:
        adata.layers["umi"] = adata.X.copy()
        adata.X = adata.X.log1p()

    queries = [save(0, 240, without_counts_in_x), save(0, 50)]
    summary = map_dask(atlas, queries, client, tmp_path / "out", part_cells=50)
    assert summary.counts_from == [f"{queries[0]}, layers['umi']", f"{queries[1]}, X"]
    assert "found in layers['umi']" in summary.notes[0]
    expected = single(atlas, queries, tmp_path)
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)


def test_a_bad_cell_is_named_once_and_the_rest_is_kept(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    def spoil(adata: Any) -> None:
        adata.X.data[adata.X.indptr[150]] = 0.5

    query = save(0, 240, spoil)
    with pytest.raises(InputError) as caught:
        map_dask(atlas, query, client, tmp_path / "out", part_cells=120, block_cells=60)
    assert str(caught.value).startswith(f"{query}, cells 120 to 239: ")
    assert "cells 120 to 179" in str(caught.value)
    assert "not whole" in str(caught.value)
    assert not (tmp_path / "out" / "part-00001.parquet").exists()
    assert json.loads((tmp_path / "out" / MANIFEST).read_text())["complete"] is False


def test_other_failures_are_tried_again_and_then_told(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    query = save(0, 20)

    def change_the_query(_: Any) -> None:
        os.utime(query, ns=(0, 7))

    with pytest.raises(InputError, match="has changed since the mapping began"):
        map_dask(atlas, query, client, out, on_start=change_the_query)
    assert not list(out.glob("part-*"))

    def in_the_way(_: Any) -> None:
        (out / "part-00000.parquet").mkdir()

    with pytest.raises(OutputError, match=r"holds the results of another mapping"):
        map_dask(atlas, query, client, out)
    shutil.rmtree(out)
    with pytest.raises(OutputError, match=r"cells 0 to 19: The output .* is a folder"):
        map_dask(atlas, query, client, out, on_start=in_the_way)


def test_workers_need_not_see_the_atlas_file(
    client: Any, tiny_atlas_path: Path, save: Save, tmp_path: Path
) -> None:
    query = save(0, 40)
    path = tmp_path / "moved.cellport"
    shutil.copy(tiny_atlas_path, path)
    atlas = load_atlas(path)

    def hide(_: Any) -> None:
        path.rename(tmp_path / "elsewhere")

    expected = single(atlas, [query], tmp_path)
    # a worker opens the atlas with its first task; here that is before the file is gone or after
    map_dask(atlas, query, client, tmp_path / "out", part_cells=10, on_start=hide)
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)


def test_a_worker_of_several_threads_maps_several_ranges_at_once(
    atlas: Atlas, save: Save, tmp_path: Path
) -> None:
    from distributed import Client, LocalCluster

    queries = [save(0, 240)]
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=3, processes=False, dashboard_address="127.0.0.1:0"
        ) as cluster,
        Client(cluster) as threads,
    ):
        map_dask(atlas, queries, threads, tmp_path / "out", part_cells=20, neighbors=1)
    expected = single(atlas, queries, tmp_path, neighbors=1)
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)


def test_a_10x_folder_is_one_part(
    client: Any, atlas: Atlas, tiny_cells: Any, tmp_path: Path
) -> None:
    from scipy.io import mmwrite

    folder = tmp_path / "tenx"
    folder.mkdir()
    counts = tiny_cells.counts[:50]
    mmwrite(folder / "matrix.mtx", counts.T.astype(np.int64), field="integer")
    genes = zip(tiny_cells.ensembl, tiny_cells.symbols, strict=True)
    (folder / "features.tsv").write_text("".join(f"{i}\t{s}\tGene Expression\n" for i, s in genes))
    (folder / "barcodes.tsv").write_text("".join(f"cell{i}\n" for i in range(50)))
    summary = map_dask(atlas, folder, client, tmp_path / "out", part_cells=10)
    assert summary.parts == 1
    expected = single(atlas, [folder], tmp_path)
    assert_frame_equal(pandas.read_parquet(tmp_path / "out"), expected, check_exact=True)


def test_what_cannot_be_mapped_on_a_cluster(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path, tiny_cells: Any
) -> None:
    query, out = save(0, 20), tmp_path / "out"
    with pytest.raises(InputError, match="No query was given"):
        map_dask(atlas, [], client, out)
    with pytest.raises(InputError, match="part_cells must be at least 1"):
        map_dask(atlas, query, client, out, part_cells=0)
    with pytest.raises(InputError, match="type AnnData cannot be mapped on a cluster"):
        map_dask(atlas, [tiny_cells.adata()], client, out)
    with pytest.raises(InputError, match="named twice"):
        map_dask(atlas, [query, query], client, out)
    with pytest.raises(InputError, match=r"no_such\.h5ad cannot be read"):
        map_dask(atlas, [query, tmp_path / "no_such.h5ad"], client, out)
    assert os.listdir(out) == []


def test_workers_of_another_version_are_refused(
    client: Any, atlas: Atlas, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "__version__", "0.0.0")
    with pytest.raises(CellportError, match=r"and this run is of 0\.0\.0; install the same"):
        map_dask(atlas, save(0, 20), client, tmp_path / "out")


def test_without_distributed_the_extra_is_named(
    atlas: Atlas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'cellport\[dask\]'"):
        map_dask(atlas, "query.h5ad", None, tmp_path / "out")
