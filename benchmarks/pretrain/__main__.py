"""Train the atlases that come with the package, and list them in its registry.

    python -m benchmarks.pretrain [lung] [blood] [pancreas] [mouse-pancreas] [human]

Each file holds weights, aggregates and latents of its reference cells, never their counts. They
are made anew for a release, and together weigh at most 15 MB, for each one stays in the history.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.pretrain.cells import (
    BLOOD_MARKERS,
    MOUSE_MARKERS,
    PANCREAS_MARKERS,
    blood,
    human,
    lung,
    markers,
    mouse_pancreas,
    pancreas,
)
from cellport.runtime.atlas.file import open_atlas_file
from cellport.runtime.mapping.verify import verify_atlas
from cellport.train.api import train_atlas

MODELS = Path(__file__).resolve().parents[2] / "models"
# bytes of all of them
LARGEST = 15_000_000
TREE: dict[str, Any] = {
    "labels": "type",
    "batch": "sample",
    "label_tree": ("group", "lineage"),
    "label_ids": "term",
}


@dataclass(frozen=True)
class Plan:
    """An atlas to train: its reference, words for the registry, settings of `train_atlas`."""

    cells: Callable[[], Any]
    description: str
    n_genes: int
    kept: tuple[str, ...]  # genes of the panel whatever their variance
    said: dict[str, str]  # what the card says of where it comes from, and what it cannot do
    settings: dict[str, Any] = field(default_factory=lambda: TREE)


PLANS = {
    "lung": Plan(
        lung,
        "healthy adult human lung, 1,000 cells (10x and Smart-seq2); Travaglini et al. 2020",
        880,
        markers(),
        {
            "source": "healthy human lung (10x and Smart-seq2), as sampled by PopV",
            "authors": "Travaglini et al. 2020, Nature",
            "licence": "MIT",
            "attribution": "cells of Travaglini et al. 2020, Nature, as sampled by PopV",
            "limits": "A small sample of three healthy adults: it has no diseased, foetal or "
            "tumour cells, no rare types (ionocytes, tuft, neuroendocrine, mesothelial cells), and "
            "does not part states of macrophages or fibroblasts.",
        },
    ),
    "blood": Plan(
        blood,
        "human blood, 5,732 cells of three studies; 10x pbmc3k, Zheng 2017, Kang 2018",
        750,
        markers(BLOOD_MARKERS),
        {
            "source": "10x Genomics pbmc3k; FACS-sorted blood of Zheng; GSE96583, not stimulated",
            "authors": "10x Genomics; Zheng et al. 2017; Kang et al. 2018",
            "licence": "CC BY 4.0 (10x Genomics pbmc3k)",
            "attribution": "10x Genomics pbmc3k; Zheng et al. 2017, Nat Commun; Kang et al. 2018, "
            "Nat Biotechnol",
            "limits": "Mononuclear cells of resting adult blood measured with 10x: no neutrophils, "
            "erythrocytes, plasma cells, progenitors or plasmacytoid dendritic cells, and no naive "
            "or memory states of T cells.",
        },
        TREE | {"n_latent": 20},
    ),
    "pancreas": Plan(
        pancreas,
        "adult human pancreas, 1,670 cells of three donors (inDrop); Baron et al. 2016",
        700,
        markers(PANCREAS_MARKERS),
        {
            "source": "GSE84133, human2 to human4",
            "authors": "Baron et al. 2016, Cell Systems",
            "licence": "counts are public (GEO)",
            "attribution": "cells of Baron et al. 2016, Cell Systems, GSE84133",
            "limits": "Islets of three donors measured with inDrop: no epsilon or Schwann cells, "
            "few immune cells (15 macrophages, 5 mast cells, 2 T cells), and no states of disease.",
        },
    ),
    "mouse-pancreas": Plan(
        mouse_pancreas,
        "mouse pancreas of E15.5, endocrine cells coming to be, 3,696 cells, with their "
        "trajectory; Bastidas-Ponce et al. 2019",
        580,
        MOUSE_MARKERS,
        {
            "source": "GSE132188, E15.5, as in the SuperCell package",
            "authors": "Bastidas-Ponce et al. 2019, Development",
            "licence": "counts are public (GEO)",
            "attribution": "cells of Bastidas-Ponce et al. 2019, Development, GSE132188",
            "limits": "Embryonic epithelium of one day and one experiment, of 1,617 genes: no "
            "acinar, vessel, immune or mesenchymal cells, and no adult islets, whose cells "
            "may be called unlike it.",
        },
        {
            "labels": "cell_type",
            "batch": "batch",
            "label_tree": ("cell_type_coarse",),
            "root": ("Ductal",),
        },
    ),
    "human": Plan(
        human,
        "human lung, blood and pancreas in one, 5,308 cells; Travaglini 2020, 10x pbmc3k, "
        "Baron 2016",
        900,
        markers(),
        {
            "source": "healthy human lung as sampled by PopV; 10x Genomics pbmc3k; GSE84133, "
            "human2 to human4",
            "authors": "Travaglini et al. 2020; 10x Genomics; Baron et al. 2016",
            "licence": "MIT (lung), CC BY 4.0 (10x Genomics pbmc3k), public counts (GEO, pancreas)",
            "attribution": "cells of Travaglini et al. 2020, Nature, as sampled by PopV; 10x "
            "Genomics pbmc3k; Baron et al. 2016, Cell Systems, GSE84133",
            "limits": "Three healthy tissues from one study each: cells of other tissues are at "
            "best called unlike it, blood of other technologies is better mapped onto `blood`, "
            "and what a type has to do with its tissue alone cannot be told.",
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
        how = {**plan.settings, **plan.said, "n_genes": plan.n_genes, "keep_genes": plan.kept}
        train_atlas(plan.cells(), path, name=name, device="cpu", **how)
        atlas = open_atlas_file(path)
        failed = [check.name for check in verify_atlas(atlas) if not check.passed]
        if failed:
            raise SystemExit(f"{name}: failed checks: {failed}.")
        size = path.stat().st_size
        registry[name] = {
            "file": path.name,
            "sha256": atlas.sha256,
            "size": size,
            "description": plan.description,
        }
        registry_file.write_text(json.dumps(registry, indent=1) + "\n")
        print(f"{name}: {size:,} bytes, held out: {atlas.manifest.held_out}")
    total = sum(one["size"] for one in registry.values())
    if total > LARGEST:
        raise SystemExit(f"{total:,} bytes in all, more than {LARGEST:,}.")


if __name__ == "__main__":
    main(sys.argv[1:])
