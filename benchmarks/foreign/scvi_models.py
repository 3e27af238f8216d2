"""Models trained by scvi-tools of today, and their latents and probabilities.

Cases of a model are ``CELLS.WHICH``. *own*: the cells with their own batch, donor, and so on, by
the package's own methods. *mean*, and a batch's name, where the encoder sees the batch: the module
called with the shares of the batches among the reference cells, or with that batch, in place of
the one-hot; other covariates at the shares and means of the reference cells. ``answers.npz`` has
``latent`` (the mean of the posterior), ``softmax`` where the latents are logistic normal (softmax
of that mean) with ``sampled`` (the package's own mean over 5,000 draws), and ``probability`` of
SCANVI, whose classifier takes the mean before the softmax.

Not there, because scvi-tools 1.4.2 cannot train them: SCANVI with the batch as an embedding that
its encoder sees (its classifier is given the cells without it), and SCANVI with the dispersion
``gene-label``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import scipy.sparse as sp
import scvi
import torch

from benchmarks.foreign.cells import BATCHES, DONORS, GENES, LABELS, UNLABELLED, Cells
from benchmarks.foreign.kept import Fixture

CATEGORICAL = {"batch": BATCHES, "donor": DONORS, "chemistry": ("10x v2",)}
BATCH = {"batch_key": "batch"}
COVARIATES = {**BATCH, "categorical_covariate_keys": ["donor", "chemistry"]} | {
    "continuous_covariate_keys": ["fraction", "age"]
}
SEEN = {"encode_covariates": True}
LAYER_NORM = {"use_layer_norm": "both", "use_batch_norm": "none"}
SIZES = {"n_hidden": 8, "n_latent": 4}
QUIET = {"accelerator": "cpu", "enable_progress_bar": False, "logger": False}
QUERY_BATCH = "query study"


@dataclass(frozen=True)
class Plan:
    """A model: its class, its settings, what is registered, and what is done to it afterwards."""

    settings: dict[str, Any] = field(default_factory=dict)
    setup: dict[str, Any] = field(default_factory=lambda: BATCH)
    model: str = "SCVI"
    labels: tuple[str, ...] = (LABELS[0], UNLABELLED, *LABELS[1:])
    after: str = ""
    unlabelled_cells: bool = True


def scanvi(settings: dict[str, Any] | None = None, **facts: Any) -> Plan:
    """Return a plan of an SCANVI."""
    return Plan(settings or {}, model="SCANVI", **facts)


HLCA = {**LAYER_NORM, **SEEN, "n_layers": 2, "deeply_inject_covariates": False}
TABULA = {**LAYER_NORM, **SEEN, "n_layers": 3, "deeply_inject_covariates": True}
EMBEDDED = {"batch_representation": "embedding", "batch_embedding_kwargs": {"embedding_dim": 4}}
PLANS = {
    "scvi_default": Plan(after="history"),
    "scvi_no_norm": Plan({"use_batch_norm": "none"}),
    "scvi_both_norms": Plan({"use_batch_norm": "both", "use_layer_norm": "both", "n_layers": 2}),
    "scvi_batch_norm_encoder": Plan({"use_batch_norm": "encoder", "n_layers": 2}),
    "scvi_layer_norm_encoder": Plan({"use_batch_norm": "decoder", "use_layer_norm": "encoder"}),
    "scvi_norms_decoder": Plan({"use_batch_norm": "decoder", "use_layer_norm": "decoder"}),
    "scvi_shallow": Plan(HLCA),
    "scvi_deep": Plan(TABULA),
    "scvi_deep_batch_norm": Plan({**SEEN, "n_layers": 2}),
    "scvi_embedding": Plan({**SEEN, **EMBEDDED, "n_layers": 2}),
    "scvi_embedding_default": Plan({**SEEN, "batch_representation": "embedding"}),
    "scvi_embedding_unseen": Plan(EMBEDDED),
    "scvi_embedding_covariates": Plan({**SEEN, **EMBEDDED, "n_layers": 2}, COVARIATES),
    "scvi_ln": Plan({"latent_distribution": "ln"}),
    "scvi_covariates": Plan({**SEEN, "n_layers": 2}, COVARIATES),
    "scvi_covariates_shallow": Plan(HLCA, COVARIATES),
    "scvi_covariates_unseen": Plan({"n_layers": 2}, COVARIATES),
    "scvi_continuous": Plan(SEEN, {**BATCH, "continuous_covariate_keys": ["fraction"]}),
    "scvi_size_factor": Plan({}, {**BATCH, "size_factor_key": "size"}),
    "scvi_gene_batch": Plan({"dispersion": "gene-batch", "gene_likelihood": "nb"}),
    "scvi_gene_label": Plan({"dispersion": "gene-label"}, {**BATCH, "labels_key": "label"}),
    "scvi_gene_cell": Plan({"dispersion": "gene-cell", "gene_likelihood": "nb"}),
    "scvi_poisson": Plan({"gene_likelihood": "poisson"}),
    "scvi_not_log": Plan({"log_variational": False, "gene_likelihood": "nb"}),
    "scvi_library": Plan({"use_observed_lib_size": False}),
    "scvi_no_batch": Plan(SEEN, {}),
    "scvi_activation": Plan({"extra_encoder_kwargs": {"activation_fn": torch.nn.LeakyReLU}}),
    "scvi_surgery": Plan(TABULA, after="surgery"),
    "scvi_minified": Plan(TABULA, after="minified"),
    "scanvi_default": scanvi(after="history"),
    "scanvi_linear": scanvi({**HLCA, "linear_classifier": True}),
    "scanvi_shallow": scanvi(HLCA),
    "scanvi_deep": scanvi(TABULA),
    "scanvi_deep_batch_norm": scanvi({**SEEN, "n_layers": 2}),
    "scanvi_both_norms": scanvi({"use_batch_norm": "both", "use_layer_norm": "both"}),
    "scanvi_ln": scanvi({"latent_distribution": "ln", "n_layers": 2}),
    "scanvi_embedding_unseen": scanvi(EMBEDDED),
    "scanvi_covariates": scanvi({**TABULA, "n_layers": 2}, setup=COVARIATES),
    "scanvi_classifier": scanvi({"classifier_parameters": {"n_layers": 2, "n_hidden": 9}}),
    "scanvi_not_logits": scanvi({"classifier_parameters": {"logits": False}}),
    "scanvi_two": scanvi(labels=(LABELS[1], UNLABELLED, LABELS[0])),
    "scanvi_sorted": scanvi({"linear_classifier": True}, labels=()),
    "scanvi_all_labelled": scanvi(labels=LABELS, unlabelled_cells=False),
    "scanvi_from_scvi": scanvi(HLCA, after="from scvi"),
    "scanvi_surgery": scanvi(HLCA, after="surgery"),
    "scanvi_minified": scanvi(TABULA, after="minified"),
}

if version("scvi-tools").startswith("0."):
    PLANS = {}


def make(name: str, folder: Path, every: dict[str, Cells]) -> None:
    """Train a model, keep it and its answers."""
    plan = PLANS[name]
    model = trained(plan, every["reference"])
    if plan.after == "surgery":
        model = surgery(model, every["query"], plan)
    shares = reference_shares(plan, every["reference"], facts(model)["batches"])
    fixture = Fixture(
        folder, plan.model.lower(), "scvi-tools torch anndata pandas numpy",
        options=written(plan.settings), setup=plan.setup, after=plan.after, **facts(model),
        reference=shares,
    )  # fmt: skip
    for which, cells in every.items():
        answer(fixture, model, which, on_panel(cells, plan), plan, shares)
    save(model, folder, plan)
    if plan.after == "minified":
        fixture.meta["minified"] = "adata.h5ad"
    fixture.write()


def save(model: Any, folder: Path, plan: Plan) -> None:
    """Write it as the package does; a minified one with its cells, as hubs ship them."""
    minified = plan.after == "minified"
    if minified:
        key = "X_latent"
        model.adata.obsm[f"{key}_qzm"], model.adata.obsm[f"{key}_qzv"] = (
            model.get_latent_representation(return_dist=True)
        )
        model.minify_adata(use_latent_qzm_key=f"{key}_qzm", use_latent_qzv_key=f"{key}_qzv")
    kept = {path.name: path.read_bytes() for path in folder.iterdir()}
    model.save(folder, overwrite=True, save_anndata=minified)
    for name, content in kept.items():
        (folder / name).write_bytes(content)


def trained(plan: Plan, reference: Cells) -> Any:
    """Train a few epochs on the reference."""
    scvi.settings.seed = 0
    scvi.settings.num_threads = 1
    cells = on_panel(reference, plan)
    kind = getattr(scvi.model, plan.model)
    settings = {**SIZES, **plan.settings}
    if plan.after == "from scvi":
        scvi.model.SCVI.setup_anndata(cells, labels_key="label", **plan.setup)
        below = scvi.model.SCVI(cells, **settings)
        below.train(max_epochs=10, batch_size=32, **QUIET)
        model = kind.from_scvi_model(below, UNLABELLED, linear_classifier=True)
    elif plan.model == "SCANVI":
        setup = {"labels_key": "label", "unlabeled_category": UNLABELLED, **plan.setup}
        kind.setup_anndata(cells, **setup)
        model = kind(cells, **settings)
    else:
        kind.setup_anndata(cells, **plan.setup)
        model = kind(cells, **settings)
    # a table of pandas in the file, unless the training is not logged
    quiet = {k: v for k, v in QUIET.items() if plan.after != "history" or k != "logger"}
    model.train(max_epochs=20, batch_size=32, **quiet)
    model.module.eval()
    return model


def surgery(model: Any, query: Cells, plan: Plan) -> Any:
    """Extend a model by a batch that the reference lacks, as scArches does."""
    cells = on_panel(query, plan)
    cells.obs["batch"] = QUERY_BATCH
    if plan.model == "SCANVI":
        cells.obs["label"] = UNLABELLED
    made = getattr(scvi.model, plan.model).load_query_data(cells, model)
    made.train(max_epochs=3, plan_kwargs={"weight_decay": 0.0}, batch_size=32, **QUIET)
    made.module.eval()
    return made


def on_panel(cells: Cells, plan: Plan) -> anndata.AnnData:
    """Return cells with all genes of the models in their order; those they lack are zeros."""
    same = cells.on(GENES)
    made = anndata.AnnData(sp.csr_matrix(same.counts.astype(np.float32)))
    made.var_names = GENES
    made.obs_names = [f"cell {i}" for i in range(len(cells))]
    for column, names in CATEGORICAL.items():
        made.obs[column] = pd.Categorical(getattr(cells, column), names)
    made.obs["fraction"], made.obs["age"] = cells.fraction, cells.age
    made.obs["size"] = same.counts.sum(1) / 250.0
    label = np.where(np.arange(len(cells)) % 5 == 0, UNLABELLED, cells.label)
    label = label if plan.unlabelled_cells else cells.label
    if plan.labels and len(plan.labels) < len(LABELS):
        label = np.where(np.isin(label, plan.labels), label, plan.labels[-1])
    made.obs["label"] = pd.Categorical(label, plan.labels) if plan.labels else label
    return made


def facts(model: Any) -> dict[str, Any]:
    """Names as the model has them: genes, batches, labels in the order of the answers."""
    fields = model.registry_["field_registries"]
    found: dict[str, Any] = {
        "genes": [str(g) for g in fields["X"]["state_registry"]["column_names"]]
    }
    batches = fields["batch"]["state_registry"]["categorical_mapping"]
    found["batches"] = [str(batch) for batch in batches]
    if hasattr(model, "_label_mapping"):
        found["labels"] = [str(label) for label in model._label_mapping[: model.module.n_labels]]
        found["unlabelled"] = str(model.unlabeled_category_)
    return found


def written(settings: Any) -> Any:
    """Return settings as JSON can have them."""
    if isinstance(settings, dict):
        return {name: written(value) for name, value in settings.items()}
    return settings.__name__ if isinstance(settings, type) else settings


def reference_shares(plan: Plan, reference: Cells, batches: list[str]) -> dict[str, Any]:
    """Shares of each level of the categories, and means of the numbers, among reference cells.

    A batch that surgery added has no reference cell.
    """

    def shares(column: str, names: Any) -> dict[str, float]:
        return {name: float((getattr(reference, column) == name).mean()) for name in names}

    categories = plan.setup.get("categorical_covariate_keys", ())
    continuous = plan.setup.get("continuous_covariate_keys", ())
    return {
        "batch": shares("batch", batches if "batch_key" in plan.setup else ()),
        "categories": {name: shares(name, CATEGORICAL[name]) for name in categories},
        "continuous": {name: float(getattr(reference, name).mean()) for name in continuous},
    }


def answer(
    fixture: Fixture, model: Any, which: str, cells: Any, plan: Plan, shares: dict[str, Any]
) -> None:
    """Ask the package, and the module by hand with every batch and with the mean of all."""
    own = {"cells": which, "by": "the package's methods, own covariates"}
    fixture.add(f"{which}.own", own, **by_package(model, cells, own))
    if not model.module.encode_covariates or which == "reference":
        return
    chosen = {name: {n: float(n == name) for n in shares["batch"]} for name in shares["batch"]}
    named = chosen if which == "query" else {}
    for name, weights in {"mean": shares["batch"], **named}.items():
        asked = {"cells": which, "by": "the module", **shares, "batch": weights}
        fixture.add(f"{which}.{name}", asked, **by_hand(model, cells, asked))
    check(model, cells, shares)


def by_package(model: Any, cells: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Latents and probabilities by the package's own methods."""
    found = {"latent": model.get_latent_representation(cells, return_dist=True)[0]}
    if model.module.latent_distribution == "ln":
        scvi.settings.seed = 0
        found["sampled"] = model.get_latent_representation(cells, give_mean=True)
        found["softmax"] = torch.softmax(torch.tensor(found["latent"]), -1).numpy()
    if hasattr(model, "_label_mapping"):
        try:
            found["probability"] = model.predict(cells, soft=True).to_numpy()
            found["label"] = model.predict(cells)
        except Exception as error:  # noqa: BLE001 - what the package cannot answer is a fact
            asked["predict fails"] = f"{type(error).__name__}: {error}"
    return found


@torch.inference_mode()
def by_hand(model: Any, cells: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Latents and probabilities by the module, with the covariates as they are asked for."""
    module, n_cells = model.module, cells.n_obs

    def rows(values: Any) -> torch.Tensor:
        return torch.tensor([*values.values()], dtype=torch.float32).repeat(n_cells, 1)

    x = torch.tensor(cells.X.toarray())
    x = torch.log1p(x) if module.log_variational else x
    if asked["continuous"]:
        x = torch.cat([x, rows(asked["continuous"])], -1)
    categories = [rows(shares) for shares in asked["categories"].values()]
    batch = rows(asked["batch"] or {"": 1.0})
    if module.batch_representation == "embedding":
        x = torch.cat([x, batch @ module.get_embedding("batch").weight], -1)
    else:
        categories = [batch, *categories]
    found = {"latent": module.z_encoder(x, *categories)[0].loc}
    if hasattr(model, "_label_mapping"):
        scores = module.classify_helper(found["latent"])
        logits = module.classifier.logits
        found["probability"] = torch.softmax(scores, -1) if logits else scores
    return {name: values.numpy() for name, values in found.items()}


def check(model: Any, cells: Any, shares: dict[str, Any]) -> None:
    """Assert that the module by hand says what the package says, where both can answer."""
    if shares["categories"] or shares["continuous"]:
        return
    for name in shares["batch"]:
        named = cells.copy()
        named.obs["batch"] = pd.Categorical([name] * cells.n_obs, [*shares["batch"]])
        weights = {n: float(n == name) for n in shares["batch"]}
        hand = by_hand(model, cells, {**shares, "batch": weights})
        package = by_package(model, named, {})
        for key in hand.keys() & package.keys():
            np.testing.assert_allclose(hand[key], package[key], atol=2e-6)
