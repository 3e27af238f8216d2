"""Train the atlases that come with the package, and list them in its registry.

    python -m benchmarks.pretrain [lung-demo] [pbmc-demo]

Each file holds weights, aggregates and latents of its reference cells, never their counts. Run it
again whenever the atlas format changes.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import anndata

from benchmarks.shared.data import PBMC
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.api import train_atlas

MODELS = Path(__file__).resolve().parent.parent / "models"
# a panel of this size keeps each file below 5 MB
GENES = 1500
LARGEST = 5_000_000


@dataclass(frozen=True)
class Plan:
    """An atlas to train: its reference, words for the registry, settings of `train_atlas`."""

    cells: Callable[[], Any]
    description: str
    settings: dict[str, Any]


def lung() -> Any:
    """Return the demonstration's cells; a batch is a technology of a donor."""
    with as_file(files("cellport") / "demo_data" / "lung_sample.h5ad") as path:
        cells = anndata.read_h5ad(path)
    cells.obs["sample"] = cells.obs["technology"].astype(str) + " " + cells.obs["donor"].astype(str)
    return cells


def pbmc() -> Any:
    """Return blood cells of three studies, with the lineage of each type."""
    cells = PBMC.read()
    lymphoid = cells.obs["cell_type"].isin(["B", "CD4 T", "CD8 T", "NK"])
    cells.obs["lineage"] = lymphoid.map({True: "lymphoid", False: "myeloid"})
    return cells


PLANS = {
    "lung-demo": Plan(
        lung,
        "healthy human lung, 1,000 cells (10x and Smart-seq2), 20 types; Travaglini et al. 2020",
        {
            "labels": "cell_type_coarse",
            "batch": "sample",
            "source": "healthy human lung (10x and Smart-seq2), as sampled by PopV",
            "authors": "Travaglini et al. 2020, Nature",
            "licence": "MIT",
            "attribution": "cells of Travaglini et al. 2020, Nature, as sampled by PopV",
        },
    ),
    "pbmc-demo": Plan(
        pbmc,
        "human blood, 5,732 cells of three studies, 8 types; 10x pbmc3k, Zheng 2017, Kang 2018",
        {
            "labels": "cell_type",
            "batch": "batch",
            "label_tree": ("lineage",),
            "source": "10x Genomics pbmc3k; FACS-sorted blood of Zheng; GSE96583, not stimulated",
            "authors": "10x Genomics; Zheng et al. 2017; Kang et al. 2018",
            "licence": "CC BY 4.0 (10x Genomics pbmc3k)",
            "attribution": "10x Genomics pbmc3k; Zheng et al. 2017, Nat Commun; Kang et al. 2018, "
            "Nat Biotechnol",
        },
    ),
}


def main(names: list[str]) -> None:
    """Train the atlases named, or all."""
    registry_file = MODELS / "registry.json"
    registry = json.loads(registry_file.read_text())
    (MODELS / "pretrained").mkdir(exist_ok=True)
    for name in names or list(PLANS):
        plan = PLANS[name]
        path = MODELS / "pretrained" / f"{name}.cellport"
        train_atlas(plan.cells(), path, name=name, n_genes=GENES, device="cpu", **plan.settings)
        atlas = open_atlas_file(path)
        failed = [check.name for check in verify_atlas(atlas) if not check.passed]
        size = path.stat().st_size
        if failed or size > LARGEST:
            raise SystemExit(f"{name}: {size:,} bytes; failed checks: {failed or 'none'}.")
        registry[name] = {
            "file": path.name,
            "sha256": atlas.sha256,
            "size": size,
            "description": plan.description,
        }
        registry_file.write_text(json.dumps(registry, indent=1) + "\n")
        print(f"{name}: {size:,} bytes, held out: {atlas.manifest.held_out}")


if __name__ == "__main__":
    main(sys.argv[1:])
