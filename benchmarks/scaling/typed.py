"""Generated cells of many types: a tree of types, batches, and counts drawn gene by gene.

Each type multiplies the expression of its branch (one of about twenty) by gene factors of its own,
each batch that of all types by smaller ones. A cell's counts are drawn one by one from its type's
genes, as many as a log-normal depth says. The same number and seed make the same file.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from benchmarks.shared.tiled import write_frame
from cellport.runtime.genes.gene_table import load_gene_table

GENES, TYPES, BATCHES = 10_000, 500, 12
_BRANCHES = 20
# spread of the logarithm of a gene's factors: between branches, types of one, and batches
_OF_BRANCH, _OF_TYPE, _OF_BATCH = 1.0, 1.5, 0.2
# counts of a cell, on the median, and the spread of their logarithm
_DEPTH, _SPREAD = 600, 0.4
_BLOCK = 20_000


def typed_file(out: Path, n_cells: int, seed: int = 0) -> Path:
    """Make the file if it is not there, whole or not at all: some minutes for a million cells."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(".part")
        _write(part, n_cells, seed)
        part.rename(out)
    return out


def _write(out: Path, n_cells: int, seed: int) -> None:
    ladders = _ladders()
    rng = np.random.default_rng([seed, 1])
    # the rarest type is a twentieth as common as the others are on the median
    weight = rng.lognormal(0, 1, TYPES)
    weight = np.maximum(weight, np.median(weight) / 20)
    label = rng.choice(TYPES, n_cells, p=weight / weight.sum())
    batch = rng.integers(0, BATCHES, n_cells)
    how = {"chunks": (1 << 18,), "maxshape": (None,), "compression": "gzip", "compression_opts": 1}
    with h5py.File(out, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        matrix.attrs["shape"] = np.array([n_cells, GENES])
        data = matrix.create_dataset("data", (0,), np.uint16, **how)
        indices = matrix.create_dataset("indices", (0,), np.int32, **how)
        indptr = np.zeros(n_cells + 1, np.int64)
        for start in range(0, n_cells, _BLOCK):
            rows = slice(start, min(start + _BLOCK, n_cells))
            rng = np.random.default_rng([seed, 2, start])
            number, gene, count = _drawn(ladders, label[rows], batch[rows], rng)
            filled = indptr[start]
            indptr[rows.start + 1 : rows.stop + 1] = filled + np.cumsum(number)
            for dataset, values in ((data, count), (indices, gene)):
                dataset.resize((filled + len(values),))
                dataset[filled:] = values
        matrix.create_dataset("indptr", data=indptr, compression="gzip")
        names = np.array([f"cell_{i}" for i in range(n_cells)], dtype=object)
        columns = {
            "cell_type": np.array([f"type {n:03d}" for n in range(TYPES)], object)[label],
            "donor": np.array([f"donor {n}" for n in range(BATCHES)], object)[batch],
        }
        write_frame(file, "obs", names, columns)
        genes = sorted(load_gene_table("human").id_of)[::2][:GENES]
        write_frame(file, "var", np.array(genes, object), {})


def _ladders() -> NDArray[np.float32]:
    """Cumulative shares of the genes, float32 [types, batches, genes], of the same cells always."""
    rng = np.random.default_rng(7)
    base = rng.gamma(0.5, 1.0, GENES) + 1e-4
    branch = np.exp(rng.normal(0, _OF_BRANCH, (_BRANCHES, GENES)) * (rng.random(GENES) < 0.3))
    own = np.exp(rng.normal(0, _OF_TYPE, (TYPES, GENES)) * (rng.random((TYPES, GENES)) < 0.1))
    shift = np.exp(rng.normal(0, _OF_BATCH, (BATCHES, GENES)))
    share = (base * branch[np.arange(TYPES) % _BRANCHES] * own)[:, None] * shift
    ladders = np.cumsum(share, axis=2, dtype=np.float64)
    return (ladders / ladders[:, :, -1:]).astype(np.float32)


def _drawn(
    ladders: NDArray[np.float32],
    label: NDArray[np.int64],
    batch: NDArray[np.int64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.uint16]]:
    """Genes of each cell in ascending order: how many int64 [cells], which, and their counts."""
    depth = rng.lognormal(np.log(_DEPTH), _SPREAD, len(label)).astype(np.int64) + 20
    stops = np.cumsum(depth)
    chance = rng.random(stops[-1], np.float32)
    gene = np.empty(stops[-1], np.int64)
    cell = np.repeat(np.arange(len(label)), depth)
    kind = (label * BATCHES + batch)[cell]
    order = np.argsort(kind, kind="stable")
    edges = np.searchsorted(kind[order], np.arange(TYPES * BATCHES + 1))
    flat = ladders.reshape(-1, GENES)
    for n in np.flatnonzero(np.diff(edges)):
        rows = order[edges[n] : edges[n + 1]]
        gene[rows] = np.searchsorted(flat[n], chance[rows], side="right")
    entry, count = np.unique(cell * GENES + gene.clip(max=GENES - 1), return_counts=True)
    number = np.bincount(entry // GENES, minlength=len(label))
    return number, (entry % GENES).astype(np.int32), count.astype(np.uint16)
