"""Files as other programs write them: read to the same counts, or refused by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import h5py
import pandas as pd
import pytest
from kinds_of_files import GENOMES, KINDS, KINDS_NAMED, PYTHON_KINDS, features_of_kinds
from kinds_refused import REFUSED
from scipy.sparse import csr_matrix
from written_files import BARCODES, IDS, counts, write_triple

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source

ALL_KINDS = KINDS | PYTHON_KINDS


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_kinds_that_are_read(tmp_path, check_stream, kind):
    source = check_stream(ALL_KINDS[kind](tmp_path), counts())
    assert list(source.cell_names(0, 2)) == BARCODES[:2]
    assert any("GENE3" in names for names in source.gene_columns.values())
    source.close()


@pytest.mark.parametrize("way", KINDS_NAMED)
def test_kinds_of_features_under_a_header(tmp_path, check_stream, way):
    source = check_stream(features_of_kinds(*KINDS_NAMED[way])(tmp_path), counts())
    assert source.notes == ["Features that are not genes were left out: 3 Antibody Capture."]
    assert [name != "" for name in source.gene_columns["index"]] == [True] * 14 + [False] * 3
    source.close()


@pytest.mark.parametrize("kind", REFUSED)
def test_kinds_that_are_refused(tmp_path, kind):
    write, message = REFUSED[kind]
    path = write(tmp_path)
    with pytest.raises(InputError, match=message) as refusal:
        open_source(path)
    assert str(refusal.value).startswith(str(path))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("kind", GENOMES)
def test_one_of_several_genomes(tmp_path, check_stream, kind):
    write, genome, expected = GENOMES[kind]
    path = write(tmp_path)
    if isinstance(expected, str):
        with pytest.raises(InputError, match=expected):
            open_source(path, genome=genome)
        return
    source = check_stream(path, counts(), genome=genome)
    assert sum(name != "" for name in source.gene_columns["index"]) == expected
    assert any("other genomes" in note for note in source.notes) == (expected < len(IDS))
    source.close()


def test_the_folder_of_a_genome(tmp_path, check_stream):
    for name in ("hg19", "mm10"):
        write_triple(tmp_path / "filtered_gene_bc_matrices" / name)
    source = check_stream(tmp_path, counts(), genome="mm10")
    assert source.description.endswith("filtered_gene_bc_matrices/mm10/matrix.mtx")
    with pytest.raises(InputError, match="several matrices"):
        open_source(tmp_path, genome="rn6")


def test_reads_of_several_genes_are_shared_only_when_asked_for(tmp_path, check_stream):
    folder = KINDS["reads of several genes, shared"](tmp_path)
    (folder / "matrix.mtx").write_text((folder / "UniqueAndMult-EM.mtx").read_text())
    named = folder / "UniqueAndMult-EM.mtx"
    for path, name in ((folder, "matrix.mtx"), (named, named)):
        source = check_stream(path, counts())
        assert source.description.endswith(str(name))
        source.close()


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("https://a.org/b/c.h5ad?x=1", "curl -LO https://a.org/b/c.h5ad?x=1"),
        ("s3://bucket/c.h5ad", "aws s3 cp s3://bucket/c.h5ad ."),
        ("GS://bucket/c.zarr", "gcloud storage cp gs://bucket/c.zarr ."),
        ("ftp://a.org/c.h5", "curl -LO ftp://a.org/c.h5"),
    ],
)
def test_addresses_are_not_read(address, command):
    for query in (address, Path(address)):
        with pytest.raises(InputError) as refusal:
            open_source(query)
        assert "is an address and not a file" in str(refusal.value)
        assert f"Download it first ({command})" in str(refusal.value)


def test_a_file_that_another_program_writes(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    hold = (
        "import h5py, sys; f = h5py.File(sys.argv[1], 'r+'); print(1, flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout.readline()
        with pytest.raises(InputError, match="open in another program that writes to it"):
            open_source(path)
    finally:
        other.communicate(b"\n")
    open_source(path).close()


def test_a_file_that_was_left_open(tmp_path, make_anndata):
    path = tmp_path / "query.h5ad"
    make_anndata().write_h5ad(path)
    stop = (
        "import h5py, os, sys; file = h5py.File(sys.argv[1], 'w', libver='latest'); "
        "file['a'] = 1; file.flush(); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", stop, path], check=True)
    with pytest.raises(InputError, match="marked as open for writing"):
        open_source(path)
    with h5py.File(tmp_path / "other.h5ad", "w"), pytest.raises(InputError):
        open_source(tmp_path / "other.h5ad")


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize("separator", ["\t", ","])
def test_the_advice_on_a_table_gives_a_file_that_is_read(
    tmp_path, monkeypatch, check_stream, turned, separator, numbered
):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(counts(), BARCODES, IDS)
    frame = frame.T if turned else frame
    (frame.reset_index() if numbered else frame).to_csv("table.csv.gz", sep=separator)
    with pytest.raises(InputError) as refusal:
        open_source("table.csv.gz")
    exec(str(refusal.value).split("give that: ")[1])
    check_stream("table.h5ad", counts()).close()


def beside(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Put columns of words, or of numbers where they are called Length, before the counts."""
    for at, name in enumerate(columns):
        frame.insert(at, name, 7 if name == "Length" else [f"w{i}" for i in range(len(frame))])
    return frame


# what programs put above and beside the counts of a table of genes by cells
TABLES = {
    "plain": lambda frame: frame.to_csv(),
    "R": lambda frame: frame.to_csv(sep="\t").lstrip("\t"),
    "R, with spaces and quotes": lambda frame: frame.to_csv(sep=" ", quoting=2).removeprefix('"" '),
    "semicolons": lambda frame: frame.to_csv(sep=";"),
    "a byte order mark": lambda frame: "\ufeff" + frame.to_csv(),
    "lines of Windows": lambda frame: frame.to_csv(lineterminator="\r\n"),
    "lines of #": lambda frame: "# a, b\n#\n\n" + frame.to_csv(),
    "symbols": lambda frame: beside(frame, "symbol").to_csv(),
    "places and lengths": lambda frame: (
        "# x\n" + beside(frame, "Chr", "Start", "Length").to_csv(sep="\t")
    ),
    "numbers and symbols": lambda frame: beside(frame, "symbol").reset_index().to_csv(),
    "cells in rows": lambda frame: frame.T.to_csv(),
    "cells in rows, with their types": lambda frame: beside(frame.T, "type", "of").to_csv(),
    "a count a line": lambda frame: (
        frame.rename_axis("gene")
        .reset_index()
        .melt("gene", var_name="cell", value_name="count")
        .to_csv(index=False)
    ),
}


@pytest.mark.parametrize("kind", TABLES)
def test_the_advice_on_tables_of_many_programs(tmp_path, monkeypatch, read_all, kind):
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(counts().T, IDS, BARCODES)
    Path("table.txt").write_text(TABLES[kind](frame.copy()))
    with pytest.raises(InputError) as refusal:
        open_source("table.txt")
    exec(str(refusal.value).split("give that: ")[1])
    source = open_source("table.h5ad")
    indptr, indices, data = read_all(source, 100)
    found = pd.DataFrame(
        csr_matrix((data, indices, indptr), (source.n_cells, source.n_genes)).toarray(),
        source.cell_names(0, source.n_cells),
        source.gene_columns["index"],
    )
    assert found.loc[BARCODES, IDS].equals(frame.T.astype("float32"))
    assert found.shape == (len(BARCODES), len(IDS))
    source.close()
