"""What the reference holds along its trajectory: places on the map, cells, expected expression.

None of it is needed to map. It is what people compare a mapped query with.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cellport.models.deploy import STRUCTURE_ANSWERS, ExpectedCounts
from cellport.models.vae import CountVAE
from cellport.runtime.atlas.trajectory import EDGE_BINS, LIBRARY
from cellport.train.cells import every_nth
from cellport.train.infer import Fitted, each_chunk
from cellport.train.structure.fit import Structure

# bins along an edge and along a lineage, and points of the line that is drawn of an edge
LINEAGE_BINS = 16
PATH_POINTS = 9
BOUND = 0.8
_MOST_CELLS = 20_000
# decoded rows, of all batches together
_MOST_DECODED = 200_000
_CHUNK = 512
# widths of the kernels: of a bin in time, and of an edge
_TIME_WIDTH = 0.75
_EDGE_WIDTH = 0.08
_OUTSIDE = 0.005

Floats = NDArray[np.float64]


def along_trajectory(
    fitted: Fitted, structure: Structure, placed: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    """Describe the reference along its trajectory; nothing without one.

    Where no cell lies on it, all cells stand for those that do. The cells lie on the 2-D map at
    `placed`, float32 [cells, 2].

    Returns
    -------
    dict
        ``trajectory_path`` float32 [edges, 9, 2], its course on the 2-D map; both ways round a
        circle end at one place.
        ``trajectory_share`` float32 [edges, 10], share of the cells on the trajectory by how far
        along the edge they are.
        ``trajectory_bound`` float32 [states], share of these cells that are bound for each
        terminal state: their fate is that one with a probability of at least 0.8.
        ``lineage_edges`` uint8 [states, edges], 1 where an edge leads to that terminal state.
        ``lineage_time`` float32 [states, 2], first and last pseudotime on the way to it.
        ``lineage_expression`` float32 [states, 16, genes], expected counts per 10,000 in equal
        steps of that time: mean over the batches, then over cells on the log scale.
    """
    head, summary, latent = structure.head, structure.summary, fitted.latent
    if not head.has_trajectory:
        return {}
    ends = np.array(summary["edge_ends"], np.int32)
    terminal = [summary["milestones"].index(name) for name in summary["terminal_states"]]
    rows = every_nth(len(latent), _MOST_CELLS)
    with torch.inference_mode():
        found = head(torch.from_numpy(latent[rows]))
    answers = {name: answer.numpy() for name, answer in zip(STRUCTURE_ANSWERS, found, strict=True)}
    on = answers["edge_prob"].sum(axis=1) >= 0.5
    on |= ~on.any()
    rows = rows[on]
    edge = answers["edge_prob"][on].argmax(axis=1)
    fraction = answers["edge_fraction"][on][np.arange(len(edge)), edge]
    time = answers["pseudotime"][on]
    member = lineage_members(ends, terminal)
    meeting = ends.copy()
    for one, other in summary["same_place"]:
        meeting[meeting == other] = one
    span = np.array([_span(time[row[edge] > 0], time) for row in member])
    return {
        "trajectory_path": edge_paths(meeting, edge, fraction, placed[rows]).astype(np.float32),
        "trajectory_share": _shares(edge, fraction, len(ends)).astype(np.float32),
        "trajectory_bound": (answers["fate_prob"][on] >= BOUND).mean(axis=0).astype(np.float32),
        "lineage_edges": member,
        "lineage_time": span.astype(np.float32),
        "lineage_expression": _expression(fitted.model, latent[rows], edge, time, member, span),
    }


def lineage_members(ends: NDArray[np.int32], terminal: list[int]) -> NDArray[np.uint8]:
    """Edges on the way from the root to each terminal milestone, uint8 [states, edges]."""
    into = {int(end): number for number, (_, end) in enumerate(ends)}
    member = np.zeros((len(terminal), len(ends)), np.uint8)
    for state, here in enumerate(terminal):
        while here in into:
            member[state, into[here]] = 1
            here = int(ends[into[here], 0])
    return member


def edge_paths(
    ends: NDArray[np.int32],
    edge: NDArray[np.int64],
    fraction: NDArray[np.floating],
    placed: NDArray[np.floating],
) -> Floats:
    """Course of each edge on the 2-D map, float [edges, 9, 2].

    Its points are means of the cells around them, and edges that meet in a milestone meet on the
    map. An edge without cells is a straight line. Edges lead between milestones, int [edges, 2],
    and hold cells at a fraction of their way, which lie on the map at `placed`, float [cells, 2].
    """
    steps = np.linspace(0, 1, PATH_POINTS)
    total = np.zeros((len(ends), PATH_POINTS, 2))
    weight = np.zeros((len(ends), PATH_POINTS))
    for number in range(len(ends)):
        inside = edge == number
        near = np.exp(-0.5 * ((fraction[inside][None] - steps[:, None]) / _EDGE_WIDTH) ** 2)
        total[number] = near @ placed[inside]
        weight[number] = near.sum(axis=1)
    for milestone in np.unique(ends):
        # first point of the edges that leave it, last of the one that arrives
        numbers, side = np.nonzero(ends == milestone)
        at = numbers, -side
        total[at], weight[at] = total[at].sum(axis=0), weight[at].sum()
    path = np.empty_like(total)
    for number in range(len(ends)):
        known = weight[number] > 1e-9
        place = total[number, known] / weight[number, known, None]
        if not known.any():
            known, place = np.arange(PATH_POINTS) == 0, placed.mean(axis=0, keepdims=True)
        for axis in (0, 1):
            path[number, :, axis] = np.interp(steps, steps[known], place[:, axis])
    return path


def _shares(edge: NDArray[np.int64], fraction: NDArray[np.floating], n_edges: int) -> Floats:
    step = np.minimum((fraction * EDGE_BINS).astype(np.int64), EDGE_BINS - 1)
    number = np.bincount(edge * EDGE_BINS + step, minlength=n_edges * EDGE_BINS)
    return np.asarray(number.reshape(n_edges, EDGE_BINS) / max(len(edge), 1))


def _span(inside: NDArray[np.floating], everywhere: NDArray[np.floating]) -> Floats:
    time = inside if len(inside) else everywhere
    return np.quantile(time.astype(np.float64), [_OUTSIDE, 1 - _OUTSIDE])


def _expression(
    model: CountVAE,
    latent: NDArray[np.float32],
    edge: NDArray[np.int64],
    time: NDArray[np.floating],
    member: NDArray[np.uint8],
    span: Floats,
) -> NDArray[np.float32]:
    """Decode the cells around each step of time of each lineage, and average them."""
    n_batches = model.config.n_batches
    some = every_nth(len(latent), max(_MOST_DECODED // n_batches, 200))
    weight = np.concatenate(
        [
            _time_weights(time[some], row[edge[some]] > 0, first, last)
            for row, (first, last) in zip(member, span, strict=True)
        ]
    )
    decoded = ExpectedCounts(model).eval()
    total = np.zeros((len(weight), model.config.n_genes))

    def of_all_batches(chunk: slice) -> Tensor:
        here = torch.from_numpy(latent[some[chunk]])
        library = torch.full((len(here), 1), LIBRARY)
        return torch.as_tensor(
            sum(decoded(here, b.expand(len(here), -1), library) for b in torch.eye(n_batches))
        )

    for chunk, counts in each_chunk(len(some), of_all_batches, _CHUNK):
        # on the log scale a few cells of another kind beside the path do not count much
        total += weight[:, chunk] @ np.log1p(counts.numpy() / n_batches)
    return np.expm1(total).reshape(len(member), LINEAGE_BINS, -1).astype(np.float32)


def _time_weights(
    time: NDArray[np.floating], inside: NDArray[np.bool_], first: float, last: float
) -> Floats:
    """How much each cell counts at each step of time, float [steps, cells], rows sum to 1."""
    width = max(last - first, 1e-9) / LINEAGE_BINS
    centre = first + width * (np.arange(LINEAGE_BINS) + 0.5)
    apart = -0.5 * ((time[None] - centre[:, None]) / (_TIME_WIDTH * width)) ** 2
    # a lineage without cells of its own is described by all
    apart = np.where(inside | ~inside.any(), apart, -np.inf)
    near = np.exp(apart - apart.max(axis=1, keepdims=True))
    return np.asarray(near / near.sum(axis=1, keepdims=True))
