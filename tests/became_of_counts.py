"""What becomes of counts, dense [cells, genes], before somebody brings them."""

from __future__ import annotations

import numpy as np


def normalised(counts, total=1e4):
    return counts / np.maximum(counts.sum(1, keepdims=True), 1) * total


def scaled(counts):
    logged = np.log1p(normalised(counts))
    return (logged - logged.mean(0)) / (logged.std(0) + 1e-3)


def with_value(counts, value):
    changed = counts.copy()
    changed[3, 5] = value
    return changed
