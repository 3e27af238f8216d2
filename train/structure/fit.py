"""Clusters, trajectories and fates of a reference, learned for cells it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.models.structure import StructureHead
from cellport.runtime.errors import TrainingError
from cellport.train.cells import at_random
from cellport.train.infer import Fitted
from cellport.train.structure.clusters import RESOLUTION, cluster_mixture, leiden
from cellport.train.structure.components import connected_groups
from cellport.train.structure.consensus import ConsensusConfig, fit_consensus
from cellport.train.structure.points import Placed, joined_points
from cellport.train.structure.roots import (
    RootChoice,
    RootRule,
    among_cells,
    at_an_end,
    at_label,
    expression_spread,
)

# of a group that is to have a trajectory
_FEWEST_CELLS = 100
_WAYS_ROUND = ("one way round", "the other way round")


@dataclass(frozen=True, slots=True)
class StructureConfig:
    """How clusters and trajectories are fitted.

    Attributes
    ----------
    most_cells
        Cells at most that are looked at; the search for neighbours takes long of more.
    resolution
        Of Leiden.
    most_of_all
        Share of the cells that must hang together for a trajectory whose root is not named.
    slowest
        Such a trajectory must be no mere ball: `DiffusionMap.slowest` at most. Measured, on at
        most 3,000 cells: .001-.013 on continua, .024-.073 on single cell lines and .12-.21 on
        single cell types.
    consensus
        How each trajectory is fitted.
    """

    most_cells: int = 20_000
    resolution: float = RESOLUTION
    most_of_all: float = 0.8
    slowest: float = 0.02
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)


@dataclass(frozen=True, slots=True)
class CellAnnotation:
    """What people call the reference cells.

    Attributes
    ----------
    label
        int64 [cells], positions in `labels`, -1 where unknown.
    labels
        Names of the labels.
    names
        object [cells], names of the cells.
    """

    label: NDArray[np.int64]
    labels: tuple[str, ...]
    names: NDArray[np.object_]

    def named(self, cell: str) -> int:
        """Row of the cell of that name."""
        return int(np.flatnonzero(self.names == cell)[0])

    def most_common(self, rows: NDArray[np.int64]) -> str:
        """Most common label of some cells."""
        label = self.label[rows]
        label = label[label >= 0]
        return self.labels[np.bincount(label).argmax()] if len(label) else "state"


@dataclass(frozen=True, slots=True)
class Structure:
    """What an atlas needs to place cells among clusters and on trajectories.

    Attributes
    ----------
    head
        The module that does so.
    summary
        What was found and how, for the manifest: ``cluster_names``, and with a trajectory
        ``edges`` and ``terminal_states``, in the order of the head's answers, and
        ``same_place``, pairs of milestones that are the far side of one circle.
    """

    head: StructureHead
    summary: dict[str, Any]


def fit_structure(
    fitted: Fitted,
    annotation: CellAnnotation,
    roots: RootChoice,
    config: StructureConfig = StructureConfig(),
) -> Structure:
    """Cluster the reference and, where its cells lie along a continuum, fit a trajectory.

    A trajectory is fitted for each root that is named. Without any, one is fitted only when
    four fifths of the cells hang together, and starts at the end of the backbone where the
    decoder spreads expression over most genes.

    Parameters
    ----------
    fitted
        The model and its cells.
    annotation
        What they are called.
    roots
        Where trajectories start.
    config
        How all this is fitted.

    Raises
    ------
    TrainingError
        A root is no label or cell of the reference, or among too few cells.
    """
    _check_roots(roots, annotation)
    seed = fitted.seed
    rows = at_random(fitted.cells.trained, config.most_cells, np.random.default_rng(seed))
    sample = fitted.latent[rows]
    cluster = leiden(sample, seed, config.resolution)
    mixture = cluster_mixture(sample, cluster)
    names = [str(code) for code in range(cluster.max() + 1)]
    summary: dict[str, Any] = {"cluster_names": names}
    found = list(_trajectories(fitted, rows, annotation, roots, config))
    if not found:
        summary["trajectory"] = (
            "none: the cells do not hang together as one continuum; name a root to have one"
        )
        return Structure(StructureHead(mixture, None).eval(), summary)
    held_out = fitted.latent[fitted.cells.held_out]
    points = joined_points([part.placed for part in found], sample, cluster, held_out)
    summary |= _described(found)
    summary["cells_on_trajectory"] = round(
        sum(len(part.placed.rows) for part in found) / len(rows), 4
    )
    summary["stray"] = round(float(points.pseudotime_sd.square().mean().sqrt()), 4)
    return Structure(StructureHead(mixture, points).eval(), summary)


@dataclass(frozen=True, slots=True)
class _Trajectory:
    """What was fitted to the cells of a group, names of its milestones, and why it starts there."""

    placed: Placed
    names: list[str]
    root: str


def _trajectories(
    fitted: Fitted,
    rows: NDArray[np.int64],
    annotation: CellAnnotation,
    roots: RootChoice,
    config: StructureConfig,
) -> Iterator[_Trajectory]:
    """Fit the trajectory of each group that has a root, or of the one that is most of all."""
    group = connected_groups(fitted.latent[rows], fitted.seed)
    wanted = _rooted_groups(fitted, rows, group, annotation, roots)
    most = (group == 0).mean() >= config.most_of_all and (group == 0).sum() >= _FEWEST_CELLS
    if not roots and most:
        wanted[0] = ("", "")
    for code, (kind, name) in sorted(wanted.items()):
        inside = np.flatnonzero(group == code)
        if len(inside) < _FEWEST_CELLS:
            raise TrainingError(
                f"The cells around the root {name!r} are only {len(inside)}; a trajectory needs "
                f"{_FEWEST_CELLS}."
            )
        own = rows[inside]
        rule, how = _root(fitted, annotation, own, kind, name, config)
        found = fit_consensus(fitted.latent[own], rule, fitted.seed, config.consensus)
        if not kind and found.slowest > config.slowest:
            continue
        names = [annotation.most_common(own[near]) for near in found.around]
        for milestone, way in zip(found.lineages.cycle, _WAYS_ROUND, strict=False):
            names[milestone] += f" ({way})"
        yield _Trajectory(Placed(inside, found), names, f"{names[0]} ({how})")


def _check_roots(roots: RootChoice, annotation: CellAnnotation) -> None:
    for label in roots.labels:
        if label not in annotation.labels:
            raise TrainingError(
                f"--root {label!r} is not a label of the reference; it has "
                f"{', '.join(annotation.labels) or 'none'}."
            )
    for name in roots.cells:
        if not (annotation.names == name).any():
            raise TrainingError(f"--root-cell {name!r} is not the name of a reference cell.")


def _rooted_groups(
    fitted: Fitted,
    rows: NDArray[np.int64],
    group: NDArray[np.int64],
    annotation: CellAnnotation,
    roots: RootChoice,
) -> dict[int, tuple[str, str]]:
    """Find the groups in which roots are, and of each its first root: what it is, and its name."""
    wanted: dict[int, tuple[str, str]] = {}
    for label in roots.labels:
        inside = annotation.label[rows] == annotation.labels.index(label)
        wanted.setdefault(int(np.bincount(group[inside], minlength=1).argmax()), ("label", label))
    for name in roots.cells:
        apart = fitted.latent[rows] - fitted.latent[annotation.named(name)]
        wanted.setdefault(int(group[(apart**2).sum(axis=1).argmin()]), ("cell", name))
    return wanted


def _root(
    fitted: Fitted,
    annotation: CellAnnotation,
    rows: NDArray[np.int64],
    kind: str,
    name: str,
    config: StructureConfig,
) -> tuple[RootRule, str]:
    """How to find the root of a backbone, in rule and in words."""
    part = fitted.latent[rows]
    if kind == "label":
        inside = annotation.label[rows] == annotation.labels.index(name)
        return at_label(inside), f"the label {name}"
    if kind == "cell":
        apart = part - fitted.latent[annotation.named(name)]
        return among_cells(_least((apart**2).sum(axis=1))), f"the cell {name}"
    # one proposal for all fits, or they would not start at the same end
    spread = expression_spread(fitted.model, part)
    once = replace(config.consensus, n_fits=1)
    end = fit_consensus(part, at_an_end(spread), fitted.seed, once).around[0]
    inside = np.zeros(len(part), bool)
    inside[end] = True
    return among_cells(inside), "proposed: expression spread over most genes"


def _least(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mark the hundredth of some values that are least, and at least 15 of them."""
    inside = np.zeros(len(values), bool)
    inside[np.argsort(values)[: max(15, len(values) // 100)]] = True
    return inside


def _described(found: list[_Trajectory]) -> dict[str, Any]:
    """Name milestones and edges, as the head answers for them."""
    offset, edges, ends, terminals, same_place = 0, [], [], [], []
    names = _unique([name for part in found for name in part.names])
    for part in found:
        lineages = part.placed.fitted.lineages
        own = names[offset : offset + len(part.names)]
        edges += [f"{own[start]} -> {own[end]}" for start, end in lineages.edges]
        ends += (lineages.edges + offset).tolist()
        terminals += [own[end] for end in lineages.terminal]
        if len(lineages.cycle):
            same_place.append((lineages.cycle + offset).tolist())
        offset += len(own)
    return {
        "trajectory": "a tree, and a circle in it" if same_place else "a tree",
        "roots": [part.root for part in found],
        "milestones": names,
        "edges": edges,
        "edge_ends": ends,
        "same_place": same_place,
        "terminal_states": terminals,
    }


def _unique(names: list[str]) -> list[str]:
    """Tell names that come again apart: Ductal, Ductal 2."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return unique
