"""Make a large query file out of a small real one: cells drawn again and again, with noise.

    python -m benchmarks.shared.tiled --cells 50000 --out query.h5ad

Each cell is a random real cell of the 10x lung sample, thinned at random, so that no two are
alike, with the type and donor of the real one; genes without a real counterpart are filled in up
to 20,000 and a few random counts put in them. About 7 % of the entries are non-zero. Chunks and
compression are those of anndata.
"""

from __future__ import annotations

from pathlib import Path

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
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        matrix.attrs["shape"] = np.array([n_cells, N_GENES])
        sizes = {"chunks": chunk, "maxshape": (None,), "compression": compression}
        data = matrix.create_dataset("data", (0,), np.float32, **sizes)
        indices = matrix.create_dataset("indices", (0,), np.int32, **sizes)
        indptr = np.zeros(n_cells + 1, np.int64)
        drawn = []
        for start in range(0, n_cells, _BLOCK):
            stop = min(start + _BLOCK, n_cells)
            rng = np.random.default_rng([seed, start])
            drawn.append(rng.integers(0, real.shape[0], stop - start))
            cells = _noisy(real[drawn[-1]], rng)
            filled = indptr[start]
            indptr[start + 1 : stop + 1] = filled + cells.indptr[1:]
            for dataset, values in ((data, cells.data), (indices, cells.indices)):
                dataset.resize((filled + len(values),))
                dataset[filled:] = values
        matrix.create_dataset("indptr", data=indptr, compression=compression)
        names = np.array([f"cell_{i}" for i in range(n_cells)], dtype=object)
        rows = np.concatenate(drawn)
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
    with h5py.File(part, "w") as file:
        matrix = file.create_group("X")
        matrix.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0"})
        matrix.attrs["shape"] = np.array([n_cells, n_genes])
        how = {"chunks": (1 << 17,), "maxshape": (None,), "compression": "gzip"}
        stored = [
            matrix.create_dataset(name, (0,), dtype, **how)
            for name, dtype in (("data", np.float32), ("indices", np.int32))
        ]
        indptr = np.zeros(n_cells + 1, np.int64)
        for start in range(0, n_cells, 10 * _BLOCK):
            stop = min(start + 10 * _BLOCK, n_cells)
            rng = np.random.default_rng(start)
            rows = rng.integers(0, cells.shape[0], stop - start)
            some = cells[rows]
            share = np.minimum(1, counts / np.maximum(totals[rows], 1))
            some.data = rng.binomial(some.data, np.repeat(share, np.diff(some.indptr)))
            some.eliminate_zeros()
            filled = indptr[start]
            indptr[start + 1 : stop + 1] = filled + some.indptr[1:]
            for dataset, values in zip(stored, (some.data, some.indices), strict=True):
                dataset.resize((filled + some.nnz,))
                dataset[filled:] = values
        matrix.create_dataset("indptr", data=indptr, compression="gzip")
        write_frame(file, "obs", np.array([f"cell_{i}" for i in range(n_cells)], dtype=object), {})
        write_frame(file, "var", names[kept], {})
    part.rename(out)
    return out


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
