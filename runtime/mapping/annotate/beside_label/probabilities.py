"""The probability of every label, and labels along the tree, when asked for.

Same as `web/page/src/mapping/annotate/probabilities.ts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.label_tree import LabelTree, build_tree
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.columns import (
    LEVEL,
    LEVEL_PROB,
    PROBABILITIES,
    PROBABILITY_OF,
    UNKNOWN,
    Column,
    Schema,
)
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.annotate.labels import best_labels
from cellport.runtime.mapping.encode import EncodedCells


def prepare(setting: Setting) -> Annotator | None:
    """Give every label's probability, and the best label's branch of the tree, top first.

    Level 1 is the broadest and the last one the label itself; where a branch has fewer levels than
    the deepest, its label stands in those that it lacks. Nothing is known of an empty cell: every
    probability of it is 0, and each of its levels unknown.

    Raises
    ------
    InputError
        The atlas has no labels, or no probabilities of them.
    """
    if not setting.options.probabilities:
        return None
    manifest = setting.atlas.manifest
    if not manifest.gives_prob:
        raise InputError(say(_refusal(manifest), atlas=manifest.name))
    tree = build_tree(manifest.labels, manifest.parents)
    levels = levels_of(tree) if manifest.parents else np.empty((len(manifest.labels), 0), np.int32)
    categories = [_named(tree, levels[:, level]) for level in range(levels.shape[1])]
    codes = [
        np.array([names.index(tree.nodes[node]) for node in levels[:, level]], np.int32)
        for level, names in enumerate(categories)
    ]

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        prob, empty, best = cells.answers["label_prob"], cells.empty, best_labels(cells)
        found: dict[str, NDArray[Any]] = {}
        for level, (names, code) in enumerate(zip(categories, codes, strict=True), start=1):
            sure = np.where(empty, 0, of_same_node(prob, code, best))
            label = np.where(empty, names.index(UNKNOWN), code[best])
            found[LEVEL.format(level=level)] = label.astype(np.int32)
            found[LEVEL_PROB.format(level=level)] = sure.astype(np.float32)
        everything = np.where(empty[:, None], 0, prob).astype(np.float32)
        return found | {PROBABILITIES: everything}

    columns = [
        column
        for level, names in enumerate(categories, start=1)
        for column in (
            Column(LEVEL.format(level=level), "category", names),
            Column(LEVEL_PROB.format(level=level), "float"),
        )
    ]
    named = tuple(PROBABILITY_OF.format(label=label) for label in manifest.labels)
    matrix = {PROBABILITIES: len(manifest.labels)}
    schema = Schema(tuple(columns), matrix, {PROBABILITIES: named})
    return Annotator(schema, annotate, facts={"labels": list(manifest.labels)})


def _refusal(manifest: Manifest) -> str:
    return "probabilities.none" if manifest.labels else "probabilities.no_labels"


def _named(tree: LabelTree, nodes: NDArray[np.int32]) -> tuple[str, ...]:
    """Names of a level in the order of the labels, and what empty cells are called."""
    return tuple(dict.fromkeys([*(tree.nodes[node] for node in nodes), UNKNOWN]))


def levels_of(tree: LabelTree) -> NDArray[np.int32]:
    """Node of each label at each level, int32 [labels, depth], the broadest first."""
    depth = tree.path.shape[1]
    levels = np.empty_like(tree.path)
    for label, path in enumerate(tree.path):
        # the end of a path that is shorter than the deepest repeats
        above = list(dict.fromkeys(path.tolist()))[::-1]
        levels[label] = above + above[-1:] * (depth - len(above))
    return levels


def of_same_node(
    prob: NDArray[np.float32], node: NDArray[np.int32], best: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Probability of the node that each cell's best label is in, float64 [cells].

    Added up label by label, so that a cell gets the same bits whatever cells are beside it. `prob`
    is float32 [cells, labels], `node` the node of each label, int32 [labels], and `best` that
    label, int64 [cells].
    """
    wanted, total = node[best], np.zeros(len(prob))
    for label, own in enumerate(node.tolist()):
        total += np.where(wanted == own, prob[:, label], 0)
    return np.minimum(total, 1)
