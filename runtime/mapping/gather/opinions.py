"""What several atlases say of the same cells, counted while they are mapped.

Same as `web/page/src/report/opinions.ts`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import AGREEMENT, JOINT, LABEL, OF_ATLAS, MappedBlock, Schema
from cellport.runtime.decisions import whole
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import Gatherer

_MOST = whole("consensus.most_pairs")
_OF_OTHERS = OF_ATLAS.format(column=LABEL, atlas="")


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Cells that an atlas says something else of than all together."""

    atlas: str
    joint: str
    label: str
    cells: int


class Opinions(Gatherer):
    """Cells by joint label and by the label of each other atlas, and how many atlases agree."""

    def __init__(self, schema: Schema) -> None:
        self.joint = schema.categories(JOINT)
        self.others = {
            column.name.removeprefix(_OF_OTHERS): column.categories
            for column in schema.columns
            if column.name.startswith(_OF_OTHERS) and column.kind == "category"
        }
        self.kept = {}
        self.sums = {"agreeing": np.zeros(len(self.others) + 2, np.int64)}
        for name, labels in self.others.items():
            self.sums[f"labels {name}"] = np.zeros((len(self.joint), len(labels)), np.int64)

    def add(self, block: MappedBlock, genes: GeneMatch | None = None) -> None:
        """Count the cells of a block, whatever its genes."""
        n_atlases = len(self.others) + 1
        agreeing = np.rint(block.obs[AGREEMENT] * n_atlases).astype(np.int64)
        self.sums["agreeing"] += np.bincount(agreeing, minlength=n_atlases + 1)
        for name in self.others:
            total = self.sums[f"labels {name}"]
            np.add.at(total, (block.obs[JOINT], block.obs[f"{_OF_OTHERS}{name}"]), 1)

    @property
    def agreeing(self) -> NDArray[np.int64]:
        """Cells by how many atlases make the joint label more probable, int64 [atlases + 1]."""
        return self.sums["agreeing"]

    def disagreements(self, alike: dict[str, set[tuple[str, str]]]) -> list[Disagreement]:
        """Name the most common pairs of a joint label and another that an atlas gives.

        Parameters
        ----------
        alike
            By atlas, pairs of a joint label and one of its own that are no contradiction.
        """
        found = []
        for name, labels in self.others.items():
            total = self.sums[f"labels {name}"]
            for joint, label in np.argwhere(total).tolist():
                pair = self.joint[joint], labels[label]
                if pair not in alike.get(name, set()) and pair[0] != pair[1]:
                    found.append(Disagreement(name, *pair, int(total[joint, label])))
        return sorted(found, key=lambda one: -one.cells)[:_MOST]
