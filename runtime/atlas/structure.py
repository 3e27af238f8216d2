"""Clusters, trajectory and fates: what the encoder answers, as columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import Manifest
from cellport.runtime.columns import Column
from cellport.runtime.errors import AtlasError

FATE = "X_cellport_fate"
# a cell is on the trajectory when it is rather there than among the other cells
_ON = 0.5


@dataclass(frozen=True, slots=True)
class StructureNames:
    """Names of what the atlas places cells in; without a trajectory only clusters.

    Attributes
    ----------
    clusters
        Of the reference.
    edges
        Of the trajectory, ``from -> to``, away from the root.
    terminals
        Terminal states of the trajectory, as in the columns of ``X_cellport_fate``.
    """

    clusters: tuple[str, ...]
    edges: tuple[str, ...]
    terminals: tuple[str, ...]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Width of each answer that the encoder must give."""
        if not self.clusters:
            return {}
        shapes: dict[str, tuple[int, ...]] = {"cluster_prob": (len(self.clusters),)}
        if self.edges:
            shapes |= {
                "edge_prob": (len(self.edges),),
                "edge_fraction": (len(self.edges),),
                "pseudotime": (),
                "pseudotime_sd": (),
                "fate_prob": (len(self.terminals),),
            }
        return shapes

    @property
    def columns(self) -> tuple[Column, ...]:
        """The ``obs`` columns."""
        if not self.clusters:
            return ()
        cluster = Column("cellport_cluster", "category", self.clusters)
        if not self.edges:
            return (cluster,)
        return (
            cluster,
            Column("cellport_edge", "category", self.edges),
            Column("cellport_edge_fraction", "float"),
            Column("cellport_pseudotime", "float"),
            Column("cellport_pseudotime_sd", "float"),
        )

    @property
    def obsm(self) -> dict[str, int]:
        """Name and width of the ``obsm`` matrices."""
        return {FATE: len(self.terminals)} if self.terminals else {}


def structure_names(manifest: Manifest) -> StructureNames:
    """Read the names from ``manifest.training["structure"]``; all empty where it is absent.

    Raises
    ------
    AtlasError
        They are malformed.
    """
    stated = manifest.training.get("structure", {})
    keys = ("cluster_names", "edges", "terminal_states")
    lists: list[Any] = [stated.get(key, []) for key in keys] if isinstance(stated, dict) else [None]
    for names in lists:
        texts = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
        if not texts or len(set(names)) != len(names):
            raise AtlasError(
                f"The manifest of atlas {manifest.name!r} is malformed in training, structure; "
                "get the atlas again."
            )
    return StructureNames(*(tuple(names) for names in lists))


def structure_answers(
    names: StructureNames, by_name: Mapping[str, NDArray[np.float32]], empty: NDArray[np.bool_]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float32]]]:
    """Turn the encoder's answers into ``obs`` columns and ``obsm`` matrices.

    A cell off the trajectory has no edge, and NaN for its numbers; so has an empty cell.

    Parameters
    ----------
    names
        Of the atlas.
    by_name
        Answers of the encoder, of the widths in `StructureNames.shapes`.
    empty
        bool [cells], cells without counts.
    """
    if not names.clusters:
        return {}, {}
    cluster = np.where(empty, -1, by_name["cluster_prob"].argmax(axis=1))
    obs: dict[str, NDArray[Any]] = {"cellport_cluster": cluster.astype(np.int32)}
    if not names.edges:
        return obs, {}
    edge = by_name["edge_prob"]
    off = empty | ~(edge.sum(axis=1) >= _ON)
    best = edge.argmax(axis=1)
    fraction = by_name["edge_fraction"][np.arange(len(best)), best]
    obs["cellport_edge"] = np.where(off, -1, best).astype(np.int32)
    for column, values in (
        ("cellport_edge_fraction", fraction),
        ("cellport_pseudotime", by_name["pseudotime"]),
        ("cellport_pseudotime_sd", by_name["pseudotime_sd"]),
    ):
        obs[column] = np.where(off, np.nan, values).astype(np.float32)
    if not names.terminals:
        return obs, {}
    fate = np.where(off[:, None], np.nan, by_name["fate_prob"]).astype(np.float32)
    return obs, {FATE: fate}
