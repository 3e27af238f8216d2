"""The 2-D map: a network trained on the neighbourhoods of the reference, as in parametric UMAP.

The network is the map. Whatever it has not seen is placed by the same rule as the reference,
in one pass and without the reference at hand, where UMAP itself would have to search neighbours
and optimise anew.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix
from sklearn.manifold import trustworthiness
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from torch.nn.functional import softplus
from torch.nn.utils import clip_grad_norm_

from cellport.models.layout import LayoutNetwork
from cellport.train.cells import at_random
from cellport.train.degrade import Degradation
from cellport.train.fit.threads import few_threads
from cellport.train.infer import EncodedCells, encode_cells, in_chunks

# UMAP's default
N_NEIGHBORS = 15
# UMAP's curve 1 / (1 + a d^2b) for spread 1 and min_dist 0.5, scanpy's default
_A, _B = 0.583, 1.334
# cells placed at a time: half a million at once would take hundreds of megabytes
_PLACED = 4096
# cells that are degraded together: they miss the same genes
_DEGRADED_TOGETHER = 64
# of the squared distance of two cells, so that its logarithm is finite
_LEAST_SQUARE = 1e-3


@dataclass(frozen=True, slots=True)
class UmapConfig:
    """How the map is trained."""

    # cells it learns from at most: more cost time in the search for neighbours
    most_cells: int = 20_000
    # a map that starts with a fold seldom loses it, so several start for a share of the steps,
    # and the one that keeps most neighbours of so many cells goes on
    starts: int = 4
    start_share: float = 0.25
    judged: int = 1000
    # how often each edge is drawn on average, where the bounds of the steps let it
    passes: int = 20
    fewest_steps: int = 200
    most_steps: int = 1000
    # edges drawn in a step, and cells that are no neighbours that an end of each is pushed from
    edges_a_step: int = 512
    negative_samples: int = 5
    # peak of the one-cycle schedule
    learning_rate: float = 5e-3


def learn_layout(
    fitted: EncodedCells, degradation: Degradation, config: UmapConfig = UmapConfig()
) -> tuple[LayoutNetwork, dict[str, float | int]]:
    """Train the map of a reference so that it withstands degradation.

    Returns the network, and `layout_trust` of the held-out cells.
    """
    cells, latent, seed = fitted.cells, fitted.latent, fitted.seed
    rng = np.random.default_rng(seed)
    rows = at_random(cells.trained, config.most_cells, rng)
    degraded, _ = encode_cells(
        fitted.encoder, cells.counts, rows, _DEGRADED_TOGETHER, degradation, rng
    )
    network = fit_layout(latent[rows], degraded, seed, config)
    held_out = latent[cells.held_out]
    return network, layout_trust(held_out, place(network, held_out), seed)


def fit_layout(
    latent: NDArray[np.float32],
    degraded: NDArray[np.float32],
    seed: int,
    config: UmapConfig = UmapConfig(),
) -> LayoutNetwork:
    """Train a network that places neighbours in the latent side by side on a plane.

    Parameters
    ----------
    latent
        float32 [cells, latent], of the reference; at least three cells.
    degraded
        float32 [cells, latent], of the same cells with their counts degraded. They stand in
        for the cells in half of what the network sees, so that poor cells land where whole
        ones do.
    seed
        What decides the weights to start from and the order of training.

    References
    ----------
    McInnes, Healy, Melville 2018, arXiv:1802.03426 (UMAP). Sainburg, McInnes, Gentner 2021,
    Neural Computation, "Parametric UMAP embeddings" (the same loss for a network).
    """
    graph = neighbor_graph(latent)
    versions = torch.from_numpy(np.stack([latent, degraded]))
    wanted = config.passes * graph.nnz // config.edges_a_step
    steps = min(max(wanted, config.fewest_steps), config.most_steps)
    torch.manual_seed(seed)
    starts = [_flat_network(latent, degraded) for _ in range(config.starts)]
    # both ends of the edges of a step are placed
    with few_threads(2 * config.edges_a_step * latent.shape[1]):
        for start in starts:
            _train(start, versions, graph, int(config.start_share * steps), config)
        sample = latent[np.random.default_rng(seed).permutation(len(latent))[: config.judged]]
        network = max(starts, key=lambda start: _trust(sample, place(start, sample)))
        _train(network, versions, graph, steps, config)
    return network.eval()


def place(network: LayoutNetwork, latent: NDArray[np.float32]) -> NDArray[np.float32]:
    """Place float32 [cells, latent] on the map, float32 [cells, 2]."""
    (placed,) = in_chunks(
        len(latent), lambda chunk: (network(torch.from_numpy(latent[chunk])),), _PLACED
    )
    return placed


def layout_trust(
    latent: NDArray[np.float32], placed: NDArray[np.float32], seed: int
) -> dict[str, float | int]:
    """Trustworthiness of a map for the given cells: are neighbours there neighbours in truth.

    Of more than 2,000 cells `seed` chooses as many. Returns the ``cells`` judged and, unless they
    are too few, ``trustworthiness`` (1 is best) of 15 neighbours.

    References
    ----------
    Venna, Kaski 2001, ICANN, "Neighborhood preservation in nonlinear projection methods".
    """
    rows = np.random.default_rng(seed).permutation(len(latent))[:2000]
    judged: dict[str, float | int] = {"cells": len(rows)}
    if len(rows) > 2 * N_NEIGHBORS:
        judged["trustworthiness"] = round(_trust(latent[rows], placed[rows]), 4)
    return judged


def _trust(latent: NDArray[np.float32], placed: NDArray[np.float32]) -> float:
    k = min(N_NEIGHBORS, (len(latent) - 1) // 2)
    return float(trustworthiness(latent, placed, n_neighbors=k))


def neighbor_graph(latent: NDArray[np.float32]) -> coo_matrix:
    """UMAP's fuzzy graph of the 15 nearest neighbours in float32 [cells, latent], three or more.

    It is float64 [cells, cells] and symmetric; weights are above 0 and at most 1.
    """
    n_cells, k = len(latent), min(N_NEIGHBORS, len(latent) - 1)
    distance, neighbor = NearestNeighbors(n_neighbors=k).fit(latent).kneighbors()
    beyond = distance - distance[:, :1]
    weight = np.exp(-beyond / _bandwidth(beyond, np.log2(k + 1), 1e-3 * distance.mean())[:, None])
    rows = np.repeat(np.arange(n_cells), k)
    directed = csr_matrix((weight.ravel(), (rows, neighbor.ravel())), (n_cells, n_cells))
    either = directed + directed.T - directed.multiply(directed.T)
    either.eliminate_zeros()
    return either.tocoo()


def _bandwidth(beyond: NDArray[np.float64], total: float, least: float) -> NDArray[np.float64]:
    """Bandwidth of each cell at which its weights exp(-beyond / bandwidth) sum to `total`."""
    low, high = np.zeros(len(beyond)), np.full(len(beyond), 1e3 * beyond.max() + 1e-6)
    for _ in range(50):
        middle = (low + high) / 2
        above = np.exp(-beyond / middle[:, None]).sum(axis=1) > total
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.asarray(np.maximum((low + high) / 2, max(least, 1e-9)))


def _flat_network(latent: NDArray[np.float32], degraded: NDArray[np.float32]) -> LayoutNetwork:
    """Start a network near the plane of the first two principal components."""
    centre = latent.mean(axis=0)
    spread = max(float(latent.std()), 1e-6)
    centred = (latent - centre) / spread
    variance, direction = np.linalg.eigh(np.cov(centred.T))
    # eigenvectors come with either sign
    direction = direction * np.where(direction.sum(axis=0) < 0, -1, 1)
    plane = 5 * direction[:, [-1, -2]] / np.sqrt(max(variance[-1], 1e-6))
    both = np.concatenate([latent, degraded])
    return LayoutNetwork(
        *(torch.from_numpy(np.asarray(a, np.float32)) for a in (
            centre, spread, both.min(axis=0), both.max(axis=0), plane,
        ))
    )  # fmt: skip


def _train(
    network: LayoutNetwork, versions: Tensor, graph: coo_matrix, steps: int, config: UmapConfig
) -> None:
    """Minimise UMAP's cross-entropy over edges drawn by weight.

    ``versions`` is float [versions, cells, latent]: what each end of an edge may be seen as.
    """
    ends = torch.from_numpy(np.stack([graph.row, graph.col]).astype(np.int64))
    reach = torch.from_numpy(graph.data).cumsum(0)
    rate, n_edges, n_negative = (config.learning_rate, config.edges_a_step, config.negative_samples)
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.01, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps)
    for _ in range(steps):
        drawn = torch.rand(n_edges, dtype=torch.float64) * reach[-1]
        edge = torch.searchsorted(reach, drawn).clamp_max(len(reach) - 1)
        cells = ends[:, edge].ravel()
        placed = network(versions[torch.randint(len(versions), cells.shape), cells])
        one, other = placed.chunk(2)
        negative = placed[torch.randint(len(placed), (n_edges, n_negative))]
        # with u the logarithm of a d^2b, an edge has probability sigmoid(-u)
        attraction = softplus(_log_odds_apart(one, other)).mean()
        repulsion = softplus(-_log_odds_apart(one.unsqueeze(1), negative)).mean()
        loss = attraction + n_negative * repulsion
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip_grad_norm_(network.parameters(), 4.0)
        optimiser.step()
        schedule.step()


def _log_odds_apart(one: Tensor, other: Tensor) -> Tensor:
    square = (one - other).square().sum(-1) + _LEAST_SQUARE
    return float(np.log(_A)) + _B * square.log()
