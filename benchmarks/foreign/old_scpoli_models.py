"""scPoli models of scArches before 0.5.9, of one condition, in an environment with 0.5.8."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import torch

anndata.read = anndata.read_h5ad  # scArches 0.5 imports a name that anndata 0.11 lacks

from scarches.models.scpoli import scPoli  # noqa: E402

from benchmarks.foreign.cells import GENES, Cells  # noqa: E402
from benchmarks.foreign.kept import Fixture  # noqa: E402
from benchmarks.foreign.other_models import of_latents, plain  # noqa: E402

PLANS = ("scpoli_058",) if version("scArches").startswith("0.5.") else ()


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model with prototypes, keep it and its answers with each cell's own condition."""
    torch.manual_seed(0)
    np.random.seed(0)
    reference = plain(every["reference"])
    settings: dict[str, Any] = {"condition_key": "batch", "hidden_layer_sizes": [8, 6]}
    model = scPoli(reference, cell_type_keys="label", latent_dim=5, embedding_dim=3, **settings)
    model.train(n_epochs=12, pretraining_epochs=8, batch_size=32, eta=5)
    model.model.eval()
    fixture = Fixture(
        folder, "scpoli", "scArches torch anndata numpy", options=settings, genes=[*GENES],
        labels=[str(label) for label in model.model.cell_type_encoder],
    )  # fmt: skip
    for which, cells in every.items():
        made = plain(cells)
        latent = model.get_latent(made.X, made.obs["batch"].to_numpy(), mean=True)
        asked = {"cells": which, "by": "the package's methods, own conditions"}
        fixture.add(f"{which}.own", asked, **of_latents(model, torch.tensor(latent)))
    model.save(str(folder), overwrite=True)
    fixture.write()
