from __future__ import annotations

import h5py
import numpy as np
import pytest

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source


def write(path, counts, version=3, types=None, genomes=("hg38",)):
    n_cells, n_genes = counts.shape
    ids = np.array([f"ENSG{i}" for i in range(n_genes)], "S")
    names = np.array([f"GENE{i}" for i in range(n_genes)], "S")
    with h5py.File(path, "w") as file:
        for name in ["matrix"] if version == 3 else genomes:
            group = file.create_group(name)
            group["barcodes"] = np.array([f"ACGT-{i}" for i in range(n_cells)], "S")
            for part, values in (
                ("data", counts.data.astype("i4")),
                ("indices", counts.indices.astype("i8")),
                ("indptr", counts.indptr.astype("i8")),
            ):
                group.create_dataset(
                    part, data=values, chunks=(16,), compression="gzip", shuffle=version == 2
                )
            group["shape"] = np.array([n_genes, n_cells], "i4")
            if version == 3:
                group["features/id"], group["features/name"] = ids, names
                kinds = ["Gene Expression"] * n_genes if types is None else types
                group["features/feature_type"] = np.array(kinds, "S")
                group["features/_all_tag_keys"] = np.array([b"genome"])
            else:
                group["genes"], group["gene_names"] = ids, names


@pytest.mark.parametrize("version", [2, 3])
def test_streams_equal_the_matrix(tmp_path, make_counts, check_stream, version):
    path, counts = tmp_path / "filtered.h5", make_counts()
    write(path, counts, version)
    source = check_stream(path, counts)
    assert list(source.gene_columns) == ["index", "gene_ids", "gene_names"]
    assert source.gene_columns["index"][2] == source.gene_columns["gene_names"][2] == "GENE2"
    assert source.gene_columns["gene_ids"][2] == "ENSG2"
    assert list(source.cell_names(3, 5)) == ["ACGT-3", "ACGT-4"]
    with pytest.raises(InputError, match="no column 'batch'"):
        source.obs_column("batch")
    source.close()


def test_other_features_match_nothing(tmp_path, make_counts, check_stream):
    path, counts = tmp_path / "filtered.h5", make_counts()
    write(path, counts, types=["Gene Expression"] * 14 + ["Antibody Capture"] * 3)
    source = check_stream(path, counts)
    assert list(source.gene_columns["index"][13:]) == ["GENE13", "", "", ""]
    assert list(source.gene_columns["gene_ids"][13:]) == ["ENSG13", "", "", ""]
    assert source.notes == ["Features that are not genes were left out: 3 Antibody Capture."]
    source.close()
    write(path, counts, types=["Peaks"] * 17)
    with pytest.raises(InputError, match="no features of type 'Gene Expression', only Peaks"):
        open_source(path)


def test_several_genomes_are_refused(tmp_path, make_counts):
    path = tmp_path / "filtered.h5"
    write(path, make_counts(), version=2, genomes=("hg19", "mm10"))
    with pytest.raises(InputError, match="hg19, mm10"):
        open_source(path)


@pytest.mark.parametrize(
    ("part", "value", "message"),
    [
        ("barcodes", np.array([b"A"] * 5), "23 cells and 5 barcodes"),
        ("features/id", np.array([b"A"] * 5), "17 genes and 5 features|shape mismatch|cannot be"),
        ("shape", np.array([17, 23, 4]), "two numbers"),
        ("shape", np.array([17, 22]), "'indptr' has 24"),
        ("shape", np.array([10**9, 23]), "1000000000 genes"),
        ("indptr", np.arange(24), "'indptr' runs"),
    ],
)
def test_parts_that_do_not_fit(tmp_path, make_counts, part, value, message):
    path = tmp_path / "filtered.h5"
    write(path, make_counts())
    with h5py.File(path, "r+") as file:
        del file["matrix"][part]
        file["matrix"][part] = value
    with pytest.raises(InputError, match=message):
        open_source(path)
