"""Reference cells nearest to a query cell in the latent, when asked for."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import EXACT_BELOW, AtlasFile
from cellport.runtime.columns import Column, MappedBlock
from cellport.runtime.errors import AtlasError, InputError

_LISTS_PER_SEARCH = 16

Search = Callable[
    [NDArray[np.float32], int, Executor | None], tuple[NDArray[np.int64], NDArray[np.float32]]
]


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The reference cells, ready to be searched.

    Attributes
    ----------
    k
        Neighbours of each query cell.
    names
        object [reference cells + 1], their ids; the last is empty, for position -1.
    labels
        Likewise, their labels; empty where unknown.
    search
        Function of latents [n, latent], threads and pool to positions [n, k] and distances [n, k].
    """

    k: int
    names: NDArray[np.object_]
    labels: NDArray[np.object_]
    search: Search


def open_neighbors(atlas: AtlasFile, k: int) -> Neighbors:
    """Prepare to find the `k` nearest reference cells.

    Up to 20,000 reference cells are searched exactly; beyond that through faiss (inverted lists
    around the centroids that the atlas holds), which finds over 99 % of the true neighbours.

    Raises
    ------
    InputError
        `k` is below 1 or above the number of reference cells.
    MissingDependencyError
        The reference is large and faiss is not installed.
    """
    latent = atlas.array("reference_latent")
    if not 1 <= k <= len(latent):
        raise InputError(
            f"--neighbors must be from 1 to {len(latent)}, the atlas's cells; not {k}."
        )
    names = np.append(reference_names(atlas), "")
    labels = np.full(len(names), "", dtype=object)
    if atlas.manifest.labels and atlas.has_array("reference_label"):
        known = np.asarray((*atlas.manifest.labels, ""), dtype=object)
        labels[:-1] = known[atlas.array("reference_label")]
    if len(latent) < EXACT_BELOW or not atlas.has_array("neighbor_centroids"):
        return Neighbors(k, names, labels, _exact(latent, k))
    return Neighbors(
        k, names, labels, _inverted_lists(latent, atlas.array("neighbor_centroids"), k)
    )


def neighbor_columns(k: int) -> tuple[tuple[Column, ...], dict[str, int]]:
    """Name the results that neighbours add: ``obs`` columns, and ``obsm`` matrices with widths."""
    columns = (Column("cellport_neighbors", "text"), Column("cellport_neighbor_labels", "text"))
    return columns, {"cellport_neighbor_distance": k}


def with_neighbors(
    block: MappedBlock, neighbors: Neighbors, threads: int, pool: Executor | None
) -> MappedBlock:
    """Add to a block the ids and labels of each cell's neighbours, ``;``-joined, and distances."""
    position, distance = neighbors.search(block.obsm["X_cellport"], threads, pool)
    joined = {
        "cellport_neighbors": neighbors.names[position],
        "cellport_neighbor_labels": neighbors.labels[position],
    }
    obs = {
        name: np.array([";".join(row) for row in rows], dtype=object)
        for name, rows in joined.items()
    }
    return replace(
        block,
        obs={**block.obs, **obs},
        obsm={**block.obsm, "cellport_neighbor_distance": distance},
    )


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


def _exact(latent: NDArray[np.float32], k: int) -> Search:
    from cellport.kernels.nearest import exact_neighbors

    across = np.ascontiguousarray(latent.T)

    def search(
        query: NDArray[np.float32], threads: int, pool: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return exact_neighbors(across, query, k, threads, pool)

    return search


def _inverted_lists(latent: NDArray[np.float32], centroids: NDArray[np.float32], k: int) -> Search:
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
        query: NDArray[np.float32], threads: int, _: Executor | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        faiss.omp_set_num_threads(threads)
        # the index holds a bare pointer to `coarse`; naming it here keeps it alive
        index.nprobe = min(_LISTS_PER_SEARCH, coarse.ntotal)
        squared, position = index.search(query, k)
        return position, np.sqrt(squared)

    return search
