"""Folders as Cell Ranger, Space Ranger, STARsolo and people leave them."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_files import BARCODES, CELLS, GENES, NAMES, counts, triple, write_triple

from cellport.runtime.errors import InputError
from cellport.runtime.sources import folders, open_source


def lay(root, *places):
    """Lay 10x matrices: of HDF5 where a place ends so, else folders of text; ``-`` for others."""
    for place in places:
        path = root / place.removeprefix("-")
        path.parent.mkdir(parents=True, exist_ok=True)
        if place.startswith("-"):
            path.write_bytes(b"x")
        elif place.endswith(".h5"):
            tenx_h5(path)
        elif place.endswith(".mtx"):
            path.write_text("")
        else:
            write_triple(path)
    return root


def tenx_h5(path):
    cells, genes = np.nonzero(counts())
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"] = counts()[cells, genes], genes
        group["indptr"] = np.searchsorted(cells, np.arange(CELLS + 1))
        group["shape"], group["barcodes"] = [GENES, CELLS], np.array(BARCODES, "S")
        group["features/id"] = group["features/name"] = np.array(NAMES, "S")


def both(name):
    return [f"{kind}_{name}{form}" for kind in ("raw", "filtered") for form in ("", ".h5")]


# what lies in a folder, and what of it is taken
TAKEN = {
    "outs": (
        [*both("feature_bc_matrix"), "-molecule_info.h5", "-web_summary.html", "-cloupe.cloupe"],
        "filtered_feature_bc_matrix.h5",
    ),
    "without HDF5": (
        ["raw_feature_bc_matrix", "filtered_feature_bc_matrix"],
        "filtered_feature_bc_matrix",
    ),
    "a run": (
        ["outs/filtered_feature_bc_matrix", "SC_RNA/fork0/files/matrix", "_log/a"],
        "outs/filtered_feature_bc_matrix",
    ),
    "Cell Ranger 2": (
        ["filtered_gene_bc_matrices/hg19", "raw_gene_bc_matrices/hg19"],
        "filtered_gene_bc_matrices/hg19",
    ),
    "a genome": (["hg19"], "hg19"),
    "one sample of several": (
        [
            "outs/multi/count/raw_feature_bc_matrix.h5",
            "outs/per_sample_outs/a/count/sample_filtered_feature_bc_matrix.h5",
            "-outs/per_sample_outs/a/count/sample_molecule_info.h5",
        ],
        "outs/per_sample_outs/a/count/sample_filtered_feature_bc_matrix.h5",
    ),
    "Space Ranger": (
        ["filtered_feature_bc_matrix.h5", "-raw_probe_bc_matrix.h5", "-spatial/scalefactors.json"],
        "filtered_feature_bc_matrix.h5",
    ),
    "multiome": (
        ["filtered_feature_bc_matrix", "-filtered_peak_bc_matrix.h5", "-atac_fragments.tsv.gz"],
        "filtered_feature_bc_matrix",
    ),
    "STARsolo": (
        ["Solo.out/Gene/raw", "Solo.out/Gene/filtered", "-Solo.out/Gene/Summary.csv"],
        "Solo.out/Gene/filtered",
    ),
    "STARsolo with junctions": (
        ["Solo.out/Gene/raw", "Solo.out/Gene/filtered", "Solo.out/SJ/raw"],
        "Solo.out/Gene/filtered",
    ),
    "STARsolo, raw alone": (["Gene/raw"], "Gene/raw"),
    "STARsolo, exons and introns": (
        ["Gene/raw", "Gene/filtered", "GeneFull/raw", "GeneFull_Ex50pAS/filtered"],
        "Gene/filtered",
    ),
    "raw alone": (["raw_feature_bc_matrix"], "raw_feature_bc_matrix"),
    "Xenium": (["cell_feature_matrix", "cell_feature_matrix.h5"], "cell_feature_matrix.h5"),
    "kb-python": (
        ["-output.bus", "counts_unfiltered/a", "counts_filtered/a", "-kb_info.json"],
        "counts_filtered/a",
    ),
    "STARsolo with velocity": (
        ["Gene/filtered", "Gene/raw", "-Velocyto/raw/spliced.mtx", "-Velocyto/raw/features.tsv"],
        "Gene/filtered",
    ),
    "hidden files": (["a", ".b"], "a"),
}


@pytest.mark.parametrize("case", TAKEN)
def test_the_matrix_of_a_folder_is_found(tmp_path, check_stream, case):
    places, taken = TAKEN[case]
    folder = lay(tmp_path / "run", *places)
    source = check_stream(folder, counts())
    assert source.notes[0] == f"{taken} of {folder} was taken."
    assert source.description.startswith(str(folder / taken))
    source.close()


REFUSED = {
    "two genomes": (["hg19", "mm10"], r"several matrices \(hg19, mm10\); give one of them"),
    "samples": (["a/matrix.h5", "b/matrix.h5"], "a/matrix.h5, b/matrix.h5"),
    "bins": (
        [f"binned_outputs/square_{n}um/filtered_feature_bc_matrix.h5" for n in ("008", "016")],
        "square_008um.*square_016um",
    ),
    "many": ([f"sample{i}" for i in range(9)], r"sample4, \.\.\.\)"),
    "nothing": (["-a.txt", "-b/c.txt"], "neither a 10x one .* no matrix further down"),
    "tables": (["-b_counts.csv.gz", "-a.txt", "-a.png"], r"in it \(a.txt, b_counts.csv.gz\), give"),
    "R and archives": (
        ["-b.rds", "-a.tar.gz", "-a.tar"],
        r"in it \(a.tar, a.tar.gz, b.rds\), give",
    ),
    "TileDB-SOMA": (["-__tiledb_group.tdb", "-obs/a"], "tiledbsoma.io.to_h5ad"),
    "BPCells": (["-storage_order", "-shape", "-row_names"], "BPCells::write_matrix_10x_hdf5"),
    "a matrix alone": (["a/matrix.mtx"], "no matrix further down"),
    "a matrix without names": (["counts.mtx"], "counts.mtx needs one of features.tsv"),
    "alevin": (["-alevin/quants_mat.gz"], "alevin holds counts of salmon alevin .* --dumpMtx"),
    "velocity": (
        [f"-Velocyto/raw/{name}" for name in ("spliced.mtx", "features.tsv", "barcodes.tsv")],
        "spliced and unspliced counts apart; give",
    ),
    "nascent": (["-cells_x_genes.nascent.mtx"], "--sum=total"),
    "not counted": (["-output.unfiltered.bus"], "kb count"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_folders_that_are_refused(tmp_path, case):
    places, message = REFUSED[case]
    folder = lay(tmp_path / "run", *places)
    with pytest.raises(InputError, match=message) as refusal:
        open_source(folder)
    assert str(refusal.value).startswith(str(folder))


@given(st.lists(st.sampled_from(["a", "b", "raw", "Gene", "outs", "x_raw_y"]), max_size=4))
def test_what_is_alone_is_taken(parts):
    path = "/".join([*parts, "matrix.h5"])
    assert folders.preferred([path]) == [path]


@given(
    st.lists(st.sampled_from(["a", "Gene", "outs"]), max_size=2),
    st.sampled_from(["raw", "unfiltered", "counts_unfiltered", "raw_feature_bc_matrix.h5"]),
)
def test_filtered_counts_come_before_raw_ones(parts, raw):
    filtered = raw.replace("unfiltered", "filtered").replace("raw", "filtered")
    raw, filtered = ("/".join([*parts, name]) for name in (raw, filtered))
    assert folders.preferred([raw, filtered]) == [filtered]


def test_unspliced_reads_of_alevin_fry_are_left_out(tmp_path, read_all):
    values = np.hstack([counts(), 2 * counts(), 3 * counts()])
    names = [f"{name}{kind}" for kind in ("", "-U", "-A") for name in NAMES]
    folder = triple(
        ("quants_mat.mtx", values), quants_mat_cols__txt=names, quants_mat_rows__txt=BARCODES
    )(tmp_path / "alevin")
    source = open_source(tmp_path)
    assert source.description.startswith(str(folder))
    assert list(source.gene_columns["index"]) == [*NAMES, *[""] * GENES, *NAMES]
    assert "ambiguous ones added to the spliced" in source.notes[1]


@pytest.mark.parametrize(
    ("matrix", "prefix"),
    [("counts.mtx", ""), ("GSM1_s_counts.mtx", "GSM1_s_"), ("GSM1.umi.mtx", "GSM1.")],
)
def test_matrices_by_the_names_of_public_archives(tmp_path, check_stream, matrix, prefix):
    folder = write_triple(tmp_path / "10x")
    for old, new in (
        ("matrix.mtx", matrix),
        *((f"{n}.tsv", f"{prefix}{n}.tsv") for n in ("features", "barcodes")),
    ):
        (folder / old).rename(folder / new)
    check_stream(folder, counts())
    check_stream(folder / matrix, counts())


def test_spliced_counts_alone_are_named(tmp_path):
    (tmp_path / "spliced.mtx").write_text("x")
    with pytest.raises(InputError, match="spliced and unspliced counts apart"):
        open_source(tmp_path / "spliced.mtx")
