"""Prove that this machine computes the answers the atlas was published with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.session import TOLERANCE, Device, largest_difference, open_session
from cellport.runtime.mapping.encode import encode_block, query_basis, run_graph
from cellport.runtime.sources.block import CountBlock


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison."""

    name: str  # what was compared, in words
    difference: float  # largest absolute difference, relative where values exceed 1

    @property
    def passed(self) -> bool:
        """Whether the difference is within 1e-4."""
        return self.difference <= TOLERANCE


def verify_atlas(atlas: AtlasFile, device: Device = "auto") -> list[Check]:
    """Run the atlas's canary cells through both paths and compare.

    Parameters
    ----------
    atlas
        An open atlas; opening it has checked its seal and hashes.
    device
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    list of Check
        ``encoder.onnx`` against the stored answers, the fused path against them, and the two
        paths against each other with a third of the genes missing.
    """
    encoder = open_session(atlas.read("encoder.onnx"), "encoder.onnx", device)
    tail = open_session(atlas.read("encoder_tail.onnx"), "encoder_tail.onnx", device)
    counts = np.ascontiguousarray(atlas.array("canary_counts"))
    library = atlas.array("canary_library") if atlas.has_array("canary_library") else None
    full = run_graph(encoder, graph_inputs(counts, library))
    fused = _fused(atlas, tail, counts, library, np.ones(counts.shape[1], dtype=bool))
    checks = []
    for name, answer in full.items():
        expected = atlas.array(f"canary_{name}")
        checks.append(Check(f"encoder.onnx, {name}", _difference(answer, expected)))
        checks.append(Check(f"fused path, {name}", _difference(fused[name], expected)))

    measured = atlas.manifest.panel.representative % 3 != 0
    gaps = counts.copy()
    gaps[:, ~measured] = np.nan
    full = run_graph(encoder, graph_inputs(gaps, library))
    fused = _fused(atlas, tail, counts, library, measured)
    checks += [
        Check(f"both paths, a third of the genes missing, {name}", _difference(fused[name], answer))
        for name, answer in full.items()
    ]
    return checks


def graph_inputs(
    counts: NDArray[np.float32], library: NDArray[np.float32] | None
) -> dict[str, NDArray[np.float32]]:
    """Return what ``encoder.onnx`` takes: counts over all genes too, where it divides by them."""
    return {"counts": counts} | ({} if library is None else {"library": library[:, np.newaxis]})


def _fused(
    atlas: AtlasFile,
    tail: object,
    counts: NDArray[np.float32],
    library: NDArray[np.float32] | None,
    measured: NDArray[np.bool_],
) -> dict[str, NDArray[np.float32]]:
    """Map canaries as a query is mapped; one more gene holds what their library has beside them."""
    own = atlas.manifest.panel.representative
    # a query has a gene once, however often the panel has it
    once = counts * (own == np.arange(len(own)))
    rest = np.zeros(len(counts)) if library is None else library - once.sum(axis=1)
    column = np.append(np.where(measured, own, -1), -1).astype(np.int32)
    sparse = csr_matrix(np.column_stack([once, rest]).astype(np.float32))
    block = CountBlock(
        0,
        sparse.indptr.astype(np.int64),
        sparse.indices.astype(np.int32),
        sparse.data,
    )
    basis = query_basis(atlas, column, measured)
    return encode_block(block, basis, tail, threads=1, pool=None).answers


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return largest_difference(found, expected)
