"""Put each gene of a query on the atlas's scale, by its mean and spread over the whole query.

Platforms see each gene with an efficiency of its own, and targeted panels most of all: what one
counts twice as often as the reference did looks like another type. What it takes is measured on the
query itself, so the answers for a cell then depend on the others of its query.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.features import GeneScaling
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.decisions import number, say, whole
from cellport.runtime.errors import InputError
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.encode import encode_block, query_basis
from cellport.runtime.mapping.genes.information import label_information
from cellport.runtime.sources import CountBlock, CountSource
from cellport.runtime.sources.spread import spread_cells

_CELLS, _WINDOWS = whole("rescaling.cells"), whole("rescaling.windows")
_ROUNDS, _OWN_MIX = whole("rescaling.rounds"), number("rescaling.own_mix")
_FEW_CELLS, _STEEPEST = number("rescaling.few_cells"), number("rescaling.steepest")
_LEAST_WITHIN, _LEAST = number("rescaling.least_within"), number("rescaling.least_information")
# variances below these are those of a gene that hardly varies, in the atlas and in the query
_LEAST_VARIANCE, _LEAST_SEEN = 1e-6, 1e-4
_TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Rescaling:
    """How the genes of a query are put on the atlas's scale."""

    genes: tuple[int, ...]  # positions in the panel of those that are
    slope: tuple[float, ...]  # of each: a value v becomes slope v + shift
    shift: tuple[float, ...]
    cells: int  # that were looked at

    def of_panel(self, n_genes: int) -> GeneScaling:
        """Return slope and shift of every panel gene; 1 and 0 for one that stays as it is."""
        slope, shift = np.ones(n_genes), np.zeros(n_genes)
        slope[list(self.genes)], shift[list(self.genes)] = self.slope, self.shift
        return GeneScaling(slope, shift)


@dataclass(frozen=True, slots=True)
class _Reference:
    """Mean and spread of the values of each panel gene in the reference."""

    mean: NDArray[np.float64]  # [labels, genes], of the cells of each label
    within: NDArray[np.float64]  # [genes], variance that labels leave
    share: NDArray[np.float64]  # [labels], of the reference's cells

    def moments(self, share: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
        """Mean and variance, [genes] each, of cells of which each label has such a share."""
        middle = share @ self.mean
        between = share @ np.square(self.mean - middle)
        return middle, self.within + between


def check_panel(source: CountSource, genes: GeneMatch, atlas: AtlasFile, minimum: float) -> None:
    """Refuse a query of fewer genes than a share `minimum` that do not tell the labels apart.

    Raises
    ------
    InputError
        With what they hold.
    """
    if genes.share >= minimum:
        return
    information = label_information(atlas, genes.measured)
    if information < _LEAST:
        raise InputError(
            say(
                "rescaling.too_little",
                matched=int(genes.measured.sum()),
                panel=len(genes.measured),
                source=source.description,
                information=information,
            )
        )


def rescale(source: CountSource, genes: GeneMatch, atlas: AtlasFile, tail: Any) -> Rescaling:
    """Measure what puts each gene of a query on the atlas's scale.

    Values of a gene get the mean and the spread that the reference's would have, were they mixed of
    its labels as the query is: as half of what the query's cells are called before, and half of the
    reference. With new scales they are called, and scales are measured, once more. Of few cells,
    little is changed. Up to 2,000 cells in 20 places of the query are looked at.

    Raises
    ------
    InputError
        The atlas does not say how its genes spread, or the query has no cell with counts.

    References
    ----------
    Cable et al. 2022, Nature Biotechnology, "Robust decomposition of cell type mixtures in spatial
    transcriptomics" (a platform effect of each gene, estimated over the whole query). Johnson et
    al. 2007, Biostatistics (location and scale of each gene, shrunk where cells are few).
    """
    manifest = atlas.manifest
    if manifest.fill != "factors" or not manifest.has_reference:
        raise InputError(say("rescaling.unknown", atlas=manifest.name))
    reference = _reference(atlas)
    blocks = list(spread_cells(source, _CELLS, _WINDOWS))
    n, mean, variance = _moments(blocks, genes, atlas)
    if not n:
        raise InputError(say("rescaling.empty", source=source.description))
    known = np.flatnonzero(genes.measured)
    kept = n / (n + _FEW_CELLS)
    scaling = None
    for _ in range(_ROUNDS):
        share = reference.share
        if manifest.labels:
            called = _called(blocks, genes, atlas, tail, scaling)
            share = _OWN_MIX * called + (1 - _OWN_MIX) * reference.share
        wanted, spread = reference.moments(share)
        ratio = np.maximum(spread, _LEAST_VARIANCE) / np.maximum(variance, _LEAST_SEEN)
        steep = np.clip(np.sqrt(ratio), 1 / _STEEPEST, _STEEPEST)
        slope = (1 - kept + kept * steep)[known]
        shift = (kept * (wanted - steep * mean))[known]
        # in single precision the order in which cells were read does not show
        lists = [one.astype(np.float32).tolist() for one in (slope, shift)]
        scaling = Rescaling(tuple(known.tolist()), tuple(lists[0]), tuple(lists[1]), cells=n)
    assert scaling is not None
    return scaling


def _reference(atlas: AtlasFile) -> _Reference:
    """Read how the genes spread.

    The labels' mean values are made from their profiles, which are on another scale, and meet the
    genes' means.
    """
    mean = atlas.array("gene_mean").astype(np.float64)
    loading, noise = atlas.array("gene_loading").astype(np.float64), atlas.array("gene_noise")
    variance = np.square(loading).sum(axis=1) + noise
    profiles = atlas.array("label_mean").astype(np.float64)
    n_labels = len(atlas.manifest.labels)
    label = atlas.array("reference_label") if n_labels else np.zeros(1, np.int32)
    cells = np.bincount(label[label >= 0], minlength=len(profiles)).astype(np.float64)
    share = cells / max(cells.sum(), 1.0)
    values = np.log1p(np.expm1(profiles) * (atlas.manifest.target / LIBRARY))
    values *= mean / np.maximum(share @ values, _TINY)
    between = share @ np.square(values - mean)
    within = np.maximum(variance - between, _LEAST_WITHIN * variance)
    return _Reference(values, within, share)


def _moments(
    blocks: Iterable[CountBlock], genes: GeneMatch, atlas: AtlasFile
) -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Count cells with counts; mean and variance of the values of each panel gene, [genes]."""
    n_genes = len(genes.measured)
    share = float(atlas.array("gene_share")[genes.measured].sum(dtype=np.float64))
    target = atlas.manifest.target * share
    n, total, square = 0, np.zeros(n_genes), np.zeros(n_genes)
    for block in blocks:
        gene = genes.panel_column[block.indices]
        cell = np.repeat(np.arange(block.n_cells), np.diff(block.indptr))
        used = (gene >= 0) & (block.data > 0)
        # genes that come again in the query or in a cell are one
        place, of_value = np.unique(
            cell[used] * np.int64(n_genes) + gene[used], return_inverse=True
        )
        counts = np.bincount(of_value, block.data[used].astype(np.float64))
        cell, gene = place // n_genes, place % n_genes
        library = np.bincount(cell, counts, block.n_cells)
        values = np.log1p(counts * (target / library[cell]))
        n += int(np.count_nonzero(library))
        total += np.bincount(gene, values, n_genes)
        square += np.bincount(gene, np.square(values), n_genes)
    mean = total / max(n, 1)
    return n, mean, np.maximum(square / max(n, 1) - np.square(mean), 0)


def _called(
    blocks: Iterable[CountBlock],
    genes: GeneMatch,
    atlas: AtlasFile,
    tail: Any,
    rescaling: Rescaling | None,
) -> NDArray[np.float64]:
    """Mean probability of each label over cells with counts, [labels]."""
    scaling = None if rescaling is None else rescaling.of_panel(len(genes.measured))
    basis = query_basis(atlas, genes.panel_column, genes.measured, genes.is_gene, scaling)
    total, n = np.zeros(len(atlas.manifest.labels)), 0
    for block in blocks:
        cells = encode_block(block, basis, tail, threads=1, pool=None)
        known = ~cells.empty
        total += cells.answers["label_prob"][known].sum(axis=0, dtype=np.float64)
        n += int(np.count_nonzero(known))
    return total / max(n, 1)
