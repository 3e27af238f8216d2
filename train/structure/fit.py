"""Clusters, trajectories and fates of a reference, learned for cells it has not seen."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.structure import StructureHead, Trajectory
from cellport.models.vae import CountVAE
from cellport.runtime.errors import TrainingError
from cellport.train.structure.backbone import Floats
from cellport.train.structure.clusters import cluster_mixture, leiden
from cellport.train.structure.components import connected_groups
from cellport.train.structure.consensus import Consensus, fit_consensus
from cellport.train.structure.curve import gaussian_mixture, pooled_covariance, posterior
from cellport.train.structure.roots import (
    RootChoice,
    RootRule,
    among_cells,
    at_an_end,
    at_label,
    expression_spread,
)

_MOST_CELLS = 20_000
# without a root being named, a trajectory needs this share of the cells in one group
_MOST_OF_ALL = 0.8
_FEWEST_CELLS = 100
# and to be no mere ball: measured, on at most 3,000 cells, .001-.013 on continua, .024-.073 on
# single cell lines and .12-.21 on single cell types
_SLOWEST = 0.02
_FEWEST_HELD_OUT = 30
_WAYS_ROUND = ("one way round", "the other way round")


@dataclass(frozen=True, slots=True)
class Annotated:
    """What is known of the reference cells besides their latent.

    Attributes
    ----------
    label
        int64 [cells], positions in `labels`, -1 where unknown.
    labels
        Their names.
    names
        object [cells].
    held_out
        int64, cells that the model was not trained on.
    """

    label: NDArray[np.int64]
    labels: tuple[str, ...]
    names: NDArray[np.object_]
    held_out: NDArray[np.int64]


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


@dataclass(frozen=True, slots=True)
class _Found:
    """A trajectory: positions of the cells on it, what was fitted, and names of its milestones."""

    rows: NDArray[np.int64]
    fitted: Consensus
    names: list[str]
    root_from: str


def fit_structure(
    model: CountVAE,
    latent: NDArray[np.float32],
    cells: Annotated,
    roots: RootChoice | None = None,
    seed: int = 0,
) -> Structure:
    """Cluster the reference and, where its cells lie along a continuum, fit a trajectory.

    A trajectory is fitted for each root that is named. Without any, one is fitted only when
    four fifths of the cells hang together, and starts at the end of the backbone where the
    decoder spreads expression over most genes.

    Parameters
    ----------
    model
        Trained, in evaluation mode.
    latent
        float32 [cells, latent], of the reference.
    cells
        What is known of them.
    roots
        Where trajectories start.
    seed
        Of a sample of at most 20,000 cells, k-means and Leiden.

    Raises
    ------
    TrainingError
        A root is no label or cell of the reference, or among too few cells.
    """
    roots = roots or RootChoice()
    _check_roots(roots, cells)
    rows = _sampled(cells, seed)
    sample = latent[rows]
    cluster = leiden(sample, seed) if len(rows) > 2 else np.zeros(len(rows), np.int64)
    mixture = cluster_mixture(sample, cluster)
    names = [str(code) for code in range(cluster.max() + 1)]
    summary: dict[str, Any] = {"cluster_names": names}
    group = connected_groups(sample, seed)
    found = _trajectories(model, latent, rows, group, cells, roots, seed)
    if not found:
        summary["no_trajectory"] = (
            "the cells do not hang together as one continuum; name a root to have one"
        )
        return Structure(StructureHead(mixture, None).eval(), summary)
    trajectory = _joined(found, sample, cluster, latent[cells.held_out])
    offset, edges, ends, terminals, same_place = 0, [], [], [], []
    all_names = _unique([name for part in found for name in part.names])
    for part in found:
        own = all_names[offset : offset + len(part.names)]
        edges += [f"{own[start]} -> {own[end]}" for start, end in part.fitted.lineages.edges]
        ends += (part.fitted.lineages.edges + offset).tolist()
        terminals += [own[end] for end in part.fitted.lineages.terminal]
        if len(part.fitted.lineages.cycle):
            same_place.append((part.fitted.lineages.cycle + offset).tolist())
        offset += len(own)
    summary |= {
        "trajectory": "a tree, and a circle in it" if same_place else "a tree",
        "roots": [part.root_from for part in found],
        "milestones": all_names,
        "edges": edges,
        "edge_ends": ends,
        "same_place": same_place,
        "terminal_states": terminals,
        "cells_on_trajectory": round(sum(len(part.rows) for part in found) / len(rows), 4),
        "stray": round(float(trajectory.stray.square().mean().sqrt()), 4),
    }
    return Structure(StructureHead(mixture, trajectory).eval(), summary)


def _check_roots(roots: RootChoice, cells: Annotated) -> None:
    for label in roots.labels:
        if label not in cells.labels:
            raise TrainingError(
                f"--root {label!r} is not a label of the reference; it has "
                f"{', '.join(cells.labels) or 'none'}."
            )
    for name in roots.cells:
        if not (cells.names == name).any():
            raise TrainingError(f"--root-cell {name!r} is not the name of a reference cell.")


def _sampled(cells: Annotated, seed: int) -> NDArray[np.int64]:
    """Cells to learn from; root cells are not needed among them."""
    rows = np.setdiff1d(np.arange(len(cells.label)), cells.held_out)
    if len(rows) > _MOST_CELLS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_CELLS, replace=False))
    return rows


def _trajectories(
    model: CountVAE,
    latent: NDArray[np.float32],
    rows: NDArray[np.int64],
    group: NDArray[np.int64],
    cells: Annotated,
    roots: RootChoice,
    seed: int,
) -> list[_Found]:
    """Fit the trajectory of each group that has a root, or of the one that is most of all."""
    wanted: dict[int, tuple[str, str]] = {}
    for label in roots.labels:
        inside = cells.label[rows] == cells.labels.index(label)
        wanted.setdefault(int(np.bincount(group[inside], minlength=1).argmax()), ("label", label))
    for name in roots.cells:
        place = latent[np.flatnonzero(cells.names == name)[0]]
        nearest = ((latent[rows] - place) ** 2).sum(axis=1).argmin()
        wanted.setdefault(int(group[nearest]), ("cell", name))
    if not roots and (group == 0).mean() >= _MOST_OF_ALL and (group == 0).sum() >= _FEWEST_CELLS:
        wanted[0] = ("", "")
    found = []
    for code, (kind, name) in sorted(wanted.items()):
        inside = np.flatnonzero(group == code)
        if len(inside) < _FEWEST_CELLS:
            raise TrainingError(
                f"The cells around the root {name!r} are only {len(inside)}; a trajectory needs "
                f"{_FEWEST_CELLS}."
            )
        part = latent[rows[inside]]
        rule, how = _root(model, part, cells, rows[inside], latent, kind, name, seed)
        fitted = fit_consensus(part, rule, seed)
        if not kind and fitted.slowest > _SLOWEST:
            continue
        names = [_common(cells, rows[inside[near]]) for near in fitted.around]
        for milestone, way in zip(fitted.lineages.cycle, _WAYS_ROUND, strict=False):
            names[milestone] += f" ({way})"
        found.append(_Found(inside, fitted, names, f"{names[0]} ({how})"))
    return found


def _root(
    model: CountVAE,
    part: NDArray[np.float32],
    cells: Annotated,
    rows: NDArray[np.int64],
    latent: NDArray[np.float32],
    kind: str,
    name: str,
    seed: int,
) -> tuple[RootRule, str]:
    """How to find the root of a backbone, in rule and in words."""
    if kind == "label":
        return at_label(cells.label[rows] == cells.labels.index(name)), f"the label {name}"
    if kind == "cell":
        square = ((part - latent[np.flatnonzero(cells.names == name)[0]]) ** 2).sum(axis=1)
        return among_cells(_least(square)), f"the cell {name}"
    # one proposal for all fits, or they would not start at the same end
    spread = expression_spread(model, part)
    end = fit_consensus(part, at_an_end(spread), seed, n_fits=1).around[0]
    inside = np.zeros(len(part), bool)
    inside[end] = True
    return among_cells(inside), "proposed: expression spread over most genes"


def _least(values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mark the hundredth of some values that are least, and at least 15 of them."""
    inside = np.zeros(len(values), bool)
    inside[np.argsort(values)[: max(15, len(values) // 100)]] = True
    return inside


def _joined(
    found: list[_Found],
    sample: NDArray[np.float32],
    cluster: NDArray[np.int64],
    held_out: NDArray[np.float32],
) -> Trajectory:
    """Put the trajectories side by side, and components for the cells on none of them."""
    off = np.setdiff1d(np.arange(len(sample)), np.concatenate([part.rows for part in found]))
    fits = [part.fitted for part in found]
    means = [fit.curve.mean for fit in fits]
    number = [part.fitted.curve.cells * len(part.rows) / len(part.fitted.rows) for part in found]
    about = [fit.curve.mean[fit.curve.point_of_cell] for fit in fits]
    inside = [sample[part.rows[part.fitted.rows]] for part in found]
    for code in np.unique(cluster[off]):
        here = off[cluster[off] == code]
        means.append(sample[here].mean(axis=0, dtype=np.float64, keepdims=True))
        number.append(np.array([float(len(here))]))
    mean = np.concatenate(means)
    on_curve = np.concatenate(inside)
    covariance = pooled_covariance(on_curve, np.concatenate(about))
    n_points = sum(len(fit.curve.mean) for fit in fits)
    longest = max(fit.longest for fit in fits)
    edge = _blocks([np.eye(len(fit.lineages.edges))[fit.lineages.edge] for fit in fits])
    fate = _blocks([fit.lineages.fate for fit in fits])
    fraction = np.concatenate([fit.lineages.fraction for fit in fits])
    # all trajectories on one scale: the longest way takes 1
    scale = [fit.longest / longest for fit in fits]
    time = np.concatenate([fit.lineages.time * s for fit, s in zip(fits, scale, strict=True)])
    doubt = np.concatenate([fit.doubt * s for fit, s in zip(fits, scale, strict=True)])
    beside = stray(mean, n_points, on_curve, held_out, covariance) / longest

    def padded(values: Floats) -> torch.Tensor:
        rest = np.zeros((len(mean) - n_points, *values.shape[1:]))
        return torch.from_numpy(np.concatenate([values, rest]).astype(np.float32))

    return Trajectory(
        gaussian_mixture(mean, np.concatenate(number), covariance),
        padded(edge),
        padded(fraction),
        padded(time),
        padded(fate),
        padded(np.sqrt(beside**2 + doubt**2)),
    )


def stray(
    mean: Floats,
    n_points: int,
    trained: NDArray[np.float32],
    held_out: NDArray[np.float32],
    covariance: Floats,
) -> float:
    """How far cells lie from the place on the trajectory that they are given, in one direction.

    How far cells lie beside it says how far they may be off along it, which nothing else in the
    reference can tell (VITAE counts this projection error as uncertainty too). Pseudotime is one
    direction, so it is the root mean square distance in one: that in which it is largest. Of
    held-out cells, where there are enough.
    """
    cells = held_out if len(held_out) >= _FEWEST_HELD_OUT else trained
    nearest = posterior(cells, mean, np.ones(len(mean)), covariance).argmax(axis=1)
    on = nearest < n_points
    if not on.any():
        return stray(mean, n_points, trained, trained[:0], covariance)
    beside = cells[on] - mean[nearest[on]]
    return float(np.linalg.norm(beside, 2) / np.sqrt(len(beside)))


def _blocks(parts: list[Floats]) -> Floats:
    from scipy.linalg import block_diag

    return np.asarray(block_diag(*parts), np.float64)


def _common(cells: Annotated, rows: NDArray[np.int64]) -> str:
    """Most common label of some cells."""
    label = cells.label[rows]
    label = label[label >= 0]
    return cells.labels[np.bincount(label).argmax()] if len(label) else "state"


def _unique(names: list[str]) -> list[str]:
    """Tell names that come again apart: Ductal, Ductal 2."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return unique
