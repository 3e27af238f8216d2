"""What a result says of where it comes from: ``uns["cellport"]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.mapping.query import QueryFacts
from cellport.runtime.version import __version__


def provenance(
    atlas: AtlasFile,
    queries: Sequence[QueryFacts],
    atlas_facts: dict[str, Any],
    device: str,
    onnxruntime_version: str,
    seconds: float,
) -> dict[str, Any]:
    """Return ``uns`` for queries mapped on an atlas; `atlas_facts` are what annotators say."""
    reports = [query.genes for query in queries]
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
            "thresholds": asdict(atlas.manifest.thresholds),
            "n_cells": sum(query.n_cells for query in queries),
            "seconds": round(seconds, 3),
            **atlas_facts,
        }
    }
