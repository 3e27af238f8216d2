"""Layers of networks, as plain arrays; stacks as scvi-tools has them (FCLayers)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.fields import bad_field, numbers
from cellport.runtime.decisions import say
from cellport.runtime.errors import InputError

_BATCH_NORM_EPS = 1e-3  # FCLayers gives BatchNorm1d this one (scvi/nn/_base_components.py)
TORCH_EPS = 1e-5  # what torch.nn.BatchNorm1d has of its own
_MOST_LAYERS = 100
ACTIVATIONS = (
    "ReLU",
    "LeakyReLU",
    "ELU",
    "GELU",
    "SELU",
    "SiLU",
    "Sigmoid",
    "Softplus",
    "Tanh",
)
Numbers = NDArray[np.float64 | np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Linear with batch norm folded in, then layer norm without parameters, then an activation."""

    weight: Numbers  # [outputs, inputs], of genes or the layer before
    bias: Numbers  # [outputs]
    continuous: Numbers | None = None  # [outputs, covariates]
    batch: Numbers | None = None  # [outputs, batches or width of their embedding]
    categories: tuple[Numbers, ...] = ()  # [outputs, levels] of covariates of two levels or more
    layer_norm: bool = False
    activation: str = ""  # one of `ACTIVATIONS` with torch's own parameters, PReLU, or none
    slope: Numbers | None = None  # [1] or [outputs], of PReLU below 0


@dataclass(frozen=True, slots=True)
class Stack:
    """What goes into layers, and what follows each."""

    inputs: int
    continuous: int = 0
    embedding: int = 0
    batches: int = 0
    categories: tuple[int, ...] = ()
    layer_norm: bool = False
    activation: str = "ReLU"


def linear(state: Mapping[str, Any], key: str, inputs: int, title: str) -> Layer:
    """Return one Linear alone.

    Raises
    ------
    InputError
        It lacks, or does not fit.
    """
    weight = numbers(state.get(f"{key}.weight"), (None, inputs), title, f"{key}.weight")
    bias = state.get(f"{key}.bias")
    if bias is None:
        return Layer(weight, np.zeros(len(weight), weight.dtype))
    return Layer(weight, numbers(bias, (len(weight),), title, f"{key}.bias"))


def read_stack(state: Mapping[str, Any], start: str, stack: Stack, title: str) -> tuple[Layer, ...]:
    """Return the layers ``start.Layer i``.

    Raises
    ------
    InputError
        One lacks, does not fit, or does what is not known.
    """
    if stack.activation not in ACTIVATIONS:
        raise InputError(say("convert.activation", title=title, activation=stack.activation))
    layers: list[Layer] = []
    while f"{start}.Layer {len(layers)}.0.weight" in state and len(layers) < _MOST_LAYERS:
        key = f"{start}.Layer {len(layers)}"
        if f"{key}.2.weight" in state:
            raise bad_field(title, f"{key}.2.weight", "absent")
        layers.append(_layer(state, key, stack, layers[-1] if layers else None, title))
    if not layers:
        raise bad_field(title, f"{start}.Layer 0.0.weight", "numbers")
    return tuple(layers)


def _layer(
    state: Mapping[str, Any], key: str, stack: Stack, before: Layer | None, title: str
) -> Layer:
    whole = numbers(state[f"{key}.0.weight"], (None, None), title, f"{key}.0.weight")
    bias = state.get(f"{key}.0.bias")
    shift = np.zeros(len(whole)) if bias is None else numbers(
        bias, (len(whole),), title, f"{key}.0.bias"
    )  # fmt: skip
    if f"{key}.1.running_var" in state:
        whole, shift = fold_batch_norm(state, f"{key}.1", whole, shift, _BATCH_NORM_EPS, title)
    inputs = stack.inputs if before is None else len(before.bias)
    parts = _parts(whole, inputs, stack, before is None, title, key)
    return Layer(
        weight=parts[0],
        bias=shift,
        continuous=parts[1],
        batch=parts[2],
        categories=parts[3],
        layer_norm=stack.layer_norm,
        activation=stack.activation,
    )


def fold_batch_norm(
    state: Mapping[str, Any], key: str, weight: Numbers, bias: Numbers, eps: float, title: str
) -> tuple[Numbers, Numbers]:
    """Return weight and bias of a Linear that does what a batch norm after it did.

    Raises
    ------
    InputError
        Something of the batch norm lacks, or does not fit.
    """
    shape = (len(weight),)
    mean, var = (
        numbers(state.get(f"{key}.{name}"), shape, title, f"{key}.{name}").astype(np.float64)
        for name in ("running_mean", "running_var")
    )
    if (var < 0).any():
        raise bad_field(title, f"{key}.running_var", "numbers that are not negative")
    scale = 1 / np.sqrt(var + eps)
    if f"{key}.weight" in state:
        scale = scale * numbers(state[f"{key}.weight"], shape, title, f"{key}.weight")
    shift = (bias - mean) * scale
    if f"{key}.bias" in state:
        shift = shift + numbers(state[f"{key}.bias"], shape, title, f"{key}.bias")
    # in its own precision: the first layer of a large model is most of it
    return weight * scale[:, None].astype(weight.dtype), shift


def _parts(
    whole: Numbers, inputs: int, stack: Stack, first: bool, title: str, key: str
) -> tuple[Numbers, Numbers | None, Numbers | None, tuple[Numbers, ...]]:
    """Columns of inputs, continuous covariates, batch and categories; only the first are sure.

    Continuous covariates and an embedding of batches come into the first layer alone.
    """
    more = whole.shape[1] - inputs
    if more == 0:
        return whole, None, None, ()
    near = stack.continuous + stack.embedding if first else 0
    batches = stack.batches
    if not stack.embedding and more != near + batches + sum(stack.categories):
        # batches whose names were not saved
        batches = more - near - sum(stack.categories)
    if more != near + batches + sum(stack.categories) or batches < 0 or batches == 1:
        raise bad_field(title, f"{key}.0.weight", f"columns of {inputs} inputs and covariates")
    at = inputs
    cut = []
    for size in (
        stack.continuous if first else 0,
        (stack.embedding if first else 0) or batches,
        *stack.categories,
    ):
        cut.append(np.ascontiguousarray(whole[:, at : at + size]))
        at += size
    some = [part if part.shape[1] else None for part in cut[:2]]
    return np.ascontiguousarray(whole[:, :inputs]), some[0], some[1], tuple(cut[2:])
