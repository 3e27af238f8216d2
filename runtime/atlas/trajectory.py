"""The trajectory of an atlas: its milestones, its course on the map, expression along it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError

# counts a cell that the expression is stated for, over the panel
LIBRARY = 1e4
# parts of an edge that cells are counted in
EDGE_BINS = 10
Direction = Literal["up", "down", "peak", "dip"]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where the reference's cells go, from the roots to the terminal states.

    A lineage is the way from a root to one terminal state; lineages share their first edges.

    Attributes
    ----------
    milestones
        Names of the roots, branchings and ends.
    edges
        Names of the edges, ``from -> to``.
    ends
        int [edges, 2], milestones that each edge joins, away from the root.
    path
        float32 [edges, points, 2], the course of each edge on the 2-D map.
    share
        float32 [edges, 10], share of the reference's cells on the trajectory that are in each
        tenth of each edge.
    terminals
        Names of the terminal states; the lineages are named after them.
    bound
        float32 [lineages], share of these cells that most likely end there.
    lineage_edges
        bool [lineages, edges], whether a lineage uses an edge.
    time
        float32 [lineages, 2], first and last pseudotime of each lineage.
    expression
        float32 [lineages, steps, genes], expected counts per 10,000 of the panel in equal steps
        of that time: mean over the reference's batches, then over its cells on the log scale.
    """

    milestones: tuple[str, ...]
    edges: tuple[str, ...]
    ends: NDArray[np.integer]
    path: NDArray[np.float32]
    share: NDArray[np.float32]
    terminals: tuple[str, ...]
    bound: NDArray[np.float32]
    lineage_edges: NDArray[np.bool_]
    time: NDArray[np.float32]
    expression: NDArray[np.float32]

    @property
    def roots(self) -> tuple[str, ...]:
        """Milestones at which no edge ends."""
        reached = set(self.ends[:, 1].tolist())
        return tuple(n for i, n in enumerate(self.milestones) if i not in reached)

    @property
    def steps(self) -> NDArray[np.float64]:
        """Pseudotime in the middle of each step of each lineage, float64 [lineages, steps]."""
        first, last = self.time.astype(np.float64).T[:, :, None]
        n = self.expression.shape[1]
        return np.asarray(first + (last - first) * (np.arange(n) + 0.5) / n)

    @property
    def positions(self) -> NDArray[np.float32]:
        """Place of each milestone on the 2-D map, float32 [milestones, 2]."""
        at = np.zeros((len(self.milestones), 2), np.float32)
        at[self.ends[:, 0]] = self.path[:, 0]
        at[self.ends[:, 1]] = self.path[:, -1]
        return at

    @property
    def circles(self) -> list[tuple[int, int]]:
        """As `far_sides` finds them."""
        return far_sides(self.milestones, self.terminals, self.positions)

    def in_brief(self) -> dict[str, Any]:
        """Return what ``uns["cellport"]`` of a mapping holds of it."""
        return {
            "milestones": list(self.milestones),
            "positions": self.positions.tolist(),
            "edges": list(self.edges),
            "edge_ends": self.ends.tolist(),
            "roots": list(self.roots),
            "terminal_states": list(self.terminals),
        }


def far_sides(
    milestones: Sequence[str], terminals: Sequence[str], positions: NDArray[np.floating]
) -> list[tuple[int, int]]:
    """Find milestones that are the far side of one circle: both ways round end at one place.

    Parameters
    ----------
    milestones, terminals
        Names of all milestones, and of the terminal states among them.
    positions
        float [milestones, 2], on the 2-D map.
    """
    terminal = [milestones.index(name) for name in terminals]
    pairs = itertools.combinations(terminal, 2)
    return [(one, other) for one, other in pairs if (positions[one] == positions[other]).all()]


class LineageGene(NamedTuple):
    """How a gene changes along a lineage, as the atlas expects it.

    Attributes
    ----------
    lineage
        Terminal state that the lineage leads to.
    gene
        Symbol, or Ensembl id where there is none.
    change
        log2 of the ratio of highest to lowest expression, one count per 10,000 added to both.
    direction
        ``up`` and ``down`` compare the end with the start; ``peak`` and ``dip`` rise or fall in
        between and come back.
    peak
        Pseudotime at which expression is highest.
    start, end
        Expected counts per 10,000 at both ends.
    """

    lineage: str
    gene: str
    change: float
    direction: Direction
    peak: float
    start: float
    end: float


def read_trajectory(atlas: AtlasFile) -> Trajectory | None:
    """Read the trajectory of an atlas; None where it has none."""
    graph = atlas.manifest.trajectory
    if graph is None:
        return None
    return Trajectory(
        milestones=graph.milestones,
        edges=graph.edge_names,
        ends=np.array(graph.edges, np.int64),
        path=atlas.array("trajectory_path"),
        share=atlas.array("trajectory_share"),
        terminals=graph.terminal_names,
        bound=atlas.array("trajectory_bound"),
        lineage_edges=atlas.array("lineage_edges") > 0,
        time=atlas.array("lineage_time"),
        expression=atlas.array("lineage_expression"),
    )


def require_trajectory(trajectory: Trajectory | None, name: str) -> Trajectory:
    """Return the trajectory of the atlas of that name, or say that there is none.

    Raises
    ------
    InputError
        The atlas does not describe a trajectory.
    """
    if trajectory is None:
        raise InputError(
            f"Atlas {name!r} has no trajectory: its cells are no continuum, it was trained without "
            "one (--root LABEL gives one), or it was converted from a model of another tool."
        )
    return trajectory


def gene_changes(
    trajectory: Trajectory, genes: NDArray[np.object_], lineage: str | None = None
) -> list[LineageGene]:
    """Rank genes by how much they change along each lineage, the most first.

    Parameters
    ----------
    genes
        object [genes], names of the panel genes.
    lineage
        The terminal state of one lineage; all of them when None.

    Raises
    ------
    InputError
        No such lineage.
    """
    if lineage is not None and lineage not in trajectory.terminals:
        raise InputError(
            f"No lineage leads to {lineage!r}; they lead to {', '.join(trajectory.terminals)}."
        )
    return [
        gene
        for code, name in enumerate(trajectory.terminals)
        if lineage in (None, name)
        for gene in _ranked(name, trajectory.steps[code], trajectory.expression[code], genes)
    ]


def _ranked(
    lineage: str,
    steps: NDArray[np.float64],
    expression: NDArray[np.float32],
    genes: NDArray[np.object_],
) -> list[LineageGene]:
    level = log_level(expression)
    change = np.ptp(level, axis=0)
    return [
        LineageGene(
            lineage,
            genes[code],
            float(change[code]),
            direction(level[:, code]),
            float(steps[level[:, code].argmax()]),
            float(expression[0, code]),
            float(expression[-1, code]),
        )
        for code in np.argsort(-change, kind="stable").tolist()
    ]


def log_level(expression: NDArray[np.floating]) -> NDArray[np.float64]:
    """log2 of counts per 10,000, one added."""
    return np.asarray(np.log2(1.0 + expression.astype(np.float64)))


def direction(level: NDArray[np.float64]) -> Direction:
    """Say in a word where a course on the log scale, float64 [steps], goes."""
    first, last = level[0], level[-1]
    if abs(last - first) >= (level.max() - level.min()) / 2:
        return "up" if last > first else "down"
    return "peak" if level.max() - max(first, last) >= min(first, last) - level.min() else "dip"
