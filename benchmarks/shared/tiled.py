"""Make a large query file out of a small real one: cells drawn again and again, with noise.

    python -m benchmarks.shared.tiled --cells 50000 --out query.h5ad

Each cell is a random real cell of the 10x lung sample, thinned at random, so that no two are
alike, with the type and donor of the real one; genes without a real counterpart are filled in up
to 20,000 and a few random counts put in them. About 7 % of the entries are non-zero. Chunks and
compression are those of anndata.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp
from h5py._hl.filters import guess_chunk

from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG, strings

N_GENES = 20_000
_BLOCK = 2_000


def kept_file(out: Path, n_cells: int, compression: str | None = "gzip", seed: int = 0) -> Path:
    """Make the file if it is not there, whole or not at all: minutes for a million cells."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_suffix(".part")
        make_file(part, n_cells, compression, seed)
        part.rename(out)
    return out


def make_file(out: Path, n_cells: int, compression: str | None, seed: int) -> None:
    """Write the file in blocks."""
    real, genes, obs = _real_cells()
    per_cell = 0.78 * real.nnz / real.shape[0] + _EXTRA
    chunk = guess_chunk((int(n_cells * per_cell),), None, 4)
    with h5py.File(out, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        drawn = []

        def cells(start: int, stop: int) -> sp.csr_matrix:
            rng = np.random.default_rng([seed, start])
            drawn.append(rng.integers(0, real.shape[0], stop - start))
            return _noisy(real[drawn[-1]], rng)

        how = {"chunks": chunk, "compression": compression}
        write_counts(file, (n_cells, N_GENES), cells, _BLOCK, how)
        rows = np.concatenate(drawn)
        names = cell_names(n_cells)
        write_frame(file, "obs", names, {name: values[rows] for name, values in obs.items()})
        write_frame(file, "var", genes, {})


_EXTRA = 40


def _real_cells() -> tuple[sp.csr_matrix, np.ndarray, dict[str, np.ndarray]]:
    cells = LUNG.read()
    cells = cells[cells.obs["technology"] == "10x_v2"]
    extra = [f"filler_{i}" for i in range(N_GENES - cells.n_vars)]
    obs = {column: strings(cells, column) for column in (LUNG.label, LUNG.batch)}
    return cells.X.tocsr(), np.array([*cells.var_names, *extra], dtype=object), obs


def _noisy(cells: sp.csr_matrix, rng: np.random.Generator) -> sp.csr_matrix:
    n_cells, n_real = cells.shape
    kept = np.repeat(rng.uniform(0.3, 1.0, n_cells), np.diff(cells.indptr))
    cells.data = rng.binomial(cells.data.astype(np.int64), kept).astype(np.float32)
    cells.eliminate_zeros()
    rows = np.repeat(np.arange(n_cells), _EXTRA)
    columns = rng.integers(n_real, N_GENES, n_cells * _EXTRA)
    extra = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (n_cells, N_GENES))
    cells = sp.csr_matrix((cells.data, cells.indices, cells.indptr), (n_cells, N_GENES)) + extra
    cells.sort_indices()
    return cells


def kept_few_counts(out: Path, n_cells: int, n_genes: int = 2_000, counts: int = 80) -> Path:
    """Make a file of many shallow cells: of the genes that have most counts, `counts` a cell."""
    if out.exists():
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    real, names, _ = _real_cells()
    kept = np.sort(np.argsort(-np.asarray(real.sum(0)).ravel())[:n_genes])
    cells = real[:, kept].astype(np.int64)
    totals = np.asarray(cells.sum(1)).ravel()

    def shallow(start: int, stop: int) -> sp.csr_matrix:
        rng = np.random.default_rng(start)
        rows = rng.integers(0, cells.shape[0], stop - start)
        some = cells[rows]
        share = np.minimum(1, counts / np.maximum(totals[rows], 1))
        some.data = rng.binomial(some.data, np.repeat(share, np.diff(some.indptr)))
        some.eliminate_zeros()
        return some

    with h5py.File(part, "w") as file:
        how = {"chunks": (1 << 17,), "compression": "gzip"}
        write_counts(file, (n_cells, n_genes), shallow, 10 * _BLOCK, how)
        write_frame(file, "obs", cell_names(n_cells), {})
        write_frame(file, "var", names[kept], {})
    part.rename(out)
    return out


def write_counts(
    file: h5py.File,
    shape: tuple[int, int],
    cells: Callable[[int, int], sp.csr_matrix],
    block: int,
    how: dict[str, Any],
    dtype: type = np.float32,
) -> None:
    """Write ``X`` of so many cells and genes in blocks, each made of its first and last position.

    `how` goes to the datasets of counts and genes: chunks and compression.
    """
    matrix = file.create_group("X")
    matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
    matrix.attrs["shape"] = np.array(shape)
    data = matrix.create_dataset("data", (0,), dtype, maxshape=(None,), **how)
    indices = matrix.create_dataset("indices", (0,), np.int32, maxshape=(None,), **how)
    indptr = np.zeros(shape[0] + 1, np.int64)
    for start in range(0, shape[0], block):
        stop = min(start + block, shape[0])
        some, filled = cells(start, stop), indptr[start]
        indptr[start + 1 : stop + 1] = filled + some.indptr[1:]
        for dataset, values in ((data, some.data), (indices, some.indices)):
            dataset.resize((filled + len(values),))
            dataset[filled:] = values
    matrix.create_dataset("indptr", data=indptr, compression=how["compression"])


def cell_names(n_cells: int) -> np.ndarray:
    """Names of so many cells, object [cells]."""
    return np.array([f"cell_{i}" for i in range(n_cells)], dtype=object)


def write_frame(
    file: h5py.File, group: str, names: np.ndarray, columns: dict[str, np.ndarray]
) -> None:
    """Write names and columns of text as AnnData does a data frame."""
    frame = file.create_group(group)
    frame.attrs.update({"encoding-type": "dataframe", "encoding-version": "0.2.0"})
    frame.attrs.update({"_index": "_index", "column-order": np.array([*columns], dtype="S")})
    for name, values in {"_index": names, **columns}.items():
        text = frame.create_dataset(name, data=values, dtype=h5py.string_dtype())
        text.attrs.update({"encoding-type": "string-array", "encoding-version": "0.2.0"})


def main() -> None:
    command = parser("shared.tiled", __doc__)
    command.add_argument("--out", type=Path, required=True)
    command.add_argument("--cells", type=int, default=50_000)
    command.add_argument("--compression", choices=["gzip", "none"], default="gzip")
    options = command.parse_args()
    kept_file(options.out, options.cells, None if options.compression == "none" else "gzip")


if __name__ == "__main__":
    main()
