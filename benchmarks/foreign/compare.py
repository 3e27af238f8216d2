"""Whether two results say the same of every cell.

python -m benchmarks.foreign.compare CELLPORT.csv PEER.npz     prints one line of JSON
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np


def compare(ours: Path, peer: Path) -> dict[str, float]:
    """Cells, cells with another label, and the largest difference of the label's probability."""
    with ours.open(newline="") as file:
        rows = [(row["cellport_label"], row["cellport_prob"]) for row in csv.DictReader(file)]
    label = np.array([row[0] for row in rows])
    probability = np.array([float(row[1]) for row in rows])
    with np.load(peer) as found:
        other, best = found["label"], found["probability"].max(1)
    return {
        "cells": len(label),
        "other_label": int((label != other).sum()),
        "largest_difference": float(abs(probability - best).max()),
    }


if __name__ == "__main__":
    print(json.dumps(compare(Path(sys.argv[1]), Path(sys.argv[2]))))
