from __future__ import annotations

import gzip

import numpy as np
import pytest
from scipy import io, sparse

from cellport.runtime.errors import InputError
from cellport.runtime.sources import open_source


def write(folder, counts, packed=True, old=False, types=None, prefix="", text=None):
    folder.mkdir(exist_ok=True)
    n_cells, n_genes = counts.shape
    end = ".gz" if packed else ""

    def put(name, content):
        data = content.encode() if isinstance(content, str) else content
        (folder / f"{prefix}{name}{end}").write_bytes(gzip.compress(data) if packed else data)

    if text is None:
        entries = counts.tocoo()
        lines = [
            f"{g + 1} {c + 1} {v:g}"
            for c, g, v in zip(entries.row, entries.col, entries.data, strict=True)
        ]
        kind = "integer" if (counts.data == np.floor(counts.data)).all() else "real"
        text = f"%%MatrixMarket matrix coordinate {kind} general\n%metadata_json: {{}}\n"
        text += f"{n_genes} {n_cells} {counts.nnz}\n" + "\n".join(lines) + "\n"
    put("matrix.mtx", text)
    kinds = types or ["Gene Expression"] * n_genes
    features = [f"ENSG{i}\tGENE{i}" + ("" if old else f"\t{kinds[i]}") for i in range(n_genes)]
    put("genes.tsv" if old else "features.tsv", "\n".join(features) + "\n")
    put("barcodes.tsv", "".join(f"ACGT-{i}\n" for i in range(n_cells)))
    return folder


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("old", [True, False])
@pytest.mark.parametrize("piece", [64, 1 << 22])
def test_streams_equal_the_matrix(
    tmp_path, make_counts, check_stream, packed, old, piece, monkeypatch
):
    monkeypatch.setattr("cellport.runtime.sources.mtx.PIECE", piece)
    counts = make_counts()
    folder = write(tmp_path / "out", counts, packed, old)
    source = check_stream(folder, counts)
    assert list(source.gene_columns) == ["index", "gene_ids", "gene_names"]
    assert source.gene_columns["index"][2] == "GENE2"
    assert source.gene_columns["gene_ids"][2] == "ENSG2"
    assert list(source.cell_names(3, 5)) == ["ACGT-3", "ACGT-4"]
    assert list(source.cell_names(22, 23)) == ["ACGT-22"]
    assert source.notes == []


def test_empty_cells_anywhere(tmp_path, make_counts, check_stream, monkeypatch):
    monkeypatch.setattr("cellport.runtime.sources.mtx.PIECE", 32)
    counts = make_counts().tolil()
    for cell in (0, 1, 9, 10, 11, 21, 22):
        counts[cell] = 0
    check_stream(write(tmp_path / "out", counts.tocsr()), counts.tocsr())
    nothing = sparse.csr_matrix((4, 3), dtype=np.float32)
    check_stream(write(tmp_path / "none", nothing), nothing)


def test_deep_cells_make_short_blocks(tmp_path, make_counts, check_stream, monkeypatch):
    monkeypatch.setattr("cellport.runtime.sources.mtx.PIECE", 32)
    monkeypatch.setattr("cellport.runtime.sources.mtx.MAX_NONZEROS", 11)
    monkeypatch.setattr("cellport.runtime.sources.csr_checks.MAX_NONZEROS", 11)
    counts = make_counts(density=0.5)
    source = check_stream(write(tmp_path / "out", counts), counts)
    deepest = max(11, int(np.diff(counts.indptr).max()))
    assert max(len(block.data) for block in source.blocks(4096)) <= deepest


def test_scipy_writes_what_is_read(tmp_path, make_counts, check_stream):
    counts = make_counts()
    folder = write(tmp_path / "out", counts, packed=False)
    io.mmwrite(folder / "matrix.mtx", counts.T.tocsc().astype(int))
    check_stream(folder / "matrix.mtx", counts)


def test_text_is_read_from_its_beginning(tmp_path, make_counts, make_anndata):
    counts = make_counts()
    write(tmp_path, counts)
    assert not open_source(tmp_path).seekable
    assert open_source(make_anndata(counts)).seekable


def test_prefix_of_public_archives(tmp_path, make_counts, check_stream):
    counts = make_counts()
    folder = write(tmp_path / "out", counts, prefix="GSM1_lung_")
    check_stream(folder, counts)
    check_stream(folder / "GSM1_lung_matrix.mtx.gz", counts)
    write(folder, counts, prefix="GSM2_")
    with pytest.raises(InputError, match="several matrices"):
        open_source(folder)


def test_other_features_match_nothing(tmp_path, make_counts, check_stream):
    counts = make_counts()
    types = ["Gene Expression"] * 16 + ["Antibody Capture"]
    source = check_stream(write(tmp_path / "out", counts, types=types), counts)
    assert source.gene_columns["index"][16] == ""
    assert source.notes == ["Features that are not genes were left out: 1 Antibody Capture."]


def test_fractions_pass_when_allowed(tmp_path, make_counts, check_stream):
    counts = make_counts()
    counts.data[::3] += 0.25
    folder = write(tmp_path / "out", counts)
    with pytest.raises(InputError, match="not whole numbers"):
        open_source(folder)
    check_stream(folder, counts, allow_fractional=True)


HEAD = "%%MatrixMarket matrix coordinate integer general\n"
BAD_TEXT = {
    "not MatrixMarket": ("gene cell count\n1 1 1\n", "not a MatrixMarket file"),
    "array": ("%%MatrixMarket matrix array integer general\n17 23\n", "array integer general"),
    "symmetric": ("%%MatrixMarket matrix coordinate integer symmetric\n", "symmetric"),
    "no shape": (HEAD + "17 23\n", "three numbers"),
    "nothing": (HEAD, "three numbers"),
    "gene too large": (HEAD + "17 23 1\n18 1 1\n", "entries 1 to 1: a position lies outside"),
    "gene zero": (HEAD + "17 23 1\n0 1 1\n", "outside"),
    "cell too large": (HEAD + "17 23 1\n1 24 1\n", "outside"),
    "word": (HEAD + "17 23 2\n1 1 1\n1 x 1\n", "entry 2 is not 'gene cell count': '1 x 1'"),
    "nan": (HEAD + "17 23 1\n1 1 nan\n", "entry 1 is not"),
    "too few numbers": (HEAD + "17 23 1\n1 1\n", "entry 1 is not"),
    "too many numbers": (HEAD + "17 23 1\n1 1 1 1\n", "entry 1 is not"),
    "not sorted, too many entries": (HEAD + "17 23 1\n1 2 1\n1 1 1\n", "more entries than 1"),
    "not sorted, too few entries": (HEAD + "17 23 3\n1 2 1\n1 1 1\n", "2 entries and says 3"),
    "not sorted, negative": (HEAD + "17 23 2\n1 2 1\n1 1 -1\n", "negative"),
    "too few entries": (HEAD + "17 23 3\n1 1 1\n1 2 1\n", "2 entries and says 3"),
    "too many entries": (HEAD + "17 23 1\n1 1 1\n1 2 1\n", "2 entries and says 1"),
    "negative": (HEAD + "17 23 1\n1 1 -1\n", "negative"),
    "turned, word": (HEAD + "23 17 1\n1 x 1\n", "entry 1 is not 'cell gene count': '1 x 1'"),
    "other shape": (HEAD + "5 6 1\n1 1 1\n", "17 features and 23 barcodes"),
}


def in_order(counts, order, turned):
    """Text of a matrix, its entries by cell, by gene, from the last cell on, or anyhow."""
    entries = counts.tocoo()
    cells, genes = entries.row.astype(int), entries.col.astype(int)
    by = {
        "cell": np.lexsort((genes, cells)),
        "gene": np.lexsort((cells, genes)),
        "last": np.lexsort((genes, -cells)),
        "none": np.random.default_rng(0).permutation(counts.nnz),
    }[order]
    first, second = (cells, genes) if turned else (genes, cells)
    lines = [f"{first[k] + 1} {second[k] + 1} {entries.data[k]:g}" for k in by]
    shape = counts.shape if turned else counts.shape[::-1]
    head = "%%MatrixMarket matrix coordinate integer general\n"
    return head + f"{shape[0]} {shape[1]} {counts.nnz}\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("order", ["cell", "gene", "last", "none"])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("large", [False, True])
def test_entries_in_any_order(
    tmp_path, make_counts, check_stream, monkeypatch, order, turned, large
):
    if large:
        monkeypatch.setattr("cellport.runtime.sources.mtx_unsorted.SAMPLE_WHOLE", 10)
        monkeypatch.setattr("cellport.runtime.sources.mtx_unsorted.SAMPLE_CELLS", 3)
        monkeypatch.setattr("cellport.runtime.sources.csc.SUPER_NONZEROS", 20)
    counts = make_counts()
    text = in_order(counts, order, turned)
    source = check_stream(write(tmp_path / "out", counts, text=text), counts)
    said = [note for note in source.notes if "is not sorted by cell" in note]
    assert len(said) == (order != "cell")


def test_order_that_is_lost_later_is_refused(tmp_path, make_counts, monkeypatch):
    counts = make_counts()
    head, shape, *entries = in_order(counts, "cell", turned=False).splitlines()
    text = "\n".join([head, shape, *entries[1:], entries[0], ""])
    folder = write(tmp_path / "out", counts, text=text)
    monkeypatch.setattr("cellport.runtime.sources.mtx.PIECE", 64)
    with pytest.raises(InputError, match=r"not sorted by cell.* sort it by its second column"):
        list(open_source(folder).blocks(100))


@pytest.mark.parametrize("case", BAD_TEXT)
def test_bad_text(tmp_path, make_counts, case):
    text, message = BAD_TEXT[case]
    folder = write(tmp_path / "out", make_counts(), text=text)
    with pytest.raises(InputError, match=message):
        list(open_source(folder).blocks(8))


def test_missing_and_damaged_parts(tmp_path, make_counts):
    folder = write(tmp_path / "out", make_counts(n_cells=500, n_genes=300))
    packed = (folder / "matrix.mtx.gz").read_bytes()
    (folder / "matrix.mtx.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"matrix\.mtx\.gz cannot be read"):
        list(open_source(folder).blocks(100))
    (folder / "barcodes.tsv.gz").unlink()
    with pytest.raises(InputError, match=r"barcodes\.tsv, packed or not, beside it"):
        open_source(folder)
    (folder / "matrix.mtx.gz").unlink()
    with pytest.raises(InputError, match="neither a 10x one"):
        open_source(folder)
