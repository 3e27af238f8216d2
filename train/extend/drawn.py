"""Cells like those that an atlas was trained on, drawn from its own decoder.

The counts of the old cells do not travel with an atlas, but the latent of each does, and the
decoder says what counts a latent stands for. Drawn cells stand in for the old ones wherever new
types have to be told from them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.novelty_table import NoveltyTable, read_novelty_table
from cellport.runtime.atlas.session import open_session

# cells in all, and of each label at least: a covariance of a hundred features asks for thousands
_CELLS, _OF_LABEL = 4_000, 40


@dataclass(frozen=True, slots=True)
class DrawnCells:
    """Made-up cells, each of the latent and the batch of a reference cell."""

    counts: sp.csr_matrix  # float32 [cells, panel genes]
    label: NDArray[np.int64]  # [cells], positions among the labels of the atlas


def draw_cells(atlas: AtlasFile, seed: int) -> DrawnCells:
    """Draw some 4,000 cells with a label, and at least 40 of each.

    Counts are Poisson about what the decoder expects, as canaries are drawn; depths are those of
    the deeper half of the cells that the novelty table was made of, as the other half was thinned.
    """
    rng = np.random.default_rng(seed)
    label = atlas.array("reference_label").astype(np.int64)
    rows = _rows(label, rng)
    depth = _depths(read_novelty_table(atlas), len(rows), rng)
    session = open_session(atlas.read("decoder.onnx"), "decoder.onnx", "cpu")
    batch = np.eye(len(atlas.manifest.batches), dtype=np.float32)
    latent, batch_of = atlas.array("reference_latent"), atlas.array("reference_batch")
    parts = []
    for start in range(0, len(rows), 1024):
        some = rows[start : start + 1024]
        inputs = {
            "latent": latent[some],
            "batch": batch[batch_of[some]],
            "library": depth[start : start + 1024, np.newaxis],
        }
        (mean,) = session.run(None, inputs)
        parts.append(sp.csr_matrix(rng.poisson(mean).astype(np.float32)))
    return DrawnCells(sp.vstack(parts, format="csr"), label[rows])


def _rows(label: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose reference cells, some of rare labels more than once: each time they are drawn anew."""
    known = np.flatnonzero(label >= 0)
    chosen = []
    for code in np.unique(label[known]):
        rows = np.flatnonzero(label == code)
        wanted = max(_OF_LABEL, round(_CELLS * len(rows) / len(known)))
        chosen.append(rng.choice(rows, wanted, replace=wanted > len(rows)))
    return np.concatenate(chosen)


def _depths(table: NoveltyTable, number: int, rng: np.random.Generator) -> NDArray[np.float32]:
    bins = table.depth[-1].astype(np.float64)
    at = rng.uniform(len(bins) // 2, max(len(bins) - 1, len(bins) // 2), number)
    found: NDArray[np.float64] = np.expm1(np.interp(at, np.arange(len(bins)), bins))
    return found.astype(np.float32)
