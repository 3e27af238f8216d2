"""What cells are called: the best label, how sure it is; the call and the label set where told.

Same as `web/page/src/mapping/annotate/labels.ts`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.label_sets import within_mass
from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.base.names import joinable
from cellport.runtime.columns import (
    CALL,
    DISTANCE,
    JOINED_BY,
    LABEL,
    LABEL_SET,
    PROB,
    UNKNOWN,
    Column,
    Schema,
)
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator | None:
    """Label cells, where the atlas has labels.

    An empty cell is called unknown with probability 0, or at no distance, whatever the network
    makes of it.
    """
    manifest = setting.atlas.manifest
    if not manifest.labels:
        return None
    if not manifest.gives_prob:
        return Annotator(Schema(_label_columns(manifest, DISTANCE)), partial(_nearest, manifest))
    if not manifest.head.set_prob:
        return Annotator(Schema(_label_columns(manifest, PROB)), partial(_labelled, manifest))
    tree = build_tree(manifest.labels, manifest.parents)
    names: NDArray[np.object_] = np.asarray([joinable(label) for label in manifest.labels], object)
    least, mass = np.asarray(manifest.head.set_prob, np.float32), manifest.head.set_mass

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        prob, empty = cells.answers["label_prob"], cells.empty
        called = call_deepest(tree, prob, manifest.thresholds.call_prob)
        return _labelled(manifest, cells) | {
            CALL: np.where(empty, len(tree.nodes), called).astype(np.int32),
            LABEL_SET: label_sets(names, least, mass, prob, empty),
        }

    columns = (
        *_label_columns(manifest, PROB),
        Column(CALL, "category", (*tree.nodes, UNKNOWN)),
        Column(LABEL_SET, "text"),
    )
    return Annotator(Schema(columns), annotate)


def best(setting: Setting) -> Annotator:
    """Give the best label of cells and its probability alone, of an atlas that has these."""
    manifest = setting.atlas.manifest
    return Annotator(Schema(_label_columns(manifest, PROB)), partial(_labelled, manifest))


def _label_columns(manifest: Manifest, how_sure: str) -> tuple[Column, ...]:
    return Column(LABEL, "category", _with_unknown(manifest.labels)), Column(how_sure, "float")


def _with_unknown(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Add what empty cells are called, which some models have among their labels."""
    return labels if UNKNOWN in labels else (*labels, UNKNOWN)


def label_codes(manifest: Manifest, cells: EncodedCells) -> NDArray[np.int32]:
    """Return the code of what each cell is labelled, that of unknown for empty ones."""
    unknown = _with_unknown(manifest.labels).index(UNKNOWN)
    return np.where(cells.empty, unknown, best_labels(cells)).astype(np.int32)


def _nearest(manifest: Manifest, cells: EncodedCells) -> dict[str, NDArray[Any]]:
    """Labels of the nearest prototypes, and how far off these are."""
    distance, empty = cells.answers["label_distance"], cells.empty
    return {
        LABEL: label_codes(manifest, cells),
        DISTANCE: np.where(empty, np.nan, distance.min(axis=1)).astype(np.float32),
    }


def _labelled(manifest: Manifest, cells: EncodedCells) -> dict[str, NDArray[Any]]:
    """Best labels and their probabilities."""
    prob, empty, best = cells.answers["label_prob"], cells.empty, best_labels(cells)
    sure = prob[np.arange(len(best)), best]
    return {
        LABEL: label_codes(manifest, cells),
        PROB: np.where(empty, 0, sure).astype(np.float32),
    }


def best_labels(cells: EncodedCells) -> NDArray[np.int64]:
    """Return the code of each cell's best label: by log-odds where probabilities may round to 1.

    By the nearest prototype where there is no probability. Cells without counts have one too, of
    which nothing is to be made.
    """
    if "label_distance" in cells.answers:
        return np.asarray(cells.answers["label_distance"].argmin(axis=1))
    ranked = "label_score" if "label_score" in cells.answers else "label_prob"
    return np.asarray(cells.answers[ranked].argmax(axis=1))


def label_sets(
    names: NDArray[np.object_],
    least: NDArray[np.float32],
    mass: float,
    prob: NDArray[np.float32],
    empty: NDArray[np.bool_],
) -> NDArray[np.object_]:
    """Name the labels that each cell may have, at the level the atlas states.

    The most probable labels are in the set until their probabilities add up to `mass`, at least the
    first of them; and all whose probability reaches their `least`.

    Parameters
    ----------
    names
        object [labels].
    least
        float32 [labels], the probability from which each is in.
    mass
        What the probabilities of those before a label do not reach, where it is in.
    prob
        float32 [cells, labels].
    empty
        bool [cells], cells without counts, whose set is empty.

    Returns
    -------
    ndarray
        object [cells] of str, labels joined by ``;``, most probable first.

    References
    ----------
    Romano, Sesia and Candes 2020, NeurIPS, "Classification with valid and adaptive coverage": the
    mass. Sadinle, Lei and Wasserman 2019, JASA, "Least ambiguous set-valued classifiers with
    bounded error levels": a least probability each.
    """
    best = prob.argmax(axis=1)
    sets: NDArray[np.object_] = names[best]
    within = prob >= least
    within[np.arange(len(best)), best] = True
    # of others the best label alone makes up the mass
    unsure = np.flatnonzero(prob.max(axis=1, initial=0) < mass)
    within[unsure] |= within_mass(prob[unsure], mass)
    n_within = within.sum(axis=1)
    several = np.flatnonzero(n_within > 1)
    outside_last = np.where(within[several], -prob[several], np.inf)
    orders = np.argsort(outside_last, axis=1, kind="stable")
    for row, order in zip(several.tolist(), orders, strict=True):
        sets[row] = JOINED_BY.join(names[order[: n_within[row]]])
    sets[empty] = ""
    return sets
