"""Reference cells nearest to a query cell in the latent, when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import EXACT_BELOW
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.names import joinable
from cellport.runtime.base.processors import available_threads
from cellport.runtime.columns import (
    JOINED_BY,
    NEIGHBOR_DISTANCE,
    NEIGHBOR_LABELS,
    NEIGHBORS,
    Column,
    Schema,
)
from cellport.runtime.errors import AtlasError, InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.encode import EncodedCells

# of the inverted lists, so many are searched: over 99 % of the true neighbours are found
# (benchmarks, neighbours)
_LISTS_PER_SEARCH = 16
# cells put into the lists at a time: a second's work, between which a Ctrl-C is heard
_ADDED = 100_000
# faiss has one setting for all threads of how distances are taken
_FAISS = Lock()

Search = Callable[
    [NDArray[np.float32], int, int, Executor | None], tuple[NDArray[np.int64], NDArray[np.float32]]
]


@dataclass(frozen=True, slots=True)
class NeighborIndex:
    """The reference cells, ready to be searched."""

    # function of positions, any shape, to ids of reference cells; empty for position -1
    names: Callable[[NDArray[np.int64]], NDArray[np.object_]]
    # [reference cells + 1], their labels; empty where unknown, as the last for position -1
    labels: NDArray[np.object_]
    # function of latents [n, latent], k, threads and pool to positions [n, k] and distances [n, k]
    search: Search


def prepare(setting: Setting) -> Annotator | None:
    """Name the nearest reference cells of each cell and their labels, ``;``-joined.

    Raises
    ------
    InputError
        More neighbours are asked for than the reference has cells, or it came without.
    MissingDependencyError
        The reference is large and faiss is not installed.
    """
    k = setting.options.neighbors
    if not k:
        return None
    if not setting.atlas.manifest.has_reference:
        raise InputError(
            f"Atlas '{setting.atlas.manifest.name}' has no reference cells to find neighbours "
            "among: it was converted from a model that came without them."
        )
    n_cells = len(setting.atlas.array("reference_latent"))
    if not 1 <= k <= n_cells:
        raise InputError(f"--neighbors must be from 1 to {n_cells}, the atlas's cells; not {k}.")
    index = setting.once("neighbors", lambda: open_index(setting.atlas, setting.options.threads))

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        latent = cells.answers["latent"]
        position, distance = index.search(latent, k, cells.threads, cells.pool)
        return {
            NEIGHBORS: _joined(index.names(position)),
            NEIGHBOR_LABELS: _joined(index.labels[position]),
            NEIGHBOR_DISTANCE: distance,
        }

    columns = (Column(NEIGHBORS, "text"), Column(NEIGHBOR_LABELS, "text"))
    return Annotator(Schema(columns, {NEIGHBOR_DISTANCE: k}), annotate)


def _joined(names: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array([JOINED_BY.join(row) for row in names], dtype=object)


def _joinable(names: Sequence[str]) -> NDArray[np.object_]:
    return np.array([joinable(name) for name in names], dtype=object)


def open_index(atlas: AtlasFile, threads: int | None = None) -> NeighborIndex:
    """Prepare to find nearest reference cells.

    Up to 20,000 reference cells are searched exactly; beyond that through faiss (inverted lists
    around the centroids that the atlas holds), which takes its time for millions: `threads` share
    it, all there are by default.

    Raises
    ------
    MissingDependencyError
        The reference is large and faiss is not installed.
    """
    latent = atlas.array("reference_latent")
    names = _names_at(atlas)
    known = _joinable([*atlas.manifest.labels, ""])
    labels = np.append(known[atlas.array("reference_label")], "")
    if len(latent) < EXACT_BELOW or not atlas.has_array("neighbor_centroids"):
        return NeighborIndex(names, labels, _exact(latent))
    centroids, threads = atlas.array("neighbor_centroids"), threads or available_threads()
    return NeighborIndex(names, labels, _inverted_lists(latent, centroids, threads))


def reference_names(atlas: AtlasFile) -> NDArray[np.object_]:
    """Ids of the reference cells; their numbers where the atlas does not hold ids."""
    n_cells = len(atlas.array("reference_latent"))
    if not atlas.has_array("reference_names"):
        return np.array([str(i) for i in range(n_cells)], dtype=object)
    text = bytes(atlas.array("reference_names")).decode("utf-8", errors="replace")
    names = np.array(text.split("\n"), dtype=object)
    _check_names(atlas, len(names))
    return names


def _names_at(atlas: AtlasFile) -> Callable[[NDArray[np.int64]], NDArray[np.object_]]:
    """Return what reads the names of some reference cells: of millions a few are asked for."""
    n_cells = len(atlas.array("reference_latent"))
    if atlas.has_array("reference_names"):
        text = atlas.array("reference_names")
        ends = np.append(np.flatnonzero(text == ord("\n")), len(text))
        _check_names(atlas, len(ends))
        starts = np.append(0, ends[:-1] + 1)

        def name(cell: int) -> str:
            line = text[starts[cell] : ends[cell]].tobytes()
            return joinable(line.decode("utf-8", errors="replace"))
    else:

        def name(cell: int) -> str:
            return str(cell)

    def at(position: NDArray[np.int64]) -> NDArray[np.object_]:
        asked, which = np.unique(position, return_inverse=True)
        names = [name(cell) if 0 <= cell < n_cells else "" for cell in asked.tolist()]
        return np.array(names, object)[which].reshape(position.shape)

    return at


def _check_names(atlas: AtlasFile, n_names: int) -> None:
    n_cells = len(atlas.array("reference_latent"))
    if n_names != n_cells:
        raise AtlasError(f"{atlas.path.name} names {n_names} of {n_cells} reference cells.")


def _exact(latent: NDArray[np.float32]) -> Search:
    from cellport.kernels.nearest import exact_neighbors

    across = np.ascontiguousarray(latent.T)

    def search(
        query: NDArray[np.float32], k: int, threads: int, pool: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return exact_neighbors(across, query, k, threads, pool)

    return search


def _inverted_lists(
    latent: NDArray[np.float32], centroids: NDArray[np.float32], threads: int
) -> Search:
    from cellport.runtime.base.extras import require

    require("neighbors", f"Finding neighbours among {len(latent):,} reference cells")
    import faiss

    width = latent.shape[1]
    coarse = faiss.IndexFlatL2(width)
    coarse.add(np.ascontiguousarray(centroids))
    index = faiss.IndexIVFFlat(coarse, width, len(centroids))
    with _FAISS:
        # which list a cell of the reference is put into may hang on a last bit
        faiss.cvar.distance_compute_blas_threshold = 0
        faiss.omp_set_num_threads(threads)
        for start in range(0, len(latent), _ADDED):
            index.add(np.ascontiguousarray(latent[start : start + _ADDED]))

    def search(
        query: NDArray[np.float32], k: int, threads: int, _: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        with _FAISS:
            # one cell's distances must not depend on the cells searched beside it
            faiss.cvar.distance_compute_blas_threshold = np.iinfo(np.int32).max
            faiss.omp_set_num_threads(threads)
            # the index holds a bare pointer to `coarse`; naming it here keeps it alive
            index.nprobe = min(_LISTS_PER_SEARCH, coarse.ntotal)
            squared, position = index.search(query, k)
        return position, np.sqrt(squared)

    return search
