from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from cellport.runtime.atlas.file import npy_bytes
from cellport.runtime.errors import InputError, OutputError
from cellport.runtime.map_files import Summary, map_files
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions


@pytest.fixture(scope="module")
def atlas(tiny_atlas_path: Path) -> Atlas:
    return load_atlas(tiny_atlas_path)


@pytest.fixture(scope="module")
def save(tiny_cells: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Write the cells ``start:stop`` as a query."""
    adata = tiny_cells.adata()
    folder = tmp_path_factory.mktemp("queries")

    def write(start: int, stop: int) -> Path:
        path = folder / f"{start}_{stop}.h5ad"
        if not path.exists():
            adata[start:stop].copy().write_h5ad(path)
        return path

    return write


def test_one_query(atlas: Atlas, save: Any, tmp_path: Path) -> None:
    query, out = save(0, 240), tmp_path / "out.h5ad"
    summary = map_files(atlas, query, out)
    expected = atlas.map(query)
    found = anndata.read_h5ad(out)
    assert found.obs_names.tolist() == expected.cell_names.tolist()
    for name in expected.obs:
        assert_array_equal(found.obs[name].to_numpy(), expected[name], err_msg=name)
    assert_array_equal(found.obsm["X_cellport"], expected["X_cellport"])
    assert found.uns["cellport"]["atlas_sha256"] == atlas.file.sha256
    assert "cellport_query" not in found.obs
    assert summary.out == str(out)
    assert summary.n_cells == 240


def test_the_summary_counts_what_was_written(atlas: Atlas, save: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.h5ad"
    summary = map_files(atlas, [save(0, 100), save(100, 240)], str(out))
    obs = anndata.read_h5ad(out).obs
    assert summary.calls == dict(Counter(obs["cellport_call"]))
    assert list(summary.calls.values()) == sorted(summary.calls.values(), reverse=True)
    assert summary.quality == dict(Counter(obs["cellport_qc"]))
    for counts in (summary.calls, summary.quality):
        assert list(counts.values()) == sorted(counts.values(), reverse=True)
    assert summary.mean_prob == pytest.approx(obs["cellport_prob"].mean(), rel=1e-5)
    assert summary.novel == obs["cellport_novel"].sum()
    assert [report["n_matched"] for report in summary.genes] == [100, 100]
    assert summary.counts_from == [f"{save(0, 100)}, X", f"{save(100, 240)}, X"]


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    cuts=st.lists(st.integers(1, 239), min_size=1, max_size=4, unique=True).map(sorted),
    block_cells=st.sampled_from([1, 30, 4096]),
)
def test_cells_may_be_cut_into_any_files(
    cuts: list[int], block_cells: int, atlas: Atlas, save: Any, tmp_path: Path
) -> None:
    """Mapping several files is mapping the cells of all of them, in order."""
    ends = list(zip([0, *cuts], [*cuts, 240], strict=True))
    queries = [save(start, stop) for start, stop in ends]
    out = tmp_path / "out.h5ad"
    map_files(atlas, queries, out, MapOptions(block_cells=block_cells))
    found, expected = anndata.read_h5ad(out), atlas.map(save(0, 240))
    assert found.obs_names.tolist() == expected.cell_names.tolist()
    assert_array_equal(found.obsm["X_cellport"], expected["X_cellport"])
    assert_array_equal(found.obs["cellport_label"].to_numpy(), expected["cellport_label"])
    origin = found.obs["cellport_query"]
    assert origin.cat.categories.tolist() == [query.name for query in queries]
    assert_array_equal(origin.cat.codes, np.repeat(range(len(ends)), np.diff([0, *cuts, 240])))


def test_progress_is_told_block_by_block(atlas: Atlas, save: Any, tmp_path: Path) -> None:
    events: list[Any] = []

    def started(streams: list[Any]) -> None:
        assert list(tmp_path.iterdir()) == []
        events.append([stream.n_cells for stream in streams])

    map_files(
        atlas, [save(0, 100), save(100, 240)], tmp_path / "out.csv",
        MapOptions(block_cells=60), on_start=started, on_progress=events.append,
    )  # fmt: skip
    assert events == [[100, 140], 60, 100, 160, 220, 240]


def test_counts_are_kept_when_asked_for(
    atlas: Atlas, tiny_cells: Any, save: Any, tmp_path: Path
) -> None:
    out = tmp_path / "out.h5ad"
    how = MapOptions(block_cells=70)
    map_files(atlas, save(0, 240), out, how, with_counts=True)
    found = anndata.read_h5ad(out)
    assert (tiny_cells.counts != found.X).nnz == 0
    assert found.var_names.tolist() == tiny_cells.symbols.tolist()


def test_an_atlas_without_labels(
    atlas: Atlas, rewritten_atlas: Any, save: Any, tmp_path: Path
) -> None:
    manifest, mean = atlas.manifest, atlas.file.array("label_mean")
    bare = rewritten_atlas(
        {"arrays/label_mean.npy": npy_bytes(mean.mean(axis=0, keepdims=True))},
        labels=(),
        parents={},
        head=replace(manifest.head, kind="none", set_prob=()),
        answers=tuple(name for name in manifest.answers if name != "label_prob"),
    )
    atlas = load_atlas(bare)
    summary = map_files(atlas, save(0, 240), tmp_path / "out.h5ad")
    assert isinstance(summary, Summary)
    assert summary.calls == {}
    assert summary.mean_prob == 0
    found = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert list(found.obs) == [
        "cellport_novelty_p", "cellport_novel", "cellport_qc", "cellport_cluster",
    ]  # fmt: skip
    assert found.obsm["X_cellport"].shape == (240, 8)


def test_what_was_there_stays_until_all_is_written(atlas: Atlas, save: Any, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("before")

    def check(_: int) -> None:
        assert out.read_text() == "before"

    map_files(atlas, save(0, 100), out, MapOptions(block_cells=10), on_progress=check)
    assert out.read_text() != "before"


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("stop", [StoppedError, KeyboardInterrupt])
def test_nothing_is_left_of_a_run_that_ends_early(
    stop: type[BaseException], atlas: Atlas, save: Any, tmp_path: Path
) -> None:
    def progress(done: int) -> None:
        if done >= 50:
            raise stop

    for suffix in (".h5ad", ".csv", ".parquet"):
        how = MapOptions(block_cells=10)
        with pytest.raises(stop):
            map_files(atlas, save(0, 100), tmp_path / f"out{suffix}", how, on_progress=progress)
    assert list(tmp_path.iterdir()) == []


def test_a_later_query_that_is_bad_stops_all(
    atlas: Atlas, tiny_cells: Any, save: Any, tmp_path: Path
) -> None:
    """Whether it is seen when it is opened, or in its last cell."""
    out = tmp_path / "out.h5ad"
    with pytest.raises(InputError, match="no file"):
        map_files(atlas, [save(0, 100), tmp_path / "none.h5ad"], out)
    adata = tiny_cells.adata()
    adata.X.data[adata.X.indptr[50]] = np.nan
    bad = tmp_path / "bad.h5ad"
    adata.write_h5ad(bad)
    with pytest.raises(InputError, match=r"bad\.h5ad, X, cells 50 to 59: .* missing"):
        map_files(atlas, [save(0, 100), bad], out, MapOptions(block_cells=10))
    assert list(tmp_path.iterdir()) == [bad]


def test_what_cannot_be_asked_for(atlas: Atlas, save: Any, tmp_path: Path) -> None:
    query, out = save(0, 100), tmp_path / "out.h5ad"
    with pytest.raises(InputError, match="No query was given"):
        map_files(atlas, [], out)
    with pytest.raises(InputError, match="one query at a time"):
        map_files(atlas, [query, save(100, 240)], out, with_counts=True)
    with pytest.raises(InputError, match="named twice"):
        map_files(atlas, [query, query], out)
    with pytest.raises(OutputError, match="cannot hold counts"):
        map_files(atlas, query, tmp_path / "out.csv", with_counts=True)
    assert list(tmp_path.iterdir()) == []


def test_anndata_objects_are_mapped_to_a_file_too(
    atlas: Atlas, save: Any, tiny_cells: Any, tmp_path: Path
) -> None:
    adata, out = tiny_cells.adata(), tmp_path / "out.h5ad"
    map_files(atlas, adata, out)
    expected = atlas.map(adata)
    assert_array_equal(anndata.read_h5ad(out).obsm["X_cellport"], expected["X_cellport"])
    map_files(atlas, [save(0, 100), adata[100:]], out)
    found = anndata.read_h5ad(out)
    assert_array_equal(found.obsm["X_cellport"], expected["X_cellport"])
    assert found.obs["cellport_query"].value_counts().to_dict() == {
        "0_100.h5ad": 100,
        "query 1": 140,
    }


@pytest.mark.parametrize("ending", [".h5ad", ".zarr", ".csv", ".parquet"])
def test_names_that_queries_share_get_the_number_of_their_query(
    atlas: Atlas, save: Callable[..., Path], tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"out{ending}"
    summary = map_files(atlas, [save(0, 30), save(20, 50)], out)
    plain = map_files(atlas, [save(0, 30), save(30, 50)], tmp_path / "other.h5ad")
    names = anndata.read_h5ad(tmp_path / "other.h5ad").obs_names
    assert _names(out) == [f"{name}-0" for name in names[:30]] + [f"{n}-1" for n in names[20:50]]
    assert any("same name" in note for note in summary.notes)
    assert not any("same name" in note for note in plain.notes)


def _names(path: Path) -> list[str]:
    if path.suffix == ".csv":
        return [line.split(",")[0] for line in path.read_text().splitlines()[1:]]
    if path.suffix == ".parquet":
        return [str(name) for name in pyarrow.parquet.read_table(path).column(0).to_pylist()]
    read = anndata.read_zarr if path.suffix == ".zarr" else anndata.read_h5ad
    return list(read(path).obs_names)
