"""Models trained by scvi-tools of before 1.0, whose classifier ends in a softmax.

Those of before 0.15 are a folder of ``model_params.pt``, ``var_names.csv`` and ``attr.pkl``. Cases
and answers are those of ``scvi_models.py``.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scvi
import torch

from benchmarks.foreign.cells import BATCHES, UNLABELLED, Cells
from benchmarks.foreign.kept import Fixture
from benchmarks.foreign.scvi_models import (
    COVARIATES,
    HLCA,
    SEEN,
    SIZES,
    TABULA,
    Plan,
    on_panel,
    reference_shares,
    scanvi,
    written,
)

_, MINOR, _ = (int(part) for part in version("scvi-tools").split("."))
FOLDER = MINOR < 15
ERA = f"0{MINOR}"
PLANS = {
    f"scvi_{ERA}_default": Plan(),
    f"scvi_{ERA}_shallow": Plan(HLCA),
    f"scvi_{ERA}_covariates": Plan({**SEEN, "n_layers": 2}, COVARIATES),
    f"scanvi_{ERA}_default": scanvi(),
    f"scanvi_{ERA}_shallow": scanvi(HLCA),
    f"scanvi_{ERA}_deep": scanvi(TABULA),
}
if not version("scvi-tools").startswith("0."):
    PLANS = {}
elif FOLDER:
    # it is of Python 3.9 and of an older lightning
    from pytorch_lightning.callbacks import Callback
    from pytorch_lightning.trainer.states import TrainerFn

    TrainerFn.__format__ = lambda self, _: self.value
    Callback.on_train_epoch_end = lambda self, trainer, module, unused=None: None


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model, keep it and its answers."""
    plan = PLANS[name]
    model = trained(plan, every["reference"])
    names: dict[str, Any] = {"genes": [str(gene) for gene in model.adata.var_names]}
    names["batches"] = [*BATCHES]
    if plan.model == "SCANVI":
        labels = [*model._label_mapping]
        names |= {"labels": [n for n in labels if n != UNLABELLED], "unlabelled": UNLABELLED}
    shares = reference_shares(plan, every["reference"], names["batches"])
    fixture = Fixture(
        folder, plan.model.lower(), "scvi-tools torch anndata pandas numpy",
        options=written(plan.settings), setup=plan.setup, **names, reference=shares,
    )  # fmt: skip
    for which, cells in every.items():
        answer(fixture, model, which, on_panel(cells, plan), shares)
    model.save(str(folder), overwrite=True)
    fixture.write()


def trained(plan: Plan, reference: Cells) -> Any:
    """Train a few epochs on the reference."""
    scvi.settings.seed = 0
    cells = on_panel(reference, plan)
    kind = getattr(scvi.model, plan.model)
    settings = {**SIZES, **plan.settings}
    setup = dict(plan.setup)
    if plan.model == "SCANVI":
        setup["labels_key"] = "label"
        if FOLDER:
            settings["unlabeled_category"] = UNLABELLED
        else:
            setup["unlabeled_category"] = UNLABELLED
    kind.setup_anndata(cells, **setup)
    model = kind(cells, **settings)
    model.train(max_epochs=20, batch_size=32, use_gpu=False)
    model.module.eval()
    return model


def answer(fixture: Fixture, model: Any, which: str, cells: Any, shares: dict[str, Any]) -> None:
    """Ask the package, and the module by hand with every batch and with the mean of all."""
    own = {"cells": which, "by": "the package's methods, own covariates"}
    fixture.add(f"{which}.own", own, **by_package(model, cells))
    if not model.module.encode_covariates or which == "reference":
        return
    chosen = {name: {n: float(n == name) for n in BATCHES} for name in BATCHES}
    named = chosen if which == "query" else {}
    for name, weights in {"mean": shares["batch"], **named}.items():
        asked = {"cells": which, "by": "the module", **shares, "batch": weights}
        found = by_hand(model, cells, asked)
        fixture.add(f"{which}.{name}", asked, **found)
        if name != "mean" and not shares["categories"]:
            same = cells.copy()
            same.obs["batch"] = pd.Categorical([name] * cells.n_obs, BATCHES)
            for key, values in by_package(model, same).items():
                if key in found:
                    np.testing.assert_allclose(found[key], values, atol=2e-6)


def by_package(model: Any, cells: Any) -> dict[str, Any]:
    """Latents and probabilities by the package's own methods, which leave their codes in cells."""
    cells = cells.copy()
    found = {"latent": model.get_latent_representation(cells)}
    if hasattr(model, "_label_mapping"):
        found["probability"] = model.predict(cells, soft=True).to_numpy()
        found["label"] = model.predict(cells)
    return found


@torch.no_grad()
def by_hand(model: Any, cells: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Latents and probabilities by the module, with the covariates as they are asked for."""

    def rows(values: Any) -> torch.Tensor:
        return torch.tensor([*values.values()], dtype=torch.float32).repeat(cells.n_obs, 1)

    x = torch.log(1 + torch.tensor(cells.X.toarray()))
    if asked["continuous"]:
        x = torch.cat([x, rows(asked["continuous"])], -1)
    categories = [rows(values) for values in asked["categories"].values()]
    first = model.module.z_encoder(x, rows(asked["batch"]), *categories)[0]
    found = {"latent": getattr(first, "loc", first)}
    if hasattr(model, "_label_mapping"):
        found["probability"] = model.module.classifier(found["latent"])
    return {name: values.numpy() for name, values in found.items()}
