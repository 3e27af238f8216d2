"""Counting what cells were called while they are mapped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import NOVEL, PROB, QUALITIES, QUALITY, MappedBlock, Schema
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import PARTS, Gatherer, in_parts


class Tally(Gatherer):
    """Cells by call, by quality flag and unlike the atlas, and their summed probabilities."""

    def __init__(self, schema: Schema) -> None:
        self.call = schema.call
        self.calls = schema.categories(self.call)  # names behind the codes; none without labels
        self._tells_novel = any(one.name == NOVEL for one in schema.columns)
        self.kept = {}
        self.sums = {
            "cells": np.zeros(1, np.int64),
            "calls": np.zeros(len(self.calls), np.int64),
            "quality": np.zeros(len(QUALITIES), np.int64),
            "prob": np.zeros(1, np.int64),
            "novel": np.zeros(1, np.int64),
        }

    def add(self, block: MappedBlock, genes: GeneMatch | None = None) -> None:
        """Count the cells of a block, whatever its genes."""
        sums = self.sums
        sums["cells"] += block.n_cells
        sums["quality"] += np.bincount(block.obs[QUALITY], minlength=len(QUALITIES))
        if NOVEL in block.obs:
            sums["novel"] += np.count_nonzero(block.obs[NOVEL])
        if self.calls:
            sums["calls"] += np.bincount(block.obs[self.call], minlength=len(self.calls))
            if PROB in block.obs:
                sums["prob"] += in_parts(block.obs[PROB]).sum()

    @property
    def n_cells(self) -> int:
        """Cells in all."""
        return int(self.sums["cells"][0])

    @property
    def mean_prob(self) -> float:
        """Mean probability of the best label; 0 without probabilities."""
        return float(self.sums["prob"][0]) / PARTS / max(self.n_cells, 1)

    @property
    def n_novel(self) -> int:
        """Cells unlike the atlas."""
        return int(self.sums["novel"][0])

    @property
    def novel(self) -> int | None:
        """The same; None where that cannot be told."""
        return self.n_novel if self._tells_novel else None

    @property
    def by_call(self) -> NDArray[np.int64]:
        """Cells of each call, int64 [calls]."""
        return self.sums["calls"]

    @property
    def quality(self) -> dict[str, int]:
        """Cells by quality flag."""
        return dict(zip(QUALITIES, self.sums["quality"].tolist(), strict=True))
