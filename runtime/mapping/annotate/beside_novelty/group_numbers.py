"""Which group of cells unlike the atlas a cell is of, by the numbers that a report tells them by.

The groups are known when all cells were seen: the query is gone through once before its cells get
their columns, see `Survey`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import (
    LABEL,
    LATENT,
    NOVEL,
    NOVEL_GROUP,
    Column,
    MappedBlock,
    Schema,
)
from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting, Survey
from cellport.runtime.mapping.annotate.centres import nearest_centre
from cellport.runtime.mapping.annotate.labels import label_codes
from cellport.runtime.mapping.annotate.novelty import prepare as prepare_novelty
from cellport.runtime.mapping.encode import EncodedCells

if TYPE_CHECKING:
    from cellport.runtime.mapping.gather.novel_sample import NovelSample

Annotate = Callable[[EncodedCells], dict[str, NDArray[Any]]]
# names of `FoundGroups.near`
_NEAR = "all", "novel"


def prepare(setting: Setting) -> Annotator | None:
    """Tell which group of cells unlike the atlas each is of, when asked for.

    Of an atlas that cannot tell what is unlike it, there is a note in place of the column.

    Raises
    ------
    InputError
        There are several queries, whose groups a report finds together.
    """
    if not setting.options.novel_groups:
        return None
    if len(setting.queries) > 1:
        raise InputError(text("novel_groups.several"))
    novelty = prepare_novelty(setting)
    if novelty is None or not setting.atlas.has_array("gene_share"):
        note = say("novel_groups.not_told", atlas=setting.atlas.manifest.name)
        return Annotator(Schema(), lambda cells: {}, notes=(note,))
    from cellport.runtime.mapping.gather.novel_sample import NovelSample

    numbers = GroupNumbers(NovelSample(setting.atlas), novelty.annotate)
    return Annotator(Schema((Column(NOVEL_GROUP, "text"),)), numbers.annotate, survey=numbers)


class GroupNumbers(Survey):
    """Finds the groups that a report tells of, before the cells get the numbers of theirs."""

    def __init__(self, sample: NovelSample, novelty: Annotate) -> None:
        super().__init__()
        self._sample, self._manifest, self._novelty = sample, sample.atlas.manifest, novelty

    def add(self, cells: EncodedCells) -> None:
        """Take in some cells."""
        self._sample.look_at(self._block(cells))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the cells kept, and how many there were of each label."""
        return self._sample.state()

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add what was found of other cells of the same query."""
        self._sample.absorb(state)

    def conclude(self) -> dict[str, NDArray[Any]]:
        """Return the groups of the cells kept, and what others are of that lie next to them.

        Those kept by position, ascending; the others as in `FoundGroups.near`.
        """
        found, position = self._sample.found(), self._sample.position
        group = np.full(len(position), -1, np.int64)
        for number, rows in enumerate(found.rows):
            group[rows] = number
        order = np.argsort(position)
        known = {"position": position[order], "group": group[order]}
        for name, near in zip(_NEAR, found.near, strict=True):
            known[f"{name}.centres"] = near.centres.astype(np.float32)
            known[f"{name}.group"] = near.group
        return known

    def annotate(self, cells: EncodedCells) -> dict[str, NDArray[Any]]:
        """Give cells the number of their group, from 1 on; empty where they have none."""
        known, block = self.known(), self._block(cells)
        group = np.full(block.n_cells, -1, np.int64)
        position = cells.start + np.arange(block.n_cells)
        place = np.searchsorted(known["position"], position)
        kept = np.append(known["position"], -1)[place] == position
        group[kept] = known["group"][place[kept]]
        if (known["group"] >= 0).any():
            label, novel = block.obs[LABEL], block.obs[NOVEL]
            others = ~kept & (label < max(1, len(self._manifest.labels)))
            for name, asked in zip(_NEAR, (others, others & novel), strict=True):
                rows = np.flatnonzero(asked & (group < 0))
                group[rows] = self._next_to(name, rows, cells)
        names = np.array(["" if one < 0 else str(one + 1) for one in group.tolist()], object)
        return {NOVEL_GROUP: names}

    def _next_to(
        self, name: str, rows: NDArray[np.int64], cells: EncodedCells
    ) -> NDArray[np.int64]:
        """Group of what cells lie next to, -1 for none."""
        of_centre = self.known()[f"{name}.group"]
        if not len(rows) or (of_centre < 0).all():
            return np.full(len(rows), -1, np.int64)
        latent = np.ascontiguousarray(cells.answers["latent"][rows])
        nearest = nearest_centre(self.known()[f"{name}.centres"], latent, cells.threads, cells.pool)
        return np.asarray(of_centre[nearest])

    def _block(self, cells: EncodedCells) -> MappedBlock:
        """Return what a report is told of the cells."""
        n_cells = len(cells.library)
        label = label_codes(self._manifest, cells) if self._manifest.labels else np.zeros(n_cells)
        obs = {LABEL: label, **self._novelty(cells)}
        latent = {LATENT: cells.answers["latent"]}
        return MappedBlock(cells.start, np.empty(n_cells, object), obs, latent)
