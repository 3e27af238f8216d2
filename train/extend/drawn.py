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
from cellport.train.features.log_normalise import log_normalised

# cells in all, and of each label at least: a covariance of a hundred features asks for thousands
_CELLS, _OF_LABEL = 4_000, 40


@dataclass(frozen=True, slots=True)
class DrawnCells:
    """Made-up cells, each of the latent and the batch of a reference cell."""

    counts: sp.csr_matrix  # float32 [cells, panel genes]
    label: NDArray[np.int64]  # [cells], positions among the labels of the atlas
    # float32 [cells, panel genes], to be added to the values that the counts become
    noise: NDArray[np.float32]


def draw_cells(atlas: AtlasFile, seed: int) -> DrawnCells:
    """Draw some 4,000 cells with a label, and at least 40 of each.

    Counts are Poisson about what the decoder expects, as canaries are drawn; depths are those of
    the deeper half of the cells that the novelty table was made of, as the other half was thinned.
    Counts of cells vary more than so: what their values lack of the variance that the atlas's
    factor model gives each gene is there as noise.
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
    counts = sp.vstack(parts, format="csr")
    return DrawnCells(counts, label[rows], _noise(atlas, counts, rng))


def _noise(
    atlas: AtlasFile, counts: sp.csr_matrix, rng: np.random.Generator
) -> NDArray[np.float32]:
    values = log_normalised(counts, atlas.manifest.target)
    values.data = np.minimum(values.data, atlas.array("gene_cap")[values.indices])
    mean = np.asarray(values.mean(axis=0)).ravel()
    varies = np.asarray(values.multiply(values).mean(axis=0)).ravel() - mean**2
    loading, noise = atlas.array("gene_loading").astype(np.float64), atlas.array("gene_noise")
    lacks = np.sqrt(np.maximum(np.square(loading).sum(axis=1) + noise - varies, 0))
    drawn: NDArray[np.float32] = rng.standard_normal(counts.shape, np.float32)
    drawn *= lacks.astype(np.float32)
    return drawn


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
