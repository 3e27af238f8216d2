"""Files that are read: what Python and the page have to agree on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from written_files import (
    ALL_GENES,
    BARCODES,
    CELL_METADATA,
    CELLS,
    GENES,
    IDS,
    NAMES,
    counts,
    h5ad_of_06,
    h5ad_of_07,
    h5ad_of_elements,
    h5ad_with_index,
    h5mu,
    mtx_text,
    put,
    tenx_of_genomes,
    tenx_of_r,
    texts,
    triple,
    write_lines,
)

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
