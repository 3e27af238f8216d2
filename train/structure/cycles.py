"""Circles in a backbone: found after the tree, and cut again where the root is farthest away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from cellport.train.structure.backbone import LEAST_LENGTH, Backbone, Floats, project, settle
from cellport.train.structure.curve import between_vertices

# edges between the two places that an edge would join: fewer make a kink, no circle
_FEWEST_EDGES = 5
# cells along the joining edge, per cell along as much of the rest of the circle
_LEAST_DENSITY = 0.3


def close_cycle(tree: Backbone, space: Floats) -> Backbone:
    """Join an end of the tree to where it meets the tree again, if the cells form a circle.

    A tree opens a circle where cells happen to be few. With the edge that closes it, and its
    vertices settled anew, it is taken for one if cells lie along that edge too, and if it is
    round: wider across its narrow side than branches must be long, in widths of the cells about
    it. At most one circle is closed, the roundest. In a diffusion map two ends that no cells join
    lie far apart, even where they are near each other in the latent.
    """
    best, roundest = tree, LEAST_LENGTH
    apart = between_vertices(tree, np.ones(len(tree.edges)))
    near = np.where(apart >= _FEWEST_EDGES, cdist(tree.vertex, tree.vertex), np.inf)
    for end in np.flatnonzero(tree.degree == 1):
        if np.isfinite(near[end]).any():
            joined = np.concatenate([tree.edges, [[end, near[end].argmin()]]])
            closed = settle(Backbone(tree.vertex, joined), space)
            round_by = _roundness(closed, space)
            if round_by >= roundest:
                best, roundest = closed, round_by
    return best


def cut_cycle(backbone: Backbone, away: Floats) -> tuple[Backbone, int | None]:
    """Cut a circle at the vertex farthest from the root, by the way to each, float [vertices].

    Returns a tree that has that vertex twice, the second time as its last one, and that vertex;
    for a tree the same tree and None. Edges keep their positions.
    """
    around = on_cycle(backbone)
    if not around.any():
        return backbone, None
    vertex, edges = backbone.vertex, backbone.edges.copy()
    inside = np.unique(edges[around])
    # a branch that starts at the cut would belong to one side of it
    plain = backbone.degree[inside] == 2
    cut = int(inside[np.lexsort((away[inside], plain))[-1]])
    moved = np.flatnonzero(around & (edges == cut).any(axis=1))[-1]
    edges[moved] = np.where(edges[moved] == cut, len(vertex), edges[moved])
    return Backbone(np.concatenate([vertex, vertex[[cut]]]), edges), cut


def on_cycle(backbone: Backbone) -> NDArray[np.bool_]:
    """Mark the edges of a circle, bool [edges]: what is left when ends are taken off."""
    left = np.ones(len(backbone.edges), bool)
    while True:
        degree = np.bincount(backbone.edges[left].ravel(), minlength=len(backbone.vertex))
        loose = left & (degree[backbone.edges] == 1).any(axis=1)
        if not loose.any():
            return left
        left &= ~loose


def _roundness(closed: Backbone, space: Floats) -> float:
    """Spread of a circle across its narrow side, in widths of the cells about it; 0 if open."""
    around = on_cycle(closed)
    placed = project(closed, space)
    number = np.bincount(placed.edge, minlength=len(closed.edges))
    density = number / np.maximum(closed.length, 1e-12)
    if density[-1] < _LEAST_DENSITY * np.median(density[around]):
        return 0.0
    vertex = closed.vertex[np.unique(closed.edges[around])]
    spread = np.linalg.svd(vertex - vertex.mean(axis=0), compute_uv=False) / np.sqrt(len(vertex))
    return float(spread[1] / (np.sqrt(placed.square.mean()) + 1e-12))
