"""The label tree: which labels are kinds of what, and how deep a call may go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError


@dataclass(frozen=True, slots=True)
class LabelTree:
    """A forest over the labels."""

    nodes: tuple[str, ...]  # the labels in the atlas's order, then the groups above them
    members: NDArray[np.float32]  # [labels, nodes], 1 where the label is the node or lies below it
    # [labels, depth], positions in `nodes`: the label itself, its parent, and so on; the last one
    # repeats to the end
    path: NDArray[np.int32]


def build_tree(labels: Sequence[str], parents: Mapping[str, str]) -> LabelTree:
    """Build the tree from the parent of each node that has one.

    Raises
    ------
    AtlasError
        A node is its own ancestor, or a parent belongs to no label.
    """
    chains = [_chain(label, parents) for label in labels]
    reached = dict.fromkeys([*labels, *(node for chain in chains for node in chain)])
    strangers = [name for pair in parents.items() for name in pair if name not in reached]
    if strangers:
        raise AtlasError(say("format.no_label_below", node=strangers[0]))
    nodes = tuple(reached)
    position = {name: i for i, name in enumerate(nodes)}
    members = np.zeros((len(labels), len(nodes)), np.float32)
    path = np.empty((len(labels), max((len(c) for c in chains), default=1)), np.int32)
    for row, chain in enumerate(chains):
        at = [position[name] for name in chain]
        members[row, at] = 1
        path[row] = at + at[-1:] * (path.shape[1] - len(at))
    return LabelTree(nodes, members, path)


def _chain(label: str, parents: Mapping[str, str]) -> list[str]:
    chain = [label]
    while chain[-1] in parents:
        above = parents[chain[-1]]
        if above in chain:
            raise AtlasError(say("format.own_ancestor", node=above))
        chain.append(above)
    return chain


def call_deepest(tree: LabelTree, prob: NDArray[np.float32], threshold: float) -> NDArray[np.int32]:
    """Call each cell as deep in the tree as it is sure.

    Parameters
    ----------
    prob
        float32 [cells, labels], calibrated.
    threshold
        Least probability of a node, the sum over its labels, to be called.

    Returns
    -------
    ndarray
        int32 [cells], positions in ``tree.nodes``; ``len(tree.nodes)`` where not even the top
        of the best label's branch is sure.
    """
    best = prob.argmax(axis=1)
    below = np.ascontiguousarray(tree.members.T)
    called = np.full(len(prob), len(tree.nodes), np.int32)
    for depth in reversed(range(tree.path.shape[1])):
        node = tree.path[best, depth]
        # a product of matrices does more, and its threads turn for 30 ms in wait of the next one:
        # from block to block they took as much of the processors as the mapping itself
        sure = np.einsum("ij,ij->i", prob, below[node]) >= threshold
        called[sure] = node[sure]
    return called
