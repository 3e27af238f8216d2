"""Where mapped cells lie among clusters and along the trajectory, for a report."""

from __future__ import annotations

import numpy as np

from cellport.runtime.atlas.trajectory import EDGE_BINS
from cellport.runtime.columns import (
    CLUSTER,
    EDGE,
    EDGE_FRACTION,
    FATE,
    PSEUDOTIME_SD,
    MappedBlock,
    Schema,
)
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.findings import crossed
from cellport.runtime.mapping.gather.gatherer import PARTS, Gatherer, in_parts

# a cell is bound for a terminal state when its fate is that one with such a probability
BOUND = 0.8


class PathFindings(Gatherer):
    """Counts the cells of a mapping by cluster and by place on the trajectory."""

    def __init__(self, schema: Schema, terminals: tuple[str, ...]) -> None:
        # names behind the codes; empty where the mapping has no such column
        self.clusters, self.edges = schema.categories(CLUSTER), schema.categories(EDGE)
        self.terminals = terminals if FATE in schema.obsm else ()
        self._call = schema.call
        self._n_calls = len(schema.categories(self._call))
        self.kept = {}
        self.sums = {
            "by_cluster": np.zeros((len(self.clusters), self._n_calls + 1), np.int64),
            "by_edge": np.zeros((len(self.edges), EDGE_BINS), np.int64),
            "bound": np.zeros(len(self.terminals), np.int64),
            "on": np.zeros(1, np.int64),
            "sd": np.zeros(1, np.int64),
        }
        # the same arrays: cells of each cluster by call (in the last column those without), of each
        # edge by how far along it they are, and bound for each terminal state
        self.by_cluster, self.by_edge = self.sums["by_cluster"], self.sums["by_edge"]
        self.bound = self.sums["bound"]

    def add(self, block: MappedBlock, genes: GeneMatch | None = None) -> None:
        """Count the cells of a block, whatever its genes."""
        obs, sums = block.obs, self.sums
        if self.clusters:
            call = obs.get(self._call, np.full(block.n_cells, self._n_calls))
            sums["by_cluster"] += crossed(obs[CLUSTER], call, sums["by_cluster"].shape)
        if self.edges:
            edge = obs[EDGE]
            fraction = np.nan_to_num(obs[EDGE_FRACTION].astype(np.float64))
            step = np.clip((fraction * EDGE_BINS).astype(np.int64), 0, EDGE_BINS - 1)
            sums["by_edge"] += crossed(edge, step, sums["by_edge"].shape)
            sums["on"] += np.count_nonzero(edge >= 0)
            sums["sd"] += in_parts(obs[PSEUDOTIME_SD][edge >= 0]).sum()
        if self.terminals:
            sums["bound"] += (block.obsm[FATE] >= BOUND).sum(axis=0)

    @property
    def n_on(self) -> int:
        """Cells on the trajectory."""
        return int(self.sums["on"][0])

    @property
    def mean_sd(self) -> float:
        """Mean standard deviation of their pseudotime."""
        return float(self.sums["sd"][0]) / PARTS / max(self.n_on, 1)
