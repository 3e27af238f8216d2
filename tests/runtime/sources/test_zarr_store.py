from __future__ import annotations

import sys

import numpy as np
import pytest

from cellport.runtime.errors import InputError, MissingDependencyError
from cellport.runtime.sources import open_source

zarr = pytest.importorskip("zarr")
# What anndata and zarr say about formats to come when they write.
pytestmark = [
    pytest.mark.filterwarnings("ignore:zarr v3 autosharding:UserWarning"),
    pytest.mark.filterwarnings("ignore:Writing zarr v2:UserWarning"),
    pytest.mark.filterwarnings("ignore:Consolidated metadata:UserWarning"),
]


@pytest.fixture(params=[2, 3])
def zarr_format(request):
    import anndata

    before = anndata.settings.zarr_write_format
    anndata.settings.zarr_write_format = request.param
    yield request.param
    anndata.settings.zarr_write_format = before


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_streams_equal_the_matrix(
    tmp_path, make_anndata, make_counts, check_stream, zarr_format, kind
):
    counts = make_counts()
    stored = {"csr": counts, "csc": counts.tocsc(), "dense": counts.toarray()}[kind]
    path = tmp_path / "query.zarr"
    adata = make_anndata(stored)
    adata.layers["more"] = make_counts(seed=1)
    adata.raw = adata
    adata.write_zarr(path)
    assert (path / "zarr.json").exists() == (zarr_format == 3)
    source = check_stream(path, counts)
    assert list(source.gene_columns) == ["index", "gene_ids", "kind"]
    assert source.gene_columns["index"][3] == "GENE3"
    assert list(source.cell_names(4, 6)) == ["cell4", "cell5"]
    assert list(source.obs_column("batch")[:4]) == ["b0", "b1", "b2", "b0"]
    assert list(source.obs_column("donor")[:2]) == ["d0", "d1"]
    source.close()
    check_stream(path, make_counts(seed=1), layer="more").close()
    check_stream(path, counts, layer="raw").close()


@pytest.mark.parametrize("zarr_format", [3], indirect=True)
def test_small_chunks_and_shards(tmp_path, make_anndata, make_counts, check_stream, zarr_format):
    counts = make_counts()
    path = tmp_path / "query.zarr"
    make_anndata(counts).write_zarr(path)
    root = zarr.open_group(str(path), mode="r+")
    for name in ("data", "indices"):
        values = root["X"][name][:]
        del root["X"][name]
        array = root["X"].create_array(
            name, shape=values.shape, dtype=values.dtype, chunks=(5,), shards=(20,)
        )
        array[:] = values
    zarr.consolidate_metadata(str(path))
    check_stream(path, counts).close()


def test_damaged_stores(tmp_path, make_anndata, make_counts, zarr_format):
    path = tmp_path / "query.zarr"
    make_anndata(make_counts()).write_zarr(path)
    (chunk,) = [p for p in (path / "X" / "data").rglob("*") if p.is_file() and p.name == "0"]
    whole = chunk.read_bytes()
    for lost in (1, 3, 50, len(whole)):
        chunk.write_bytes(whole[:-lost])
        with pytest.raises(InputError, match=r"query\.zarr, X"):
            list(open_source(path).blocks(10))
    (path / "zarr.json").unlink(missing_ok=True)
    (path / ".zgroup").write_text("{")
    with pytest.raises(InputError, match=r"query\.zarr"):
        open_source(path)


def test_without_zarr(tmp_path, make_anndata, monkeypatch):
    path = tmp_path / "query.zarr"
    make_anndata().write_zarr(path)
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(
        MissingDependencyError,
        match=r"Reading .*query\.zarr.* needs zarr: pip install 'cellport\[zarr\]'",
    ):
        open_source(path)


def test_categories_apart_as_anndata_07_wrote_them(tmp_path, make_counts, check_stream):
    counts = make_counts()
    n_cells, n_genes = counts.shape
    root = zarr.open_group(str(tmp_path / "old.zarr"), mode="w", zarr_format=2)
    group = root.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "shape": list(counts.shape)})
    for part in ("data", "indices", "indptr"):
        group.create_array(part, data=getattr(counts, part))
    for name, index in (
        ("obs", [f"cell{i}" for i in range(n_cells)]),
        ("var", [f"GENE{i}" for i in range(n_genes)]),
    ):
        table = root.create_group(name)
        table.attrs["_index"] = "_index"
        table.create_array("_index", data=np.array(index))
        table.create_group("__categories").create_array("kind", data=np.array(["b", "a"]))
        codes = table.create_array("kind", data=(np.arange(len(index)) % 2).astype("i4"))
        codes.attrs["categories"] = "__categories/kind"
    source = check_stream(tmp_path / "old.zarr", counts)
    assert list(source.gene_columns) == ["index", "kind"]
    assert list(source.gene_columns["kind"][:3]) == ["b", "a", "b"]
    assert list(source.obs_column("kind")[:3]) == ["b", "a", "b"]
    source.close()


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("cell_features/data", "cell_feature_matrix.h5"),
        ("GRCh38-rna/barcode_metadata", "pegasusio.write_output"),
        ("a/b", "not an AnnData file"),
    ],
)
def test_zarr_of_other_programs(tmp_path, group, said):
    zarr.open_group(str(tmp_path / "some.zarr"), mode="w").create_group(group)
    with pytest.raises(InputError, match=said):
        open_source(tmp_path / "some.zarr")


@pytest.mark.parametrize("place", ["tables/table", "mod/rna"])
def test_anndata_inside_something_larger(
    tmp_path, make_anndata, make_counts, check_stream, zarr_format, place
):
    from anndata.io import write_elem

    path, counts = tmp_path / "all.zarr", make_counts()
    root = zarr.open_group(str(path), mode="w", zarr_format=zarr_format)
    write_elem(root, place, make_anndata(counts))
    source = check_stream(path, counts)
    assert source.notes == [f"{place} of {path} was taken."]
    source.close()
    check_stream(path / place, counts).close()
    write_elem(root, f"{place.split('/')[0]}/other", make_anndata(counts))
    if place == "mod/rna":
        check_stream(path, counts).close()
        return
    with pytest.raises(InputError, match=r"several tables of cells; give one of them: .*/tables/"):
        open_source(path)


@pytest.mark.parametrize("field", ["data", "indices"])
@pytest.mark.parametrize("shards", [None, (50,)])
@pytest.mark.parametrize("zarr_format", [3], indirect=True)
def test_a_chunk_that_was_lost_is_no_zeros(
    tmp_path, make_anndata, make_counts, zarr_format, shards, field
):
    path = tmp_path / "query.zarr"
    make_anndata(make_counts()).write_zarr(path)
    whole = zarr.open_group(str(path), mode="r+")
    values = whole[f"X/{field}"][:]
    attributes = dict(whole[f"X/{field}"].attrs)
    layout = {"chunks": (10,) if shards else (50,), "shards": shards, "overwrite": True}
    made = whole.create_array(f"X/{field}", shape=values.shape, dtype=values.dtype, **layout)
    made[:] = np.where(values == 0, 1, values)
    made.attrs.update(attributes)
    zarr.consolidate_metadata(str(path))
    open_source(path).close()
    chunk = next(one for one in (path / "X" / field).rglob("*") if one.name.endswith("1"))
    chunk.unlink()
    with pytest.raises(InputError, match="1 of its chunks are missing"):
        open_source(path)


def test_a_dense_layer_of_any_name_may_leave_zeros_out(tmp_path, make_anndata, make_counts):
    path = tmp_path / "query.zarr"
    adata = make_anndata(make_counts())
    adata.layers["data"] = adata.X.toarray()
    adata.write_zarr(path)
    whole = zarr.open_group(str(path), mode="r+")
    stored = whole["layers/data"]
    values, attributes = stored[:], dict(stored.attrs)
    values[:10] = 0
    made = whole.create_array(
        "layers/data", shape=values.shape, dtype=values.dtype, chunks=(5, 17), overwrite=True
    )
    made[:] = values
    made.attrs.update(attributes)
    zarr.consolidate_metadata(str(path))
    open_source(path, layer="data").close()
