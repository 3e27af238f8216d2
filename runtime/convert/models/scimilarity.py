"""SCimilarity's encoder: counts per 10,000 to a point on a sphere. It tells no label by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cellport.runtime.convert.models.fields import bad_field, numbers, texts
from cellport.runtime.convert.models.layers import TORCH_EPS, Layer, fold_batch_norm, linear

_MODULE = re.compile(r"network((?:\.[0-9]{1,3}){1,2})\.(?:weight|bias|running_mean|running_var)")
State = Mapping[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class ScimilarityModel:
    """What SCimilarity's encoder computes with; see `forward.scimilarity_answers`."""

    genes: tuple[str, ...]  # symbols
    encoder: tuple[Layer, ...]  # hidden layers
    mean: Layer  # to the latent, of which the norm is then made 1
    classes: tuple[str, ...]  # names of the cells it was trained on; the encoder answers none


def is_scimilarity(found: Any) -> bool:
    """Whether what ``encoder.ckpt`` holds is SCimilarity's network."""
    state = found.get("state_dict") if isinstance(found, dict) else None
    return isinstance(state, dict) and any(
        isinstance(key, str) and _MODULE.fullmatch(key) for key in state
    )


def scimilarity_model(
    state: State, genes: Sequence[str], classes: Sequence[str], title: str
) -> ScimilarityModel:
    """Take the encoder from its weights and the names of its genes.

    Raises
    ------
    InputError
        Something lacks, is not finite or does not fit together.
    """
    names = texts(list(genes), title, "gene_order.tsv")
    layers: list[Layer] = []
    for key in _modules(state):
        weight = state.get(f"{key}.weight")
        if getattr(weight, "ndim", 0) == 2:
            layers.append(linear(state, key, len(layers[-1].bias) if layers else len(names), title))
        elif layers and f"{key}.running_var" in state:
            layers[-1] = _normed(state, key, layers[-1], title)
        elif layers and f"{key}.bias" not in state:
            layers[-1] = _bent(state, key, layers[-1], title)
        else:
            raise bad_field(title, key, "a Linear, a batch norm or a PReLU")
    if len(layers) < 2 or layers[-1].activation or not all(one.activation for one in layers[:-1]):
        raise bad_field(title, "network", "hidden layers with a PReLU each, and a last one without")
    return ScimilarityModel(names, tuple(layers[:-1]), layers[-1], tuple(classes))


def _modules(state: State) -> list[str]:
    """Names of the modules that have weights, in their order."""
    found = {match[1] for key in state if (match := _MODULE.fullmatch(str(key)))}
    order = sorted(found, key=lambda one: [int(part) for part in one.split(".")[1:]])
    return [f"network{one}" for one in order]


def _normed(state: State, key: str, layer: Layer, title: str) -> Layer:
    if layer.activation:
        raise bad_field(title, key, "before the PReLU")
    weight, bias = fold_batch_norm(state, key, layer.weight, layer.bias, TORCH_EPS, title)
    return replace(layer, weight=weight, bias=bias)


def _bent(state: State, key: str, layer: Layer, title: str) -> Layer:
    if layer.activation:
        raise bad_field(title, key, "absent")
    slope = numbers(state[f"{key}.weight"], (None,), title, f"{key}.weight")
    if len(slope) not in (1, len(layer.bias)):
        raise bad_field(title, f"{key}.weight", f"1 or {len(layer.bias)} numbers")
    return replace(layer, activation="PReLU", slope=slope)
