"""Small files as other programs write them."""

from __future__ import annotations

import gzip
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
