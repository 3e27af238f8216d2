"""Reference cells nearest to a query cell in the latent, when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.arrays import EXACT_BELOW
from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.base.names import joinable
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

Search = Callable[
    [NDArray[np.float32], int, int, Executor | None], tuple[NDArray[np.int64], NDArray[np.float32]]
]


@dataclass(frozen=True, slots=True)
class NeighborIndex:
    """The reference cells, ready to be searched."""

    # [reference cells + 1], their ids; the last is empty, for position -1
    names: NDArray[np.object_]
    labels: NDArray[np.object_]  # likewise, their labels; empty where unknown
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
    index = setting.once("neighbors", lambda: open_index(setting.atlas))

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        latent = cells.answers["latent"]
        position, distance = index.search(latent, k, cells.threads, cells.pool)
        return {
            NEIGHBORS: _joined(index.names[position]),
            NEIGHBOR_LABELS: _joined(index.labels[position]),
            NEIGHBOR_DISTANCE: distance,
        }

    columns = (Column(NEIGHBORS, "text"), Column(NEIGHBOR_LABELS, "text"))
    return Annotator(Schema(columns, {NEIGHBOR_DISTANCE: k}), annotate)


def _joined(names: NDArray[np.object_]) -> NDArray[np.object_]:
    return np.array([JOINED_BY.join(row) for row in names], dtype=object)


def _joinable(names: Sequence[str]) -> NDArray[np.object_]:
    return np.array([joinable(name) for name in names], dtype=object)


def open_index(atlas: AtlasFile) -> NeighborIndex:
    """Prepare to find nearest reference cells.

    Up to 20,000 reference cells are searched exactly; beyond that through faiss (inverted lists
    around the centroids that the atlas holds).

    Raises
    ------
    MissingDependencyError
        The reference is large and faiss is not installed.
    """
    latent = atlas.array("reference_latent")
    names = _joinable([*reference_names(atlas), ""])
    known = _joinable([*atlas.manifest.labels, ""])
    labels = np.append(known[atlas.array("reference_label")], "")
    if len(latent) < EXACT_BELOW or not atlas.has_array("neighbor_centroids"):
        return NeighborIndex(names, labels, _exact(latent))
    return NeighborIndex(names, labels, _inverted_lists(latent, atlas.array("neighbor_centroids")))


def reference_names(atlas: AtlasFile) -> NDArray[np.object_]:
    """Ids of the reference cells; their numbers where the atlas does not hold ids."""
    n_cells = len(atlas.array("reference_latent"))
    if not atlas.has_array("reference_names"):
        return np.array([str(i) for i in range(n_cells)], dtype=object)
    text = bytes(atlas.array("reference_names")).decode("utf-8", errors="replace")
    names = np.array(text.split("\n"), dtype=object)
    if len(names) != n_cells:
        raise AtlasError(f"{atlas.path.name} names {len(names)} of {n_cells} reference cells.")
    return names


def _exact(latent: NDArray[np.float32]) -> Search:
    from cellport.kernels.nearest import exact_neighbors

    across = np.ascontiguousarray(latent.T)

    def search(
        query: NDArray[np.float32], k: int, threads: int, pool: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return exact_neighbors(across, query, k, threads, pool)

    return search


def _inverted_lists(latent: NDArray[np.float32], centroids: NDArray[np.float32]) -> Search:
    from cellport.runtime.base.extras import require

    require("neighbors", f"Finding neighbours among {len(latent):,} reference cells")
    import faiss

    width = latent.shape[1]
    # one cell's distances must not depend on the cells searched beside it, as they do with BLAS
    faiss.cvar.distance_compute_blas_threshold = np.iinfo(np.int32).max
    coarse = faiss.IndexFlatL2(width)
    coarse.add(np.ascontiguousarray(centroids))
    index = faiss.IndexIVFFlat(coarse, width, len(centroids))
    index.add(np.ascontiguousarray(latent))

    def search(
        query: NDArray[np.float32], k: int, threads: int, _: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        faiss.omp_set_num_threads(threads)
        # the index holds a bare pointer to `coarse`; naming it here keeps it alive
        index.nprobe = min(_LISTS_PER_SEARCH, coarse.ntotal)
        squared, position = index.search(query, k)
        return position, np.sqrt(squared)

    return search
