"""Counting what cells were called while they are mapped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cellport.runtime.columns import MappedBlock
from cellport.runtime.mapping.transfer import QC


@dataclass(slots=True)
class Tally:
    """What was found so far.

    Attributes
    ----------
    calls, quality
        Number of cells a call and a quality flag.
    prob
        Sum of the probabilities of the best label.
    cells
        Number of cells.
    """

    calls: Counter[str] = field(default_factory=Counter)
    quality: Counter[str] = field(default_factory=Counter)
    prob: float = 0.0
    cells: int = 0

    def add(self, block: MappedBlock, names: Sequence[str]) -> None:
        """Count the cells of a block; `names` are the categories of ``cellport_call``."""
        self.cells += block.n_cells
        quality = np.bincount(block.obs["cellport_qc"], minlength=len(QC))
        self.quality.update({name: int(n) for name, n in zip(QC, quality, strict=True) if n})
        if names:
            calls = np.bincount(block.obs["cellport_call"], minlength=len(names))
            self.calls.update({name: int(n) for name, n in zip(names, calls, strict=True) if n})
            self.prob += float(block.obs["cellport_prob"].sum(dtype=np.float64))

    def plain(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "calls": dict(self.calls),
            "quality": dict(self.quality),
            "prob": self.prob,
            "cells": self.cells,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> Tally:
        """Return the tally that `plain` came from."""
        calls, quality = Counter(plain["calls"]), Counter(plain["quality"])
        return cls(calls, quality, plain["prob"], plain["cells"])

    def join(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.calls.update(other.calls)
        self.quality.update(other.quality)
        self.prob += other.prob
        self.cells += other.cells
