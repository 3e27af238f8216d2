"""Answers of the encoder to columns that people read."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import Manifest
from cellport.runtime.atlas.label_tree import LabelTree, build_tree, call_deepest
from cellport.runtime.atlas.novelty_table import NoveltyTable, novelty_p_values
from cellport.runtime.atlas.structure import structure_answers, structure_names
from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import AtlasError
from cellport.runtime.mapping.encode import Answers

UNKNOWN = "unknown"
QC = ("ok", "empty", "low_depth", "low_gene_coverage")


def result_schema(manifest: Manifest) -> Schema:
    """Name the columns that an atlas gives each cell."""
    columns = []
    if manifest.labels:
        columns += [
            Column("cellport_label", "category", (*manifest.labels, UNKNOWN)),
            Column("cellport_prob", "float"),
            Column("cellport_call", "category", call_names(manifest)),
            Column("cellport_label_set", "text"),
        ]
    columns += [
        Column("cellport_novelty_p", "float"),
        Column("cellport_novel", "bool"),
        Column("cellport_qc", "category", QC),
    ]
    structure = structure_names(manifest)
    obsm = {"X_cellport": manifest.n_latent, "X_cellport_umap": 2, **structure.obsm}
    return Schema((*columns, *structure.columns), obsm)


def call_names(manifest: Manifest) -> tuple[str, ...]:
    """Everything a cell can be called: a label, a group of the label tree, or unknown."""
    return (*_tree(manifest).nodes, UNKNOWN)


def transfer_block(
    start: int,
    cell_names: NDArray[np.object_],
    answers: Answers,
    manifest: Manifest,
    measured_share: float,
    novelty: NoveltyTable,
) -> MappedBlock:
    """Turn the answers for a block of cells into its result columns.

    An empty cell is flagged and called unknown with probability 0, whatever the network makes
    of it, and it is never novel: nothing is known of it.

    Parameters
    ----------
    start
        Position of the first cell in the query.
    cell_names
        [n] names.
    answers
        From the encoder.
    manifest
        Of the atlas: labels and thresholds.
    measured_share
        Share of the panel genes that the query has.
    novelty
        Of the atlas.

    Raises
    ------
    AtlasError
        The encoder does not answer what the manifest says it does.
    """
    _check_answers(answers, manifest)
    empty = answers.library <= 0
    obs: dict[str, NDArray[Any]] = {}
    if manifest.labels:
        prob = answers.by_name["label_prob"]
        best = prob.argmax(axis=1)
        confidence = prob[np.arange(len(best)), best]
        tree = _tree(manifest)
        called = call_deepest(tree, prob, manifest.thresholds["call_prob"])
        obs["cellport_label"] = np.where(empty, len(manifest.labels), best).astype(np.int32)
        obs["cellport_prob"] = np.where(empty, 0, confidence).astype(np.float32)
        obs["cellport_call"] = np.where(empty, len(tree.nodes), called).astype(np.int32)
        obs["cellport_label_set"] = label_sets(manifest, prob, empty)
    p = novelty_p_values(novelty, answers.by_name["novelty_score"], answers.library, measured_share)
    obs["cellport_novelty_p"] = np.where(empty, 1, p).astype(np.float32)
    obs["cellport_novel"] = obs["cellport_novelty_p"] < manifest.thresholds["novelty_p"]
    obs["cellport_qc"] = _quality(answers, empty, manifest, measured_share)
    obsm = {"X_cellport": answers.by_name["latent"], "X_cellport_umap": answers.by_name["umap"]}
    more_obs, more_obsm = structure_answers(structure_names(manifest), answers.by_name, empty)
    return MappedBlock(start, cell_names, obs | more_obs, obsm | more_obsm)


def label_sets(
    manifest: Manifest, prob: NDArray[np.float32], empty: NDArray[np.bool_]
) -> NDArray[np.object_]:
    """Name the labels that each cell may have, at the level the atlas states.

    A label is in the set when its probability reaches what all but ``1 - set_level`` of the
    held-out cells with that label reached. The most probable label is always in.

    Parameters
    ----------
    manifest
        Of the atlas.
    prob
        float32 [cells, labels].
    empty
        bool [cells], cells without counts, whose set is empty.

    Returns
    -------
    ndarray
        object [cells] of str, labels joined by ``;``, most probable first.

    References
    ----------
    Sadinle, Lei and Wasserman 2019, JASA, "Least ambiguous set-valued classifiers with
    bounded error levels".
    """
    within = prob >= np.asarray(manifest.set_prob, np.float32)
    best = prob.argmax(axis=1)
    within[np.arange(len(best)), best] = True
    names: NDArray[np.object_] = np.asarray(manifest.labels, object)
    sets: NDArray[np.object_] = names[best]
    for row in np.flatnonzero(within.sum(axis=1) > 1):
        inside = np.flatnonzero(within[row])
        sets[row] = ";".join(names[inside[np.argsort(-prob[row, inside], kind="stable")]])
    sets[empty] = ""
    return sets


def _tree(manifest: Manifest) -> LabelTree:
    return _built(manifest.labels, tuple(manifest.parents.items()))


@lru_cache(maxsize=8)
def _built(labels: tuple[str, ...], parents: tuple[tuple[str, str], ...]) -> LabelTree:
    return build_tree(labels, dict(parents))


def _check_answers(answers: Answers, manifest: Manifest) -> None:
    shapes: dict[str, tuple[int, ...]] = {
        "latent": (manifest.n_latent,),
        "novelty_score": (),
        "umap": (2,),
    }
    if manifest.labels:
        shapes["label_prob"] = (len(manifest.labels),)
    shapes |= structure_names(manifest).shapes
    for name, shape in shapes.items():
        found = answers.by_name.get(name)
        if found is None or found.shape != (len(answers.library), *shape):
            raise AtlasError(
                f"The encoder of atlas {manifest.name!r} does not answer {name!r} of width "
                f"{math.prod(shape)}, as its manifest says; get the atlas again."
            )


def _quality(
    answers: Answers, empty: NDArray[np.bool_], manifest: Manifest, measured_share: float
) -> NDArray[np.int32]:
    low_coverage = measured_share < manifest.thresholds["low_gene_coverage"]
    quality = np.full(len(empty), QC.index("low_gene_coverage" if low_coverage else "ok"), np.int32)
    quality[answers.library < manifest.thresholds["low_depth"]] = QC.index("low_depth")
    quality[empty] = QC.index("empty")
    return quality
