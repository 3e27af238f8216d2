"""Groups of cells unlike the atlas: how strange known ones are, and which are told of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.mapping.gather.novel_sample import (
    distance_of_types,
    find_groups,
    groups_of_latents,
)
from cellport.runtime.mapping.gather.strange_groups import KnownGroups, strangeness_of_groups
from cellport.train.infer import Fitted

LEVEL = 0.05
# a group with fewer unseen cells is one of a known type, with more than half one of the unseen type
KNOWN, UNSEEN = 0.1, 0.5
# of normal values, their standard deviation in their median distance from the median
_OF_SPREAD = 1.4826


@dataclass(frozen=True)
class Mapped:
    """A query as its atlas sees it, the novel cells first."""

    latent: NDArray[np.float32]
    p: NDArray[np.float32]
    called: NDArray[np.int64]
    label: NDArray[np.object_]
    unseen: NDArray[np.bool_]
    distance: float  # between neighbouring types


def mapped(
    made: Fitted, latent: NDArray[np.float32], p: NDArray[np.float32], **cells: NDArray[Any]
) -> Mapped:
    """Put the novel cells first, as what gathers them does."""
    order = np.argsort(~(p < LEVEL), kind="stable")
    given = {name: values[order] for name, values in cells.items()}
    distance = distance_of_types(made.latent, made.cells.label)
    return Mapped(latent[order], p[order], distance=distance, **given)


def learned(datasets: Sequence[Sequence[Mapped]]) -> KnownGroups:
    """How strange known groups are over some datasets, of which each counts alike."""
    middles, spreads = [], []
    for queries in datasets:
        known = [_known(query) for query in queries]
        known = [strange for strange in known if len(strange) > 1]
        if not known:
            continue
        middles.append([float(np.median(strange)) for strange in known])
        apart = np.concatenate([strange - np.median(strange) for strange in known])
        spreads.append(_OF_SPREAD * np.median(abs(apart)))
    usual = np.mean([np.mean(some) for some in middles])
    square = [np.mean((np.array(some) - usual) ** 2) for some in middles]
    return KnownGroups(float(usual), float(np.sqrt(np.mean(square))), float(np.mean(spreads)))


def _known(query: Mapped) -> NDArray[np.float64]:
    groups = groups_of_latents(query.latent, query.distance)
    known = [rows for rows in groups if query.unseen[rows].mean() < KNOWN]
    strange: NDArray[np.float64] = strangeness_of_groups(query.p, np.ones(len(query.p)), known)[0]
    return strange


def told(query: Mapped, known: KnownGroups) -> list[dict[str, Any]]:
    """Return the groups that a report would tell of, and what their cells are."""
    novel = query.p < LEVEL
    most = int(query.called.max()) + 1
    cells = np.bincount(query.called, minlength=most)
    each = cells / np.maximum(np.bincount(query.called[novel], minlength=most), 1)
    ones = np.ones(len(query.p))
    found = find_groups(
        query.latent, query.p, ones, each[query.called[novel]], query.distance, LEVEL, known
    )
    return [
        {
            "cells": len(rows),
            "p": round(p, 6),
            "unseen": round(float(query.unseen[rows].mean()), 4),
            "novel": round(float(novel[rows].mean()), 4),
            "label": Counter(query.label[rows].tolist()).most_common(1)[0][0],
        }
        for rows, p in zip(found.rows, found.p, strict=True)
    ]
