"""Which labels of another atlas are which of the first, in words.

Same as `web/page/src/mapping/consensus/told.ts`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import number, text

_PART, _OVERLAP = number("consensus.part"), number("consensus.overlap")
_FEWEST = number("consensus.fewest")
_BY_NAME, _BY_CELLS = text("consensus.by_name"), text("consensus.by_cells")
_BY_FEW = text("consensus.by_few")


def alike_in_words(
    cells: NDArray[np.float64],
    places: NDArray[np.int64],
    first: Sequence[str],
    labels: Sequence[str],
) -> list[dict[str, Any]]:
    """Return a record a label of another atlas: what it is, by which evidence, in how many cells.

    Parameters
    ----------
    cells
        float64 [joint labels, labels], as `LabelsAlike.cells` says.
    places
        int64 [labels], the joint label that each is.
    first
        Labels of the first atlas, the first of the joint ones.
    labels
        Labels of the other.
    """
    known = cells[: len(first)]
    of_first, of_label = known.sum(axis=1), cells.sum(axis=0)
    records = []
    for label, place in enumerate(places.tolist()):
        record = {"label": labels[label], "cells": round(float(of_label[label]), 1)}
        if place < len(first):
            record |= {"is": "equal", "to": [first[place]], "by": _BY_NAME}
        elif of_label[label] < _FEWEST:
            record |= {"is": "not known", "to": [], "by": _BY_FEW}
        else:
            within = known[:, label] / of_label[label]
            back = known[:, label] / np.maximum(of_first, _FEWEST)
            relation, others = _relation(within, back)
            record |= {"is": relation, "to": [first[one] for one in others], "by": _BY_CELLS}
        records.append(record)
    return records


def _relation(within: NDArray[np.float64], back: NDArray[np.float64]) -> tuple[str, list[int]]:
    """Tell how a label lies to those of the first, from the shares of either in the other."""
    best = int(within.argmax())
    if within[best] >= _PART:
        return ("equal" if back[best] >= _PART else "part of"), [best]
    parts = np.flatnonzero(back >= _PART).tolist()
    if parts:
        return "contains", parts
    some = np.flatnonzero(within >= _OVERLAP).tolist()
    return ("overlaps", some) if some else ("new", [])
