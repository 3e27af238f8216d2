"""Whether a query has enough of an atlas's genes to be judged by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.decisions import say
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.genes.information import label_information


def weighs_genes(manifest: Manifest) -> bool:
    """Whether an atlas judges genes by what they tell, not by their number."""
    return manifest.fill == "factors" and manifest.head.calibration.information_power > 0


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of an atlas the genes of a query are."""

    share: float  # of what tells labels apart, or of the panel genes
    of_labels: bool  # whether it is the former
    needed: float  # less is too little, by the atlas's threshold

    @property
    def enough(self) -> bool:
        """Whether cells can be judged by these genes."""
        return self.share >= self.needed

    def notes(self, genes: GeneMatch, source: str) -> tuple[str, ...]:
        """Return a sentence where the `genes` of a query are too few."""
        if self.enough:
            return ()
        counts = {"matched": int(genes.measured.sum()), "panel": len(genes.measured)}
        kind = "genes.weak" if self.of_labels else "genes.few"
        return (say(kind, **counts, share=self.share, enough=self.needed, source=source),)


def coverage(atlas: AtlasFile, measured: NDArray[np.bool_]) -> Coverage:
    """Judge the `measured` genes of the panel, bool [genes].

    An atlas that takes the word of few genes for less is asked what they tell: a fifth of its
    genes at random leave nearly all labels right, the wrong half does not. Of others, as of those
    without labels, their number decides.
    """
    manifest = atlas.manifest
    of_labels = weighs_genes(manifest)
    share = label_information(atlas, measured) if of_labels else float(measured.mean())
    return Coverage(share, of_labels, manifest.thresholds.low_gene_coverage)
