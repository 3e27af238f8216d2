"""What in a reference makes its atlas worse than its figures say, in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.base.names import listed
from cellport.train.reference.reference import Reference

# a label of fewer cells is hardly learned, and none of them is held out to judge it
FEW = 10
# a label of so many cells in one batch alone is no chance
_MANY = 20
# names that a sentence holds
_MOST_NAMED = 5
# share of the cells that may have the counts of others: so much an accuracy may be off unsaid
_COPIES = 0.01
# genes that a cell must express for its counts to be its own
_OWN_GENES = 20
# labels that say what is wrong with a cell in place of what it is
_NO_TYPE = re.compile(
    r"(^|[\W_])(doublets?|multiplets?|low[\W_]?quality|debris|dead|dying|empty|junk|artefacts?"
    r"|artifacts?|contaminated|contamination|contaminants?|ambient|ambiguous|filtered|removed?"
    r"|exclude|excluded|unknown|unassigned|unclassified)([\W_]|$)",
    re.IGNORECASE,
)


def label_cautions(reference: Reference) -> list[str]:
    """Tell of labels that an atlas hardly learns, or whose accuracy cannot be measured."""
    number = np.bincount(reference.label[reference.label >= 0], minlength=len(reference.labels))
    cells = {name: int(n) for name, n in zip(reference.labels, number, strict=True)}
    told = [_few(cells), _no_type(cells), _in_one_batch(reference, number), _small(reference)]
    return [caution for caution in told if caution]


def _few(cells: dict[str, int]) -> str:
    few = {name: n for name, n in sorted(cells.items(), key=lambda one: one[1]) if n < FEW}
    if not few:
        return ""
    return (
        f"Of {len(cells):,} labels {len(few):,} have fewer than {FEW} cells, which is little to "
        f"learn a type by: {_counted(few)}. Cells of these types from other donors may be called "
        "another type, with a high probability. Add cells of them, or join them with the types "
        "that they are like."
    )


def _no_type(cells: dict[str, int]) -> str:
    none = {name: n for name, n in cells.items() if _NO_TYPE.search(name)}
    if not none:
        return ""
    return (
        f"Labels that seem to name no type are trained as types: {_counted(none)}. Where they are "
        "none, leave their cells out, or label them 'unknown' to have them trained on without a "
        "label."
    )


def _in_one_batch(reference: Reference, number: NDArray[np.int64]) -> str:
    if len(reference.batches) < 2 or len(reference.labels) < 2:
        return ""
    known = reference.label >= 0
    table = np.zeros((len(reference.labels), len(reference.batches)), np.int64)
    np.add.at(table, (reference.label[known], reference.batch[known]), 1)
    alone = (table > 0).sum(axis=1) == 1
    if alone.all():
        return (
            "Each label is in one batch only: what tells types apart cannot be told from what "
            "tells batches apart, and no accuracy on new batches can be measured. Name the column "
            "of donors or runs as the batch, or leave the batch out."
        )
    some = np.flatnonzero(alone & (number >= _MANY)).tolist()
    told = {reference.labels[at]: int(number[at]) for at in some}
    if not told:
        return ""
    return (
        f"Labels that are in one batch only: {_counted(told)}. How well they are told in new "
        "batches is not measured, and the accuracy that the atlas states is without them."
    )


def _small(reference: Reference) -> str:
    cells = np.bincount(reference.batch)
    inside = cells[reference.batch] < FEW
    if len(cells) < 2 or inside.mean() <= 0.5:
        return ""
    return (
        f"Of {len(cells):,} batches most have fewer than {FEW} cells ({len(reference.batch):,} in "
        "all), as no donors or runs do: held-out cells are of the same donors as the others then, "
        "and the accuracy that the atlas states is too good. Name the column of donors or runs as "
        "the batch, or leave the batch out."
    )


def _counted(cells: dict[str, int]) -> str:
    return listed([f"{name!r} ({n:,})" for name, n in cells.items()], _MOST_NAMED)


@dataclass(slots=True)
class CountsSeen:
    """What passing counts tell of cells that are empty, or there more than once.

    Counts of two cells that express many genes are never the same by chance: such a cell was put
    in twice, by two studies that hold the same donors for example.
    """

    n_genes: int
    # uint64 for each cell of each part: a number that its counts decide, 0 where it has too few
    _marks: list[NDArray[np.uint64]] = field(default_factory=list)
    _empty: int = 0

    def watch(self, parts: Iterable[sp.csr_matrix]) -> Iterator[sp.csr_matrix]:
        """Yield parts float32 CSR [n, genes], canonical, and look at each."""
        rng = np.random.default_rng(0)
        # odd, so that no gene's is a multiple of a power of two
        mark = rng.integers(0, 2**63, self.n_genes, np.uint64) * np.uint64(2) + np.uint64(1)
        for part in parts:
            expressed = np.diff(part.indptr)
            # what overflows is cut off, here and in the differences
            sums = np.zeros(part.nnz + 1, np.uint64)
            np.cumsum(mark[part.indices] * part.data.astype(np.uint64), out=sums[1:])
            marks = sums[part.indptr[1:]] - sums[part.indptr[:-1]]
            self._marks.append(np.where(expressed >= _OWN_GENES, marks, np.uint64(0)))
            self._empty += int((expressed == 0).sum())
            yield part

    def cautions(self, batch: NDArray[np.int64]) -> list[str]:
        """Tell of what was seen, of cells whose batch is int64 [cells]."""
        told = [self._of_empty(), self._of_copies(batch)]
        return [caution for caution in told if caution]

    def _of_empty(self) -> str:
        if not self._empty:
            return ""
        return (
            f"{self._empty:,} cells have no count in the panel's genes and teach nothing; leave "
            "them out."
        )

    def _of_copies(self, batch: NDArray[np.int64]) -> str:
        marks = np.concatenate(self._marks)
        own = np.flatnonzero(marks)
        _, which, times = np.unique(marks[own], return_inverse=True, return_counts=True)
        several = own[times[which] > 1]
        if len(several) <= _COPIES * len(marks):
            return ""
        pairs = np.unique(np.column_stack([which[times[which] > 1], batch[several]]), axis=0)
        batches = np.bincount(pairs[:, 0], minlength=len(times))
        across = int((batches[which] > 1).sum())
        also = f", {across:,} of them that of one in another batch" if across else ""
        return (
            f"{len(several):,} of {len(marks):,} cells have the very counts of another cell{also}: "
            "they were put in more than once. Cells held out of training are then among the "
            "trained ones too, and the accuracy that the atlas states is too good. Keep each once "
            "(of CELLxGENE those with is_primary_data)."
        )
