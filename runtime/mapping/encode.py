"""Counts of a block of cells to every answer of the atlas: the fast path."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.features import (
    PanelGenes,
    QueryBasis,
    linear_features,
    prepare_measured,
)
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.errors import AtlasError, first_line
from cellport.runtime.sources.block import CountBlock


@dataclass(frozen=True, slots=True)
class Answers:
    """What the encoder says of a block of cells.

    Attributes
    ----------
    by_name
        Outputs of the graph: ``latent`` float32 [n, latent], ``label_prob`` [n, labels], ...
    library
        float64 [n], counts over the panel genes.
    """

    by_name: dict[str, NDArray[np.float32]]
    library: NDArray[np.float64]


def query_basis(
    atlas: AtlasFile, panel_column: NDArray[np.int32], measured: NDArray[np.bool_]
) -> QueryBasis:
    """Fit the basis of the features to the genes of one query.

    Missing genes stand at what the measured ones make most likely, and take no part in the library
    size, which is scaled to the share of a reference cell's counts that the measured genes hold:
    the same sum as in ``encoder.onnx`` with NaN for the missing genes. What is expected of a
    gene is linear in the others, so its row of the basis is added to theirs, once for a query.

    Parameters
    ----------
    atlas
        The open atlas.
    panel_column
        int32 [query genes], position in the panel or -1.
    measured
        bool [panel genes], whether the query has the gene.

    Raises
    ------
    AtlasError
        The atlas's arrays do not fit each other.
    """
    basis = atlas.array("first_layer_weight")
    cap, mean, share, noise, loading = (
        atlas.array(f"gene_{name}") for name in ("cap", "mean", "share", "noise", "loading")
    )
    # the kernels trust these sizes
    of_genes = (atlas.manifest.n_genes,)
    fitting = cap.shape == mean.shape == share.shape == noise.shape == measured.shape == of_genes
    fitting = fitting and loading.ndim == 2 and loading.shape[:1] == of_genes
    fitting = fitting and bool((noise > 0).all())
    if not fitting or basis.ndim != 2 or basis.shape[:1] != of_genes:
        raise AtlasError(
            f"{atlas.path.name}: the sizes of its arrays do not fit its genes; get the atlas again."
        )
    panel = PanelGenes(cap, mean, share, noise, loading, atlas.manifest.target_sum)
    return prepare_measured(panel_column, measured, basis, panel)


def encode_block(
    block: CountBlock, basis: QueryBasis, tail: Any, threads: int, pool: Executor | None
) -> Answers:
    """Compute the features of one block of cells, and run the rest of the encoder on them.

    Parameters
    ----------
    block
        Raw counts in the query's gene order.
    basis
        From `query_basis`.
    tail
        Session of ``encoder_tail.onnx``.
    threads, pool
        Over which the features are spread; the answers do not depend on them.
    """
    features, library = linear_features(
        basis, block.indptr, block.indices, block.data, threads=threads, pool=pool
    )
    return Answers(run_graph(tail, {"hidden": features}), library)


def run_graph(session: Any, inputs: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Run a session and name its outputs.

    Raises
    ------
    AtlasError
        The graph does not take these inputs, or fails on them.
    """
    names = [output.name for output in session.get_outputs()]
    try:
        return dict(zip(names, session.run(names, inputs), strict=True))
    except Exception as error:  # noqa: BLE001 - onnxruntime has a dozen unrelated classes
        raise AtlasError(
            f"A graph of the atlas fails on its inputs ({first_line(error)}). Get the atlas again."
        ) from None
