"""Cells of each label as a panel of genes would count them, drawn from the atlas's own decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Decode
from cellport.runtime.sources.block import CountBlock

# cells drawn of each label: shares to some hundredths
_CELLS = 100
# standard deviation of the logarithm of a cell's counts among cells of one experiment; .3 to .7 in
# the datasets of `benchmarks.panels`
_DEPTHS = 0.5
# what expected counts do not know: variance of a gene's expression in cells of a type, beside its
# square, and standard deviation of the logarithm of what a platform sees of each gene; chosen on
# four datasets (`benchmarks.outlook`)
_WITHIN_TYPES, _OF_PLATFORMS = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class MadeCells:
    """Counts of made-up cells of one label, as a query of the measured genes would have them."""

    label: int
    counts: CountBlock  # of the measured genes, in the order of the panel


def can_make(atlas: AtlasFile) -> None:
    """Refuse an atlas whose cells cannot be made up.

    Raises
    ------
    InputError
        It has no labels, no reference cells or no decoder.
    """
    manifest = atlas.manifest
    lacks = [
        what
        for what, there in (
            ("labels", bool(manifest.labels)),
            ("reference cells", manifest.has_reference),
            ("decoder", "decoder.onnx" in atlas),
        )
        if not there
    ]
    if lacks:
        raise InputError(
            f"What genes can tell is judged by cells made up from the atlas, and '{manifest.name}' "
            f"has no {' and no '.join(lacks)}."
        )


def make_cells(
    atlas: AtlasFile, decode: Decode, measured: NDArray[np.bool_], depth: float, seed: int = 0
) -> Iterator[MadeCells]:
    """Make up cells of each label that has reference cells, one label after another.

    Latents are those of reference cells; expected counts are decoded as the mean over its
    batches, vary within a type and are seen by a platform that sees each gene with an efficiency of
    its own; of what is then expected, counts are drawn.

    Parameters
    ----------
    measured
        bool [genes], panel genes that are counted.
    depth
        Counts of a cell over these genes, the median.
    """
    latent, label = atlas.array("reference_latent"), atlas.array("reference_label")
    seen = np.exp(np.random.default_rng([seed]).normal(0, _OF_PLATFORMS, int(measured.sum())))
    for code in range(len(atlas.manifest.labels)):
        rng = np.random.default_rng([seed, code])
        rows = rng.permutation(np.flatnonzero(label == code))[:_CELLS]
        if len(rows):
            expected = decode(latent[rows], None)[:, measured].astype(np.float64)
            yield MadeCells(code, _drawn(expected * seen, depth, rng))


def _drawn(rate: NDArray[np.float64], depth: float, rng: np.random.Generator) -> CountBlock:
    rate = rate * rng.gamma(1 / _WITHIN_TYPES, _WITHIN_TYPES, rate.shape)
    total = np.maximum(rate.sum(axis=1, keepdims=True), 1e-12)
    library = depth * np.exp(rng.normal(0, _DEPTHS, (len(rate), 1)))
    counts = rng.poisson(rate / total * library)
    cell, gene = np.nonzero(counts)
    indptr = np.append(0, np.cumsum(np.bincount(cell, minlength=len(counts))))
    data = counts[cell, gene].astype(np.float32)
    return CountBlock(0, indptr, gene.astype(np.int32), data)
