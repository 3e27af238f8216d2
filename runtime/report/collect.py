"""What a report needs of the mapped cells, gathered in one pass in bounded memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.base.bottom_k import spread_out
from cellport.runtime.columns import MappedBlock, Schema
from cellport.runtime.mapping.transfer import QC, UNKNOWN

SAMPLED = 5000
BINS = 20
OUTCOMES = ("sure", "broader", "unknown")
LATENT, LAYOUT = "X_cellport", "X_cellport_umap"


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of the cells, chosen by their position alone.

    Attributes
    ----------
    point
        float32 [k, width], latent or, where the atlas has one, place in its 2-D layout.
    call
        int64 [k], codes of the calls; -1 without labels.
    novel
        bool [k].
    time
        float32 [k], pseudotime; NaN off the trajectory and without one.
    """

    point: NDArray[np.float32]
    call: NDArray[np.int64]
    novel: NDArray[np.bool_]
    time: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Findings:
    """What the cells of one mapping came to.

    Attributes
    ----------
    n_cells
        Cells in all.
    labels, calls, queries
        Names behind the codes; empty where the mapping has no such column.
    by_label
        int64 [labels, 3], cells of each best label by outcome (`OUTCOMES`).
    by_call, by_query
        int64 [calls] and [queries, 3], likewise.
    outcome_of_call
        int64 [calls], position in `OUTCOMES`.
    quality
        Cells by quality flag.
    prob_sum, prob_bins
        Sum of the best label's probability, and int64 [20, 2] cells by probability, called a
        type or not.
    set_sizes
        int64 [4], cells by the number of labels in their set: none, one, two, more; None where
        the atlas gives no sets.
    n_novel, novel_by_label, novelty_bins
        Cells flagged as novel, int64 [labels] and int64 [20] by p-value; None where the atlas
        does not say.
    latent_cells, latent_sum, latent_squares
        Cells that are not empty, and float64 [latent] sums of their latent and its square.
    sample
        Cells to draw.
    in_layout
        Whether the sample lies in the atlas's own 2-D layout.
    """

    n_cells: int
    labels: tuple[str, ...]
    calls: tuple[str, ...]
    queries: tuple[str, ...]
    by_label: NDArray[np.int64]
    by_call: NDArray[np.int64]
    by_query: NDArray[np.int64]
    outcome_of_call: NDArray[np.int64]
    quality: dict[str, int]
    prob_sum: float
    prob_bins: NDArray[np.int64]
    set_sizes: NDArray[np.int64] | None
    n_novel: int | None
    novel_by_label: NDArray[np.int64] | None
    novelty_bins: NDArray[np.int64] | None
    latent_cells: int
    latent_sum: NDArray[np.float64]
    latent_squares: NDArray[np.float64]
    sample: Sample
    in_layout: bool

    @property
    def outcome(self) -> dict[str, int]:
        """Cells by outcome: called a type, a broader group, or unknown."""
        return dict(zip(OUTCOMES, self.by_label.sum(axis=0).tolist(), strict=True))


class Collector:
    """Gathers `Findings` block by block, whatever the size of the blocks.

    Parameters
    ----------
    schema
        Of the mapping.
    sampled
        Cells to keep for drawing.
    """

    def __init__(self, schema: Schema, sampled: int = SAMPLED) -> None:
        names = {column.name: column.categories for column in schema.columns}
        self._labels = names.get("cellport_label", ())
        self._calls = names.get("cellport_call", ())
        self._queries = names.get("cellport_query", ())
        self._has_p = "cellport_novelty_p" in names
        self._has_novel = "cellport_novel" in names
        self._place = LAYOUT if LAYOUT in schema.obsm else LATENT
        self._outcome_of_call = _outcomes(self._calls, self._labels)
        self._n_cells = self._latent_cells = 0
        self._by_label = np.zeros((len(self._labels), len(OUTCOMES)), np.int64)
        self._by_call = np.zeros(len(self._calls), np.int64)
        self._by_query = np.zeros((len(self._queries), len(OUTCOMES)), np.int64)
        self._quality = np.zeros(len(QC), np.int64)
        self._prob_sum = 0.0
        self._prob_bins = np.zeros((BINS, 2), np.int64)
        self._has_sets = "cellport_label_set" in names
        self._set_sizes = np.zeros(4, np.int64)
        self._novel_by_label = np.zeros(len(self._labels), np.int64)
        self._n_novel = 0
        self._novelty_bins = np.zeros(BINS, np.int64)
        self._latent_sum = np.zeros(schema.obsm[LATENT])
        self._latent_squares = np.zeros(schema.obsm[LATENT])
        self._sampled = sampled
        self._hash = np.empty(0, np.uint64)
        self._kept: dict[str, NDArray[Any]] = {
            "position": np.empty(0, np.int64),
            "point": np.empty((0, schema.obsm[self._place]), np.float32),
            "call": np.empty(0, np.int64),
            "novel": np.empty(0, np.bool_),
            "time": np.empty(0, np.float32),
        }

    def add(self, block: MappedBlock) -> None:
        """Count the cells of a block."""
        obs, n = block.obs, block.n_cells
        self._n_cells += n
        quality = obs["cellport_qc"]
        self._quality += np.bincount(quality, minlength=len(QC))
        novel = obs["cellport_novel"] if self._has_novel else np.zeros(n, np.bool_)
        self._n_novel += int(np.count_nonzero(novel))
        call = np.full(n, -1, np.int64)
        if self._labels:
            call = obs["cellport_call"].astype(np.int64)
            self._add_labels(obs, call, novel)
        if self._has_p:
            self._novelty_bins += _binned(obs["cellport_novelty_p"])
        latent = block.obsm[LATENT][quality != QC.index("empty")].astype(np.float64)
        self._latent_cells += len(latent)
        self._latent_sum += latent.sum(axis=0)
        self._latent_squares += (latent**2).sum(axis=0)
        time = obs.get("cellport_pseudotime", np.full(n, np.nan, np.float32))
        point = block.obsm[self._place]
        self._choose(block.start, {"point": point, "call": call, "novel": novel, "time": time})

    def findings(self) -> Findings:
        """Return what was found in all the blocks."""
        order = np.argsort(self._kept["position"])
        kept = {name: values[order] for name, values in self._kept.items()}
        return Findings(
            n_cells=self._n_cells,
            labels=self._labels,
            calls=self._calls,
            queries=self._queries,
            by_label=self._by_label,
            by_call=self._by_call,
            by_query=self._by_query,
            outcome_of_call=self._outcome_of_call,
            quality=dict(zip(QC, self._quality.tolist(), strict=True)),
            prob_sum=self._prob_sum,
            prob_bins=self._prob_bins,
            set_sizes=self._set_sizes if self._has_sets else None,
            n_novel=self._n_novel if self._has_novel else None,
            novel_by_label=self._novel_by_label if self._has_novel else None,
            novelty_bins=self._novelty_bins if self._has_p else None,
            latent_cells=self._latent_cells,
            latent_sum=self._latent_sum,
            latent_squares=self._latent_squares,
            sample=Sample(kept["point"], kept["call"], kept["novel"], kept["time"]),
            in_layout=self._place == LAYOUT,
        )

    def _add_labels(
        self, obs: dict[str, NDArray[Any]], call: NDArray[np.int64], novel: NDArray[np.bool_]
    ) -> None:
        label, prob = obs["cellport_label"].astype(np.int64), obs["cellport_prob"]
        outcome = self._outcome_of_call[call]
        self._by_call += np.bincount(call, minlength=len(self._calls))
        self._by_label += _crossed(label, outcome, len(self._labels))
        self._novel_by_label += np.bincount(label[novel], minlength=len(self._labels))
        if self._queries:
            origin = obs["cellport_query"].astype(np.int64)
            self._by_query += _crossed(origin, outcome, len(self._queries))
        self._prob_sum += float(prob.sum(dtype=np.float64))
        if self._has_sets:
            sets = obs["cellport_label_set"].tolist()
            size = [min(text.count(";") + 1, 3) if text else 0 for text in sets]
            self._set_sizes += np.bincount(np.array(size, np.int64), minlength=4)
        called = outcome == OUTCOMES.index("sure")
        self._prob_bins += np.stack([_binned(prob[called]), _binned(prob[~called])], axis=1)

    def _choose(self, start: int, of_cells: dict[str, NDArray[Any]]) -> None:
        """Keep the cells whose positions have the smallest hashes so far."""
        n_cells = len(of_cells["call"])
        position = np.arange(start, start + n_cells, dtype=np.int64)
        hashed = spread_out(position)
        if len(self._hash) == self._sampled:
            rows = np.flatnonzero(hashed < self._hash.max())
        else:
            rows = np.arange(n_cells)
        joined = np.concatenate([self._hash, hashed[rows]])
        best = np.arange(len(joined))
        if len(joined) > self._sampled:
            best = np.argpartition(joined, self._sampled - 1)[: self._sampled]
        self._hash = joined[best]
        self._kept = {
            name: np.concatenate([self._kept[name], values[rows]])[best]
            for name, values in {"position": position, **of_cells}.items()
        }


def _outcomes(calls: tuple[str, ...], labels: tuple[str, ...]) -> NDArray[np.int64]:
    """Outcome of each call: `unknown` is the last of that name, should a type be called so."""
    outcome = np.array(
        [OUTCOMES.index("sure" if name in labels else "broader") for name in calls], np.int64
    )
    if UNKNOWN in calls:
        outcome[len(calls) - 1 - calls[::-1].index(UNKNOWN)] = OUTCOMES.index("unknown")
    return outcome


def _crossed(
    code: NDArray[np.int64], outcome: NDArray[np.int64], n_codes: int
) -> NDArray[np.int64]:
    number = np.bincount(code * len(OUTCOMES) + outcome, minlength=n_codes * len(OUTCOMES))
    return number.reshape(n_codes, len(OUTCOMES))


def _binned(share: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    whole = share[np.isfinite(share)].astype(np.float64)
    return np.bincount(np.clip((whole * BINS).astype(np.int64), 0, BINS - 1), minlength=BINS)
