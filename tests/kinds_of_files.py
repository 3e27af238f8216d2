"""Files as other programs write them, small: what Python and the page have to agree on."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

CELLS, GENES = 23, 17
IDS = [f"ENSG{i:011d}" for i in range(GENES)]
NAMES = [f"GENE{i}" for i in range(GENES)]
BARCODES = [f"ACGTACGTAC-{i}" for i in range(CELLS)]


def counts() -> np.ndarray:
    """Counts of a few cells, cells by genes."""
    return np.random.default_rng(0).poisson(0.7, (CELLS, GENES))


def mtx_text(matrix: np.ndarray) -> str:
    """Rows by columns, sorted by column as Cell Ranger sorts."""
    columns, rows = np.nonzero(matrix.T)
    entries = [f"{r + 1} {c + 1} {matrix[r, c]}" for r, c in zip(rows, columns, strict=True)]
    shape = f"{matrix.shape[0]} {matrix.shape[1]} {len(entries)}"
    return "\n".join(["%%MatrixMarket matrix coordinate integer general", shape, *entries, ""])


def write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def write_triple(folder: Path, types: Callable[[int], str] | None = None) -> Path:
    """A 10x folder; `types` says what stands behind the name of a gene."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "matrix.mtx").write_text(mtx_text(counts().T))
    behind = types or (lambda gene: "\tGene Expression")
    features = [f"{IDS[i]}\t{NAMES[i]}{behind(i)}" for i in range(GENES)]
    write_lines(folder / "features.tsv", features)
    write_lines(folder / "barcodes.tsv", BARCODES)
    return folder


# what stands behind the name of a gene in features.tsv, and how many features are genes then
THIRD_COLUMNS: dict[str, tuple[Callable[[int], str], int]] = {
    "of 10x": (lambda gene: "\tGene Expression", GENES),
    "cut in two": (lambda gene: "\tGene\tExpression", GENES),
    "other case": (lambda gene: "\tgene_expression", GENES),
    "empty": (lambda gene: "\t", GENES),
    "none": (lambda gene: "", GENES),
    "chromosomes": (lambda gene: f"\tchr{gene % 5}\t{gene}\t{gene + 9}", GENES),
    "biotypes": (lambda gene: "\tprotein_coding" if gene % 2 else "\tlncRNA", GENES),
    "antibodies": (lambda gene: "\tGene Expression" if gene < 14 else "\tAntibody Capture", 14),
    "antibodies cut in two": (
        lambda gene: "\tGene\tExpression" if gene < 14 else "\tAntibody\tCapture",
        14,
    ),
    "antibodies among the unnamed": (lambda gene: "\tADT" if gene % 2 else "\t", 9),
    "antibodies in short rows": (lambda gene: "\tHashtag" if gene % 2 else "", 9),
    "other words beside genes": (lambda gene: "\tGene Expression" if gene < 14 else "\tX", 14),
    "guides among chromosomes": (lambda gene: "\tCRISPR Guide Capture" if gene < 3 else "\tX", 14),
    "no genes": (lambda gene: "\tPeaks" if gene % 2 else "\tAntibody Capture", 0),
}


def hdf5_of(*names: str) -> Callable[[Path], Path]:
    """A file of HDF5 that holds something of these names."""

    def write(folder: Path) -> Path:
        with h5py.File(folder / "some.h5", "w") as file:
            for name in names:
                file[name] = np.arange(3)
        return folder / "some.h5"

    return write


def tenx_of_r(folder: Path) -> Path:
    """What HDF5Array::writeTENxMatrix writes: one name of each gene, unsigned numbers."""
    cells, genes = np.nonzero(counts())
    with h5py.File(folder / "r.h5", "w") as file:
        group = file.create_group("counts")
        group["data"] = counts()[cells, genes].astype("f8")
        group["indices"] = genes.astype("u4")
        group["indptr"] = np.searchsorted(cells, np.arange(CELLS + 1)).astype("u4")
        group["shape"] = np.array([GENES, CELLS], "u4")
        group["barcodes"], group["genes"] = texts(BARCODES), texts(NAMES)
    return folder / "r.h5"


def put(parent: h5py.Group, name: str, values: object, **attributes: object) -> h5py.Dataset:
    parent[name] = values
    parent[name].attrs.update(attributes)
    return parent[name]


def texts(values: list[str]) -> np.ndarray:
    return np.array(values, dtype="S")


def write_csr(file: h5py.Group, name: str = "X") -> None:
    """Counts as anndata 0.7 writes CSR."""
    matrix = counts()
    cells, genes = np.nonzero(matrix)
    group = file.create_group(name)
    group.attrs.update({"encoding-type": "csr_matrix", "shape": matrix.shape})
    group["data"] = matrix[cells, genes].astype("f4")
    group["indices"] = genes.astype("i4")
    group["indptr"] = np.searchsorted(cells, np.arange(CELLS + 1)).astype("i4")


def write_frame(file: h5py.Group, name: str, index: list[str]) -> h5py.Group:
    group = file.create_group(name)
    group.attrs["_index"] = "_index"
    group["_index"] = texts(index)
    return group


def h5ad_of_07(reference: bool) -> Callable[[Path], Path]:
    """Codes with a reference to their categories, or with their path."""

    def write(folder: Path) -> Path:
        with h5py.File(folder / "old.h5ad", "w") as file:
            write_csr(file)
            write_frame(file, "obs", BARCODES)
            var = write_frame(file, "var", NAMES)
            for column, kinds in (("feature_types", ["Gene Expression"]), ("gene_ids", IDS)):
                codes = np.arange(GENES, dtype="i4") % len(kinds)
                kept = put(var, f"__categories/{column}", texts(kinds))
                place = kept.ref if reference else f"__categories/{column}"
                put(var, column, codes, categories=place, ordered=False)
        return folder / "old.h5ad"

    return write


def h5ad_of_06(folder: Path) -> Path:
    """Compound tables, whose categories lie in uns; a single one has no axis."""
    var = np.zeros(GENES, dtype=[("index", "S12"), ("gene_ids", "S15"), ("feature_types", "i1")])
    var["index"], var["gene_ids"] = NAMES, IDS
    obs = np.zeros(CELLS, dtype=[("index", "S20"), ("n", "i4")])
    obs["index"] = BARCODES
    with h5py.File(folder / "older.h5ad", "w") as file:
        write_csr(file)
        file["var"], file["obs"] = var, obs
        file["uns/feature_types_categories"] = "Gene Expression"
    return folder / "older.h5ad"


def anndata_in(group: h5py.Group, names: list[str] = NAMES) -> None:
    write_csr(group)
    write_frame(group, "obs", BARCODES)
    write_frame(group, "var", names)


def h5ad_of_elements(folder: Path) -> Path:
    """What anndata's write_elem makes of an AnnData: an empty array where there is no raw."""
    with h5py.File(folder / "elements.h5ad", "w") as file:
        anndata_in(file)
        file["raw"] = h5py.Empty("f4")
        file["raw"].attrs["encoding-type"] = "null"
    return folder / "elements.h5ad"


def h5ad_with_index(name: str) -> Callable[[Path], Path]:
    """What anndata makes of an index that has a name."""

    def write(folder: Path) -> Path:
        with h5py.File(folder / "index.h5ad", "w") as file:
            anndata_in(file)
            file["var"].move("_index", name)
            file["var"].attrs["_index"] = name
        return folder / "index.h5ad"

    return write


def h5mu(*modalities: str) -> Callable[[Path], Path]:
    """What MuData writes, behind its user block; the first modality holds the genes."""

    def write(folder: Path) -> Path:
        with h5py.File(folder / "all.h5mu", "w", userblock_size=512) as file:
            write_frame(file, "obs", BARCODES)
            write_frame(file, "var", [f"{name}:{gene}" for name in modalities for gene in NAMES])
            for name in sorted(modalities):
                names = NAMES if name == modalities[0] else [f"P{i}" for i in range(GENES)]
                anndata_in(file.create_group(f"mod/{name}"), names)
        return folder / "all.h5mu"

    return write


def triple(
    matrix: tuple[str, np.ndarray], packed: bool = False, **files: list[str]
) -> Callable[[Path], Path]:
    """A matrix of text and what lies beside it, names without dots as keywords allow."""

    def write(folder: Path) -> Path:
        inside = folder / "counts"
        inside.mkdir(parents=True, exist_ok=True)
        name, values = matrix
        by_cell = values if values.shape[0] == CELLS else values.T
        text = mtx_text(by_cell.T)
        if by_cell is values:
            head, shape, *entries = text.split("\n")
            turned = [" ".join([w[1], w[0], w[2]]) for w in map(str.split, entries) if w]
            rows, columns, n = shape.split()
            text = "\n".join([head, f"{columns} {rows} {n}", *turned, ""])
        (inside / name).write_text(text)
        for key, lines in files.items():
            write_lines(inside / key.replace("__", "."), lines)
        if packed:
            for file in list(inside.iterdir()):
                (inside / f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
                file.unlink()
        return inside

    return write


ALL_GENES = ["gene_id,gene_name,genome"]
ALL_GENES += [f'{i},"{name}",hg38' for i, name in zip(IDS, NAMES, strict=True)]
CELL_METADATA = ["bc_wells,sample", *(f"{barcode},all" for barcode in BARCODES)]


def tenx_of_genomes(version: int) -> Callable[[Path], Path]:
    """A 10x file of two genomes: a group each (Cell Ranger 2), or a column (3)."""

    def write(folder: Path) -> Path:
        cells, genes = np.nonzero(counts())
        with h5py.File(folder / "two.h5", "w") as file:
            for name in ["matrix"] if version == 3 else ["hg19", "mm10"]:
                group = file.create_group(name)
                group["data"], group["indices"] = counts()[cells, genes], genes
                group["indptr"] = np.searchsorted(cells, np.arange(CELLS + 1))
                group["shape"], group["barcodes"] = [GENES, CELLS], texts(BARCODES)
                parts = (
                    ("features/id", "features/name") if version == 3 else ("genes", "gene_names")
                )
                for part, values in zip(parts, (IDS, NAMES), strict=True):
                    group[part] = texts(values)
                if version == 3:
                    group["features/genome"] = texts(["hg19"] * 9 + ["mm10"] * (GENES - 9))
                    group["features/feature_type"] = texts(["Gene Expression"] * GENES)
        return folder / "two.h5"

    return write


# what is written, the genome that is asked for, genes left or a pattern of the refusal
GENOMES: dict[str, tuple[Callable[[Path], Path], str | None, int | str]] = {
    "a group": (tenx_of_genomes(2), "mm10", GENES),
    "none of the groups": (tenx_of_genomes(2), "rn6", "no genome 'rn6'; it holds hg19, mm10"),
    "not asked": (tenx_of_genomes(2), None, "several genomes .hg19, mm10.; .* --genome hg19"),
    "a column": (tenx_of_genomes(3), "hg19", 9),
    "not in the column": (tenx_of_genomes(3), "rn6", "no genome 'rn6'; it holds hg19, mm10"),
    "not asked of a column": (tenx_of_genomes(3), None, GENES),
    "of a file without": (h5ad_of_06, "hg19", "says nothing of genomes"),
}


def features(line: str, *header: str) -> list[str]:
    """Lines of features.tsv as somebody saved them, of ids and names."""
    return [*header, *(line.format(*pair) for pair in zip(IDS, NAMES, strict=True))]


MATRIX = ("matrix.mtx", counts())


def mtx_in_order(order: str, turned: bool) -> Callable[[Path], Path]:
    """A matrix of text whose entries come by gene, or anyhow, such as R's writeMM(t(counts))."""

    def write(folder: Path) -> Path:
        head, shape, *entries = mtx_text(counts() if turned else counts().T).splitlines()
        entries.sort(key=lambda line: int(line.split()[1 if turned else 0]))
        if order == "chance":
            entries = [entries[k] for k in np.random.default_rng(0).permutation(len(entries))]
        write_lines(folder / "matrix.mtx", [head, shape, *entries])
        write_lines(folder / "genes.tsv", NAMES)
        write_lines(folder / "barcodes.tsv", BARCODES)
        return folder

    return write


def with_carriage_returns(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    def rewrite(folder: Path) -> Path:
        inside = write(folder)
        for file in inside.iterdir():
            lines = file.read_text().split("\n")
            lines[1:1] = ["%made by hand"] if file.suffix == ".mtx" else []
            file.write_bytes("\r\n".join(lines).encode())
        return inside

    return rewrite


def named(header: str, line: str, last: str = "") -> Callable[[list[str]], list[str]]:
    """Lines of names: of the header, if any, and of each name and its number."""

    def lines(names: list[str]) -> list[str]:
        above = [header] if header else []
        return above + [line.format(name, n) + last for n, name in enumerate(names, 1)]

    return lines


KINDS_BESIDE = ["Gene Expression"] * 14 + ["Antibody Capture"] * (GENES - 14)
# lines of features.tsv with a header, whose antibodies have to be left out
KINDS_NAMED = {
    "after id and name": ("gene_id\tgene_name\tfeature_type", "{0}\t{1}\t{2}"),
    "after other names": ("gene_id\tsymbol\tfeature_types", "{0}\t{1}\t{2}"),
    "before them": ("modality\tgene_name\tgene_id", "{2}\t{1}\t{0}"),
    "between": ("gene_name\tassay\tchrom", "{1}\t{2}\tchr1"),
    "beside ids alone": ("gene_id\tfeature_type", "{0}\t{2}"),
    "under names that say nothing": ("V1\tV2\tV3", "{0}\t{1}\t{2}"),
}


def features_of_kinds(header: str, line: str) -> Callable[[Path], Path]:
    rows = zip(IDS, NAMES, KINDS_BESIDE, strict=True)
    return triple(
        ("matrix.mtx", counts().T),
        features__tsv=[header, *(line.format(*row) for row in rows)],
        barcodes__tsv=BARCODES,
    )


# how R, pandas and people write the names beside a matrix, and how those files are called
WAYS: dict[str, tuple[str, str, Callable[[list[str]], list[str]]]] = {
    "text": ("genes.txt", "barcodes.txt", named("", "{0}")),
    "cells": ("genes.tsv", "cells.tsv", named("", "{0}")),
    "names of rows and columns": ("rownames.txt", "colnames.txt", named("", "{0}")),
    "write.table": ("features.tsv", "barcodes.tsv", named('"x"', '"{1}" "{0}"')),
    "write.table with tabs": ("genes.tsv", "barcodes.tsv", named('"x"', '"{1}"\t"{0}"')),
    "write.csv": ("genes.csv", "barcodes.csv", named('"","x"', '"{1}","{0}"')),
    "write.csv without numbers": ("genes.csv", "cells.csv", named('"x"', '"{0}"')),
    "write.csv of tables": ("genes.csv", "metadata.csv", named('"","n","of"', '"{0}",{1},"a, b"')),
    "write.table of tables": ("genes.tsv", "metadata.tsv", named('"n"\t"of"', '"{0}"\t{1}\t"a"')),
    "to_csv": ("features.csv", "barcodes.csv", named(",0", "{1},{0}")),
    "to_csv of tables": (
        "var_names.csv",
        "cell_metadata.csv",
        named("n,gene_id,barcode", "{1},{0},{0}"),
    ),
    "a header alone": ("features.tsv", "barcodes.tsv", named("key\tother", "{0}\t{1}")),
    "before the sample": ("s1_Genes.tsv", "s1-barcodes.tsv", named("", "{0}")),
}


def called(way: str, prefix: str = "", packed: bool = False) -> Callable[[Path], Path]:
    genes, cells, lines = WAYS[way]
    files = {f"{prefix}{genes}": lines(NAMES), f"{prefix}{cells}": lines(BARCODES)}
    return triple((f"{prefix}counts.mtx", counts().T), packed=packed, **files)


# writes a file or a folder into an empty folder and returns it
KINDS: dict[str, Callable[[Path], Path]] = {
    **{f"names by {way}": called(way) for way in WAYS},
    **{f"names by {way}, packed": called(way, "GSM1_s_", packed=True) for way in WAYS},
    "cells beside a matrix of 10x": triple(
        ("matrix.mtx", counts().T), genes__tsv=NAMES, cells__tsv=BARCODES
    ),
    **{
        f"entries by {order}, {way}": mtx_in_order(order, turned=way == "turned")
        for order in ("gene", "chance")
        for way in ("genes by cells", "turned")
    },
    "lines of Windows": with_carriage_returns(
        triple(("matrix.mtx", counts().T), genes__tsv=NAMES, barcodes__tsv=BARCODES)
    ),
    "names of the series": triple(
        ("GSE1_raw_counts.mtx", counts().T), GSE1_genes__csv=NAMES, GSE1_cells__csv=BARCODES
    ),
    "features with a header": triple(
        MATRIX, features__tsv=features("{}\t{}", "gene_id\tgene_name"), barcodes__tsv=BARCODES
    ),
    "features with quotes": triple(
        MATRIX, features__tsv=features('"{}"\t"{}"', '"V1"\t"V2"'), barcodes__tsv=BARCODES
    ),
    "features with commas": triple(
        MATRIX, features__tsv=features('"{}", "{}"'), barcodes__tsv=BARCODES
    ),
    "reads of several genes, shared": triple(
        ("UniqueAndMult-EM.mtx", counts()), features__tsv=features("{}\t{}"), barcodes__tsv=BARCODES
    ),
    "anndata 0.7, references": h5ad_of_07(reference=True),
    "anndata 0.7, paths": h5ad_of_07(reference=False),
    "anndata 0.6": h5ad_of_06,
    "anndata, an element": h5ad_of_elements,
    "an index with a slash": h5ad_with_index("gene/name"),
    "an index called data": h5ad_with_index("data"),
    "10x by HDF5Array of R": tenx_of_r,
    "MuData": h5mu("rna", "prot", "atac"),
    "MuData of one": h5mu("cells"),
    **{
        f"MuData of {rna} and {other}": h5mu(rna, other)
        for rna, other in (
            ("RNA_counts", "adt"),
            ("scRNA", "protein"),
            ("genes", "atac"),
            ("cells", "airr"),
            ("expression", "HTO_raw"),
        )
    },
    "MuData in capitals": h5mu("GEX", "ADT"),
    "kb-python": triple(
        ("cells_x_genes.mtx", counts()),
        cells_x_genes__genes__txt=IDS,
        cells_x_genes__genes__names__txt=NAMES,
        cells_x_genes__barcodes__txt=BARCODES,
        run_info__json=["{}"],
    ),
    "kb-python, totals": triple(
        ("cells_x_genes.total.mtx", counts()),
        cells_x_genes__genes__txt=NAMES,
        cells_x_genes__barcodes__txt=BARCODES,
    ),
    **{
        f"kb-python, sum of {kind}": triple(
            (f"cells_x_genes.{kind}.mtx", counts()),
            cells_x_genes__genes__txt=IDS,
            cells_x_genes__genes__names__txt=NAMES,
            cells_x_genes__barcodes__txt=BARCODES,
            cells_x_genes__mature__mtx=[mtx_text(counts())],
            cells_x_genes__nascent__mtx=[mtx_text(counts())],
        )
        for kind in ("cell", "nucleus", "total")
    },
    "alevin-fry": triple(
        ("quants_mat.mtx", counts()),
        packed=True,
        quants_mat_cols__txt=NAMES,
        quants_mat_rows__txt=BARCODES,
    ),
    "Parse": triple(
        ("count_matrix.mtx", counts()),
        all_genes__csv=ALL_GENES,
        cell_metadata__csv=CELL_METADATA,
    ),
    "Parse, old": triple(
        ("DGE.mtx", counts()), all_genes__csv=ALL_GENES, cell_metadata__csv=CELL_METADATA
    ),
    "10x turned": triple(("matrix.mtx", counts()), features__tsv=NAMES, barcodes__tsv=BARCODES),
    "kb-python turned": triple(
        ("cells_x_genes.mtx", counts().T),
        cells_x_genes__genes__txt=NAMES,
        cells_x_genes__barcodes__txt=BARCODES,
    ),
    "10x with prefixes": triple(
        ("GSM1_count_matrix.mtx", counts().T),
        packed=True,
        GSM1_count_genes__tsv=NAMES,
        GSM1_count_barcodes__tsv=BARCODES,
    ),
}


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


def loom(chunks: tuple[int, int] | None, genes: str, cells: str | None) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        with h5py.File(folder / "cells.loom", "w") as file:
            file.create_dataset("matrix", data=counts().T.astype("f4"), chunks=chunks)
            file.create_group("layers")["spliced"] = counts().T // 2
            put(file, f"row_attrs/{genes}", texts(NAMES))
            put(file, "row_attrs/Zlast", texts(IDS))
            put(file, "row_attrs/n", np.arange(GENES))
            put(file, "row_attrs/wide", np.zeros((GENES, 2)))
            put(file, f"col_attrs/{cells}", texts(BARCODES))
            put(file, "col_attrs/Clusters", np.arange(CELLS))
        return folder / "cells.loom"

    return write


# kinds that Python reads and the page does not
PYTHON_KINDS: dict[str, Callable[[Path], Path]] = {
    "loom": loom((5, 4), "Gene", "CellID"),
    "loom of scanpy": loom(None, "var_names", "obs_names"),
}
