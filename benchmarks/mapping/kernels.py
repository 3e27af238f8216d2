"""How fast linear features come from raw counts, beside scipy and beside the machine's limits.

    python -m benchmarks.mapping.kernels [--cells 20000] [--rounds 7]

Prints a table and JSON. All methods take turns within a round, so that a busy machine slows them
alike. Speeds are medians by the clock; the bound, and the share of it, are medians of one thread's
time at work.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

# A cache of its own, so that the first call below is a true first compilation.
os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp()

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from benchmarks.shared.command import parser
from benchmarks.shared.data import LUNG
from benchmarks.shared.timing import in_turns, medians, output
from cellport.kernels import machine_code
from cellport.kernels.arrays import on_cache_lines
from cellport.kernels.check import check_values
from cellport.kernels.features import QueryBasis, linear_features, prepare
from cellport.kernels.jit import part
from cellport.kernels.lanes import LANES, TILE
from cellport.kernels.signatures import LinearFeatures
from cellport.kernels.vector import add_weighted_rows

TARGET = 1e4
ONE_THREAD = ("1 thread", "check_values")
ON_CELLS = (*ONE_THREAD, "2 threads", "scipy")
# times that one call of `row_task` reads the rows of a tile of cells
PARTS = 50
SHAPES = ((2000, 128), (4000, 148), (4000, 328))


def synthetic(n_cells: int, n_genes: int = 20_000, filled: float = 0.07) -> csr_matrix:
    """Genes from rare to ubiquitous, cells of unequal depth, `filled` of the matrix non-zero."""
    rng = np.random.default_rng(0)
    share = np.minimum(rng.lognormal(-4, 1.8, n_genes), 0.95)
    for _ in range(20):
        share = np.minimum(share * (filled / share.mean()), 0.95)
    mean = -np.log1p(-np.minimum(share, 0.94))
    sizes, indices, data = [], [], []
    for start in range(0, n_cells, 1000):
        depth = rng.lognormal(0, 0.4, (min(1000, n_cells - start), 1)).astype(np.float32)
        seen = rng.random((len(depth), n_genes), np.float32) < np.minimum(share * depth, 0.97)
        row, gene = np.nonzero(seen)
        sizes.append(np.bincount(row, minlength=len(depth)))
        indices.append(gene.astype(np.int32))
        data.append(1 + rng.poisson(0.8 * mean[gene]).astype(np.float32))
    indptr = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    parts = np.concatenate(data), np.concatenate(indices), indptr
    return csr_matrix(parts, shape=(n_cells, n_genes))


def queries(n_cells: int) -> dict[str, csr_matrix]:
    """Make up cells, and take real ones several times over where the file is at hand."""
    found = {"synthetic": synthetic(n_cells)}
    if LUNG.path.exists():
        found["lung"] = vstack([LUNG.read().X.astype(np.float32)] * 10, format="csr")
    return found


@dataclass(frozen=True)
class Model:
    """A random basis, and the genes it is for."""

    panel: NDArray[np.int64]
    basis: NDArray[np.float32]
    cap: NDArray[np.float32]
    offset: NDArray[np.float32]

    def ready(self, n_genes: int) -> QueryBasis:
        """Lay the basis out for a query with all genes of the panel."""
        panel_column = np.full(n_genes, -1, np.int32)
        panel_column[self.panel] = np.arange(len(self.panel))
        return prepare(panel_column, self.basis, self.cap, self.offset, TARGET)


def random_model(n_genes: int, n_panel: int, n_features: int) -> Model:
    rng = np.random.default_rng(1)
    basis = rng.normal(0, 0.05, (n_panel, n_features)).astype(np.float32)
    cap, offset = np.full(n_panel, 9, np.float32), np.zeros(n_features, np.float32)
    return Model(rng.permutation(n_genes)[:n_panel], basis, cap, offset)


def scipy_route(counts: csr_matrix, model: Model, block: int = 2000) -> NDArray[np.float32]:
    """Subset, normalise, densify and multiply, a block of cells at a time."""
    features = []
    for start in range(0, counts.shape[0], block):
        panel = counts[start : start + block, model.panel]
        library = np.maximum(np.asarray(panel.sum(axis=1)).ravel(), 1)
        scale = (TARGET / library).astype(np.float32)
        panel.data = np.log1p(panel.data * np.repeat(scale, np.diff(panel.indptr)))
        features.append(np.minimum(panel.toarray(), model.cap) @ model.basis + model.offset)
    return np.concatenate(features)


@part
def read_both(a: Any, b: Any) -> Any:
    """Read two arrays of one length once; whether any number is negative."""
    bad = False
    for k in range(len(a)):
        bad |= (a[k] < 0) | (b[k] < 0)
    return bad


@part
def _triad(a: Any, b: Any, c: Any) -> None:
    for k in range(len(a)):
        a[k] = b[k] + 3 * c[k]


@part
def _read_rows(table: Any, rows: Any, ends: Any, factors: Any, out: Any, parts: int) -> None:
    for _ in range(parts):
        for i in range(len(ends) - 1):
            add_weighted_rows(table, rows, factors, ends[i], ends[i + 1], out, out)


def stream_tasks() -> tuple[dict[str, Callable[[], Any]], dict[str, float]]:
    """Tasks that move memory, and the gigabytes each moves."""
    a, b, c = (np.ones(40_000_000, np.float32) for _ in range(3))
    tasks = {"read": lambda: read_both(a, b), "triad": lambda: _triad(a, b, c)}
    return tasks, {"read": 2 * a.nbytes / 1e9, "triad": 3 * a.nbytes / 1e9}


def row_task(n_rows: int, per_cell: float) -> tuple[Callable[[], Any], float]:
    """Read rows of the basis as the kernel does, and nothing else; gigabytes of one call."""
    rng = np.random.default_rng(2)
    cells = [np.nonzero(rng.random(n_rows) < per_cell / n_rows)[0] for _ in range(TILE)]
    rows = np.concatenate(cells).astype(np.int32)
    ends = np.concatenate([[0], np.cumsum([len(cell) for cell in cells])]).astype(np.int64)
    table = on_cache_lines(np.zeros((n_rows, LANES), np.float32))
    factors, out = np.zeros(len(rows), np.float32), np.zeros(LANES, np.float32)
    gigabytes = len(rows) * LANES * 4 * PARTS / 1e9
    return lambda: _read_rows(table, rows, ends, factors, out, PARTS), gigabytes


def compile_times() -> dict[str, float]:
    """Seconds to compile the kernels, and in a later process to load them, and to import numba."""
    script = (
        "import time; t = time.perf_counter(); import cellport.kernels.features;"
        "u = time.perf_counter(); from cellport.kernels.machine_code import warmup; warmup();"
        "v = time.perf_counter(); import numba; w = time.perf_counter();"
        "from cellport.kernels.nearest import exact_neighbors; import numpy;"
        "x = numpy.ones((1, 1), numpy.float32); exact_neighbors(x, x, 1);"
        "print(u - t, v - u, w - v, time.perf_counter() - w)"
    )
    first = machine_code.warmup()
    later = []
    for _ in range(5):
        said = output([sys.executable, "-c", script])
        later.append([float(word) for word in said.split()])
    kernels_import, load, numba_import, numba_call = (
        statistics.median(times) for times in zip(*later, strict=True)
    )
    return {
        "first_load": first,
        "load": load,
        "import_kernels": kernels_import,
        "import_numba": numba_import,
        "first_call_through_numba": numba_call,
    }


def vector_instructions() -> dict[str, int]:
    """Fused multiply-adds of the compiled kernel, on vectors and on single values."""
    from cellport.kernels.entries import ENTRIES  # compiles, which is timed before

    module = llvm.parse_assembly(ENTRIES[LinearFeatures].inspect_llvm())
    assembly = machine_code.target_machine().emit_assembly(module)
    fused = re.findall(r"\bvfn?madd\w+\b.*|\bfml[as]\b.*", assembly)
    single = [line for line in fused if re.match(r"vfn?madd\d+ss", line)]
    return {"vector": len(fused) - len(single), "single": len(single)}


def measure(counts: csr_matrix, n_panel: int, n_features: int, rounds: int) -> dict[str, Any]:
    """Time one shape of basis, with the bound that reading memory sets."""
    n_cells, n_genes = counts.shape
    csr = counts.indptr.astype(np.int64), counts.indices, counts.data
    model = random_model(n_genes, n_panel, n_features)
    basis = model.ready(n_genes)
    per_cell = float((basis.row[counts.indices] >= 0).sum() / n_cells)
    row_read, row_gb = row_task(basis.basis.shape[1], per_cell)
    streams, stream_gb = stream_tasks()
    with ThreadPoolExecutor(2) as pool:
        tasks = {
            "1 thread": lambda: linear_features(basis, *csr),
            "2 threads": lambda: linear_features(basis, *csr, threads=2, pool=pool),
            "scipy": lambda: scipy_route(counts, model),
            "check_values": lambda: check_values(counts.data),
            "rows": row_read,
            **streams,
        }
        spent = in_turns(tasks, rounds)
    clock, thread = medians(spent, "wall"), medians(spent, "thread")
    error = np.abs(linear_features(basis, *csr)[0] - scipy_route(counts, model)).max()
    stream_rate = stream_gb["read"] / thread["read"]
    row_rate = row_gb / thread["rows"]
    entries = 8 * counts.nnz / 1e9 / stream_rate
    rows = 4 * per_cell * n_cells * basis.basis.shape[0] * LANES / 1e9 / row_rate
    microseconds = 1e6 / n_cells
    return {
        "panel": n_panel,
        "features": n_features,
        "nonzeros_per_cell": counts.nnz / n_cells,
        "panel_entries_per_cell": per_cell,
        "us_per_cell": {name: clock[name] * microseconds for name in ON_CELLS},
        "thread_us_per_cell": {name: thread[name] * microseconds for name in ONE_THREAD},
        "read_gb_s": stream_rate,
        "triad_gb_s": stream_gb["triad"] / thread["triad"],
        "basis_rows_gb_s": row_rate,
        "bound_us_per_cell": {
            "entries": entries * microseconds,
            "rows": rows * microseconds,
        },
        "share_of_bound": (entries + rows) / thread["1 thread"],
        "times_scipy": clock["scipy"] / clock["2 threads"],
        "largest_difference": float(error),
    }


def main() -> None:
    command = parser("mapping.kernels", __doc__)
    command.add_argument("--cells", type=int, default=20_000)
    command.add_argument("--rounds", type=int, default=7)
    options = command.parse_args()
    compiled = compile_times()
    instructions = vector_instructions()
    results = []
    print("counts     panel   feat  1 thread  2 threads    scipy  x scipy    work   bound    of it")
    for name, counts in queries(options.cells).items():
        for n_panel, n_features in SHAPES:
            result = {"counts": name} | measure(counts, n_panel, n_features, options.rounds)
            results.append(result)
            us, work = result["us_per_cell"], result["thread_us_per_cell"]["1 thread"]
            bound = sum(result["bound_us_per_cell"].values())
            print(
                f"{name:10} {n_panel:5} {n_features:6} {us['1 thread']:9.2f} "
                f"{us['2 threads']:10.2f} {us['scipy']:8.1f} {result['times_scipy']:8.1f} "
                f"{work:7.2f} {bound:7.2f} {result['share_of_bound']:8.2f}"
            )
    print("microseconds a cell; work: of 1 thread; bound: of a thread that only reads")
    print(json.dumps({"seconds": compiled, "fma": instructions, "results": results}, indent=1))


if __name__ == "__main__":
    main()
