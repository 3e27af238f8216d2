"""The group of a cell's label, among labels merged that its query's genes cannot tell apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.names import joinable
from cellport.runtime.columns import JOINED_BY, MERGED, MERGED_PROB, UNKNOWN, Column, Schema
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator | None:
    """Say which group of labels each cell is of, where labels were merged.

    The most probable group; the probability of a group is the sum of those of its labels.
    """
    if not setting.options.merge_labels:
        return None
    manifest = setting.atlas.manifest
    # before a query is known, none is merged
    group = np.asarray(setting.merged or range(len(manifest.labels)))
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(group.max() + 1))
    joined = [
        JOINED_BY.join(joinable(manifest.labels[one]) for one in part)
        for part in np.split(order, starts[1:])
    ]
    names: NDArray[np.object_] = np.asarray(joined, object)

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        # not a matrix product, whose last bits depend on how many cells there are
        prob = np.add.reduceat(cells.answers["label_prob"][:, order], starts, axis=1)
        empty = cells.empty
        return {
            MERGED: np.where(empty, UNKNOWN, names[prob.argmax(axis=1)]),
            MERGED_PROB: np.where(empty, 0, np.minimum(prob.max(axis=1), 1)).astype(np.float32),
        }

    # a text: queries of one result may differ in their genes, and so in their groups
    columns = Column(MERGED, "text"), Column(MERGED_PROB, "float")
    together = [name for name in joined if JOINED_BY in name]
    return Annotator(Schema(columns), annotate, facts={"merged_labels": together})
