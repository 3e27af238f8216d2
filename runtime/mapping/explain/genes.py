"""The genes that spoke for labels, by type and by cell, and what becomes of cells without them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.mapping.explain.counted import CountedCells
from cellport.runtime.mapping.explain.evidence import Evidence, Explainer


@dataclass(frozen=True, slots=True)
class SpeakingGene:
    """A gene that spoke for a label."""

    gene: str
    # what its counts add to the log-odds of the label against all others, and against the
    # runner-up; of a type the mean over its cells
    for_label: float
    against_runner_up: float
    expressed: float  # share of the cells that express it; of one cell its counts
    probability_without: float  # of the label were there no count of it; NaN without probabilities


@dataclass(frozen=True, slots=True)
class LabelReasons:
    """Why cells were given a label."""

    label: str
    cell: str  # its name; empty for a type
    runner_up: str  # the next label, of a type that of most of its cells
    cells: int  # that were looked at
    probability: float  # of the label, the mean over the cells
    genes: tuple[SpeakingGene, ...]  # that spoke for it, most first
    probability_without: float  # of the label were there no count of all these genes


def reasons_of_type(
    explainer: Explainer, cells: CountedCells, label: int, most: int
) -> LabelReasons:
    """Name the genes that spoke for a label over all of some cells, at most `most`.

    Those whose mean over the cells is above 0, the largest first.
    """
    found = explainer.evidence(cells, np.full(len(cells), label, np.int64))
    mean, beside = found.for_label.mean(axis=0), found.against_runner_up.mean(axis=0)
    expressed = np.asarray((cells.counts > 0).mean(axis=0)).ravel()
    own = explainer.atlas.manifest.panel.representative
    runner_up = int(np.bincount(found.runner_up).argmax())
    said = _about(explainer, label, "", runner_up, found)
    numbers = mean, beside, expressed[own]
    return _reasons(explainer, said, _best(mean, most), numbers, cells, label)


def reasons_of_cell(
    explainer: Explainer, cell: CountedCells, name: str, label: int, most: int
) -> LabelReasons:
    """Name the genes that spoke for a label of one cell, at most `most`."""
    found = explainer.evidence(cell, np.array([label]))
    first, beside = found.for_label[0], found.against_runner_up[0]
    counts = np.asarray(cell.counts.todense(), np.float64).ravel()
    own = explainer.atlas.manifest.panel.representative
    said = _about(explainer, label, name, int(found.runner_up[0]), found)
    numbers = first, beside, counts[own]
    return _reasons(explainer, said, _best(first, most), numbers, cell, label)


def without_genes(cells: CountedCells, genes: NDArray[np.integer]) -> CountedCells:
    """Return cells as if these panel genes had no count in them, but were measured.

    The library over the query's genes shrinks too, as it would.
    """
    counts = cells.counts.copy()
    gone = np.isin(counts.indices, genes)
    lost = np.where(gone, counts.data, 0).astype(np.float64)
    rows = np.repeat(np.arange(len(cells)), np.diff(counts.indptr))
    library = cells.query_library - np.bincount(rows, lost, len(cells))
    counts.data = np.where(gone, 0, counts.data).astype(np.float32)
    return replace(cells, counts=counts, query_library=library)


def _best(strength: NDArray[np.float64], most: int) -> NDArray[np.int64]:
    order = np.argsort(-strength, kind="stable")[:most]
    return order[strength[order] > 0]


def _reasons(
    explainer: Explainer,
    said: LabelReasons,
    genes: NDArray[np.int64],
    numbers: tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]],
    cells: CountedCells,
    label: int,
) -> LabelReasons:
    """Add the genes, with what they say, and what the cells are without each and all of them."""
    panel = explainer.atlas.manifest.panel
    own = panel.representative
    each = [without_genes(cells, own[[gene]]) for gene in genes]
    codes = np.full(len(cells), label, np.int64)
    sure = explainer.probability([*each, without_genes(cells, own[genes])], codes).mean(axis=1)
    named = tuple(
        SpeakingGene(
            gene=str(panel.names[gene]),
            for_label=float(numbers[0][gene]),
            against_runner_up=float(numbers[1][gene]),
            expressed=float(numbers[2][gene]),
            probability_without=float(without),
        )
        for gene, without in zip(genes.tolist(), sure[:-1], strict=True)
    )
    return replace(said, genes=named, probability_without=float(sure[-1]))


def _about(
    explainer: Explainer, label: int, cell: str, runner_up: int, found: Evidence
) -> LabelReasons:
    names, prob = explainer.atlas.manifest.labels, float(found.probability.mean())
    other = names[runner_up] if len(names) > 1 else ""
    return LabelReasons(names[label], cell, other, len(found.probability), prob, (), prob)
