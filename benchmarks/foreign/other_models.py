"""Models of scArches (scPoli) and of SCimilarity, in an environment with scArches 0.6.

scPoli's ``classify`` draws its latents; kept are the means, and the distances of these to the
prototypes. SCimilarity's network is its own class with random weights (its training needs a corpus
of labelled studies), of which running statistics were taken on generated cells.
"""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import torch

anndata.read = anndata.read_h5ad  # scArches 0.6 imports a name that anndata 0.11 lacks

from scarches.models.scpoli import scPoli  # noqa: E402

from benchmarks.foreign.cells import GENES, LABELS, Cells  # noqa: E402
from benchmarks.foreign.kept import Fixture  # noqa: E402
from benchmarks.foreign.scvi_models import Plan, on_panel  # noqa: E402

PLANS: dict[str, dict[str, Any]] = {
    "scpoli_default": {"hidden_layer_sizes": [8]},
    "scpoli_deep": {"hidden_layer_sizes": [8, 6], "condition_keys": ["batch", "donor"]},
    "scpoli_batch_norm": {"hidden_layer_sizes": [8, 6], "use_bn": True, "use_ln": False},
    "scpoli_mse": {"recon_loss": "mse", "hidden_layer_sizes": [8]},
    "scimilarity": {"hidden_dim": [24, 16], "latent_dim": 8},
}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model, keep it and its answers."""
    torch.manual_seed(0)
    np.random.seed(0)
    how = scimilarity if name == "scimilarity" else scpoli
    how(dict(PLANS[name]), folder, every)


def scpoli(settings: dict[str, Any], folder: Path, every: dict[str, Cells]) -> None:
    """Train scPoli with prototypes; answers with own conditions, each batch, and their mean."""
    keys = settings.setdefault("condition_keys", ["batch"])
    reference = plain(every["reference"])
    model = scPoli(reference, cell_type_keys="label", latent_dim=5, embedding_dims=3, **settings)
    model.train(n_epochs=12, pretraining_epochs=8, batch_size=32, eta=5)
    model.model.eval()
    shares = {
        key: {name: float((reference.obs[key] == name).mean()) for name in model.conditions_[key]}
        for key in keys
    }
    fixture = Fixture(
        folder, "scpoli", "scArches torch anndata numpy", options=settings, genes=[*GENES],
        labels=[str(label) for label in model.model.cell_type_encoder], reference=shares,
    )  # fmt: skip
    for which, cells in every.items():
        asked: dict[str, Any] = {"cells": which, "by": "the package's methods, own conditions"}
        latent = torch.tensor(model.get_latent(plain(cells), mean=True))
        fixture.add(f"{which}.own", asked, **of_latents(model, latent))
        chosen = {name: {n: float(n == name) for n in shares["batch"]} for name in shares["batch"]}
        for name, weights in {"mean": shares["batch"], **chosen}.items():
            if which == "query" or (name == "mean" and which == "poor"):
                conditions = shares | {"batch": weights}
                asked = {"cells": which, "by": "the module", "conditions": conditions}
                found = by_hand(model, plain(cells), conditions)
                fixture.add(f"{which}.{name}", asked, **of_latents(model, found))
    model.save(str(folder), overwrite=True)
    fixture.write()


def of_latents(model: Any, latent: torch.Tensor) -> dict[str, Any]:
    """Nearest prototype of each latent and its distance, by the model."""
    every_class = torch.arange(len(model.model.cell_type_encoder))
    label, distance, distances = model.model.classify(
        latent, prototype=True, classes_list=every_class
    )
    names = {code: name for name, code in model.model.cell_type_encoder.items()}
    return {
        "latent": latent.numpy(), "distances": distances.numpy(), "uncertainty": distance.numpy(),
        "label": [names[int(code)] for code in label],
    }  # fmt: skip


@torch.no_grad()
def by_hand(model: Any, cells: anndata.AnnData, conditions: dict[str, Any]) -> torch.Tensor:
    """Means of the latents with the embeddings of the conditions averaged by these weights."""
    module = model.model
    x = torch.tensor(cells.X)
    x = x if module.recon_loss == "mse" else torch.log(1 + x)
    parts = []
    for i, (key, weights) in enumerate(conditions.items()):
        codes = torch.tensor([module.condition_encoders[key][name] for name in weights])
        shares = torch.tensor([*weights.values()])
        parts.append(shares @ module.embeddings[i](codes))
    mean: torch.Tensor = module.encoder(x, torch.cat(parts).repeat(len(x), 1))[0]
    return mean


def plain(cells: Cells) -> anndata.AnnData:
    """Cells with all labels known."""
    made = on_panel(cells, Plan(labels=LABELS, unlabelled_cells=False))
    made.X = made.X.toarray()
    for column in ("batch", "donor", "label"):
        made.obs[column] = made.obs[column].astype(str)
    return made


def scimilarity(settings: dict[str, Any], folder: Path, every: dict[str, Cells]) -> None:
    """Write a folder as SCimilarity's: encoder, order of genes, settings and labels."""
    # of its modules this one alone: the package itself imports much that it does not need
    spec = importlib.util.find_spec("scimilarity")
    assert spec
    assert spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0]) / "nn_models.py"
    found = importlib.util.spec_from_file_location("nn_models", path)
    assert found
    assert found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    encoder = module.Encoder(len(GENES), **settings)
    encoder.train()
    with torch.no_grad():
        for _ in range(20):
            encoder(per_ten_thousand(every["reference"]))
    encoder.eval()
    fixture = Fixture(
        folder, "scimilarity", "scimilarity torch numpy", options=settings, genes=[*GENES],
        labels=[*LABELS],
    )  # fmt: skip
    with torch.no_grad():
        for which, cells in every.items():
            fixture.add(which, {"cells": which}, latent=encoder(per_ten_thousand(cells)).numpy())
    encoder.save_state(str(folder / "encoder.ckpt"))
    (folder / "gene_order.tsv").write_text("\n".join(GENES))
    (folder / "layer_sizes.json").write_text(json.dumps(layer_sizes(encoder)))
    names = pd.Series(dict(enumerate(LABELS)))
    names.to_csv(folder / "label_ints.csv", quoting=csv.QUOTE_NONNUMERIC)
    fixture.write()


def layer_sizes(encoder: Any) -> dict[str, list[int]]:
    """Shape of each tensor, as SCimilarity keeps it."""
    return {name: [*values.shape] for name, values in encoder.state_dict().items()}


def per_ten_thousand(cells: Cells) -> torch.Tensor:
    """Return log1p of counts per 10,000 of the model's genes, as SCimilarity makes them."""
    counts = cells.on(GENES).counts.astype(np.float32)
    return torch.tensor(np.log1p(counts / counts.sum(1, keepdims=True) * np.float32(1e4)))
