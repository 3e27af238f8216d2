"""Which labels are taken for which, of cells made up as a panel of genes would count them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.annotate.labels import best_labels
from cellport.runtime.mapping.encode import encode_block, query_basis
from cellport.runtime.mapping.outlook.made_cells import MadeCells


@dataclass(frozen=True, slots=True)
class Confusion:
    """How cells of each label would be labelled, and how common each label is."""

    # float64 [labels, labels]: share of the cells of a label (rows) that are given each; a row adds
    # up to less than 1 where cells have no counts, and to 0 without reference cells
    given: NDArray[np.float64]
    common: NDArray[np.float64]  # [labels], of the reference's labelled cells; adds up to 1

    @property
    def mixed(self) -> NDArray[np.float64]:
        """Shares of cells mixed as the reference is, by label (rows) and label given, a matrix."""
        return self.common[:, np.newaxis] * self.given

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the cells of each label that are given it, [labels]."""
        return self.given.diagonal().copy()

    @property
    def f1(self) -> NDArray[np.float64]:
        """F1 of each label in cells mixed as the reference is, [labels]."""
        mixed = self.mixed
        both = self.common + mixed.sum(axis=0)
        return np.asarray(2 * mixed.diagonal() / np.where(both > 0, both, 1))

    @property
    def accuracy(self) -> float:
        """Share of cells mixed as the reference is whose label is right."""
        return float(self.common @ self.recall)

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that the reference has cells of."""
        return float(self.f1[self.common > 0].mean())

    def merged(self, group: NDArray[np.int64]) -> Confusion:
        """Return the same of groups of labels, int64 [labels] from 0 on."""
        into = np.eye(int(group.max()) + 1)[group]
        common = self.common @ into
        given = into.T @ self.mixed @ into / np.where(common > 0, common, 1)[:, np.newaxis]
        return Confusion(given, common)


def confuse(
    atlas: AtlasFile, tail: Any, made: Iterable[MadeCells], measured: NDArray[np.bool_]
) -> Confusion:
    """Label made-up cells as those of a query of the `measured` genes, bool [genes], are.

    `tail` is a session of ``encoder_tail.onnx``.
    """
    n_labels = len(atlas.manifest.labels)
    basis = query_basis(atlas, np.flatnonzero(measured).astype(np.int32), measured)
    given = np.zeros((n_labels, n_labels))
    for one in made:
        cells = encode_block(one.counts, basis, tail, threads=1, pool=None)
        best = best_labels(cells)[~cells.empty]
        given[one.label] = np.bincount(best, minlength=n_labels) / one.counts.n_cells
    label = atlas.array("reference_label")
    cells_of = np.bincount(label[label >= 0], minlength=n_labels).astype(np.float64)
    return Confusion(given, cells_of / max(cells_of.sum(), 1))
