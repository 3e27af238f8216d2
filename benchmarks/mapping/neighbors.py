"""Compare index libraries for neighbours in the latent: speed and share of true neighbours found.

    python -m benchmarks.mapping.neighbors --cells 200000

Needs faiss-cpu and hnswlib. The latents are drawn from 40 clusters of unequal width.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import faiss
import hnswlib
import numpy as np

from benchmarks.shared.command import parser

N_LATENT, N_QUERY, K = 30, 5000, 15


def latents(n_cells: int, rng: np.random.Generator) -> np.ndarray:
    centre = np.random.default_rng(1).normal(0, 2, (40, N_LATENT))
    width = np.random.default_rng(2).gamma(2, 0.3, (40, N_LATENT))
    cluster = rng.integers(0, 40, n_cells)
    noise = rng.normal(size=(n_cells, N_LATENT))
    return (centre[cluster] + noise * width[cluster]).astype(np.float32)


def main() -> None:
    command = parser("mapping.neighbors", __doc__)
    command.add_argument("--cells", type=int, default=200_000)
    n_cells = command.parse_args().cells
    rng = np.random.default_rng(0)
    reference, query = latents(n_cells, rng), latents(N_QUERY, rng)

    exact = faiss.IndexFlatL2(N_LATENT)
    exact.add(reference)
    began = time.perf_counter()
    truth = exact.search(query, K)[1]
    print(f"exact: {N_QUERY / (time.perf_counter() - began):,.0f} cells/s")

    began = time.perf_counter()
    lists = max(1, n_cells // 200)
    inverted = faiss.IndexIVFFlat(faiss.IndexFlatL2(N_LATENT), N_LATENT, lists)
    inverted.train(reference)
    inverted.add(reference)
    print(f"faiss inverted lists: built in {time.perf_counter() - began:.1f} s")
    for inverted.nprobe in (8, 16, 24):
        _report(f"  {inverted.nprobe} lists", lambda: inverted.search(query, K)[1], truth)

    began = time.perf_counter()
    graph = hnswlib.Index("l2", N_LATENT)
    graph.init_index(n_cells, ef_construction=100, M=16)
    graph.add_items(reference)
    print(f"hnswlib: built in {time.perf_counter() - began:.1f} s")
    for breadth in (20, 50, 100):
        graph.set_ef(breadth)
        _report(f"  ef {breadth}", lambda: graph.knn_query(query, K)[0], truth)


def _report(name: str, search: Callable[[], np.ndarray], truth: np.ndarray) -> None:
    began = time.perf_counter()
    found = search()
    speed = len(found) / (time.perf_counter() - began)
    recall = np.mean([len({*a} & {*b}) / K for a, b in zip(found, truth, strict=True)])
    print(f"{name}: {speed:,.0f} cells/s, {recall:.3f} of the true neighbours")


if __name__ == "__main__":
    main()
