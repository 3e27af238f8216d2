"""Models of scvi-tools of kinds that cannot be converted; there is nothing to compare."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mudata
import numpy as np
import scvi

from benchmarks.foreign.cells import LABELS, Cells
from benchmarks.foreign.kept import Fixture
from benchmarks.foreign.scvi_models import Plan, on_panel

SMALL = {"n_hidden": 8, "n_latent": 4}
PLANS: dict[str, dict[str, Any]] = {
    "refused_totalvi": {"kind": "TOTALVI", **{"n_latent": 4}},
    "refused_condscvi": {"kind": "CondSCVI", **SMALL},
    "refused_multivi": {"kind": "MULTIVI", "n_genes": 40, "n_regions": 24, **SMALL},
    "refused_peakvi": {"kind": "PEAKVI", **SMALL},
    "refused_linear_scvi": {"kind": "LinearSCVI", **SMALL},
    "refused_amortizedlda": {"kind": "AmortizedLDA", "n_topics": 4, "n_hidden": 8},
}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model for an epoch and keep it."""
    settings = dict(PLANS[name])
    kind = settings.pop("kind")
    scvi.settings.seed = 0
    cells = on_panel(every["reference"], Plan(labels=LABELS, unlabelled_cells=False))
    model_class = getattr(scvi.model, kind)
    setup: dict[str, Any] = {"batch_key": "batch"}
    if kind == "TOTALVI":
        cells.obsm["protein"] = np.random.default_rng(0).poisson(5.0, (cells.n_obs, 6))
        setup["protein_expression_obsm_key"] = "protein"
    elif kind == "CondSCVI":
        setup["labels_key"] = "label"
    elif kind == "AmortizedLDA":
        setup = {}
    if kind == "MULTIVI":
        cells = mudata.MuData({"rna": cells[:, :40].copy(), "atac": cells[:, 40:].copy()})
        cells.obs["batch"] = every["reference"].batch
        modalities = {"rna_layer": "rna", "atac_layer": "atac"}
        model_class.setup_mudata(cells, modalities=modalities, **setup)
    else:
        model_class.setup_anndata(cells, **setup)
    model = model_class(cells, **settings)
    model.train(max_epochs=1, batch_size=64, accelerator="cpu", enable_progress_bar=False)
    fixture = Fixture(folder, f"refused: {kind}", "scvi-tools torch")
    model.save(folder, overwrite=True)
    fixture.write()
