"""Clusters, trajectories and fates of a reference, learned for cells it has not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.models.structure import StructureHead
from cellport.runtime.errors import TrainingError
from cellport.train.cells import at_random
from cellport.train.infer import Fitted
from cellport.train.structure.clusters import cluster_mixture, leiden
from cellport.train.structure.components import connected_groups
from cellport.train.structure.consensus import Consensus, ConsensusConfig, fit_consensus
from cellport.train.structure.lineages import Lineages
from cellport.train.structure.points import joined_points
from cellport.train.structure.roots import (
    RootChoice,
    RootRule,
    among_cells,
    at_an_end,
    at_label,
    expression_spread,
    near_cells,
)

# of a group that is to have a trajectory
_FEWEST_CELLS = 100
# cells that may be missing between two parts of a trajectory without a gap being there
_BY_CHANCE = 1.0
# cells around one that say where it lies, at least
_NEAREST = 15
_WAYS_ROUND = ("one way round", "the other way round")
_NAME_AN_END = "Where cells develop from one end on, name a label or a cell there as the root."


@dataclass(frozen=True, slots=True)
class StructureConfig:
    """How clusters and trajectories are fitted."""

    # cells at most that are looked at: the search for neighbours takes long of more
    most_cells: int = 20_000
    # coarse: the one of 0.03 to 0.6 that agrees best with the labels of eight datasets
    # (``benchmarks.structure``)
    resolution: float = 0.1
    # without a root being named, a trajectory needs this share of the cells in one group
    most_of_all: float = 0.8
    # and to be no mere ball (`DiffusionMap`): measured, on at most 3,000 cells, .001-.013 on
    # continua, .024-.073 on single cell lines and .12-.21 on single cell types
    slowest: float = 0.02
    consensus: ConsensusConfig = field(default_factory=ConsensusConfig)


@dataclass(frozen=True, slots=True)
class CellAnnotation:
    """What the reference cells are called."""

    label: NDArray[np.int64]  # int64 [cells], positions in `labels`, -1 where unknown
    labels: tuple[str, ...]
    names: NDArray[np.object_]  # object [cells], names of the cells

    def most_common(self, rows: NDArray[np.int64]) -> str:
        """Most common label of some cells."""
        label = self.label[rows]
        label = label[label >= 0]
        return self.labels[np.bincount(label).argmax()] if len(label) else "state"


@dataclass(frozen=True, slots=True)
class Structure:
    """What an atlas needs to place cells among clusters and on trajectories."""

    head: StructureHead
    # what was found and how, for the manifest: ``cluster_names``, and with a trajectory ``edges``
    # and ``terminal_states``, in the order of the head's answers, and ``same_place``, pairs of
    # milestones that are the far side of one circle; ``notes``, what people should know of it
    summary: dict[str, Any]


def check_roots(roots: RootChoice, annotation: CellAnnotation) -> None:
    """Refuse a root that is no label or cell of the reference.

    Raises
    ------
    TrainingError
        Naming it, and the labels that there are.
    """
    for label in roots.labels:
        if label not in annotation.labels:
            raise TrainingError(
                f"--root {label!r} is not a label of the reference; it has "
                f"{', '.join(annotation.labels) or 'none'}."
            )
    for name in roots.cells:
        if not (annotation.names == name).any():
            raise TrainingError(f"--root-cell {name!r} is not the name of a reference cell.")


def fit_structure(
    fitted: Fitted,
    annotation: CellAnnotation,
    roots: RootChoice,
    config: StructureConfig = StructureConfig(),
) -> Structure:
    """Cluster the reference and, where its cells lie along a continuum, fit a trajectory.

    A trajectory is fitted for each root that is named. Without any, one is fitted only when
    four fifths of the cells hang together, and starts at the end of the backbone where the
    decoder spreads expression over most genes. Roots are labels and cells that there are
    (`check_roots`).

    Raises
    ------
    TrainingError
        A root is among too few cells.
    """
    rows = at_random(fitted.cells.trained, config.most_cells, np.random.default_rng(fitted.seed))
    sample = fitted.latent[rows]
    cluster = leiden(sample, fitted.seed, config.resolution)
    mixture = cluster_mixture(sample, cluster)
    summary: dict[str, Any] = {
        "cluster_names": [str(code) for code in range(cluster.max() + 1)],
        "notes": [],
    }
    found = list(_trajectories(fitted, rows, annotation, roots, config))
    if not found:
        summary["no_trajectory"] = (
            "the cells do not hang together as one continuum; name a root to have one"
        )
        return Structure(StructureHead(mixture, None).eval(), summary)
    held_out = fitted.latent[fitted.cells.held_out]
    trajectories = [(part.rows, part.fitted) for part in found]
    points = joined_points(trajectories, sample, cluster, held_out)
    return Structure(StructureHead(mixture, points).eval(), summary | _described(found))


@dataclass(frozen=True, slots=True)
class _Trajectory:
    """Positions of the cells of a group, what was fitted to them, and names of its milestones."""

    rows: NDArray[np.int64]
    fitted: Consensus
    names: list[str]
    root: str
    note: str  # what people should know of the root


@dataclass(frozen=True, slots=True)
class _Root:
    """What a root is called, and how to find it in a group of cells, bool [sample]."""

    name: str
    words: str
    rule: Callable[[NDArray[np.bool_]], RootRule]


def _trajectories(
    fitted: Fitted,
    rows: NDArray[np.int64],
    annotation: CellAnnotation,
    roots: RootChoice,
    config: StructureConfig,
) -> Iterator[_Trajectory]:
    """Fit the trajectory of each group that has a root, or of the one that is most of all."""
    sample = fitted.latent[rows]
    group, wanted = _grouped(fitted, rows, annotation, roots)
    inside = group == 0
    if not roots and inside.mean() >= config.most_of_all and inside.sum() >= _FEWEST_CELLS:
        wanted[0] = _proposed(fitted, sample, config)
    for code, root in sorted(wanted.items()):
        inside = group == code
        if inside.sum() < _FEWEST_CELLS:
            raise TrainingError(
                f"The cells around the root {root.name!r} are only {inside.sum()}; a trajectory "
                f"needs {_FEWEST_CELLS}."
            )
        rule = root.rule(inside)
        found = fit_consensus(sample[inside], rule, fitted.seed, config.consensus)
        if not roots and found.slowest > config.slowest:
            continue
        names = [annotation.most_common(rows[inside][near]) for near in found.around]
        for milestone, way in zip(found.lineages.cycle, _WAYS_ROUND, strict=False):
            names[milestone] += f" ({way})"
        far = _far_from_ends(found.lineages, names)
        words = f"{root.words}, {far}" if far else root.words
        note = f"Pseudotime starts at {names[0]!r} ({words}). {_NAME_AN_END}" if far else ""
        yield _Trajectory(np.flatnonzero(inside), found, names, f"{names[0]} ({words})", note)


def _grouped(
    fitted: Fitted, rows: NDArray[np.int64], annotation: CellAnnotation, roots: RootChoice
) -> tuple[NDArray[np.int64], dict[int, _Root]]:
    """Find the groups of the cells that hang together, and those that have a root.

    Who names a root says that there is a continuum, so a gap that chance may have made is none,
    but where it would join the groups of two roots. Labels tear few cells apart: trained with them
    on a fifth of a simulated tree, pseudotime was .22, .86 and .39 in three seeds, and is .89, .86
    and .97 (docs/structure.md).
    """
    sample = fitted.latent[rows]

    def found(by_chance: float) -> tuple[NDArray[np.int64], dict[int, _Root]]:
        group = connected_groups(sample, fitted.seed, by_chance)
        named = [_at_label(label, rows, group, annotation) for label in roots.labels]
        for name in roots.cells:
            place = fitted.latent[annotation.names == name][0]
            named.append(_near_cell(name, place, sample, group))
        # of several in one group, the first
        return group, dict(reversed(named))

    apart = found(0.0)
    if not roots:
        return apart
    together = found(_BY_CHANCE)
    return together if len(together[1]) == len(apart[1]) else apart


def _at_label(
    label: str, rows: NDArray[np.int64], group: NDArray[np.int64], annotation: CellAnnotation
) -> tuple[int, _Root]:
    """Group in which most cells of a label are, and the root there."""
    labelled = annotation.label[rows] == annotation.labels.index(label)
    code = int(np.bincount(group[labelled], minlength=1).argmax())
    return code, _Root(label, f"the label {label}", lambda inside: at_label(labelled[inside]))


def _near_cell(
    name: str, place: NDArray[np.float32], sample: NDArray[np.float32], group: NDArray[np.int64]
) -> tuple[int, _Root]:
    """Group of the cells nearest to a named one, and the root there."""
    square = ((sample - place) ** 2).sum(axis=1)
    root = _Root(name, f"the cell {name}", lambda inside: near_cells(_least(square[inside])))
    nearest = np.argsort(square)[:_NEAREST]
    return int(np.bincount(group[nearest]).argmax()), root


def _far_from_ends(lineages: Lineages, names: list[str]) -> str:
    """Say of a root that is no end of its trajectory how far the nearest is; '' of one that is."""
    ends = np.setdiff1d(lineages.terminal, lineages.cycle)
    if (lineages.edges == 0).sum() == 1 or not len(ends):
        return ""
    into = [np.flatnonzero(lineages.edges[:, 1] == end) for end in ends]
    away = [lineages.time[np.isin(lineages.edge, edge)].max(initial=0) for edge in into]
    nearest = int(np.argmin(away))
    return (
        f"which is no end of the trajectory: the nearest, {names[ends[nearest]]!r}, is "
        f"{away[nearest]:.0%} of the longest way from it"
    )


def _proposed(fitted: Fitted, sample: NDArray[np.float32], config: StructureConfig) -> _Root:
    """Propose a root, once for all fits, or they would not start at the same end."""

    def rule(inside: NDArray[np.bool_]) -> RootRule:
        part = sample[inside]
        spread = expression_spread(fitted.model, part)
        once = replace(config.consensus, n_fits=1)
        end = fit_consensus(part, at_an_end(spread), fitted.seed, once).around[0]
        return among_cells(np.isin(np.arange(len(part)), end))

    return _Root("", "proposed: expression spread over most genes", rule)


def _least(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mark the hundredth of some values that are least, and at least 15 of them."""
    inside = np.zeros(len(values), bool)
    inside[np.argsort(values)[: max(_NEAREST, len(values) // 100)]] = True
    return inside


def _described(found: list[_Trajectory]) -> dict[str, Any]:
    """Name milestones and edges, as the head answers for them."""
    offset, edges, ends, terminals, same_place = 0, [], [], [], []
    names = _unique([name for part in found for name in part.names])
    for part in found:
        lineages = part.fitted.lineages
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
        "notes": [part.note for part in found if part.note],
    }


def _unique(names: list[str]) -> list[str]:
    """Tell names that come again apart: Ductal, Ductal 2."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return unique
