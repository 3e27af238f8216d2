"""Counts of a block of cells to every answer of the atlas: the fast path."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.kernels.features import (
    Factors,
    GeneScaling,
    PanelGenes,
    QueryBasis,
    linear_features,
    prepare_measured,
)
from cellport.runtime.atlas.arrays import answers_of
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError, first_line
from cellport.runtime.sources.block import CountBlock


@dataclass(frozen=True, slots=True)
class EncodedCells:
    """What the encoder says of a block of cells."""

    start: int  # position of the first cell in its query
    # outputs of the graph: ``latent`` float32 [n, latent], ``label_prob`` [n, labels], ...
    answers: dict[str, NDArray[np.float32]]
    library: NDArray[np.float64]  # [n], counts over the panel genes
    # over which further work on these cells may be spread
    threads: int = 1
    pool: Executor | None = None
    others: tuple[EncodedCells, ...] = ()  # what the encoders of other atlases say of them

    def rows(
        self, first: int, last: int, threads: int = 1, pool: Executor | None = None
    ) -> EncodedCells:
        """Return what is said of some of these cells, with what further work is spread over."""
        answers = {name: answer[first:last] for name, answer in self.answers.items()}
        others = tuple(other.rows(first, last, threads, pool) for other in self.others)
        start, library = self.start + first, self.library[first:last]
        return EncodedCells(start, answers, library, threads, pool, others)

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Cells without any count of a panel gene, of which nothing is known, bool [n]."""
        return np.asarray(self.library <= 0)


def joined(parts: Sequence[EncodedCells]) -> EncodedCells:
    """Put blocks together that follow each other."""
    first = parts[0]
    answers = {name: np.concatenate([p.answers[name] for p in parts]) for name in first.answers}
    others = tuple(joined([p.others[at] for p in parts]) for at in range(len(first.others)))
    library = np.concatenate([p.library for p in parts])
    return EncodedCells(first.start, answers, library, others=others)


def query_basis(
    atlas: AtlasFile,
    panel_column: NDArray[np.int32],
    measured: NDArray[np.bool_],
    counted: NDArray[np.bool_] | None = None,
    scaling: GeneScaling | None = None,
    basis: NDArray[np.float32] | None = None,
) -> QueryBasis:
    """Fit the basis of the linear features to the genes of one query, once for all its cells.

    It gives the same sum as ``encoder.onnx`` with NaN for the missing genes; how is said by
    `cellport.kernels.features.prepare_measured`.

    Parameters
    ----------
    panel_column
        int32 [query genes], position in the panel or -1.
    measured
        bool [panel genes], whether the query has the gene.
    counted
        bool [query genes], those in the library of the query, where the atlas divides by that; all
        when None.
    scaling
        Of the panel genes, where they are to be scaled.
    basis
        float32 [panel genes, features]; the atlas's own when None.
    """
    return prepare_measured(
        panel_column,
        measured,
        atlas.array("basis") if basis is None else basis,
        panel_genes(atlas),
        counted,
        atlas.manifest.panel.representative,
        scaling,
    )


def panel_genes(atlas: AtlasFile) -> PanelGenes:
    """Read what the manifest says that counts become values with."""
    how, fill = atlas.manifest.input, atlas.manifest.fill
    n_genes = atlas.manifest.n_genes
    factors, share = None, None
    if fill == "factors":
        share = atlas.array("gene_share")
        factors = Factors(atlas.array("gene_noise"), atlas.array("gene_loading"))
    return PanelGenes(
        mean=atlas.array("gene_mean") if how.centre else np.zeros(n_genes, np.float32),
        cap=atlas.array("gene_cap") if how.cap else None,
        share=share,
        factors=factors,
        library=how.library,
        target=how.target or 1.0,
        log1p=how.log1p,
        # the features are the scores themselves, which reach hundreds where sigmoids are 0 and 1
        # and rest on sums as large where they are not
        wide=atlas.manifest.head.kind == "sigmoids",
    )


def encode_block(
    block: CountBlock, basis: QueryBasis, tail: Any, threads: int, pool: Executor | None
) -> EncodedCells:
    """Run raw counts in the query's gene order through the features and the rest of the encoder.

    `tail` is a session of ``encoder_tail.onnx``. The answers do not depend on the threads.
    """
    features, library = linear_features(
        basis, block.indptr, block.indices, block.data, threads=threads, pool=pool
    )
    answers = run_graph(tail, {"features": features})
    return EncodedCells(block.start, answers, library, threads, pool)


def check_answers(cells: EncodedCells, manifest: Manifest) -> None:
    """Refuse an encoder that does not answer what the manifest says.

    Raises
    ------
    AtlasError
        Naming the answer.
    """
    for name, shape in answers_of(manifest).items():
        found = cells.answers.get(name)
        if found is None or found.shape != (len(cells.library), *shape):
            said = "missing" if found is None else f"of shape {list(found.shape)}"
            where = {"atlas": manifest.name, "answer": name, "cells": len(cells.library)}
            raise AtlasError(say("format.other_answer", **where, found=said))


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
        raise AtlasError(say("format.graph_fails", reason=first_line(error))) from None
