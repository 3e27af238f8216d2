"""Which labels of another atlas are which of the first, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# share of the cells of a label from which it is a part of another; equal where both are
_PART = 0.7
# share from which two overlap
_OVERLAP = 0.2
# cells of a label, by probability, from which they show something
_FEWEST = 5.0


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
            record |= {"is": "equal", "to": [first[place]], "by": "name or term"}
        elif of_label[label] < _FEWEST:
            record |= {"is": "not known", "to": [], "by": "too few cells"}
        else:
            within = known[:, label] / of_label[label]
            back = known[:, label] / np.maximum(of_first, _FEWEST)
            relation, others = _relation(within, back)
            record |= {"is": relation, "to": [first[one] for one in others], "by": "cells"}
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
