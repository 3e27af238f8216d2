"""scPoli models of scArches: an encoder that takes embeddings of conditions, and prototypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.fields import bad_field, numbers, plain, texts
from cellport.runtime.convert.models.layers import TORCH_EPS, Layer, fold_batch_norm, linear
from cellport.runtime.convert.models.pickles.held import Stub

_FIRST = "encoder.FC.L0.expr_L"
_OLD_EMBEDDING = "embedding.weight"
_MOST_LAYERS = 100
_RENORM_EPS = 1e-7  # torch.embedding_renorm_'s own
# attributes that tell other models of scArches (scarches/models), which save in the same form
_OTHERS = {
    "expiMap": {"mask_", "soft_mask_"},
    "trVAE": {"mmd_boundary_", "condition_key_"},
    "scGen": {"x_dim_", "z_dim_"},
}
_SETTINGS = (
    "condition_key_",
    "condition_keys_",
    "cell_type_keys_",
    "hidden_layer_sizes_",
    "latent_dim_",
    "embedding_dims_",
    "embedding_max_norm_",
    "recon_loss_",
    "use_bn_",
    "use_ln_",
    "inject_condition_",
)
State = Mapping[str, Any]
Numbers = NDArray[np.float64 | np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One column of the reference, such as its batch, whose levels are embedded."""

    name: str
    levels: tuple[str, ...]
    embedding: Numbers  # [levels, width], norms capped as when it is used


@dataclass(frozen=True, slots=True, eq=False)
class ScPoliModel:
    """What an scPoli model computes with; see `forward.scpoli_answers`."""

    genes: tuple[str, ...]
    log1p: bool  # whether log(1 + raw counts) is taken; else values are taken as they come
    encoder: tuple[Layer, ...]  # `batch` of the first: of the embeddings of all conditions, joined
    mean: Layer  # from the last hidden layer to the latent
    variance: Layer  # the same to the log of the latent's variance, less 1e-4
    conditions: tuple[Condition, ...]
    labels: tuple[str, ...]  # none where it was trained without
    prototypes: Numbers | None  # [labels, latent]; the nearest one's label is the answer
    squared: bool  # whether scArches gave distances squared, as it did before 0.5.9
    levels: tuple[tuple[str, tuple[int, ...]], ...]  # columns of labels, and places in `labels`
    cells: int | None  # labelled cells that it was trained on
    settings: dict[str, Any]

    @property
    def encoder_takes_batch(self) -> bool:
        """Whether embeddings of conditions are among the inputs of the encoder."""
        return self.encoder[0].batch is not None


def is_scpoli(state: Any, attributes: Any) -> bool:
    """Whether weights and attributes are a model of scPoli."""
    return (
        isinstance(state, dict)
        and isinstance(attributes, dict)
        and f"{_FIRST}.weight" in state
        and "prototypes_labeled_" in attributes
    )


def scarches_kind(attributes: State) -> str:
    """Return which other model of scArches these attributes are of, or nothing."""
    found = (kind for kind, marks in _OTHERS.items() if marks <= attributes.keys())
    return next(found, "")


def scpoli_model(state: State, names: Any, attributes: State, title: str) -> ScPoliModel:
    """Take a model from its weights, gene names and attributes.

    Raises
    ------
    InputError
        Something lacks, is not finite or does not fit together.
    """
    genes = texts(names, title, "var_names")
    conditions = _conditions(state, attributes, title)
    width = sum(one.embedding.shape[1] for one in conditions)
    encoder = _encoder(state, attributes, len(genes), width, title)
    hidden = len(encoder[-1].bias)
    mean = linear(state, "encoder.mean_encoder", hidden, title)
    labels, levels = _labels(attributes, title)
    prototypes = _prototypes(attributes, (len(labels), len(mean.bias)), title)
    return ScPoliModel(
        genes=genes,
        log1p=attributes.get("recon_loss_") != "mse",
        encoder=encoder,
        mean=mean,
        variance=linear(state, "encoder.log_var_encoder", hidden, title),
        conditions=conditions,
        labels=() if prototypes is None else labels,
        prototypes=prototypes,
        squared=_OLD_EMBEDDING in state,
        levels=() if prototypes is None else levels,
        cells=_cells(attributes.get("labeled_indices_")),
        settings=plain({key: attributes.get(key) for key in _SETTINGS}) or {},
    )


def _conditions(state: State, attributes: State, title: str) -> tuple[Condition, ...]:
    found = attributes.get("conditions_")
    if isinstance(found, list):
        # of one condition, before scArches 0.5.9
        found = {str(attributes.get("condition_key_")): found}
    if not isinstance(found, dict):
        raise bad_field(title, "conditions_", "the levels of each condition")
    most = attributes.get("embedding_max_norm_")
    conditions = []
    for at, (name, levels) in enumerate(found.items()):
        named = texts(levels, title, f"conditions_.{name}")
        key = _OLD_EMBEDDING if _OLD_EMBEDDING in state else f"embeddings.{at}.weight"
        embedding = numbers(state.get(key), (len(named), None), title, key)
        if isinstance(most, (int, float)):
            norm = np.linalg.norm(embedding, axis=1, keepdims=True)
            capped = embedding * (most / (norm + _RENORM_EPS)).astype(embedding.dtype)
            embedding = np.where(norm > most, capped, embedding)
        conditions.append(Condition(str(name), named, embedding))
    return tuple(conditions)


def _encoder(
    state: State, attributes: State, genes: int, width: int, title: str
) -> tuple[Layer, ...]:
    layers = [_layer(state, attributes, _FIRST, 0, genes, title)]
    if (key := "encoder.FC.L0.cond_L.weight") in state:
        batch = numbers(state[key], (len(layers[0].bias), width), title, key)
        whole = replace(layers[0], weight=np.concatenate([layers[0].weight, batch], 1))
        whole = _normed(state, whole, 0, title)
        layers[0] = replace(whole, weight=whole.weight[:, :genes], batch=whole.weight[:, genes:])
    else:
        layers[0] = _normed(state, layers[0], 0, title)
    while (key := f"encoder.FC.L{len(layers)}") + ".weight" in state and len(layers) < _MOST_LAYERS:
        one = _layer(state, attributes, key, len(layers), len(layers[-1].bias), title)
        layers.append(_normed(state, one, len(layers), title))
    return tuple(layers)


def _layer(state: State, attributes: State, key: str, at: int, inputs: int, title: str) -> Layer:
    # layer norm has no parameters, and comes only where batch norm does not
    normed = f"encoder.FC.N{at}.running_var" in state
    layer_norm = attributes.get("use_ln_") is True and not normed
    return replace(linear(state, key, inputs, title), layer_norm=layer_norm, activation="ReLU")


def _normed(state: State, layer: Layer, at: int, title: str) -> Layer:
    key = f"encoder.FC.N{at}"
    if f"{key}.running_var" not in state:
        return layer
    weight, bias = fold_batch_norm(state, key, layer.weight, layer.bias, TORCH_EPS, title)
    return replace(layer, weight=weight, bias=bias)


def _labels(
    attributes: State, title: str
) -> tuple[tuple[str, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Return every label in the order of the prototypes, and which are of each column."""
    found = attributes.get("cell_types_")
    found = found if isinstance(found, dict) else {}
    labels = texts(list(found), title, "cell_types_")
    if len(set(labels)) < len(labels):
        raise bad_field(title, "cell_types_", "different names")
    columns: dict[str, list[int]] = {}
    for at, of in enumerate(found.values()):
        for column in texts(of, title, "cell_types_"):
            columns.setdefault(column, []).append(at)
    return labels, tuple((column, tuple(places)) for column, places in columns.items())


def _prototypes(attributes: State, shape: tuple[int, int], title: str) -> Numbers | None:
    found = attributes.get("prototypes_labeled_")
    means = found.get("mean") if isinstance(found, dict) else None
    if means is None or not shape[0]:
        return None
    return numbers(means, shape, title, "prototypes_labeled_.mean")


def _cells(indices: Any) -> int | None:
    if isinstance(indices, Stub) and indices.name.endswith("range") and len(indices.args) == 3:
        start, stop, step = indices.args
        if type(stop) is int and (start, step) == (0, 1):
            return stop
    return len(indices) if isinstance(indices, (list, np.ndarray)) and len(indices) else None
