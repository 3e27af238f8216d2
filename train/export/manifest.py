"""What was learned as the manifest of an atlas."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.deploy import answer_names
from cellport.runtime.atlas.manifest import (
    Calibration,
    CalibrationState,
    Head,
    Input,
    Manifest,
    Provenance,
    Structure,
    Thresholds,
    TrajectoryGraph,
)
from cellport.runtime.genes.panel import Panel
from cellport.runtime.version import __version__
from cellport.train.export.parts import AtlasParts
from cellport.train.infer import Fitted
from cellport.train.labels.calibrate import LABELS
from cellport.train.labels.levels import found_below
from cellport.train.labels.rules import required_by
from cellport.train.labels.tree import stated_terms
from cellport.train.reference.gene_names import name_genes

# a cell with fewer counts says little of itself; a place in an atlas without labels is less sure
# where fewer genes are measured; one known cell of twenty may be flagged as novel
LOW_DEPTH, LOW_GENE_COVERAGE, NOVELTY_P = 100.0, 0.6, 0.05


def atlas_manifest(parts: AtlasParts) -> Manifest:
    """Describe an atlas."""
    reference, rules, how = parts.reference, parts.rules, parts.config
    names = name_genes(reference.gene_columns, parts.genes, how.organism)
    state: CalibrationState = "none"
    if rules.held_out is not None:
        state = "left_out_batches" if rules.held_out.by == "batch" else "held_out_cells"
    softness, temperature = rules.calibration.softness, rules.calibration.temperature
    power, enough_genes = 0.0, LOW_GENE_COVERAGE
    if reference.labels:
        power, enough_genes = LABELS.information_power, LABELS.least_information
    head = Head(
        "softmax" if reference.labels else "none",
        Calibration(state, softness, temperature, power),
        rules.set_prob,
        rules.set_mass,
    )
    summary = parts.structure.summary
    graph = _graph(summary)
    target_sum = parts.fitted.model.encoder.normalise.target_sum
    return Manifest(
        name=how.name or "atlas",
        organism=names.organism,
        panel=Panel(names.symbols, names.ensembl),
        input=Input("panel", target_sum, log1p=True, centre=True, scale=False, cap=True),
        fill="factors",
        n_latent=how.fit.n_latent,
        answers=answer_names(bool(reference.labels), graph is not None),
        labels=reference.labels,
        parents=rules.parents,
        label_terms=stated_terms(reference, how.label_ids),
        head=head,
        batches=reference.batches,
        thresholds=Thresholds(LOW_DEPTH, enough_genes, NOVELTY_P, rules.set_level, rules.call_prob),
        structure=Structure(
            tuple(summary["cluster_names"]), graph, summary.get("no_trajectory", "")
        ),
        held_out=rules.held_out,
        provenance=_provenance(parts),
        requires=required_by(head),
    )


def _provenance(parts: AtlasParts) -> Provenance:
    reference, how, cells = parts.reference, parts.config, parts.fitted.cells
    return Provenance(
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        made_by=f"cellport {__version__}",
        cells=len(reference.label),
        source=how.source or reference.description,
        authors=how.authors,
        licence=how.licence,
        attribution=how.attribution,
        limits=how.limits,
        training={
            "label_column": how.labels or "",
            "batch_column": how.batch or "",
            "novelty_easing": round(parts.novelty.p_exponent, 4),
            "layout": parts.layout_scores,
            "trajectory": parts.structure.summary.get("trajectory", "none"),
            "notes": [*reference.notes, *parts.structure.summary["notes"]],
            "cautions": list(reference.cautions),
            "settings": asdict(how.fit),
            "cells_by_label": _count(reference.labels, cells.label),
            "cells_by_batch": _count(reference.batches, cells.batch),
            **_coarse(reference.labels, parts.fitted),
            "versions": {"cellport": __version__, "torch": torch.__version__},
        },
    )


def _coarse(labels: tuple[str, ...], fitted: Fitted) -> dict[str, Any]:
    """Cells of coarser labels alone, labels that they may be of, and how often one was given."""
    coarse = fitted.cells.coarse
    if coarse is None:
        return {}
    number, found = _count(coarse.names, coarse.group), found_below(fitted)
    return {
        "coarse_labels": {
            name: {
                "cells": number[name],
                "labels": [labels[at] for at in np.flatnonzero(members)],
                "held_out": len(found[name]),
                "given_one_of_these": int(found[name].sum()),
            }
            for name, members in zip(coarse.names, coarse.members, strict=True)
        }
    }


def _graph(structure: dict[str, Any]) -> TrajectoryGraph | None:
    if "milestones" not in structure:
        return None
    milestones = tuple(structure["milestones"])
    return TrajectoryGraph(
        milestones,
        tuple((start, end) for start, end in structure["edge_ends"]),
        tuple(milestones.index(name) for name in structure["terminal_states"]),
        tuple(structure["roots"]),
    )


def _count(names: tuple[str, ...], codes: NDArray[np.int64]) -> dict[str, int]:
    number = np.bincount(codes[codes >= 0], minlength=len(names))
    return {name: int(n) for name, n in zip(names, number, strict=True)}
