"""Whether a cell is like anything in the atlas."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.novelty_table import novelty_p_values, read_novelty_table
from cellport.runtime.columns import NOVEL, NOVELTY_P, Column, Schema
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator | None:
    """Give every cell its novelty p-value, where there are reference cells to compare with.

    An empty one is never novel: nothing is known of it.

    Raises
    ------
    AtlasError
        The atlas's novelty table is malformed.
    """
    if not setting.atlas.manifest.has_reference:
        return None
    table = read_novelty_table(setting.atlas)
    level = setting.atlas.manifest.thresholds.novelty_p

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        score = cells.answers["novelty_score"]
        p = novelty_p_values(table, score, cells.library, setting.measured_share)
        p = np.where(cells.empty, 1, p).astype(np.float32)
        return {NOVELTY_P: p, NOVEL: p < level}

    return Annotator(Schema((Column(NOVELTY_P, "float"), Column(NOVEL, "bool"))), annotate)
