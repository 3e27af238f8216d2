"""Columns of other atlases, and of what all atlases say together.

Beside the first atlas's own columns stand, of each other one, the label, its probability and
whether the cell is unlike that atlas; then the joint label and its probability; and how many of the
atlases say the same. Same as `web/page/src/mapping/consensus/annotate.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import (
    AGREEMENT,
    JOINT,
    JOINT_PROB,
    NOVEL,
    OF_ATLAS,
    OF_OTHERS,
    UNKNOWN,
    Column,
    Schema,
)
from cellport.runtime.decisions import say
from cellport.runtime.mapping.annotate.annotator import Annotator
from cellport.runtime.mapping.consensus.companion import Companion
from cellport.runtime.mapping.consensus.joint import evidence, of_first, together, translation
from cellport.runtime.mapping.consensus.labels_alike import joint_labels
from cellport.runtime.mapping.consensus.told import alike_in_words
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.query import Heard


def consensus(first: Companion, others: Sequence[Companion], heard: Heard | None) -> Annotator:
    """Say what other atlases and all together say of each cell.

    `heard` is what the whole query showed of them; None before a query is known.
    """
    manifests = [one.atlas.manifest for one in (first, *others)]
    joint, places = joint_labels(manifests)
    n_first = len(manifests[0].labels)
    if heard is None:
        fits = (1.0,) * len(manifests)
        alike = tuple(np.zeros((len(joint), len(one.labels))) for one in manifests[1:])
    else:
        fits, alike = heard.fits, heard.matrices
    how = [
        translation(cells, place, n_first) for cells, place in zip(alike, places[1:], strict=True)
    ]

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        said, words = of_first(*first.opinion(cells), len(joint)), []
        for one, theirs, into in zip(others, cells.others, how, strict=True):
            opinion, columns = one.opinion(theirs), one.labels.annotate(theirs)
            columns[NOVEL] = opinion.novel
            found |= {_named(column.name, one): columns[column.name] for column in own_of(one)}
            words.append(evidence(*opinion, into))
        prob = together(said, words, fits)
        label, empty = prob.argmax(axis=1), cells.empty
        # one with coarser labels agrees where it makes the joint one more probable
        rows = np.arange(len(label))
        agreeing = [said.argmax(axis=1) == label, *(one[rows, label] > 1 for one in words)]
        return found | {
            JOINT: np.where(empty, len(joint), label).astype(np.int32),
            JOINT_PROB: np.where(empty, 0, prob.max(axis=1)).astype(np.float32),
            AGREEMENT: np.where(empty, 0, np.mean(agreeing, axis=0)).astype(np.float32),
        }

    own = [
        Column(_named(column.name, one), column.kind, column.categories)
        for one in others
        for column in own_of(one)
    ]
    columns = (
        *own,
        Column(JOINT, "category", (*joint, UNKNOWN)),
        Column(JOINT_PROB, "float"),
        Column(AGREEMENT, "float"),
    )
    told = {
        one.name: alike_in_words(cells, place, manifests[0].labels, one.atlas.manifest.labels)
        for one, cells, place in zip(others, alike, places[1:], strict=True)
    }
    facts = {
        "also": [
            {"name": one.name, "sha256": one.atlas.sha256, "fit": round(fit, 4)}
            for one, fit in zip(others, fits[1:], strict=True)
        ],
        "labels_alike": told,
    }
    notes = tuple(
        say("consensus.note", atlas=one.name, note=note)
        for one in others
        for note in one.gene_notes
    )
    return Annotator(Schema(columns), annotate, notes, facts)


def _named(column: str, other: Companion) -> str:
    return OF_ATLAS.format(column=column, atlas=other.name)


def own_of(other: Companion) -> list[Column]:
    """Return what stands of another atlas beside what all say together."""
    return [column for column in other.columns if column.name in OF_OTHERS]
