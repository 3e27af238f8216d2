"""What the cells of a mapping came to, for a report: counts by outcome, and cells to draw."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.bottom_k import BottomK
from cellport.runtime.columns import (
    JOINED_BY,
    LABEL,
    LABEL_SET,
    LATENT,
    NOVEL,
    NOVELTY_P,
    PROB,
    PSEUDOTIME,
    QUALITIES,
    QUALITY,
    QUERY,
    UMAP,
    UNKNOWN,
    MappedBlock,
    Schema,
)
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.gather.gatherer import PARTS, in_parts
from cellport.runtime.mapping.gather.tally import Tally

# a picture of more dots shows no more
SAMPLED = 5000
BINS = 20
OUTCOMES = ("sure", "broader", "unknown")
_SIZES = 4


class SampledCells(NamedTuple):
    """Some of the cells, chosen by their position alone."""

    point: NDArray[np.float32]  # [k, 2], place on the 2-D map; NaN without one
    call: NDArray[np.int64]  # [k], codes of the calls; -1 without labels
    novel: NDArray[np.bool_]  # [k]
    time: NDArray[np.float32]  # [k], pseudotime; NaN off the trajectory and without one


class Findings(Tally):
    """Counts the cells of a mapping by outcome too, and keeps up to `sampled` of them to draw."""

    def __init__(self, schema: Schema, sampled: int = SAMPLED) -> None:
        super().__init__(schema)
        self.columns = {column.name for column in schema.columns} | set(schema.obsm)
        # names behind the codes; empty where the mapping has no such column
        self.labels, self.queries = schema.categories(LABEL), schema.categories(QUERY)
        self.outcome_of_call = _outcomes(self.calls, self.labels)  # position in `OUTCOMES`
        n_outcomes, n_latent = len(OUTCOMES), schema.obsm[LATENT]
        shapes: dict[str, int | tuple[int, ...]] = {
            "by_label": (len(self.labels), n_outcomes),
            "by_query": (len(self.queries), n_outcomes),
            "prob_bins": (BINS, 2),
            "set_sizes": _SIZES,
            "novel_by_label": len(self.labels),
            "novelty_bins": BINS,
            "latent_cells": 1,
            "latent": n_latent,
            "latent_squares": n_latent,
        }
        self.sums |= {name: np.zeros(shape, np.int64) for name, shape in shapes.items()}
        # the same arrays: cells of each label and of each query by outcome, by probability (called
        # a type or not), by labels in their set (none, one, two, more), and by novelty p-value
        self.by_label, self.by_query = self.sums["by_label"], self.sums["by_query"]
        self.prob_bins, self.set_sizes = self.sums["prob_bins"], self.sums["set_sizes"]
        self.novel_by_label = self.sums["novel_by_label"]
        self.novelty_bins = self.sums["novelty_bins"]
        self.kept = {
            "sample": BottomK(
                sampled,
                point=np.empty((0, 2), np.float32),
                call=np.empty(0, np.int64),
                novel=np.empty(0, np.bool_),
                time=np.empty(0, np.float32),
            )
        }

    def add(self, block: MappedBlock, genes: GeneMatch | None = None) -> None:
        """Count the cells of a block, whatever its genes."""
        super().add(block)
        obs, n, sums = block.obs, block.n_cells, self.sums
        novel = obs.get(NOVEL, np.zeros(n, np.bool_))
        sums["novelty_bins"] += _binned(obs.get(NOVELTY_P, np.empty(0)))
        call = np.full(n, -1, np.int64)
        if self.labels:
            call = obs[self.call].astype(np.int64)
            self._add_labels(obs, call, novel)
        latent = block.obsm[LATENT][obs[QUALITY] != QUALITIES.index("empty")].astype(np.float64)
        sums["latent_cells"] += len(latent)
        sums["latent"] += in_parts(latent).sum(axis=0)
        sums["latent_squares"] += in_parts(latent**2).sum(axis=0)
        time = obs.get(PSEUDOTIME, np.full(n, np.nan, np.float32))
        self._sample(block, call, novel, time)

    def _add_labels(
        self, obs: dict[str, NDArray[Any]], call: NDArray[np.int64], novel: NDArray[np.bool_]
    ) -> None:
        label, sums = obs[LABEL].astype(np.int64), self.sums
        outcome = self.outcome_of_call[call]
        sums["by_label"] += crossed(label, outcome, sums["by_label"].shape)
        sums["novel_by_label"] += np.bincount(label[novel], minlength=len(self.labels))
        if self.queries:
            sums["by_query"] += crossed(obs[QUERY], outcome, sums["by_query"].shape)
        sets = obs[LABEL_SET].tolist() if LABEL_SET in obs else []
        sizes = [text.count(JOINED_BY) + 1 if text else 0 for text in sets]
        at_most = np.minimum(np.array(sizes, np.int64), _SIZES - 1)
        sums["set_sizes"] += np.bincount(at_most, minlength=_SIZES)
        if PROB not in obs:
            return
        prob, called = obs[PROB], outcome == OUTCOMES.index("sure")
        sums["prob_bins"] += np.stack([_binned(prob[called]), _binned(prob[~called])], axis=1)

    def _sample(
        self,
        block: MappedBlock,
        call: NDArray[np.int64],
        novel: NDArray[np.bool_],
        time: NDArray[np.float32],
    ) -> None:
        position = np.arange(block.start, block.start + block.n_cells)
        rows = self.kept["sample"].entering(position)
        nowhere = np.full((block.n_cells, 2), np.nan, np.float32)
        point = block.obsm.get(UMAP, nowhere)[rows]
        self.kept["sample"].add(
            position[rows], point=point, call=call[rows], novel=novel[rows], time=time[rows]
        )

    @property
    def latent_moments(self) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
        """Cells that are not empty, and sums of their latent and its square, float64 [latent]."""
        sums = self.sums
        return int(sums["latent_cells"][0]), sums["latent"] / PARTS, sums["latent_squares"] / PARTS

    @property
    def sample(self) -> SampledCells:
        """Cells to draw, in the order of the query."""
        kept = self.kept["sample"]
        return SampledCells(*(kept.by_position(name) for name in SampledCells._fields))

    @property
    def outcome(self) -> dict[str, int]:
        """Cells by outcome: called a type, a broader group, or unknown."""
        return dict(zip(OUTCOMES, self.by_label.sum(axis=0).tolist(), strict=True))


def crossed(
    row: NDArray[np.integer], column: NDArray[np.integer], shape: tuple[int, ...]
) -> NDArray[np.int64]:
    """Count pairs of codes, int64 of that shape; a row of -1 counts nowhere."""
    known = row >= 0
    at = row[known].astype(np.int64) * shape[1] + column[known]
    return np.bincount(at, minlength=shape[0] * shape[1]).reshape(shape)


def _outcomes(calls: tuple[str, ...], labels: tuple[str, ...]) -> NDArray[np.int64]:
    """Outcome of each call: `unknown` is the last of that name, should a type be called so."""
    outcome = np.array(
        [OUTCOMES.index("sure" if name in labels else "broader") for name in calls], np.int64
    )
    if UNKNOWN in calls:
        outcome[len(calls) - 1 - calls[::-1].index(UNKNOWN)] = OUTCOMES.index("unknown")
    return outcome


def _binned(share: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    whole = share[np.isfinite(share)].astype(np.float64)
    return np.bincount(np.clip((whole * BINS).astype(np.int64), 0, BINS - 1), minlength=BINS)
