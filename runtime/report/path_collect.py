"""Where mapped cells lie among clusters and along the trajectory, gathered in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.structure import FATE
from cellport.runtime.columns import MappedBlock, Schema

# parts of an edge that cells are counted in
EDGE_BINS = 10
# a cell is bound for a terminal state when its fate is that one with such a probability
BOUND = 0.8


@dataclass(frozen=True, slots=True)
class PathFindings:
    """What the cells of one mapping came to, by cluster and by place on the trajectory.

    Attributes
    ----------
    clusters, edges, terminals
        Names behind the codes; empty where the mapping has no such column.
    by_cluster
        int64 [clusters, calls + 1], cells by call; in the last column those without.
    by_edge
        int64 [edges, 10], cells by how far along their edge they are.
    bound
        int64 [terminals], cells that are bound for each terminal state.
    n_on
        Cells on the trajectory.
    sd_sum
        Sum of their pseudotime's standard deviations.
    """

    clusters: tuple[str, ...]
    edges: tuple[str, ...]
    terminals: tuple[str, ...]
    by_cluster: NDArray[np.int64]
    by_edge: NDArray[np.int64]
    bound: NDArray[np.int64]
    n_on: int
    sd_sum: float


class PathCollector:
    """Gathers `PathFindings` block by block, whatever the size of the blocks.

    Parameters
    ----------
    schema
        Of the mapping.
    terminals
        Names of the terminal states.
    """

    def __init__(self, schema: Schema, terminals: tuple[str, ...]) -> None:
        names = {column.name: column.categories for column in schema.columns}
        self._clusters = names.get("cellport_cluster", ())
        self._edges = names.get("cellport_edge", ())
        self._terminals = terminals if FATE in schema.obsm else ()
        self._n_calls = len(names.get("cellport_call", ()))
        self._by_cluster = np.zeros((len(self._clusters), self._n_calls + 1), np.int64)
        self._by_edge = np.zeros((len(self._edges), EDGE_BINS), np.int64)
        self._bound = np.zeros(len(self._terminals), np.int64)
        self._n_on = 0
        self._sd_sum = 0.0

    def add(self, block: MappedBlock) -> None:
        """Count the cells of a block."""
        obs = block.obs
        if self._clusters:
            cluster = obs["cellport_cluster"].astype(np.int64)
            call = np.full(block.n_cells, self._n_calls)
            if self._n_calls:
                call = obs["cellport_call"].astype(np.int64)
            self._by_cluster += _crossed(cluster, call, self._by_cluster.shape)
        if self._edges:
            edge = obs["cellport_edge"].astype(np.int64)
            fraction = np.nan_to_num(obs["cellport_edge_fraction"].astype(np.float64))
            step = np.clip((fraction * EDGE_BINS).astype(np.int64), 0, EDGE_BINS - 1)
            self._by_edge += _crossed(edge, step, self._by_edge.shape)
            self._n_on += int((edge >= 0).sum())
            sd = obs["cellport_pseudotime_sd"][edge >= 0]
            self._sd_sum += float(sd.sum(dtype=np.float64))
        if self._terminals:
            self._bound += (block.obsm[FATE] >= BOUND).sum(axis=0)

    def findings(self) -> PathFindings:
        """Return what was found in all the blocks."""
        return PathFindings(
            clusters=self._clusters,
            edges=self._edges,
            terminals=self._terminals,
            by_cluster=self._by_cluster,
            by_edge=self._by_edge,
            bound=self._bound,
            n_on=self._n_on,
            sd_sum=self._sd_sum,
        )


def _crossed(
    row: NDArray[np.int64], column: NDArray[np.int64], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    known = row >= 0
    number = np.bincount(row[known] * shape[1] + column[known], minlength=shape[0] * shape[1])
    return number.reshape(shape)
