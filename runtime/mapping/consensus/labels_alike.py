"""Which labels of several atlases are one, by name and by term.

Same as `web/page/src/mapping/consensus/labels_alike.ts`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.columns import OF_ATLAS, OF_OTHERS
from cellport.runtime.decisions import everything
from cellport.runtime.mapping.annotate.beside_label.terms import terms_of

_COLUMNS = everything("columns")
_WORDS = re.compile(r"[^a-z0-9+]+")


def joint_labels(manifests: Sequence[Manifest]) -> tuple[tuple[str, ...], list[NDArray[np.int64]]]:
    """Name the joint labels of atlases: those of the first, then what others add by name or term.

    Returns
    -------
    labels
        The joint labels.
    places
        For each atlas, the joint label that each of its labels is, int64 [labels].
    """
    labels: list[str] = []
    known: dict[str, int] = {}
    places = []
    for manifest in manifests:
        terms = terms_of(manifest).terms
        at = []
        for label in manifest.labels:
            term = terms[label].id if label in terms else ""
            keys = [key for key in (plain_name(label), term) if key]
            place = next((known[key] for key in keys if key in known), len(labels))
            if place == len(labels):
                labels.append(label)
            # two labels of one atlas stay two, whatever they share
            if place in at:
                place = len(labels)
                labels.append(label)
            at.append(place)
        for label, place in zip(manifest.labels, at, strict=True):
            known.setdefault(plain_name(label), place)
            if label in terms:
                known.setdefault(terms[label].id, place)
        places.append(np.asarray(at, np.int64))
    return tuple(labels), places


def plain_name(label: str) -> str:
    """Return what is left of a name without case, signs and the word for cells."""
    words = _WORDS.sub(" ", label.lower()).split()
    kept = [word.removesuffix("s") for word in words if word not in ("cell", "cells")]
    return " ".join(kept)


def numbered(names: Sequence[str]) -> list[str]:
    """Return names of which no two are the same: a number behind those that come again.

    Nor is a column of an atlas behind the first called as one of cellport's own is:
    `cellport_label` of an atlas named `set` would be `cellport_label_set`.
    """
    found: list[str] = []
    for name in names:
        made, number = name, 2
        while made in found or (found and _is_own(made)):
            made, number = f"{name}_{number}", number + 1
        found.append(made)
    return found


def _is_own(name: str) -> bool:
    return any(OF_ATLAS.format(column=one, atlas=name) in _COLUMNS for one in OF_OTHERS)
