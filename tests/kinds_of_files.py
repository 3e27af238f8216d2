"""Files as other programs write them, small: what Python and the page have to agree on."""

from __future__ import annotations

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


KINDS: dict[str, Callable[[Path], Path]] = {}
