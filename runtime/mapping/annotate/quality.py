"""Whether a cell has counts and genes enough to be judged by."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.columns import QUALITIES, QUALITY, Column, Schema
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator:
    """Flag cells by the atlas's thresholds; of several flags a cell has the gravest."""
    limits = setting.atlas.manifest.thresholds
    usual = QUALITIES.index("ok" if setting.covered else "low_gene_coverage")

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        quality = np.full(len(cells.library), usual, np.int32)
        quality[cells.library < limits.low_depth] = QUALITIES.index("low_depth")
        quality[cells.empty] = QUALITIES.index("empty")
        return {QUALITY: quality}

    return Annotator(Schema((Column(QUALITY, "category", QUALITIES),)), annotate)
