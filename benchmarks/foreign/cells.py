"""Generated cells on which the fixtures are trained and asked: no count of a real cell."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Strings = NDArray[np.str_]
Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]

# fmt: off
GENES = [
    "CD3D", "CD3E", "CD4", "CD8A", "CD8B", "IL7R", "CCR7", "NKG7", "GNLY", "KLRD1", "MS4A1",
    "CD79A", "CD79B", "CD19", "JCHAIN", "MZB1", "CD14", "LYZ", "S100A8", "S100A9", "FCGR3A",
    "MS4A7", "FCER1A", "CST3", "PPBP", "PF4", "HLA-DRA", "HLA-DRB1", "HLA-A", "B2M", "MT-CO1",
    "MT-ND1", "EPCAM", "KRT8", "KRT18", "SFTPC", "SFTPB", "AGER", "COL1A1", "COL1A2", "DCN",
    "LUM", "PECAM1", "VWF", "CLDN5", "ACTB", "GAPDH", "MALAT1", "RPL13", "RPS12", "JUN", "FOS",
    "CD74", "TRAC", "TRBC1", "IL32", "GZMB", "PRF1", "LST1", "AIF1", "TYROBP", "FCN1", "CD68",
    "MARCO",
]
# fmt: on
# of the queries alone
OTHER_GENES = ["XIST", "RPS4Y1", "HBB", "HBA1", "GFAP", "INS", "GCG", "ALB"]
# neither sorted nor simple: names of published models have all of these signs
LABELS = (
    "T cell",
    "B cell; memory",
    "NK cell",
    "Monocyte, CD14+",
    "alveolar type 2",
    "Fibroblast (lung)",
    "Endothelial/capillary",
    "dendritic cell",
)
UNLABELLED = "Unknown"
BATCHES = ("study 2", "Study 10", "study 1")
DONORS = ("donor A", "donor B")
CHEMISTRY = "10x v2"
RARE = "MARCO"
SEED = 17


@dataclass(frozen=True)
class Cells:
    """Counts [cells, genes] and what is known of each cell."""

    counts: Counts
    genes: Strings
    label: Strings
    batch: Strings
    donor: Strings
    fraction: Floats
    age: Floats
    chemistry: Strings = field(default_factory=lambda: np.array([], dtype=str))

    def __len__(self) -> int:
        return len(self.counts)

    def on(self, genes: Any) -> Cells:
        """Return them on other genes, those that they lack with zeros."""
        at = {gene: i for i, gene in reversed([*enumerate(self.genes)])}
        found = np.zeros((len(self), len(genes)), np.uint16)
        for j, gene in enumerate(genes):
            if gene in at:
                found[:, j] = self.counts[:, at[gene]]
        return replace(self, counts=found, genes=np.array(genes, dtype=str))


def generate(n_cells: int, seed: int, first_batch: int = 0) -> Cells:
    """Draw negative binomial counts of 8 types, 3 batches and 2 donors on `GENES`."""
    shared = np.random.default_rng(SEED)
    n_genes = len(GENES)
    base = shared.gamma(0.6, 1.0, n_genes)
    types = shared.lognormal(0, 1.2, (len(LABELS), n_genes))
    batches = shared.lognormal(0, 0.4, (len(BATCHES), n_genes))
    donors = shared.lognormal(0, 0.3, (len(DONORS), n_genes))
    rng = np.random.default_rng([SEED, seed])
    label = rng.choice(len(LABELS), n_cells, p=np.array([5, 4, 3, 3, 2, 2, 2, 1]) / 22)
    batch = rng.choice(len(BATCHES), n_cells, p=[0.5, 0.3, 0.2])
    donor = rng.integers(len(DONORS), size=n_cells)
    shares = base * types[label] * batches[batch] * donors[donor]
    mean = shares / shares.sum(1, keepdims=True) * rng.lognormal(5.5, 0.5, (n_cells, 1))
    counts = rng.negative_binomial(2.0, 2.0 / (2.0 + mean)).astype(np.uint16)
    # a cell without counts has no answer in any package
    counts[:, GENES.index("ACTB")] += 1
    return Cells(
        counts,
        np.array(GENES),
        np.array(LABELS)[label],
        np.array(BATCHES)[batch],
        np.array(DONORS)[donor],
        rng.beta(2, 20, n_cells).round(4),
        rng.integers(20, 80, n_cells).astype(float),
        np.repeat(CHEMISTRY, n_cells),
    )


def with_other_genes(cells: Cells, lost: int, seed: int) -> Cells:
    """Lose some genes, gain `OTHER_GENES`, and shuffle them."""
    rng = np.random.default_rng([SEED, seed])
    kept = rng.permutation(cells.genes)[lost:]
    order = rng.permutation([*kept, *OTHER_GENES])
    found = cells.on(order)
    other = np.isin(found.genes, OTHER_GENES)
    found.counts[:, other] = rng.poisson(1.5, (len(cells), other.sum()))
    return found


def every() -> dict[str, Cells]:
    """Return the reference, a query with all of its genes and others, and a poor one of 3 in 4.

    `RARE` is in two cells of the reference and strong in the first of the query, so that it
    stands there above the ten standard deviations at which celltypist clips.
    """
    made = {
        "reference": generate(200, 0),
        "query": with_other_genes(generate(60, 1), 0, 1),
        "poor": with_other_genes(generate(60, 2), len(GENES) // 4, 2),
    }
    for name, cells in made.items():
        rare = cells.genes == RARE
        cells.counts[:, rare] = 0
        first, count = (2, 1) if name == "reference" else (10, 200)
        cells.counts[:first, rare] = count
    return made


def write(path: Path, every_cells: dict[str, Cells]) -> None:
    """Write all of it to one file of plain arrays, ``NAME.FIELD``."""
    arrays = {
        f"{name}.{f}": v for name, cells in every_cells.items() for f, v in vars(cells).items()
    }
    np.savez_compressed(path, **arrays)
