"""What a result says of where it comes from: ``uns["cellport"]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import read_trajectory
from cellport.runtime.mapping.annotate.corrected import Correction
from cellport.runtime.version import __version__


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What is known of a query before its cells are mapped.

    Attributes
    ----------
    counts_from
        File and field that the counts are read from.
    n_cells
        In the query.
    notes
        What was repaired, chosen or is doubtful, a sentence each.
    genes
        Gene matching report.
    """

    counts_from: str
    n_cells: int
    notes: tuple[str, ...]
    genes: dict[str, Any]


def provenance(
    atlas: AtlasFile,
    queries: Sequence[QueryFacts],
    device: str,
    onnxruntime_version: str,
    seconds: float,
    correction: Correction | None = None,
) -> dict[str, Any]:
    """Return ``uns`` for queries mapped on an atlas."""
    reports = [query.genes for query in queries]
    more: dict[str, Any] = {}
    trajectory = read_trajectory(atlas)
    if trajectory is not None:
        more["trajectory"] = trajectory.in_brief()
    if correction is not None:
        more["corrected"] = correction.in_brief()
    return {
        "cellport": {
            "atlas": atlas.manifest.name,
            "atlas_sha256": atlas.sha256,
            "cellport_version": __version__,
            "onnxruntime_version": onnxruntime_version,
            "device": device,
            "counts_from": [query.counts_from for query in queries],
            "notes": [note for query in queries for note in query.notes],
            "genes": reports[0]
            if len(reports) == 1
            else {str(i): report for i, report in enumerate(reports)},
            "thresholds": dict(atlas.manifest.thresholds),
            "n_cells": sum(query.n_cells for query in queries),
            "seconds": round(seconds, 3),
            **more,
        }
    }
