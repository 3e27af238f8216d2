"""All labels whose probability is above one half, when asked for: several, one or none."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.names import joinable
from cellport.runtime.columns import JOINED_BY, SEVERAL_LABELS, UNASSIGNED, Column, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator | None:
    """Name every label above one half, ``;``-joined, the most probable first.

    Raises
    ------
    InputError
        The atlas's labels are not each judged by itself.
    """
    if not setting.options.several_labels:
        return None
    manifest = setting.atlas.manifest
    if manifest.head.kind != "sigmoids":
        raise InputError(_refusal(manifest.name, bool(manifest.labels)))
    names: NDArray[np.object_] = np.asarray([joinable(label) for label in manifest.labels], object)

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        return {SEVERAL_LABELS: above_half(names, cells.answers["label_score"], cells.empty)}

    return Annotator(Schema((Column(SEVERAL_LABELS, "text"),)), annotate)


def _refusal(atlas: str, has_labels: bool) -> str:
    why = "shares one among all its labels, so that two are never above one half"
    return (
        "--several-labels is for atlases that judge each label by itself, as those made of "
        f"CellTypist models; '{atlas}' {why if has_labels else 'has no labels'}. Leave it out."
    )


def above_half(
    names: NDArray[np.object_], score: NDArray[np.float32], empty: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Name the labels of each cell whose log-odds are above 0, object [cells] of str.

    `names` is object [labels], `score` their log-odds, float32 [cells, labels], which tell more
    than probabilities near one half and near 1; cells that are `empty`, bool [cells], have none.
    """
    found = np.full(len(score), UNASSIGNED, object)
    for row in np.flatnonzero((score > 0).any(axis=1) & ~empty):
        above = np.flatnonzero(score[row] > 0)
        order = above[np.argsort(-score[row, above], kind="stable")]
        found[row] = JOINED_BY.join(names[order])
    return found
