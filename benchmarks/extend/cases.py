"""Atlases without two types, one of which is added afterwards; and atlases trained with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import data
from benchmarks.shared.data import Dataset
from cellport.train.api import train_atlas
from cellport.train.config import FitConfig
from cellport.train.fit.model import batch_size_and_epochs

# a cell in three is neither trained on nor added: it is asked
TEST = 0.3
NUMBERS = (20, 100)
# fewer that may be added, or asked, tell nothing
FEWEST_ADDED, FEWEST_ASKED = 20, 8
# every atlas of a case is trained alike, on fewer genes and in fewer passes than usual: there are
# some eighty of them
GENES, SHARE = 1000, 1 / 3
DATASETS = {
    "pbmc": data.PBMC,
    "lung": data.LUNG,
    "pancreas": Dataset("human_pancreas_3donors", batch="donor"),
    "cell lines": data.LINES,
}


@dataclass(frozen=True)
class Case:
    """A type to be added, and another that stays unknown throughout."""

    dataset: str
    added: str
    unknown: str
    cells: anndata.AnnData
    label: NDArray[np.object_]
    asked: NDArray[np.bool_]

    def new_cells(self, number: int) -> NDArray[np.int64]:
        """Rows of so many cells of the added type, or of all that are not asked."""
        rows = np.flatnonzero((self.label == self.added) & ~self.asked)
        return np.sort(np.random.default_rng(number).permutation(rows)[:number])

    def path(self, folder: Path, number: int) -> Path:
        """Where the atlas that was trained with so many cells of the added type is kept."""
        named = f"{self.dataset}-{self.added}-{self.unknown}-{number}"
        return folder / f"{named.replace('/', '_').replace(' ', '_')}.cellport"

    def trained(self, folder: Path, number: int) -> Path:
        """Train with so many cells of the added type, where that was not done before."""
        path = self.path(folder, number)
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            others = ~self.asked & (self.label != self.added) & (self.label != self.unknown)
            rows = np.union1d(np.flatnonzero(others), self.new_cells(number))
            how, part = DATASETS[self.dataset], self.cells[rows].copy()
            passes = max(1, round(SHARE * batch_size_and_epochs(len(rows), FitConfig())[1]))
            train_atlas(part, path, labels=how.label, batch=how.batch, n_genes=GENES,
                        epochs=passes, device="cpu")  # fmt: skip
        return path


def cases(names: Sequence[str], only: str | None = None) -> Iterator[Case]:
    """Yield each type that can be added and asked; unknown stays the next one by name."""
    for name in names:
        how = DATASETS[name]
        cells = how.read()
        label = data.strings(cells, how.label)
        asked = np.random.default_rng(0).random(len(label)) < TEST
        types = [one for one in sorted(set(label)) if _enough(label == one, asked)]
        for added, unknown in zip(types, [*types[1:], types[0]], strict=True):
            if only in (None, added):
                yield Case(name, added, unknown, cells, label, asked)


def _enough(of_type: NDArray[np.bool_], asked: NDArray[np.bool_]) -> bool:
    return bool(
        (of_type & ~asked).sum() >= FEWEST_ADDED and (of_type & asked).sum() >= FEWEST_ASKED
    )
