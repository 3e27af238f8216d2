"""What an atlas is made of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.models.layout import LayoutNetwork
from cellport.train.config import AtlasConfig
from cellport.train.infer import Fitted
from cellport.train.labels.rules import LabelRules
from cellport.train.novelty import Novelty
from cellport.train.reference.reference import Reference
from cellport.train.structure.fit import Structure


@dataclass(frozen=True, slots=True)
class AtlasParts:
    """What an atlas is made of, as the steps of `cellport.train.build` make it.

    ``genes`` is int64, positions of the panel's genes in the reference; ``layout_scores`` is what
    held-out cells say of the 2-D map.
    """

    reference: Reference
    genes: NDArray[np.int64]
    config: AtlasConfig
    fitted: Fitted
    rules: LabelRules
    layout: LayoutNetwork
    layout_scores: dict[str, float | int]
    structure: Structure
    novelty: Novelty
