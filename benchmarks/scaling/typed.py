"""Generated cells of many types: a tree of types, batches, and counts drawn gene by gene.

Each type multiplies the expression of its branch (one of about twenty) by gene factors of its own,
each batch that of all types by smaller ones. A cell's counts are drawn one by one from its type's
genes, as many as a log-normal depth says. The same number and seed make the same file.
"""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.shared.tiled import cell_names, write_counts, write_frame
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
    how = {"chunks": (1 << 18,), "compression": "gzip", "compression_opts": 1}

    def cells(start: int, stop: int) -> sp.csr_matrix:
        rows = slice(start, stop)
        return _drawn(ladders, label[rows], batch[rows], np.random.default_rng([seed, 2, start]))

    with h5py.File(out, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        write_counts(file, (n_cells, GENES), cells, _BLOCK, how, np.uint16)
        columns = {
            "cell_type": np.array([f"type {n:03d}" for n in range(TYPES)], object)[label],
            "donor": np.array([f"donor {n}" for n in range(BATCHES)], object)[batch],
        }
        write_frame(file, "obs", cell_names(n_cells), columns)
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
) -> sp.csr_matrix:
    """Draw the counts of some cells, uint16 [cells, genes]."""
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
    indptr = np.append(0, np.cumsum(np.bincount(entry // GENES, minlength=len(label))))
    return sp.csr_matrix((count.astype(np.uint16), entry % GENES, indptr), (len(label), GENES))
