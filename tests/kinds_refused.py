"""Files that are refused, and what is said of them."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from written_files import (
    BARCODES,
    CELLS,
    IDS,
    NAMES,
    counts,
    h5mu,
    hdf5_of,
    mtx_text,
    triple,
    write_triple,
)


def holding(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return folder / name

    return write


def table(above: list[str], beside: list[str], separator: str = ",", quote: str = "") -> str:
    head = separator.join(f"{quote}{name}{quote}" for name in ["", *above])
    zeros = separator.join("0" * len(above))
    return "\n".join([head, *(f"{quote}{name}{quote}{separator}{zeros}" for name in beside), ""])


def feature_counts() -> str:
    """A table of featureCounts: where a gene lies, and its length, before the counts."""
    lines = ["\t".join(["Geneid", "Chr", "Start", "End", "Strand", "Length", *BARCODES])]
    before_counts = ["1;1", "5;9", "8;12", "+;+", "8"]
    lines += ["\t".join([name, *before_counts, *["0"] * CELLS]) for name in SYMBOLS]
    return "\n".join([*lines, ""])


def long_table(
    first: str, names: list[str], second: str, others: list[str], by_second: bool = False
) -> str:
    """One count a line, as umi_tools writes."""
    lines = [f"{one}\t{other}\t1" for one in names for other in others]
    if by_second:
        lines = [f"{one}\t{other}\t1" for other in others for one in names]
    return "\n".join([f"{first}\t{second}\tcount", *lines, ""])


def tar_archive() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("matrix.mtx"))
    return packed.getvalue()


def zip_archive(name: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, "{}")
    return packed.getvalue()


SYMBOLS = ["MT-CO1", "ACTB", "RPL3", "FOXP3", "Xist"]
LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12345\n"
HTML = "\n<!-- a proxy --><!DOCTYPE html>\n<html><body>404</body></html>"
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>'


def triple_of_pointers(folder: Path) -> Path:
    write_triple(folder / "10x")
    (folder / "10x" / "matrix.mtx").write_text(LFS)
    return folder / "10x"


# files that are refused, and a pattern of the sentence
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (holding("a.h5ad", b""), "is an empty file"),
    "a pointer": (holding("a.h5ad", LFS), "Git LFS pointer .* git lfs pull"),
    "a web page": (holding("a.h5", HTML), "web page"),
    "a web page as a table": (holding("a.csv", b"\xef\xbb\xbf" + HTML.encode()), "web page"),
    "a server's error": (holding("a.h5ad", XML), "error message of a server"),
    "a server's answer": (holding("a.h5ad", '{"message": "no"}'), "JSON text"),
    "text": (holding("a.h5ad", "hello"), "not an HDF5 file"),
    "gzip": (holding("a.h5ad.gz", gzip.compress(b"x")), r"unpack it \(gunzip\)"),
    "gzip by another name": (holding("a.h5ad", gzip.compress(b"x")), r"unpack it \(gunzip\)"),
    "tar": (holding("GSE1_RAW.tar", tar_archive()), r"tar archive; unpack it \(tar -xf\) and give"),
    "tar, packed": (holding("a.tar.gz", gzip.compress(tar_archive())), "tar -xf"),
    "tar by another name": (holding("a.h5", tar_archive()), "tar -xf"),
    "zip": (holding("a.zip", b"PK\3\4xx"), r"unpack it \(unzip\)"),
    "zip by another name": (holding("a.dat", b"PK\3\4xx"), r"unpack it \(unzip\)"),
    **{
        f"zarr in a zip, {Path(name).name}": (
            holding("a.zarr.zip", zip_archive(name)),
            "unzip .* -d cells.zarr",
        )
        for name in ("zarr.json", ".zgroup", "a.zarr/.zattrs", ".zmetadata")
    },
    "xz": (holding("a.h5ad.xz", b"\xfd7zXZ\0x"), r"unpack it \(unxz\)"),
    "R": (holding("a.rds", b"x"), "an R object; convert it"),
    "R, as tutorials call it": (holding("a.Robj", b"x"), "an R workspace; convert it"),
    "R by another name": (
        holding("a.h5ad", gzip.compress(b"X\n\0\0\0\3\0\4\2\2")),
        "an R workspace; convert it",
    ),
    "R without a name": (holding("a", gzip.compress(b"RDX3\nX\n")), "an R workspace; convert it"),
    "R, not packed": (holding("a.dat", b"X\n\0\0\0\3\0\4\2\2"), "an R workspace; convert it"),
    "a matrix of text called a table": (
        holding("a.txt", mtx_text(counts())),
        "give it as matrix.mtx",
    ),
    "a matrix of text, packed": (
        holding("upload.h5", gzip.compress(mtx_text(counts()).encode())),
        r"upload\.h5 is a matrix of text .* write all as one h5ad",
    ),
    "R as text": (holding("a.dat", b"A\n3\n262658\n"), "an R workspace; convert it"),
    "a table without an ending": (holding("counts", table(BARCODES, SYMBOLS)), "a text table"),
    "a table with a long line of names": (
        holding("counts", table([f"{name}-{i}" for name in BARCODES for i in range(9)], SYMBOLS)),
        "a text table .* genes in rows",
    ),
    "umi_tools, by cell": (
        holding("a.tsv", long_table("gene", SYMBOLS, "cell", BARCODES, by_second=True)),
        r"a gene, a cell and a count in each line.*\(index='cell', columns='gene', values='count'",
    ),
    "one sample, with chromosomes": (
        holding("a.tsv", long_table("gene", SYMBOLS, "place", ["chr1"])),
        r"genes in rows.*iloc\[:, 1:\]\.T",
    ),
    "a table of Drop-seq": (
        holding("a.dge.gz", gzip.compress(table(BARCODES, SYMBOLS, "\t").encode())),
        "a text table .* genes in rows",
    ),
    "h5Seurat": (hdf5_of("assays/a", "meta.data/a", "cell.names"), "an h5Seurat file; convert it"),
    "molecules": (hdf5_of("barcode_info/a", "umi", "count"), "use filtered_feature_bc_matrix.h5"),
    "molecules of Cell Ranger 2": (hdf5_of("barcode", "gem_group", "gene", "umi"), "molecule_info"),
    "images of Space Ranger": (hdf5_of("feature_slices/0/row", "umis/a"), "square_008um"),
    "values of R": (hdf5_of("assay001"), "SummarizedExperiment.*loadHDF5SummarizedExperiment"),
    "places of Stereo-seq": (hdf5_of("geneExp/bin1/gene"), "of places and not of cells"),
    "Excel": (holding("a.xlsx", b"PK\3\4xx"), "an Excel table"),
    "reads": (holding("a_R1.fastq.gz", b"x"), "sequencing reads; count them first"),
    "MuData of peaks": (h5mu("atac"), r"holds mod/atac and no table of RNA"),
    "MuData of antibodies and peaks": (h5mu("adt", "peaks"), r"mod/adt, mod/peaks and no table"),
    "sets of transcripts": (
        triple(
            ("cells_x_tcc.mtx", counts()),
            cells_x_tcc__ec__txt=IDS,
            cells_x_tcc__barcodes__txt=BARCODES,
        ),
        r"sets of them \(TCC\) and not of genes; run kb count without --tcc",
    ),
    "a table called h5ad": (
        holding("a.h5ad", table(BARCODES, SYMBOLS)),
        r"a text table .* genes in rows.*\.T\..*write_h5ad\('a_counts\.h5ad'\)",
    ),
    "numbers of rows": (
        holding("a.csv", table(["gene", *BARCODES], [f"{n},{s}" for n, s in enumerate(SYMBOLS)])),
        r"genes in rows.*index_col=1\)\.iloc\[:, 1:\]\.T\.",
    ),
    "numbers of rows, cells first": (
        holding(
            "a.csv", table(["cell", *SYMBOLS], [f"{n},{b}" for n, b in enumerate(BARCODES, 1)])
        ),
        r"genes in columns.*index_col=1\)\.iloc\[:, 1:\]\.astype",
    ),
    "MuData without RNA": (h5mu("a", "b"), r"several tables of cells \(mod/a, mod/b\)"),
    "names of other genes": (
        triple(("matrix.mtx", counts()), features__tsv=NAMES[1:], barcodes__tsv=BARCODES),
        "16 features and 23 barcodes",
    ),
    "a pointer in place of a matrix": (
        triple_of_pointers,
        "matrix.mtx is a Git LFS pointer",
    ),
    "genes in rows": (holding("a.csv", table(BARCODES, SYMBOLS)), r"index_col=0\)\.T\.astype"),
    "genes in rows, quoted": (
        holding("a.b.tsv", table(BARCODES, SYMBOLS, "\t", '"')),
        r"sep='\\t', index_col=0\)\.T\..*\('a\.h5ad'\)",
    ),
    "genes in rows, packed": (
        holding("a.txt.gz", gzip.compress(table(["x", "y"], IDS).encode())),
        r"genes in rows.*\.T",
    ),
    "genes in columns": (
        holding("a.csv", table(SYMBOLS, BARCODES)),
        "cells in rows and genes in c",
    ),
    "lines of # above": (
        holding("S1_RSEC_MolsPerCell.csv", "## BD\n##\n" + table(SYMBOLS, list("12345"))),
        r"genes in columns.*sep=',', skiprows=2, index_col=0\)\.astype",
    ),
    "featureCounts": (
        holding("a.txt", "# Program:featureCounts\n" + feature_counts()),
        r"genes in rows.*skiprows=1, index_col=0\)\.iloc\[:, 5:\]\.T\.",
    ),
    "symbols beside ids": (
        holding("a.tsv", table(["symbol", *BARCODES], [f"{n}\t{n}" for n in SYMBOLS], "\t")),
        r"index_col=0\)\.iloc\[:, 1:\]\.T\.",
    ),
    "numbers and symbols beside ids": (
        holding(
            "a.csv", table(["a", "b", *BARCODES], [f"{n},{s},{s}" for n, s in enumerate(SYMBOLS)])
        ),
        r"index_col=1\)\.iloc\[:, 2:\]\.T\.",
    ),
    "umi_tools": (
        holding("a.tsv.gz", gzip.compress(long_table("gene", SYMBOLS, "cell", BARCODES).encode())),
        r"a gene, a cell and a count in each line.*\(index='cell', columns='gene', values='count'",
    ),
    "cells first in each line": (
        holding("a.tsv", long_table("bc", BARCODES, "name", SYMBOLS)),
        r"\(index='bc', columns='name', values='count'",
    ),
    "cells above": (holding("a.csv", table(BARCODES, ["p", "q"])), "genes in rows"),
    "cells beside": (holding("a.csv", table(["p", "q"], BARCODES)), "cells in rows"),
    "no names": (holding("a.csv", table(["p", "q"], ["r"])), "should genes be in rows, put .T"),
}
