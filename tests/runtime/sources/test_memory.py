from __future__ import annotations

import anndata
import numpy as np
import pytest
from scipy import sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source
from cellport.runtime.sources.dense import DenseMatrix, slab_cells


@pytest.mark.parametrize(
    "make", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.asarray]
)
def test_anndata_streams(make_anndata, make_counts, check_stream, make):
    counts = make_counts()
    stored = make(counts.toarray() if make is np.asarray else counts)
    adata = make_anndata(stored)
    source = check_stream(adata, counts)
    assert source.description == "the AnnData object, X"
    assert list(source.gene_columns) == ["index", "gene_ids", "kind"]
    assert list(source.cell_names(3, 5)) == ["cell3", "cell4"]
    assert list(source.obs_column("batch")[:4]) == ["b0", "b1", "b2", "b0"]
    assert list(source.obs_column("depth")[:2]) == ["0", "1"]
    check_stream(adata[5:, :9], counts[5:, :9])


def test_layers_and_raw(make_anndata, make_counts, check_stream):
    counts, other = make_counts(), make_counts(seed=1)
    adata = make_anndata(counts)
    adata.raw = adata
    adata = adata[:, :5].copy()
    adata.layers["other"] = other[:, :5].tocsc()
    check_stream(adata, counts[:, :5])
    check_stream(adata, counts, layer="raw")
    check_stream(adata, other[:, :5], layer="other")


def test_x_among_the_layers(make_anndata, make_counts, check_stream, monkeypatch):
    """Since anndata 0.13 they have it, under None."""
    counts, other = make_counts(), make_counts(seed=1)
    adata = make_anndata(counts)
    adata.layers["other"] = other
    if None not in adata.layers:
        monkeypatch.setattr(anndata.AnnData, "layers", {None: adata.X, "other": other})
    check_stream(adata, counts)
    check_stream(adata, other, layer="other")


@pytest.mark.parametrize("kind", ["csr", "csc", "dense"])
def test_backed_anndata(tmp_path, make_anndata, make_counts, check_stream, kind):
    counts = make_counts()
    stored = {"csr": counts, "csc": counts.tocsc(), "dense": counts.toarray()}[kind]
    path = tmp_path / "query.h5ad"
    make_anndata(stored).write_h5ad(path, compression="gzip")
    adata = anndata.read_h5ad(path, backed="r")
    check_stream(adata, counts)
    check_stream(adata[4:], counts[4:])
    adata.file.close()


@pytest.mark.parametrize(
    "make",
    [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array, sparse.csc_array],
)
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "?"])
def test_matrix_with_names(make_counts, check_stream, make, dtype):
    counts = make_counts(dtype=dtype)
    genes = [f"g{i}" for i in range(17)]
    source = check_stream((make(counts), genes), counts)
    assert list(source.gene_columns["index"]) == genes
    assert list(source.cell_names(0, 2)) == ["0", "1"]
    named = open_source((make(counts), np.array(genes), np.array(list("abcdefghijklmnopqrstuvw"))))
    assert list(named.cell_names(1, 3)) == ["b", "c"]


def test_nothing_is_copied(make_counts):
    counts = make_counts()
    (block,) = open_source((counts, [str(i) for i in range(17)])).blocks(100)
    assert np.shares_memory(block.data, counts.data)
    assert np.shares_memory(block.indices, counts.indices)


def test_spare_room_of_scipy_is_ignored(make_counts, check_stream):
    counts = make_counts()
    spare = sparse.csr_matrix(
        (np.append(counts.data, 9), np.append(counts.indices, 0), counts.indptr),
        shape=counts.shape,
    )
    check_stream((spare, [str(i) for i in range(17)]), counts)


def test_names_that_do_not_fit(make_counts):
    counts = make_counts()
    with pytest.raises(InputError, match="17 columns and there are 23 gene names"):
        open_source((counts, [str(i) for i in range(23)]))
    with pytest.raises(InputError, match="23 rows and there are 2 cell names"):
        open_source((counts, [str(i) for i in range(17)], ["a", "b"]))


@pytest.mark.parametrize(
    "query", [7, None, ([[1, 2]], ["a", "b"]), (object(), ["a"]), (1, 2, 3, 4)]
)
def test_what_is_no_matrix(query):
    with pytest.raises(InputError, match="of type"):
        open_source(query)


def test_damaged_matrix_in_memory(make_counts):
    counts = make_counts()
    counts.indices[50] = 99
    with pytest.raises(InputError, match=r"the matrix in memory, cells [0-9]+ to 22: a position"):
        list(open_source((counts, [str(i) for i in range(17)])).blocks(100))


def test_genes_that_were_looked_at_give_any_range_of_cells(make_anndata, make_counts, read_all):
    counts = make_counts()
    source = open_source(make_anndata(counts.tocsc()))
    for start, stop in ((5, 16), (0, 23), (5, 16)):  # the second takes what the first left
        indptr, indices, data = read_all(source, 4, start, stop)
        part = counts[start:stop]
        np.testing.assert_array_equal(indptr, part.indptr)
        np.testing.assert_array_equal(indices, part.indices)
        np.testing.assert_array_equal(data, part.data)


def test_cells_of_very_many_genes_are_read_few_at_a_time(make_counts, read_all, monkeypatch):
    monkeypatch.setattr("cellport.runtime.sources.dense.MAX_NONZEROS", 40)
    counts = make_counts()
    values = counts.toarray()
    assert slab_cells(values, 10) == 40 // 17
    matrix = DenseMatrix("wide", values)
    blocks = list(matrix.blocks(10, 0, 23))
    assert max(block.n_cells for block in blocks) == 2
    np.testing.assert_array_equal(np.concatenate([b.data for b in blocks]), counts.data)
