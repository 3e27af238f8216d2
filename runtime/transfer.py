"""Answers of the encoder to columns that people read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas_file import Manifest
from cellport.runtime.encode import Answers
from cellport.runtime.errors import AtlasError
from cellport.runtime.results import Column, MappedBlock, Schema

UNKNOWN = "unknown"
QC = ("ok", "empty", "low_depth", "low_gene_coverage")


def result_schema(manifest: Manifest) -> Schema:
    """Name the columns that an atlas gives each cell."""
    columns = []
    if manifest.labels:
        names = (*manifest.labels, UNKNOWN)
        columns += [
            Column("cellport_label", "category", names),
            Column("cellport_prob", "float"),
            Column("cellport_call", "category", names),
        ]
    columns.append(Column("cellport_qc", "category", QC))
    return Schema(tuple(columns), {"X_cellport": manifest.n_latent})


def transfer_block(
    start: int,
    cell_names: NDArray[np.object_],
    answers: Answers,
    manifest: Manifest,
    measured_share: float,
) -> MappedBlock:
    """Turn the answers for a block of cells into its result columns.

    An empty cell is flagged and called unknown with probability 0, whatever the network makes
    of it.

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
        unknown = len(manifest.labels)
        best = prob.argmax(axis=1)
        confidence = np.where(empty, 0, prob[np.arange(len(best)), best]).astype(np.float32)
        label = np.where(empty, unknown, best).astype(np.int32)
        sure = confidence >= manifest.thresholds["call_prob"]
        obs["cellport_label"] = label
        obs["cellport_prob"] = confidence
        obs["cellport_call"] = np.where(sure, label, unknown).astype(np.int32)
    obs["cellport_qc"] = _quality(answers, empty, manifest, measured_share)
    return MappedBlock(start, cell_names, obs, {"X_cellport": answers.by_name["latent"]})


def _check_answers(answers: Answers, manifest: Manifest) -> None:
    widths = {"latent": manifest.n_latent}
    if manifest.labels:
        widths["label_prob"] = len(manifest.labels)
    for name, width in widths.items():
        found = answers.by_name.get(name)
        if found is None or found.shape != (len(answers.library), width):
            raise AtlasError(
                f"The encoder of atlas {manifest.name!r} does not answer {name!r} of width "
                f"{width}, as its manifest says; get the atlas again."
            )


def _quality(
    answers: Answers, empty: NDArray[np.bool_], manifest: Manifest, measured_share: float
) -> NDArray[np.int32]:
    low_coverage = measured_share < manifest.thresholds["low_gene_coverage"]
    quality = np.full(len(empty), QC.index("low_gene_coverage" if low_coverage else "ok"), np.int32)
    quality[answers.library < manifest.thresholds["low_depth"]] = QC.index("low_depth")
    quality[empty] = QC.index("empty")
    return quality
