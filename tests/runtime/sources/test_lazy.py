from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source
from cellport.runtime.sources.source import sample_windows

dask = pytest.importorskip("dask")
dask_array = pytest.importorskip("dask.array")
GENES = [f"gene {i}" for i in range(17)]


def lazy(counts: sparse.csr_matrix, rows: int, make: Any = sparse.csr_matrix) -> Any:
    """Cut a matrix into chunks of so many rows, each made when it is computed."""
    pieces = [
        dask_array.map_blocks(
            lambda _, piece=counts[start : start + rows]: make(piece),
            dask_array.zeros((1, 1)),
            chunks=((len(range(start, min(start + rows, counts.shape[0]))),), (17,)),
            dtype=counts.dtype,
            meta=sparse.csr_matrix((0, 0), dtype=counts.dtype),
        )
        for start in range(0, counts.shape[0], rows)
    ]
    return dask_array.concatenate(pieces)


@pytest.mark.parametrize("rows", [1, 5, 23])
@pytest.mark.parametrize("make", [sparse.csr_matrix, sparse.csc_array, sparse.csr_matrix.toarray])
def test_streams_equal_the_matrix(
    rows: int, make: Any, make_counts: Any, check_stream: Any
) -> None:
    counts = make_counts()
    check_stream((lazy(counts, rows, make), GENES), counts)


def test_dense_chunks_may_be_cut_both_ways(make_counts: Any, check_stream: Any) -> None:
    counts = make_counts()
    check_stream((dask_array.from_array(counts.toarray(), chunks=(6, 4)), GENES), counts)


def test_each_chunk_is_computed_once_in_order_and_none_before_it_is_needed(
    make_counts: Any,
) -> None:
    counts = make_counts()
    computed: list[int] = []

    def chunk(block_info: Any = None) -> Any:
        start, stop = block_info[None]["array-location"][0]
        computed.append(start)
        return counts[start:stop]

    made = dask_array.map_blocks(
        chunk, chunks=((6, 6, 6, 5), (17,)), dtype=np.float32, meta=counts[:0]
    )
    # a client that another test has left open would compute the chunks in its own processes
    with dask.config.set(scheduler="synchronous"):
        source = open_source((made, GENES))
        looked_at = {start for start, _ in sample_windows(23)}
        assert len(computed) <= 4 * len(looked_at)
        computed.clear()
        blocks = source.blocks(4, 5, 20)
        next(blocks)
        assert computed == [0]
        assert sum(block.n_cells for block in blocks) == 14
        assert computed == [0, 6, 12, 18]


def test_an_anndata_that_is_read_lazily(
    tmp_path: Path, make_counts: Any, make_anndata: Any
) -> None:
    pytest.importorskip("xarray")
    from anndata.experimental import read_lazy

    counts = make_counts()
    adata = make_anndata(counts)
    adata.var["symbol"] = [f"S{i}" for i in range(adata.n_vars)]
    adata.obs["donor"] = (["a", "b"] * adata.n_obs)[: adata.n_obs]
    adata.write_h5ad(tmp_path / "query.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        opened = read_lazy(tmp_path / "query.h5ad")
    source, expected = open_source(opened), open_source(tmp_path / "query.h5ad")
    assert source.description == "the AnnData object, X"
    assert {name: list(names) for name, names in source.gene_columns.items()} == {
        name: list(names) for name, names in expected.gene_columns.items()
    }
    assert list(source.cell_names(2, 9)) == list(expected.cell_names(2, 9))
    assert list(source.obs_column("donor")) == list(expected.obs_column("donor"))
    for one, other in zip(source.blocks(7), expected.blocks(7), strict=True):
        np.testing.assert_array_equal(one.data, other.data)
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.indptr, other.indptr)


def test_what_is_no_matrix_of_counts(make_counts: Any) -> None:
    counts = make_counts()
    dense = dask_array.from_array(counts.toarray())
    with pytest.raises(InputError, match="unknown size; call"):
        open_source((dense[dense[:, 0] > 0], GENES))
    with pytest.raises(InputError, match="3 axes instead of two"):
        open_source((dask_array.zeros((2, 17, 1)), GENES))

    def fails(_: Any) -> Any:
        raise OSError("the disk is gone")

    with pytest.raises(InputError, match=r"cells 0 to \d+ cannot be read \(the disk is gone\)"):
        open_source((lazy(counts, 5, fails), GENES))
    wrong = lazy(counts, 23, lambda piece: piece[:3])
    with pytest.raises(InputError, match="its chunk is"):
        list(open_source((wrong, GENES)).blocks(30))


def test_opening_other_matrices_does_not_import_dask() -> None:
    code = (
        "import sys, numpy as np; from cellport.runtime.sources import open_source; "
        "open_source((np.ones((2, 3)), ['a', 'b', 'c'])); print('dask' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
