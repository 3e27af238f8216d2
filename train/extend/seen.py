"""Cells as an atlas sees them: linear features, and what its network answers for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from cellport.kernels.features import linear_features
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.session import open_session
from cellport.runtime.mapping.encode import query_basis, run_graph

# cells whose answers are held at a time: some 20 MB
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """What an atlas makes of some cells."""

    features: NDArray[np.float32]  # [cells, features], of the atlas as it is
    answers: dict[str, NDArray[np.float32]]  # of its network, [cells, ...] each
    library: NDArray[np.float64]  # [cells], counts over the panel genes

    @property
    def prob(self) -> NDArray[np.float64]:
        """Probability of each label of the atlas, float64 [cells, labels]."""
        return self.answers["label_prob"].astype(np.float64)


class Encoder:
    """The encoder of an atlas, for counts of its panel genes."""

    def __init__(self, atlas: AtlasFile) -> None:
        self.atlas = atlas
        self.basis: NDArray[np.float32] = atlas.array("basis")

    @cached_property
    def _tail(self) -> Any:
        return open_session(self.atlas.read("encoder_tail.onnx"), "encoder_tail.onnx", "cpu")

    def features(
        self,
        counts: sp.csr_matrix,
        measured: NDArray[np.bool_],
        basis: NDArray[np.float32] | None = None,
        noise: NDArray[np.float32] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Features float32 [n, features] of CSR [n, genes] by a basis, the atlas's own if None.

        The second are the counts of each cell over the genes that were `measured`, bool [genes].
        What is added to the values of the genes is `noise`, float32 [n, genes].
        """
        column = np.where(measured, np.arange(len(measured)), -1).astype(np.int32)
        used = self.basis if basis is None else np.ascontiguousarray(basis, np.float32)
        laid = query_basis(self.atlas, column, measured, basis=used)
        indptr, indices = counts.indptr.astype(np.int64), counts.indices.astype(np.int32)
        found, library = linear_features(laid, indptr, indices, counts.data.astype(np.float32))
        return found if noise is None else found + noise @ used, library

    def see(
        self,
        counts: sp.csr_matrix,
        measured: NDArray[np.bool_],
        noise: NDArray[np.float32] | None = None,
    ) -> Seen:
        """Put counts float32 CSR [n, genes] through the whole encoder, as `features` does."""
        features, library = self.features(counts, measured, noise=noise)
        parts = [
            run_graph(self._tail, {"features": features[start : start + _CHUNK]})
            for start in range(0, len(features), _CHUNK)
        ]
        answers = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return Seen(features, answers, library)
