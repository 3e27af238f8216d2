"""SCVI and SCANVI models of scvi-tools, of every era: what their encoder and classifier compute.

Saved as ``model.pt`` (0.15 and later), or as ``model_params.pt``, ``var_names.csv`` and
``attr.pkl`` (before). Shapes of the weights are trusted over settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.fields import bad_field, numbers, plain, texts
from cellport.runtime.convert.models.layers import Layer, Stack, linear, read_stack
from cellport.runtime.decisions import say, words
from cellport.runtime.errors import InputError

_ENCODER = "z_encoder.encoder.fc_layers"
_DECODER = "decoder.px_decoder.fc_layers"
_READ = ("SCVI", "SCANVI", "LinearSCVI")
# keys of the weights that tell a kind where no name is saved, as before 0.15
_TELLING = {
    "background_pro_alpha": "TOTALVI",
    "z_encoder_expression": "MULTIVI",
    "alpha_posterior_logit": "AUTOZI",
    "region_factors": "PEAKVI",
    "classifier.classifier": "SCANVI",
    "decoder.factor_regressor": "LinearSCVI",
    "decoder.px_scale_decoder": "SCVI",
}
State = Mapping[str, Any]
Numbers = NDArray[np.float64 | np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Decoder:
    """From latents to expected counts; one-hots as in the encoder's layers."""

    layers: tuple[Layer, ...]  # the first takes latents
    share_weight: Numbers  # [genes, hidden]
    share_bias: Numbers  # [genes]
    share_activation: str  # softmax, or softplus where size factors were given
    log_dispersion: Numbers | None  # px_r: [genes], or [genes, batches or labels]
    dropout: tuple[Numbers, Numbers] | None  # weight and bias of logits of zero inflation


@dataclass(frozen=True, slots=True, eq=False)
class ScviModel:
    """What a model of scvi-tools computes with; see `forward.scvi_answers`."""

    kind: str  # SCVI, SCANVI or LinearSCVI
    genes: tuple[str, ...]  # names or ids of the genes, as the model has them
    log1p: bool  # whether log(1 + raw counts) is taken; there is no other normalisation
    encoder: tuple[Layer, ...]
    mean: Layer  # from the last hidden layer to the latent
    variance: Layer  # the same to the log of the latent's variance, less 1e-4
    latent_distribution: str  # normal, or ln
    batches: tuple[str, ...]
    batch_embedding: Numbers | None  # [batches, width], where batches are no one-hots
    continuous: tuple[str, ...]  # names of continuous covariates
    categories: tuple[tuple[str, tuple[str, ...]], ...]  # further covariates and their levels
    classifier: tuple[Layer, ...]  # from the mean to logits; none without labels
    labels: tuple[str, ...]
    unlabelled: str | None  # name of cells without a label, no answer of the classifier
    decoder: Decoder | None
    cells: int | None  # that it was trained on
    settings: dict[str, Any]
    scvi_version: str
    uuid: str = ""  # of the cells that it was trained on, which name it too; empty where not said

    @property
    def encoder_takes_batch(self) -> bool:
        """Whether a cell's batch is among the inputs of the encoder."""
        return any(layer.batch is not None for layer in self.encoder)

    @property
    def encoder_takes_covariates(self) -> bool:
        """Whether further covariates are among the inputs of the encoder."""
        return any(layer.continuous is not None or layer.categories for layer in self.encoder)


def is_scvi(found: Any) -> bool:
    """Whether what ``model.pt`` holds is a model of scvi-tools, of whatever kind."""
    return isinstance(found, dict) and {"model_state_dict", "var_names", "attr_dict"} <= set(found)


def scvi_model(state: Any, names: Any, attributes: Any, title: str) -> ScviModel:
    """Take a model from its weights, gene names and attributes.

    Raises
    ------
    InputError
        It is of another kind, or something lacks, is not finite or does not fit together.
    """
    if not isinstance(state, dict) or not isinstance(attributes, dict):
        raise bad_field(title, "model_state_dict", "named numbers")
    registry = _registry(attributes)
    kind = _kind(registry, state, title)
    if isinstance(names, dict) or not any(str(key).startswith(_ENCODER) for key in state):
        raise InputError(say("convert.no_rna_encoder", title=title, kind=kind))
    if any(str(key).startswith("classifier_groups") for key in state):
        raise InputError(say("convert.label_groups", title=title))
    genes, settings = texts(names, title, "var_names"), _settings(attributes)
    covariates = _Covariates(registry, state, title)
    encoder = read_stack(state, _ENCODER, covariates.stack(len(genes), settings, "encoder"), title)
    hidden = len(encoder[-1].bias)
    mean = linear(state, "z_encoder.mean_encoder", hidden, title)
    latent = len(mean.bias)
    classifier = _classifier(state, settings, latent, title) if kind == "SCANVI" else ()
    labels, unlabelled = _labels(registry, attributes, classifier, title)
    return ScviModel(
        kind=kind,
        genes=genes,
        log1p=settings.get("log_variational") is not False,
        encoder=encoder,
        mean=mean,
        variance=linear(state, "z_encoder.var_encoder", hidden, title),
        latent_distribution="ln" if settings.get("latent_distribution") == "ln" else "normal",
        batches=covariates.batch_names(encoder),
        batch_embedding=covariates.embedding,
        continuous=covariates.continuous,
        categories=covariates.categories,
        classifier=classifier,
        labels=labels,
        unlabelled=unlabelled,
        decoder=_decoder(state, registry, settings, covariates, (latent, len(genes)), title),
        cells=_cells(registry),
        settings=plain(settings) or {},
        scvi_version=str(plain(registry.get("scvi_version")) or ""),
        uuid=str(plain(registry.get("_scvi_uuid")) or ""),
    )


def _registry(attributes: State) -> dict[str, Any]:
    """Return the registry of today, made of that of before 0.15 where need be."""
    found = attributes.get("registry_")
    if isinstance(found, dict):
        return found
    old = attributes.get("scvi_setup_dict_")
    if not isinstance(old, dict):
        return {}
    mappings = old.get("categorical_mappings")
    mappings = mappings if isinstance(mappings, dict) else {}

    def levels(key: str) -> dict[str, Any]:
        one = mappings.get(key)
        return {"categorical_mapping": one.get("mapping")} if isinstance(one, dict) else {}

    extra = old.get("extra_categoricals")
    return {
        "scvi_version": old.get("scvi_version"),
        "field_registries": {
            "X": {"summary_stats": old.get("summary_stats")},
            "batch": {"state_registry": levels("_scvi_batch")},
            "labels": {"state_registry": levels("_scvi_labels")},
            "extra_categorical_covs": {"state_registry": extra},
            "extra_continuous_covs": {
                "state_registry": {"columns": old.get("extra_continuous_keys")}
            },
        },
    }


def _field(registry: State, name: str, part: str = "state_registry") -> dict[str, Any]:
    found: Any = registry
    for key in ("field_registries", name, part):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


def _kind(registry: State, state: State, title: str) -> str:
    named = registry.get("model_name")
    if not isinstance(named, str):
        keys = [key for key in state if isinstance(key, str)]
        told = (
            kind for mark, kind in _TELLING.items() if any(key.startswith(mark) for key in keys)
        )
        named = next(told, "")
    if named not in _READ:
        refuse_kind(named, title)
    return named


def refuse_kind(kind: str, title: str) -> None:
    """Refuse a model by its kind, with what to do instead.

    Raises
    ------
    InputError
        Always.
    """
    instead = words("convert.do_instead")
    said = instead.get(kind.upper(), instead["other"])
    kind = kind[:100] or say("convert.unnamed_kind")
    raise InputError(say("convert.other_kind", title=title, kind=kind, instead=said))


def _settings(attributes: State) -> dict[str, Any]:
    """Return what the model was made with, nested keywords beside the others."""
    found = attributes.get("init_params_")
    parts = found if isinstance(found, dict) else {}
    if isinstance(parts.get("non_kwargs"), dict):
        settings, nested = dict(parts["non_kwargs"]), parts.get("kwargs")
        groups = list(nested.values()) if isinstance(nested, dict) else []
    else:
        settings = {key: value for key, value in parts.items() if not isinstance(value, dict)}
        groups = [value for value in parts.values() if isinstance(value, dict)]
    for group in groups:
        settings.update(group if isinstance(group, dict) else {})
    return {str(key): value for key, value in settings.items()}


class _Covariates:
    """What beside genes and latents goes into layers."""

    def __init__(self, registry: State, state: State, title: str) -> None:
        batch = _field(registry, "batch").get("categorical_mapping")
        self.batches = () if batch is None else texts(batch, title, "batches")
        columns = _field(registry, "extra_continuous_covs").get("columns")
        self.continuous = () if columns is None else texts(columns, title, "covariates")
        mappings = _field(registry, "extra_categorical_covs").get("mappings")
        self.categories = tuple(
            (str(name), texts(levels, title, str(name)))
            for name, levels in (mappings.items() if isinstance(mappings, dict) else ())
        )
        keys = [key for key in state if "embedding" in str(key) and str(key).endswith("weight")]
        self.embedding = None
        if keys:
            self.embedding = numbers(state[keys[0]], (None, None), title, keys[0])

    def stack(self, inputs: int, settings: State, part: str) -> Stack:
        embedded = self.embedding is not None
        extra = settings.get(f"extra_{part}_kwargs")
        return Stack(
            inputs=inputs,
            continuous=len(self.continuous),
            embedding=0 if self.embedding is None else self.embedding.shape[1],
            batches=0 if embedded or len(self.batches) < 2 else len(self.batches),
            categories=tuple(len(levels) for _, levels in self.categories if len(levels) > 1),
            layer_norm=settings.get("use_layer_norm") in (part, "both"),
            activation=activation(extra, "ReLU"),
        )

    def batch_names(self, encoder: tuple[Layer, ...]) -> tuple[str, ...]:
        """Return as many names as there are batches, made up where none are saved."""
        n = len(self.batches)
        if self.embedding is not None:
            n = len(self.embedding)
        elif encoder[0].batch is not None:
            n = encoder[0].batch.shape[1]
        return (*self.batches, *(f"batch {at}" for at in range(len(self.batches), n)))[:n]


def activation(settings: Any, otherwise: str) -> str:
    """Return the name of the activation that settings of layers ask for."""
    named = settings.get("activation_fn") if isinstance(settings, dict) else None
    return otherwise if named is None else str(getattr(named, "dotted", named)).rpartition(".")[2]


def _classifier(state: State, settings: State, latent: int, title: str) -> tuple[Layer, ...]:
    own = settings.get("classifier_parameters")
    own = own if isinstance(own, dict) else {}
    flag = own.get("use_layer_norm", settings.get("use_layer_norm") in ("encoder", "both"))
    start = "classifier.classifier"
    if f"{start}.0.weight" in state:
        return (linear(state, f"{start}.0", latent, title),)
    stack = Stack(inputs=latent, layer_norm=bool(flag), activation=activation(own, "ReLU"))
    hidden = read_stack(state, f"{start}.0.fc_layers", stack, title)
    return (*hidden, linear(state, f"{start}.1", len(hidden[-1].bias), title))


def _labels(
    registry: State, attributes: State, classifier: tuple[Layer, ...], title: str
) -> tuple[tuple[str, ...], str | None]:
    """Return the labels in the classifier's order, and the name of cells without one."""
    if not classifier:
        return (), None
    fields = _field(registry, "labels")
    names = texts(fields.get("categorical_mapping"), title, "labels")
    unlabelled = fields.get("unlabeled_category", attributes.get("unlabeled_category_"))
    without = str(unlabelled) if isinstance(unlabelled, (str, int, float)) else None
    n = len(classifier[-1].bias)
    if len(names) == n + 1:
        # the unlabelled category comes last where it is one
        without = without if without in names else names[-1]
        names = tuple(name for name in names if name != without)
    if len(names) != n or len(set(names)) < n:
        raise bad_field(title, "labels", f"{n} different names")
    return names, without


def _cells(registry: State) -> int | None:
    found = _field(registry, "X", "summary_stats").get("n_cells")
    return found if type(found) is int and found > 0 else None


def _decoder(
    state: State,
    registry: State,
    settings: State,
    covariates: _Covariates,
    sizes: tuple[int, int],
    title: str,
) -> Decoder | None:
    """Return the decoder, or None for one of another form (LinearSCVI's)."""
    if "decoder.px_scale_decoder.0.weight" not in state:
        return None
    latent, genes = sizes
    layers = read_stack(state, _DECODER, covariates.stack(latent, settings, "decoder"), title)
    share = linear(state, "decoder.px_scale_decoder.0", len(layers[-1].bias), title)
    if len(share.bias) != genes:
        raise bad_field(title, "decoder.px_scale_decoder.0.weight", f"{genes} rows")
    spread, zeros = state.get("px_r"), None
    if settings.get("gene_likelihood", "zinb") == "zinb":
        found = linear(state, "decoder.px_dropout_decoder", len(layers[-1].bias), title)
        zeros = found.weight, found.bias
    ndim = getattr(spread, "ndim", 1)
    arguments = registry.get("setup_args")
    factors = arguments.get("size_factor_key") if isinstance(arguments, dict) else None
    return Decoder(
        layers=layers,
        share_weight=share.weight,
        share_bias=share.bias,
        share_activation="softplus" if factors else "softmax",
        log_dispersion=None
        if spread is None
        else numbers(spread, (genes, None)[:ndim], title, "px_r"),
        dropout=zeros,
    )
