"""A trained model and all that was fitted on top of it, as the manifest and members of an atlas."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cellport.models.layout import LayoutNetwork
from cellport.runtime.atlas.file import Manifest, npy_bytes
from cellport.runtime.version import __version__
from cellport.train.config import AtlasConfig
from cellport.train.export.card import write_card
from cellport.train.export.members import export_members, reference_members
from cellport.train.infer import Fitted
from cellport.train.labels.rules import LabelRules
from cellport.train.novelty import Novelty
from cellport.train.reference.gene_table import name_genes
from cellport.train.reference.reference import Reference
from cellport.train.structure.fit import Structure
from cellport.train.structure.profiles import along_trajectory
from cellport.train.umap import place

THRESHOLDS = {
    "low_depth": 100.0,
    "low_gene_coverage": 0.6,
    "novelty_p": 0.05,
}


@dataclass(frozen=True, slots=True)
class AtlasParts:
    """What an atlas is made of, as the steps of `cellport.train.build` make it.

    ``genes`` is int64, positions of the panel's genes in the reference; ``layout_scores`` is what
    held-out cells say of the 2-D map.
    """

    reference: Reference
    genes: NDArray[np.int64]
    config: AtlasConfig
    fitted: Fitted
    rules: LabelRules
    layout: LayoutNetwork
    layout_scores: dict[str, float | int]
    structure: Structure
    novelty: Novelty


def export_atlas(parts: AtlasParts) -> tuple[Manifest, dict[str, bytes]]:
    """Return the manifest and the members of an atlas, ready to be written."""
    manifest = _manifest(parts)
    fitted, structure = parts.fitted, parts.structure
    members = export_members(
        fitted, parts.rules.calibration, parts.novelty, parts.layout, structure.head
    )
    placed = place(parts.layout, fitted.latent)
    members |= reference_members(parts.reference, fitted.latent, placed, fitted.seed)
    along = along_trajectory(fitted, structure, placed)
    members |= {f"arrays/{name}.npy": npy_bytes(array) for name, array in along.items()}
    members["README.md"] = write_card(manifest).encode()
    return manifest, members


def _manifest(parts: AtlasParts) -> Manifest:
    how, rules, reference, cells = parts.config, parts.rules, parts.reference, parts.fitted.cells
    names = name_genes(reference.gene_columns, parts.genes, how.organism)
    training = {
        "cells": int(cells.counts.shape[0]),
        "counts_from": reference.description,
        "notes": list(reference.notes),
        "label_column": how.labels or "",
        "batch_column": how.batch or "",
        "settings": asdict(how.fit),
        **asdict(rules.calibration),
        "novelty_easing": round(parts.novelty.p_exponent, 4),
        "cells_by_label": _count(reference.labels, cells.label),
        "cells_by_batch": _count(reference.batches, cells.batch),
        "held_out": rules.scores,
        "layout": parts.layout_scores,
        "structure": parts.structure.summary,
        "versions": {"cellport": __version__, "torch": torch.__version__},
    }
    return Manifest(
        name=how.name or "atlas",
        licence=how.licence,
        organism=names.organism,
        created=datetime.datetime.now(datetime.UTC).date().isoformat(),
        symbols=names.symbols,
        ensembl=names.ensembl,
        target_sum=parts.fitted.model.encoder.normalise.target_sum,
        n_latent=how.fit.n_latent,
        labels=reference.labels,
        batches=reference.batches,
        parents=rules.parents,
        set_prob=rules.set_prob,
        thresholds=THRESHOLDS | {"set_level": rules.set_level, "call_prob": rules.call_prob},
        training=training,
        minimum_runtime="0.1.0",
    )


def _count(names: tuple[str, ...], codes: NDArray[np.int64]) -> dict[str, int]:
    number = np.bincount(codes[codes >= 0], minlength=len(names))
    return {name: int(n) for name, n in zip(names, number, strict=True)}
