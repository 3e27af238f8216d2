"""Each type of each dataset left out of a reference, and the two queries that hold it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import anndata
import numpy as np
from numpy.typing import NDArray

from benchmarks.shared import data
from benchmarks.shared.data import Dataset, Mask, Parts
from benchmarks.shared.fitted import write_for_peers
from benchmarks.shared.results import CACHE
from cellport.train.labels.calibrate import held_out_share

WITHIN = 0.15
FEWEST_REFERENCE, FEWEST_QUERY = 20, 10
NO_TYPE = "none"
MOST_KNOWN, MOST_UNSEEN = 1_000, 500


def _starting(value: str, *, are_reference: bool) -> Parts:
    """Cells of batches whose names start so are all of the reference, or all the others."""

    def parts(cells: anndata.AnnData) -> tuple[Mask, Mask]:
        these = cells.obs["batch"].str.startswith(value).to_numpy()
        return (these, ~these) if are_reference else (~these, these)

    return parts


# and which of the cells are in batches of the reference, and in the others
DATASETS: dict[str, tuple[Dataset, Parts]] = {
    "kang": (data.KANG, data.kang_donors),
    "pbmc": (data.PBMC, _starting("Zheng", are_reference=False)),
    "lung": (data.LUNG, _starting("HLCA_10x_v2", are_reference=True)),
    "cell lines": (data.LINES, _starting("CEL", are_reference=False)),
    "pancreas": (data.HUMAN_PANCREAS, _starting("human4", are_reference=False)),
    "cord blood": (data.CORD_BLOOD, _starting("", are_reference=True)),
    "cortex": (data.CORTEX, _starting("", are_reference=True)),
}


@dataclass(frozen=True)
class Labelled:
    """Cells of a dataset, and which are in batches of the reference, and in the others."""

    name: str
    cells: anndata.AnnData
    label: NDArray[np.object_]
    batch: NDArray[np.object_]
    own: Mask
    others: Mask


@dataclass(frozen=True)
class Case:
    """A type left out: rows of its reference and of the queries, the unseen type in these.

    Held out are those of the reference that are kept for early stopping; queries are ``within`` and
    ``across``, where they have enough cells.
    """

    whole: Labelled
    unseen: str
    reference: NDArray[np.int64]
    held_out: Mask
    queries: dict[str, NDArray[np.int64]]

    @property
    def folder(self) -> Path:
        """Where what was computed is kept."""
        name = f"{self.whole.name}-{self.unseen}".replace("/", "_").replace(" ", "_")
        return CACHE / "novelty" / name

    def is_unseen(self, where: str) -> Mask:
        """Which cells of a query are of the unseen type."""
        of_type: Mask = self.whole.label[self.queries[where]] == self.unseen
        return of_type


def cases(names: list[str], only: str | None) -> Iterator[Case]:
    """Yield every type with at least 20 cells in the reference batches, and 10 in a query."""
    for name in names:
        whole = labelled(name)
        for unseen in sorted(set(whole.label[whole.own])):
            n_own = (whole.own & (whole.label == unseen)).sum()
            if n_own >= FEWEST_REFERENCE and only in (None, unseen):
                case = left_out(whole, unseen)
                if case.queries:
                    yield case


def labelled(name: str) -> Labelled:
    """Read a dataset."""
    dataset, parts = DATASETS[name]
    cells = dataset.read()
    label, batch = (data.strings(cells, column) for column in (dataset.label, dataset.batch))
    return Labelled(name, cells, label, batch, *parts(cells))


def left_out(whole: Labelled, unseen: str) -> Case:
    """Leave a type out; 15 % of each known one go to the query "within"."""
    rng = np.random.default_rng(0)
    label, own, known = whole.label, whole.own, whole.label != unseen
    share = held_out_share(int((own & known).sum()))
    trained, held_out = own & known, np.zeros(len(label), bool)
    within = own & ~known
    for code in np.unique(label[own & known].astype(str)):
        rows = rng.permutation(np.flatnonzero(own & (label == code)))
        n_within = round(WITHIN * len(rows))
        within[rows[:n_within]] = True
        held_out[rows[n_within : n_within + round(share * len(rows))]] = True
    trained &= ~within
    seen = np.isin(label, np.unique(label[trained].astype(str)))
    across = whole.others & (seen | ~known)
    drawn = {}
    for where, rows in (("within", np.flatnonzero(within)), ("across", np.flatnonzero(across))):
        strange, usual = rows[label[rows] == unseen], rows[label[rows] != unseen]
        if min(len(strange), len(usual)) >= FEWEST_QUERY:
            some = rng.permutation(strange)[:MOST_UNSEEN], rng.permutation(usual)[:MOST_KNOWN]
            drawn[where] = np.sort(np.concatenate(some))
    reference = np.flatnonzero(trained)
    return Case(whole, unseen, reference, held_out[reference], drawn)


def leave_for_peers(case: Case, panel: NDArray[np.int64]) -> None:
    """Write the reference and the queries for the peers."""
    whole = case.whole
    for name, rows in {"reference": case.reference, **case.queries}.items():
        path = case.folder / f"{name}.h5ad"
        write_for_peers(path, whole.cells[rows], whole.label[rows], whole.batch[rows], panel)
