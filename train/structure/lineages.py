"""A rooted backbone, read as people read it: milestones, edges between them, fates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.train.structure.backbone import Backbone, Floats, edges_at, walk
from cellport.train.structure.curve import Curve, distances
from cellport.train.structure.cycles import cut_cycle


@dataclass(frozen=True, slots=True)
class Lineages:
    """What is known at each point of a curve."""

    # int64 [milestones], vertices of the backbone: the root, branchings and ends. The far side of a
    # circle is there twice, as the end of either way round
    milestones: NDArray[np.int64]
    edges: NDArray[np.int64]  # int64 [edges, 2], positions in `milestones`, away from the root
    terminal: NDArray[np.int64]  # int64 [states], positions in `milestones` of the ends
    # int64 and float [points], edge of each point and the way along it
    edge: NDArray[np.int64]
    fraction: Floats
    time: Floats  # float [points], way from the root in units of the latent
    fate: Floats  # float [points, states], rows sum to 1
    # int64 [2], positions in `milestones` of the far side of a circle; [0] without one
    cycle: NDArray[np.int64]


def read_lineages(backbone: Backbone, curve: Curve, root: int) -> Lineages:
    """Walk the backbone from its root, and merge vertices that only lie on the way.

    Before a branching, a cell has the fates of the reference cells beyond it, in their
    proportions. Which way round a circle cells go cannot be told, so both ways lead from the
    root to its far side, and time is that of the shorter one.
    """
    away, time = distances(backbone, curve, root)
    tree, cut = cut_cycle(backbone, away)
    milestones = np.array([root, *(v for v in np.flatnonzero(tree.degree != 2) if v != root)])
    position = {int(vertex): i for i, vertex in enumerate(milestones)}
    edges, segment_of = _segments(tree, position)
    edge = segment_of[curve.edge]
    terminal = np.setdiff1d(edges[:, 1], edges[:, 0])
    cells = np.bincount(edge, curve.cells, len(edges)).astype(np.float64)
    fate = _fates(edges, terminal, cells)[edge]
    cycle = np.empty(0, np.int64)
    if cut is not None:
        cycle = np.array([position[cut], position[len(backbone.vertex)]])
        milestones[cycle[1]] = cut
    way = _way(edge, time, curve)
    return Lineages(milestones, edges, terminal, edge, way, time, fate, cycle)


def _segments(
    tree: Backbone, position: dict[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Walk between the milestones, the root first: ends of each way, and the way of each edge."""
    stops = np.isin(np.arange(len(tree.vertex)), list(position))
    segment_of = np.full(len(tree.edges), -1)
    segments: list[tuple[int, int]] = []
    ahead = [next(iter(position))]
    while ahead:
        start = ahead.pop()
        for first in edges_at(tree, start):
            if segment_of[first] < 0:
                path, end = walk(tree, start, first, stops)
                segment_of[path] = len(segments)
                segments.append((position[start], position[end]))
                ahead.append(end)
    return np.array(segments, np.int64).reshape(-1, 2), segment_of


def _way(edge: NDArray[np.int64], time: Floats, curve: Curve) -> Floats:
    """Fraction of the way along each point's edge, 0 to 1 between its first and last point."""
    low, high = np.full(edge.max() + 1, np.inf), np.full(edge.max() + 1, -np.inf)
    np.minimum.at(low, edge, time)
    np.maximum.at(high, edge, time)
    spread = np.maximum(high - low, 1e-9)
    return np.asarray((time - low[edge]) / spread[edge])


def _fates(edges: NDArray[np.int64], terminal: NDArray[np.int64], cells: Floats) -> Floats:
    """Fate of a cell on each edge, float [edges, states]."""
    fate = np.zeros((len(edges), len(terminal)))
    beyond = cells + 1e-9
    # edges are listed in the order of the walk, so those beyond an edge come after it
    for number in range(len(edges) - 1, -1, -1):
        after = np.flatnonzero(edges[:, 0] == edges[number, 1])
        if len(after):
            fate[number] = beyond[after] @ fate[after] / beyond[after].sum()
            beyond[number] += beyond[after].sum()
        else:
            fate[number, np.searchsorted(terminal, edges[number, 1])] = 1
    return fate
