"""The label of most cells of each group, when asked for, beside a cell's own.

What most cells of a group are labelled is known when all of them were seen: the query is gone
through once before its cells get their columns, see `Survey`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.columns import GROUP, GROUP_LABEL, GROUP_SHARE, Column, Schema
from cellport.runtime.decisions import say, text, whole
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting, Survey
from cellport.runtime.mapping.annotate.centres import find_centres, nearest_centre
from cellport.runtime.mapping.annotate.labels import best_labels
from cellport.runtime.mapping.encode import EncodedCells

AUTO = text("groups.auto")
_MOST_GROUPS = whole("groups.most_groups")
_GROUPED, _COUNTED = whole("groups.cells_grouped"), whole("groups.cells_counted")
_BY_ROOT = whole("groups.by_root")

Group = Callable[[EncodedCells, Mapping[str, NDArray[Any]]], NDArray[np.int64]]


def prepare(setting: Setting) -> Annotator | None:
    """Name the label of most cells of each cell's group, and their share of the group.

    Raises
    ------
    InputError
        The atlas has no labels, or the query no such column, or a column that groups nothing.
    """
    wanted, manifest = setting.options.groups, setting.atlas.manifest
    if wanted is None:
        return None
    if not manifest.labels:
        raise InputError(say("groups.no_labels", atlas=manifest.name))
    n_labels = len(manifest.labels)
    votes = Column(GROUP_LABEL, "category", manifest.labels), Column(GROUP_SHARE, "float")
    facts = {"groups": wanted}
    if wanted == AUTO:
        near = NearVotes(n_labels, manifest.n_latent)
        schema = Schema((Column(GROUP, "text"), *votes))
        return Annotator(schema, near.annotate, facts=facts, survey=near)
    stated = StatedVotes(n_labels, _codes(setting, wanted))
    return Annotator(Schema(votes), stated.annotate, facts=facts, survey=stated)


def _codes(setting: Setting, column: str) -> NDArray[np.int32]:
    """Group of each cell of the query, int32 [cells]; -1 where the column is empty."""
    if setting.obs_column is None:
        return np.empty(0, np.int32)
    values = setting.obs_column(column).tolist()
    groups = {name: code for code, name in enumerate(sorted({*values} - {""}))}
    if not groups:
        raise InputError(say("groups.empty_column", column=column))
    if len(groups) > _MOST_GROUPS:
        said = {"column": column, "groups": len(groups), "most": _MOST_GROUPS}
        raise InputError(say("groups.too_many", **said))
    return np.array([groups.get(value, -1) for value in values], np.int32)


class StatedVotes(Survey):
    """Counts the labels of each group that the query states."""

    def __init__(self, n_labels: int, codes: NDArray[np.int32]) -> None:
        super().__init__()
        self._codes = codes
        self._votes = np.zeros((codes.max(initial=-1) + 1, n_labels), np.int64)

    def add(self, cells: EncodedCells) -> None:
        """Count the labels of some cells that are not empty."""
        group = self._groups(cells)
        counted = (group >= 0) & ~cells.empty
        _count(self._votes, group[counted], best_labels(cells)[counted])

    def state(self) -> dict[str, NDArray[Any]]:
        """Cells by group and label, int64 [groups, labels]."""
        return {"votes": self._votes}

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Add the votes of other cells of the same query."""
        votes = state["votes"]
        self._votes = votes + self._votes if self._votes.size else votes

    def conclude(self) -> dict[str, NDArray[Any]]:
        """Label of each group and the share of its cells with it."""
        return _majority(self._votes)

    def annotate(self, cells: EncodedCells) -> dict[str, NDArray[Any]]:
        """Give cells what their group is labelled."""
        return _labelled(self.known(), self._groups(cells))

    def _groups(self, cells: EncodedCells) -> NDArray[np.int32]:
        return self._codes[cells.start : cells.start + len(cells.library)]


class NearVotes(Survey):
    """Makes groups of cells near each other in the latent, and counts their labels.

    Of a sample of the cells, which is all of them up to 100,000.
    """

    def __init__(self, n_labels: int, n_latent: int) -> None:
        super().__init__()
        self._n_labels = n_labels
        fields = {"latent": np.empty((0, n_latent), np.float32), "label": np.empty(0, np.int32)}
        self._kept = BottomK(_COUNTED, **fields)

    def add(self, cells: EncodedCells) -> None:
        """Take in some cells, of those that are not empty."""
        full = np.flatnonzero(~cells.empty)
        rows = full[self._kept.entering(cells.start + full)]
        latent, label = cells.answers["latent"][rows], best_labels(cells)[rows]
        self._kept.add(cells.start + rows, latent=latent, label=label)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the cells kept."""
        return self._kept.state()

    def absorb(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take in what was kept of other cells of the same query."""
        self._kept.join(state)

    def conclude(self) -> dict[str, NDArray[Any]]:
        """Centre of each group, its label and the share of its cells with it."""
        latent, label = self._kept["latent"], self._kept["label"]
        if not len(latent):
            return _majority(np.zeros((0, self._n_labels), np.int64)) | {"centres": latent}
        grouped = latent[:_GROUPED]
        most = min(_BY_ROOT * math.isqrt(len(grouped)), len(grouped))
        centres = find_centres(grouped, most)
        votes = np.zeros((len(centres), self._n_labels), np.int64)
        _count(votes, nearest_centre(centres, latent), label)
        return _majority(votes) | {"centres": centres}

    def annotate(self, cells: EncodedCells) -> dict[str, NDArray[Any]]:
        """Give cells the number of their group, and its label."""
        known, empty = self.known(), cells.empty
        group = np.full(len(empty), -1, np.int64)
        if len(known["centres"]):
            latent = cells.answers["latent"]
            nearest = nearest_centre(known["centres"], latent, cells.threads, cells.pool)
            group = np.where(empty, -1, nearest)
        names = np.array(["" if code < 0 else str(code) for code in group.tolist()], object)
        return {GROUP: names} | _labelled(known, group)


def _count(
    votes: NDArray[np.int64], group: NDArray[np.integer], label: NDArray[np.integer]
) -> None:
    """Add cells to votes, int64 [groups, labels]."""
    votes += np.bincount(
        group.astype(np.int64) * votes.shape[1] + label, minlength=votes.size
    ).reshape(votes.shape)


def _majority(votes: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Label of most cells of each group, of equally many the first, and their share; -1 and NaN."""
    cells = votes.sum(axis=1)
    share = np.full(len(votes), np.nan, np.float32)
    np.divide(votes.max(axis=1), cells, out=share, where=cells > 0, casting="unsafe")
    label = np.where(cells > 0, votes.argmax(axis=1), -1).astype(np.int32)
    return {"label": label, "share": share}


def _labelled(
    known: Mapping[str, NDArray[Any]], group: NDArray[np.integer]
) -> dict[str, NDArray[Any]]:
    """Look up the label and share of each cell's group; those of no group stand last."""
    label = np.append(known["label"], np.int32(-1))[group]
    return {GROUP_LABEL: label, GROUP_SHARE: np.append(known["share"], np.float32(np.nan))[group]}
