"""What each gene of a cell adds to the log-odds of its label.

Counts become values gene by gene, values become features by a fixed linear basis, and features
become labels by a network. The first two are taken exactly. Through the network, gradients are
averaged along the straight way from the reference's average cell to the cell at hand, so that what
all genes add is the difference between these two; for a linear model that is exact as well.

References
----------
Sundararajan, Taly and Yan 2017, ICML, "Axiomatic attribution for deep networks" (integrated
gradients).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.features import PanelGenes, fitted_to_measured
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.network.gradient import Run, run
from cellport.runtime.atlas.network.graph import Graph, read_graph
from cellport.runtime.base.processors import small_products
from cellport.runtime.mapping.encode import panel_genes
from cellport.runtime.mapping.explain.counted import CountedCells
from cellport.runtime.mapping.genes.information import label_information, mixed_with_ignorance

Array = NDArray[np.float64]
# gradients along the way: of 19 in 20 cells no contribution is farther from that by eight times as
# many than 4 % of the largest (benchmarks.explain)
STEPS = 64
# that are taken at once: few large products are quick, and what has to be kept is bounded
_AT_ONCE = 16
_TINY = 1e-300


@dataclass(frozen=True, slots=True)
class MeasuredBasis:
    """How values of the genes that some cells measured become features."""

    basis: Array  # [panel, features]
    mean: Array  # [panel], values of the average cell
    offset: Array  # [features]
    target: float
    measured: NDArray[np.bool_]  # [panel]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the genes of some cells say of one label of each."""

    # float64 [cells, panel], what each gene that a cell expresses adds to the log-odds of the
    # label against all others, and to those against the runner-up; 0 for genes without a count
    for_label: Array
    against_runner_up: Array
    runner_up: NDArray[np.int64]  # [cells], the most probable of the other labels
    probability: Array  # [cells], of the label


class Explainer:
    """The network of an atlas from its labels back to the counts.

    Where labels are the nearest prototypes, distances take the place of log-odds: by how much
    farther the other prototypes are on average, and by how much the runner-up's is.
    """

    def __init__(self, atlas: AtlasFile, steps: int = STEPS) -> None:
        self.atlas, self._steps = atlas, steps
        self._name, self._kind = atlas.manifest.name, atlas.manifest.head.kind
        self._bases: dict[bytes, MeasuredBasis] = {}

    @cached_property
    def _graph(self) -> Graph:
        return read_graph(self.atlas.read("encoder_tail.onnx"), f"{self._name}, encoder_tail.onnx")

    @cached_property
    def _panel(self) -> PanelGenes:
        return panel_genes(self.atlas)

    @property
    def _answer(self) -> str:
        kinds = {"sigmoids": "label_score", "prototypes": "label_distance"}
        return kinds.get(self._kind, "label_prob")

    def evidence(self, cells: CountedCells, label: NDArray[np.integer]) -> Evidence:
        """Tell what speaks for one label of each cell, int64 [cells].

        Raises
        ------
        AtlasError
            The network cannot be followed.
        """
        n, n_genes = cells.counts.shape
        found = Evidence(
            np.zeros((n, n_genes)), np.zeros((n, n_genes)), np.zeros(n, np.int64), np.zeros(n)
        )
        for rows, measured in cells.by_genes():
            with small_products():
                part = self._of_alike(cells.take(rows), measured, label[rows])
            found.for_label[rows] = part.for_label
            found.against_runner_up[rows] = part.against_runner_up
            found.runner_up[rows] = part.runner_up
            found.probability[rows] = part.probability
        return found

    def probability(self, versions: Sequence[CountedCells], label: NDArray[np.integer]) -> Array:
        """Probability of one label of each cell, as mapping gives it; NaN where there is none.

        Of several versions of the same cells, which measured the same genes: float64
        [versions, cells].
        """
        found = np.zeros((len(versions), len(label)))
        for rows, measured in versions[0].by_genes():
            alike = [one.take(rows) for one in versions]
            with small_products():
                sure = self._probabilities(alike, measured)
            of_label = sure[np.arange(len(sure)), np.tile(label[rows], len(versions))]
            found[:, rows] = of_label.reshape(len(versions), -1)
        return found

    def _probabilities(
        self, versions: Sequence[CountedCells], measured: NDArray[np.bool_]
    ) -> Array:
        basis = self._measured(measured)
        features = [self._values(one, basis) @ basis.basis + basis.offset for one in versions]
        return self._sure(self._run(np.concatenate(features)).value, measured)

    def _of_alike(
        self, cells: CountedCells, measured: NDArray[np.bool_], label: NDArray[np.integer]
    ) -> Evidence:
        basis = self._measured(measured)
        values = self._values(cells, basis)
        features = values @ basis.basis + basis.offset
        answer = self._run(features).value
        runner_up = self._runner_up(answer, label)
        rest, other = self._slopes(features, label, runner_up)
        moved = np.where(values > 0, values - basis.mean, 0)
        return Evidence(
            moved * (rest @ basis.basis.T),
            moved * (other @ basis.basis.T),
            runner_up,
            self._sure(answer, measured)[np.arange(len(label)), label],
        )

    def _slopes(
        self, features: Array, label: NDArray[np.integer], runner_up: NDArray[np.integer]
    ) -> tuple[Array, Array]:
        """Mean gradients between the average cell, all of whose features are 0, and the cells."""
        place, weight = np.polynomial.legendre.leggauss(self._steps)
        rest, other = np.zeros_like(features), np.zeros_like(features)
        for start in range(0, self._steps, _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            way = (place[part, None, None] + 1) / 2 * features
            there = self._run(way.reshape(-1, features.shape[1]))
            codes = np.tile(label, len(way)), np.tile(runner_up, len(way))
            for total, one in zip((rest, other), self._weights(there.value, *codes), strict=True):
                slope = there.gradient(one).reshape(way.shape)
                total += np.tensordot(weight[part] / 2, slope, 1)
        return rest, other

    def _run(self, features: Array) -> Run:
        return run(self._graph, "features", features, self._answer, self._name)

    def _sure(self, answer: Array, measured: NDArray[np.bool_]) -> Array:
        """Probabilities as mapping gives them."""
        if self._kind == "prototypes":
            return np.full(answer.shape, np.nan)
        if self._kind == "sigmoids":
            return np.asarray(1 / (1 + np.exp(-np.clip(answer, -700, 700))))
        power = self.atlas.manifest.head.calibration.information_power
        if not power:
            return answer
        return mixed_with_ignorance(answer, label_information(self.atlas, measured), power)

    def _runner_up(self, answer: Array, label: NDArray[np.integer]) -> NDArray[np.int64]:
        closeness = -answer if self._kind == "prototypes" else answer.copy()
        closeness[np.arange(len(label)), label] = -np.inf
        return np.asarray(closeness.argmax(axis=1), np.int64)

    def _weights(
        self, answer: Array, label: NDArray[np.integer], runner_up: NDArray[np.integer]
    ) -> tuple[Array, Array]:
        """Differentiate by each answer the log-odds against all others, and the runner-up."""
        rows, n_labels = np.arange(len(label)), answer.shape[1]
        rest, other = np.zeros_like(answer), np.zeros_like(answer)
        if self._kind == "sigmoids":
            rest[rows, label] = other[rows, label] = 1
            other[rows, runner_up] -= 1
        elif self._kind == "prototypes":
            rest[:] = 1 / max(n_labels - 1, 1)
            rest[rows, label] = other[rows, label] = -1
            other[rows, runner_up] += 1
        else:
            prob = np.maximum(answer, _TINY)
            others = np.maximum(prob.sum(axis=1) - prob[rows, label], _TINY)
            rest[:] = -1 / others[:, None]
            rest[rows, label] = other[rows, label] = 1 / prob[rows, label]
            other[rows, runner_up] -= 1 / prob[rows, runner_up]
        return rest, other

    def _values(self, cells: CountedCells, basis: MeasuredBasis) -> Array:
        """Values of the panel genes, float64 [cells, panel]; 0 where a gene was not measured."""
        panel, own = self._panel, self.atlas.manifest.panel.representative
        counts = np.asarray(cells.counts.todense(), np.float64)
        library = counts.sum(axis=1) if panel.library == "panel" else cells.query_library
        values = counts[:, own]
        if panel.library != "none":
            values = values * (basis.target / np.where(library > 0, library, 1))[:, None]
        if panel.log1p:
            values = np.log1p(values)
        if panel.cap is not None:
            values = np.minimum(values, panel.cap)
        return np.asarray(np.where(basis.measured, values, 0))

    def _measured(self, measured: NDArray[np.bool_]) -> MeasuredBasis:
        key = measured.tobytes()
        if key not in self._bases:
            self._bases[key] = self._basis(measured)
        return self._bases[key]

    def _basis(self, measured: NDArray[np.bool_]) -> MeasuredBasis:
        """As `cellport.kernels.features.prepare_measured` fits it."""
        panel = self._panel
        basis, target = fitted_to_measured(self.atlas.array("basis"), measured, panel)
        wide = np.where(measured[:, None], basis.astype(np.float64), 0)
        mean = np.where(measured, panel.mean.astype(np.float64), 0)
        return MeasuredBasis(wide, mean, -(mean @ wide), target, measured)
