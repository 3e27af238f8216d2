"""Clusters, place on the trajectory, and fates of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.trajectory import read_trajectory
from cellport.runtime.columns import (
    CLUSTER,
    EDGE,
    EDGE_FRACTION,
    FATE,
    PSEUDOTIME,
    PSEUDOTIME_SD,
    Column,
    Schema,
)
from cellport.runtime.decisions import number
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells

_ON = number("structure.on_trajectory")


def prepare(setting: Setting) -> Annotator | None:
    """Place cells in what the atlas has: clusters, and a trajectory."""
    manifest = setting.atlas.manifest
    if not manifest.clusters:
        return None
    schema = Schema((Column(CLUSTER, "category", manifest.clusters),))
    described = setting.once("trajectory", lambda: read_trajectory(setting.atlas))
    if described is None:
        return Annotator(schema, _clusters)
    columns = (
        Column(EDGE, "category", described.edges),
        Column(EDGE_FRACTION, "float"),
        Column(PSEUDOTIME, "float"),
        Column(PSEUDOTIME_SD, "float"),
    )
    return Annotator(
        schema + Schema(columns, {FATE: len(described.terminals)}),
        lambda cells: _clusters(cells) | _along(cells),
        facts={"trajectory": described.in_brief()},
    )


def _clusters(cells: EncodedCells) -> dict[str, NDArray[Any]]:
    best = cells.answers["cluster_prob"].argmax(axis=1)
    return {CLUSTER: np.where(cells.empty, -1, best).astype(np.int32)}


def _along(cells: EncodedCells) -> dict[str, NDArray[Any]]:
    """Place cells; one off the trajectory, or empty, has no edge, and NaN for its numbers."""
    edge = cells.answers["edge_prob"]
    off = cells.empty | ~(edge.sum(axis=1) >= _ON)
    best = edge.argmax(axis=1)
    numbers = {
        EDGE_FRACTION: cells.answers["edge_fraction"][np.arange(len(best)), best],
        PSEUDOTIME: cells.answers["pseudotime"],
        PSEUDOTIME_SD: cells.answers["pseudotime_sd"],
        FATE: cells.answers["fate_prob"],
    }
    return {EDGE: np.where(off, -1, best).astype(np.int32)} | {
        name: np.where(off if values.ndim == 1 else off[:, None], np.nan, values).astype(np.float32)
        for name, values in numbers.items()
    }
