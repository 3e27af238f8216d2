"""How much of what tells labels apart the genes of a query hold, and what that is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.encode import EncodedCells

Floating = TypeVar("Floating", np.float32, np.float64)
_TINY = 1e-12


def label_information(atlas: AtlasFile, measured: NDArray[np.bool_]) -> float:
    """Share of what tells labels apart that the `measured` genes hold, bool [genes]: 0 to 1.

    The mean, over the features that discriminate labels, of the share of their variance that these
    genes foretell by the factor model of all genes. On 26 splits of eleven datasets the share of
    right calls that were left without the other genes went with it (Spearman .86; with the share of
    the genes .76). 1 for an atlas without such a model, and without labels.

    References
    ----------
    Tipping and Bishop 1999, J. R. Stat. Soc. B, "Probabilistic principal component analysis".
    """
    manifest = atlas.manifest
    if measured.all() or manifest.fill != "factors" or not manifest.labels:
        return 1.0
    loading = atlas.array("gene_loading").astype(np.float64)
    noise = atlas.array("gene_noise").astype(np.float64)
    weight = discriminants(atlas, loading.shape[1])
    variance = np.square(loading.T @ weight).sum(axis=0) + noise @ np.square(weight)
    seen = loading[measured]
    # covariance of the features and the measured genes, and of these by Woodbury's identity
    shared = (weight.T @ loading) @ seen.T + weight[measured].T * noise[measured]
    scaled = seen / noise[measured, None]
    system = np.eye(seen.shape[1]) + seen.T @ scaled
    solved = shared / noise[measured] - (shared @ scaled) @ np.linalg.solve(system, scaled.T)
    varies = variance > _TINY
    told = (solved * shared).sum(axis=1)[varies] / variance[varies]
    return float(np.clip(told.mean(), 0, 1)) if len(told) else 1.0


def discriminants(atlas: AtlasFile, n_factors: int) -> NDArray[np.float64]:
    """Return the weights of the discriminants of whole cells, one a label, behind the factors."""
    labels = slice(n_factors, n_factors + len(atlas.manifest.labels))
    return atlas.array("basis")[:, labels].astype(np.float64)


def as_sure_as_its_genes(cells: EncodedCells, information: float, power: float) -> EncodedCells:
    """Mix probabilities of labels with what is known without any gene: all are as likely.

    A network that sees few genes, and expects the others of them, is too sure. Of genes that hold
    the share i of what tells labels apart, its word counts for 1 - (1 - i)^power. The order of the
    labels stays, and so does the sum. Where the power, which the atlas states, is 0, nothing is
    mixed.
    """
    if information >= 1 or not power:
        return cells
    mixed = mixed_with_ignorance(cells.answers["label_prob"], information, power)
    return replace(cells, answers=cells.answers | {"label_prob": mixed})


def mixed_with_ignorance(
    prob: NDArray[Floating], information: float, power: float
) -> NDArray[Floating]:
    """Probabilities float [cells, labels], mixed as `as_sure_as_its_genes` says, in their type."""
    number = prob.dtype.type
    known = number(1 - (1 - information) ** power)
    return known * prob + (1 - known) / number(prob.shape[1])
