from __future__ import annotations

import gzip
import os

import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source


def test_missing_file_names_near_ones(tmp_path):
    (tmp_path / "lung_query.h5ad").write_bytes(b"x")
    with pytest.raises(InputError, match=r"no file .*lung_qery\.h5ad\. Did you mean 'lung_query"):
        open_source(tmp_path / "lung_qery.h5ad")
    with pytest.raises(InputError, match="no folder"):
        open_source(tmp_path / "nowhere" / "lung.h5ad")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.h5ad", b"", "empty file"),
        ("a.h5ad", b"hello world", "not an HDF5 file"),
        ("a.h5", b"\x89HDF" * 9, "not an HDF5 file"),
        ("a.h5ad", b"\x89HDF\r\n\x1a\n" + bytes(100), "damaged HDF5 file"),
        ("a.h5ad.gz", gzip.compress(b"x", mtime=0), "compressed as a whole; unpack it"),
        ("a.rds", b"\x1f\x8bxx", "R object; convert"),
        ("a.RDS", b"\x1f\x8bxx", "R object; convert"),
        ("a.loom", b"xx", "not an HDF5 file"),
        ("a.h5seurat", b"xx", "h5Seurat file; convert"),
        ("a.csv", b"xx", "text table"),
        ("a.tsv.gz", b"xx", "text table"),
        ("a.xyz", b"xx", "no kind that can be read; give .h5ad, .h5mu"),
        ("a", b"xx", "no kind that can be read"),
    ],
)
def test_files_that_are_something_else(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        open_source(str(path))


def test_truncated_h5ad(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="truncated"):
        open_source(path)


def test_h5ad_by_any_name(tmp_path, make_anndata, make_counts, check_stream):
    path = tmp_path / "query.h5ad"
    make_anndata(make_counts()).write_h5ad(path)
    check_stream(path.rename(tmp_path / "query.dat"), make_counts()).close()


def test_folder_of_no_kind(tmp_path):
    with pytest.raises(InputError, match="folder but neither a 10x one"):
        open_source(tmp_path)


def test_ranges_are_checked(tmp_path, make_anndata):
    source = open_source(make_anndata())
    for arguments in ((0,), (5, -1), (5, 4, 3), (5, 0, 24)):
        with pytest.raises(ValueError, match="cells"):
            source.blocks(*arguments)


def test_later_blocks_are_checked(make_anndata, make_counts):
    counts = make_counts(n_cells=500)
    counts.data[counts.indptr[40]] = 0.5
    blocks = open_source(make_anndata(counts)).blocks(30)
    assert next(blocks).start == 0
    with pytest.raises(InputError, match=r"cells 30 to 59: .* 1 not whole"):
        next(blocks)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_pipes_and_dangling_links_are_named(tmp_path):
    os.mkfifo(tmp_path / "pipe.h5ad")
    with pytest.raises(InputError, match="is a pipe or a device"):
        open_source(tmp_path / "pipe.h5ad")
    (tmp_path / "link.h5ad").symlink_to(tmp_path / "nowhere.h5ad")
    with pytest.raises(InputError, match="is a link to a file that is not there"):
        open_source(tmp_path / "link.h5ad")
