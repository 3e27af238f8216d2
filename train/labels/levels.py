"""Label columns of mixed level: cells called by a type, and cells called by a group of types.

A label that is the name of a group of other labels says less of its cells than those: they are of
one of them. The head answers the others alone, and such cells teach it that one of them is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.errors import TrainingError
from cellport.train.cells import CoarseLabels
from cellport.train.infer import CHUNK, EncodedCells, encode_cells
from cellport.train.labels.tree import Group
from cellport.train.reference.reference import Reference

# how the cells of a group are called that are of none of its other types
OTHER = "other {}"
# labels that a note names
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Levels:
    """A reference in its finest labels, and what is known of cells that have none of these."""

    reference: Reference  # labels are those that are no group of others; its notes tell of the rest
    groups: list[Group]  # of the labels
    coarse: CoarseLabels | None  # None where each label is one of the finest


def in_finest_labels(
    reference: Reference, groups: Sequence[Group], others: Sequence[str] = ()
) -> Levels:
    """Part the labels of a reference into the finest ones and those that are groups of others.

    A label that has the name of a group, of positions in the reference's labels, is a group of its
    other members. Where only one is below it, it stays a label itself, as its cells may be of kinds
    that have no name here; so do those named in `others`, as ``other NAME``.

    Raises
    ------
    TrainingError
        One of `others` is no label that is a group of others, or its new name is taken.
    """
    inner = _below(reference.labels, groups)
    _check(others, reference.labels, [reference.labels[code] for code in inner])
    inner = _below(reference.labels, groups, others)
    labels = tuple(OTHER.format(name) if name in others else name for name in reference.labels)
    if not inner:
        return Levels(replace(reference, labels=labels), list(groups), None)
    finest = [code for code in range(len(labels)) if code not in inner]
    members = np.array([np.isin(finest, list(below)) for below in inner.values()])
    names = tuple(labels[code] for code in inner)
    coarse = CoarseLabels(names, members, _position(reference.label, list(inner)))
    kept = [
        (name, frozenset(np.flatnonzero(np.isin(finest, list(of))).tolist())) for name, of in groups
    ]
    made = replace(
        reference,
        labels=tuple(labels[code] for code in finest),
        label=_position(reference.label, finest),
    )
    return Levels(replace(made, notes=(*made.notes, *_notes(made, coarse))), kept, coarse)


def found_below(fitted: EncodedCells) -> dict[str, NDArray[np.bool_]]:
    """Tell of held-out cells of each coarser label whether they were given a label below it."""
    cells, coarse = fitted.cells, fitted.cells.coarse
    if coarse is None:
        return {}
    rows = cells.held_out[coarse.group[cells.held_out] >= 0]
    rng = np.random.default_rng(fitted.seed)
    _, logits = encode_cells(fitted.encoder, cells.counts, rows, CHUNK, None, rng)
    group = coarse.group[rows]
    below = coarse.members[group, logits.argmax(axis=1)]
    return {name: below[group == code] for code, name in enumerate(coarse.names)}


def _below(
    labels: Sequence[str], groups: Sequence[Group], others: Sequence[str] = ()
) -> dict[int, frozenset[int]]:
    """Labels that are groups of others, and the finest labels below each: two or more."""
    named: dict[int, frozenset[int]] = {}
    for name, members in groups:
        if name in labels and name not in others:
            code = labels.index(name)
            named[code] = named.get(code, frozenset()) | members - {code}
    inner: dict[int, frozenset[int]] = {}
    # what is below others has fewer labels than they
    for code, members in sorted(named.items(), key=lambda item: len(item[1])):
        finest = members - inner.keys()
        if len(finest) > 1:
            inner[code] = finest
    return inner


def _check(others: Sequence[str], labels: Sequence[str], inner: Sequence[str]) -> None:
    for name in others:
        if name not in inner:
            raise TrainingError(
                f"--other {name!r} is not a label that is a group of two or more other labels; "
                f"{', '.join(map(repr, inner)) or 'none'} are. Groups come from --label-tree and "
                "--ontology."
            )
        if OTHER.format(name) in labels:
            raise TrainingError(
                f"--other {name!r}: the reference has a label {OTHER.format(name)!r} already."
            )


def _position(label: NDArray[np.int64], codes: Sequence[int]) -> NDArray[np.int64]:
    """Position of each cell's label among some codes, else -1."""
    position = np.full(max(codes) + 2, -1)
    position[np.array(codes)] = np.arange(len(codes))
    return position[np.minimum(label, len(position) - 1)]


def _notes(reference: Reference, coarse: CoarseLabels) -> list[str]:
    notes = []
    for code, (name, members) in enumerate(zip(coarse.names, coarse.members, strict=True)):
        below = [reference.labels[at] for at in np.flatnonzero(members)]
        more = f" and {len(below) - _MOST_NAMED} more" if len(below) > _MOST_NAMED else ""
        notes.append(
            f"{int((coarse.group == code).sum()):,} cells are called {name!r}, a group of "
            f"{', '.join(below[:_MOST_NAMED])}{more}: they are trained as one of these. Where they "
            f"are of yet another type, --other {name!r} makes it a label of its own."
        )
    return notes
