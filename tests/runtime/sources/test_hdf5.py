from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_streams_equal_the_matrix(
    tmp_path, make_anndata, make_counts, check_stream, kind, compression
):
    counts = make_counts()
    stored = {"csr": counts, "csc": counts.tocsc(), "dense": counts.toarray()}[kind]
    path = tmp_path / "query.h5ad"
    make_anndata(stored).write_h5ad(path, compression=compression)
    source = check_stream(path, counts)
    assert source.description == f"{path}, X"
    assert source.notes == []
    source.close()


OPTIONS = [{}, {"compression": "gzip"}, {"compression": "lzf"}, {"fletcher32": True}]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_matrix_comes_back(tmp_path, read_all, data):
    n_cells, n_genes = data.draw(st.integers(1, 30)), data.draw(st.integers(1, 30))
    density = data.draw(st.sampled_from([0, 0.05, 0.4, 1]))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    counts = sparse.random(n_cells, n_genes, density, format="csr", random_state=rng)
    counts.data = rng.integers(0, 127, counts.nnz)
    kind = data.draw(st.sampled_from(["csr", "csc", "dense"]))
    stored = counts.tocsc() if kind == "csc" else counts
    path = tmp_path / "any.h5ad"
    with h5py.File(path, "w") as file:
        file["obs/_index"] = np.array([f"c{i}" for i in range(n_cells)], "S")
        file["var/_index"] = np.array([f"g{i}" for i in range(n_genes)], "S")
        dtype = data.draw(st.sampled_from(["f4", ">f8", "i1", "u2", ">i4", "i8"]))
        parts = {"X": counts.toarray().astype(dtype)}
        if kind != "dense":
            group = file.create_group("X")
            group.attrs.update({"encoding-type": f"{kind}_matrix", "shape": counts.shape})
            parts = {
                "X/data": stored.data.astype(dtype),
                "X/indices": stored.indices.astype(data.draw(st.sampled_from(["i4", ">i8", "u4"]))),
                "X/indptr": stored.indptr.astype(data.draw(st.sampled_from(["i4", "i8", "u4"]))),
            }
        for name, values in parts.items():
            options = data.draw(st.sampled_from(OPTIONS if values.size else OPTIONS[:1]))
            chunks = tuple(data.draw(st.integers(1, n)) for n in values.shape) if options else None
            file.create_dataset(name, data=values, chunks=chunks, **options)
    if kind == "dense":
        counts.eliminate_zeros()
    source = open_source(path, threads=data.draw(st.integers(1, 3)))
    indptr, indices, values = read_all(source, data.draw(st.integers(1, 40)))
    source.close()
    np.testing.assert_array_equal(indptr, counts.indptr)
    np.testing.assert_array_equal(indices, counts.indices)
    np.testing.assert_array_equal(values, counts.data.astype(np.float32))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "i8", "u2", "u1", "f2", ">f4", ">i8"])
def test_value_types(tmp_path, make_anndata, make_counts, check_stream, dtype):
    counts = make_counts()
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path, compression="gzip")
    with h5py.File(path, "r+") as file:
        values = file["X/data"][:].astype(dtype)
        del file["X/data"]
        file["X"].create_dataset("data", data=values, chunks=(10,), compression="gzip")
    check_stream(path, counts).close()


@pytest.mark.parametrize("dtype", ["i8", "u4", "u8", "i2", ">i4", "u1"])
def test_position_types(tmp_path, make_anndata, make_counts, check_stream, dtype):
    counts = make_counts()
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        for name in ("indices", "indptr"):
            values = file["X"][name][:].astype(dtype)
            if name == "indices" or counts.nnz < np.iinfo(dtype).max:
                del file["X"][name]
                file["X"].create_dataset(name, data=values, chunks=(7,))
    check_stream(path, counts).close()


def test_explicit_zeros_unsorted_and_duplicate_positions_pass(tmp_path, make_anndata, check_stream):
    counts = sparse.csr_matrix(
        (
            np.array([3, 0, 2, 5, 1], np.float32),
            np.array([4, 1, 1, 0, 4], np.int32),
            np.array([0, 3, 3, 5], np.int32),
        ),
        shape=(3, 5),
    )
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path)
    check_stream(path, counts).close()


def test_layers_and_raw(tmp_path, make_anndata, make_counts, check_stream):
    counts, other, wide = make_counts(), make_counts(seed=1), make_counts(n_genes=29, seed=2)
    adata = make_anndata(wide)
    adata.raw = adata
    adata = adata[:, :17].copy()
    adata.X = counts
    adata.layers["other"] = other.tocsc()
    path = tmp_path / "query.h5ad"
    adata.write_h5ad(path, compression="gzip")
    check_stream(path, counts).close()
    check_stream(path, counts, layer="X").close()
    check_stream(path, other, layer="other").close()
    source = check_stream(path, wide, layer="raw")
    assert source.description == f"{path}, raw/X"
    assert len(source.gene_columns["index"]) == 29
    with pytest.raises(InputError, match=r"no layer 'othr'\. Did you mean 'other'"):
        open_source(path, layer="othr")


@pytest.mark.filterwarnings("ignore:Writing zarr v2:UserWarning")
@pytest.mark.parametrize("kind", ["h5ad", "zarr", "memory"])
def test_a_column_called_index_is_a_column(tmp_path, make_anndata, kind):
    adata = make_anndata()
    genes = list(adata.var_names)
    adata.var = pd.DataFrame({"index": genes}, index=[str(i) for i in range(adata.n_vars)])
    query = adata if kind == "memory" else tmp_path / f"query.{kind}"
    if kind == "h5ad":
        adata.write_h5ad(query)
    elif kind == "zarr":
        pytest.importorskip("zarr")
        adata.write_zarr(query)
    source = open_source(query)
    assert list(source.gene_columns) == ["index", "index (column)"]
    assert list(source.gene_columns["index"][:2]) == ["0", "1"]
    assert list(source.gene_columns["index (column)"]) == genes
    source.close()


def test_gene_columns_cell_names_and_obs(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    adata = make_anndata()
    adata.obs["maybe"] = pd.array([1, None] * 11 + [3], dtype="Int64")
    adata.obs["flag"] = pd.array([True, None] * 11 + [False], dtype="boolean")
    adata.obs["gap"] = pd.Categorical([None, *["x"] * 22])
    adata.obs["real"] = [np.nan, *[1.5] * 22]
    adata.obs_names = ["twice", "twice", *adata.obs_names[2:]]
    adata.write_h5ad(path)
    source = open_source(path)
    assert list(source.gene_columns) == ["index", "gene_ids", "kind"]
    assert list(source.gene_columns["index"][:2]) == ["GENE0", "GENE1"]
    assert source.gene_columns["gene_ids"][16] == "ENSG00000000016"
    assert list(source.gene_columns["kind"][:2]) == ["other", "coding"]
    assert list(source.cell_names(0, 3)) == ["twice", "twice", "cell2"]
    assert list(source.cell_names(21, 23)) == ["cell21", "cell22"]
    assert list(source.obs_column("batch")[:4]) == ["b0", "b1", "b2", "b0"]
    assert list(source.obs_column("donor")[:2]) == ["d0", "d1"]
    assert list(source.obs_column("depth")[:2]) == ["0", "1"]
    assert list(source.obs_column("maybe")[:2]) == ["1", ""]
    assert list(source.obs_column("flag")[:2]) == ["True", ""]
    assert list(source.obs_column("gap")[:2]) == ["", "x"]
    assert list(source.obs_column("real")[:2]) == ["", "1.5"]
    with pytest.raises(InputError, match=r"no column 'Bach'\. Did you mean 'batch'"):
        source.obs_column("Bach")
    source.close()


def old_file(path, counts, reference_categories: bool):
    """Write what anndata before 0.7 wrote (compound tables), or 0.7 (codes with a reference)."""
    n_cells, n_genes = counts.shape
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs["h5sparse_format"] = "csr"
        group.attrs["h5sparse_shape"] = counts.shape
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(counts, name)
        var = np.zeros(n_genes, dtype=[("index", "S10"), ("gene_ids", "S12"), ("n", "i4")])
        var["index"] = [f"GENE{i}" for i in range(n_genes)]
        var["gene_ids"] = [f"ENSG{i}" for i in range(n_genes)]
        file["var"] = var
        codes = (np.arange(n_cells) % 2).astype("i1")
        if reference_categories:
            obs = file.create_group("obs")
            obs.attrs["_index"] = "names"
            obs["names"] = np.array([f"cell{i}" for i in range(n_cells)], "S8")
            obs["batch"] = codes
            obs["__categories/batch"] = np.array([b"one", b"two"])
            obs["batch"].attrs["categories"] = obs["__categories/batch"].ref
        else:
            obs = np.zeros(n_cells, dtype=[("index", "S10"), ("batch", "i1")])
            obs["index"] = [f"cell{i}" for i in range(n_cells)]
            obs["batch"] = codes
            file["obs"] = obs
            file["uns/batch_categories"] = np.array([b"one", b"two"])


@pytest.mark.parametrize("reference_categories", [True, False])
def test_files_of_old_anndata(tmp_path, make_counts, check_stream, reference_categories):
    path, counts = tmp_path / "old.h5ad", make_counts()
    old_file(path, counts, reference_categories)
    source = check_stream(path, counts)
    assert list(source.gene_columns) == ["index", "gene_ids"]
    assert source.gene_columns["gene_ids"][3] == "ENSG3"
    assert list(source.cell_names(1, 3)) == ["cell1", "cell2"]
    assert list(source.obs_column("batch")[:3]) == ["one", "two", "one"]
    source.close()


def test_deep_cells_make_short_blocks(
    tmp_path, make_anndata, make_counts, monkeypatch, check_stream
):
    monkeypatch.setattr("cellport.runtime.sources.csr_checks.MAX_NONZEROS", 11)
    counts = make_counts(density=0.5)
    for stored in (counts, counts.tocsc(), counts.toarray()):
        path = tmp_path / f"{type(stored).__name__}.h5ad"
        make_anndata(stored).write_h5ad(path)
        source = check_stream(path, counts)
        deepest = max(11, int(np.diff(counts.indptr).max()))
        assert max(len(block.data) for block in source.blocks(4096)) <= deepest
        source.close()


def test_csc_in_many_super_blocks(tmp_path, make_anndata, make_counts, monkeypatch, check_stream):
    monkeypatch.setattr("cellport.runtime.sources.csc.SUPER_NONZEROS", 20)
    monkeypatch.setattr("cellport.runtime.sources.csc.PIECE", 9)
    counts = make_counts()
    path = tmp_path / "query.h5ad"
    make_anndata(counts.tocsc()).write_h5ad(path, compression="gzip")
    check_stream(path, counts).close()


def set_array(path, name, values):
    with h5py.File(path, "r+") as file:
        del file[name]
        file[name] = values


def read(path):
    source = open_source(path)
    try:
        return list(source.blocks(8))
    finally:
        source.close()


DAMAGE = {
    "negative position": (
        "indices",
        lambda a: np.where(np.arange(len(a)) == 40, -1, a),
        "cells",
    ),
    "position too large": ("indices", lambda a: np.where(np.arange(len(a)) == 60, 17, a), "cells"),
    "position beyond int32": (
        "indices",
        lambda a: np.where(np.arange(len(a)) == 40, 2**32 + 3, a.astype("i8")),
        "position lies outside",
    ),
    "float positions": ("indices", lambda a: a.astype("f4"), "not integers"),
    "positions too short": ("indices", lambda a: a[:-1], "'indices' has"),
    "pointer falls": ("indptr", lambda a: np.where(np.arange(len(a)) == 9, 0, a), "'indptr' falls"),
    "pointer leaps": ("indptr", lambda a: np.where(np.arange(len(a)) == 9, 10**9, a), "'indptr'"),
    "pointer starts late": ("indptr", lambda a: np.where(a == 0, 1, a), "'indptr' runs from 1"),
    "pointers too few": ("indptr", lambda a: a[:-1], "'indptr' has"),
    "pointers end early": ("indptr", lambda a: np.where(a == a[-1], a[-1] - 1, a), "'indptr' runs"),
    "two axes": ("data", lambda a: a[:, None], "2 axes"),
    "text": ("data", lambda a: np.array([b"x"] * len(a)), "no numbers"),
    "nan": ("data", lambda a: np.where(np.arange(len(a)) == 60, np.nan, a), "NaN"),
    "infinite": ("data", lambda a: np.where(np.arange(len(a)) == 60, np.inf, a), "infinite"),
    "too large": (
        "data",
        lambda a: np.where(np.arange(len(a)) == 60, 1e300, a.astype("f8")),
        "infinite",
    ),
    "negative": ("data", lambda a: np.where(np.arange(len(a)) == 60, -1, a), "negative"),
    "fraction": ("data", lambda a: np.where(np.arange(len(a)) == 60, 0.5, a), "whole"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_csr(tmp_path, make_anndata, make_counts, case):
    name, change, message = DAMAGE[case]
    counts = make_counts()
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path)
    set_array(path, f"X/{name}", change(getattr(counts, name)))
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("case", ["negative position", "position too large", "pointer falls"])
def test_damaged_csc(tmp_path, make_anndata, make_counts, case):
    name, change, _ = DAMAGE[case]
    counts = make_counts(n_cells=17).tocsc()
    path = tmp_path / "query.h5ad"
    make_anndata(counts).write_h5ad(path)
    set_array(path, f"X/{name}", change(getattr(counts, name)))
    with pytest.raises(InputError, match=r"indptr|position"):
        read(path)


def test_parts_that_do_not_fit(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["X"].attrs["shape"] = [22, 17]
    with pytest.raises(InputError, match="'indptr' has 24 entries where 23"):
        read(path)
    with h5py.File(path, "r+") as file:
        file["X"].attrs["shape"] = [23, 18]
    with pytest.raises(InputError, match=r"18 genes and .*var has 17"):
        read(path)
    with h5py.File(path, "r+") as file:
        file["X"].attrs["encoding-type"] = "coo_matrix"
    with pytest.raises(InputError, match="encoding 'coo_matrix'"):
        read(path)


def test_values_in_other_files_are_refused(tmp_path, make_anndata, make_counts):
    counts = make_counts()
    path, other = tmp_path / "query.h5ad", tmp_path / "other.h5ad"
    make_anndata(counts).write_h5ad(path)
    make_anndata(counts).write_h5ad(other)
    with h5py.File(path, "r+") as file:
        del file["X/data"]
        file["X/data"] = h5py.ExternalLink(str(other), "X/data")
    with pytest.raises(InputError, match="another file"):
        read(path)
    with h5py.File(path, "r+") as file:
        del file["X/data"]
        layout = h5py.VirtualLayout(shape=counts.data.shape, dtype="f4")
        layout[:] = h5py.VirtualSource(str(other), "X/data", shape=counts.data.shape)
        file["X"].create_virtual_dataset("data", layout)
    with pytest.raises(InputError, match="in other files"):
        read(path)


def foreign(file, kind):
    names = {
        "h5Seurat": ("assays", "meta.data"),
        "molecule_info": ("barcode_info", "features"),
        "neither": ("something",),
        "no 'var'": ("obs",),
    }
    for name in names[kind]:
        file.create_group(name)


@pytest.mark.parametrize("kind", ["h5Seurat", "molecule_info", "neither", "no 'var'"])
def test_foreign_files_are_named(tmp_path, kind):
    path = tmp_path / "query.h5"
    with h5py.File(path, "w") as file:
        foreign(file, kind)
    with pytest.raises(InputError, match=kind):
        open_source(path)


def test_file_without_x(tmp_path, make_anndata, make_counts, check_stream):
    path, counts = tmp_path / "query.h5ad", make_counts()
    adata = make_anndata(counts)
    adata.layers["counts"] = counts
    adata.X = None
    adata.write_h5ad(path)
    check_stream(path, counts).close()
    del adata.layers["counts"]
    adata.write_h5ad(path)
    with pytest.raises(InputError, match="no X, no layers and no raw"):
        open_source(path)


@pytest.mark.parametrize(("shape", "message"), [((0, 5), "no cells"), ((5, 0), "no genes")])
def test_empty_files(tmp_path, make_anndata, shape, message):
    path = tmp_path / "query.h5ad"
    make_anndata(sparse.csr_matrix(shape, dtype=np.float32)).write_h5ad(path)
    with pytest.raises(InputError, match=message):
        open_source(path)


def test_all_zero_counts_pass(tmp_path, make_anndata, check_stream):
    path = tmp_path / "query.h5ad"
    counts = sparse.csr_matrix((5, 4), dtype=np.float32)
    make_anndata(counts).write_h5ad(path)
    check_stream(path, counts).close()


def test_real_file(data_dir, check_stream):
    import anndata

    path = data_dir / "pbmc3k_10x.h5ad"
    check_stream(path, anndata.read_h5ad(path).X).close()


@pytest.fixture
def small_file(tmp_path, make_anndata, make_counts):
    path = tmp_path / "small.h5ad"
    make_anndata(make_counts()).write_h5ad(path)
    return path


@pytest.mark.parametrize("name", ["_index", "column-order"])
def test_an_attribute_of_lists_is_refused_before_it_is_read(small_file, name):
    """The HDF5 library crashes on such ones where a flipped bit has made them of others."""
    lists = np.empty(1, object)
    lists[0] = np.ones(3, np.int32)
    with h5py.File(small_file, "r+") as file:
        del file["obs"].attrs[name]
        file["obs"].attrs.create(name, lists, dtype=h5py.vlen_dtype(np.int32))
    with pytest.raises(InputError, match="of a type that none has"):
        open_source(small_file).close()


def test_names_that_are_no_text_are_passed_over(small_file):
    with h5py.File(small_file, "r+") as file:
        n_cells = len(file["obs/_index"])
        for group in (file, file.require_group("layers")):
            group.create_group(b"\xff\xfe")
        file["obs"].create_dataset(b"\xff\xfe", data=np.zeros(n_cells))
    open_source(small_file).close()
