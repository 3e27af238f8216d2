"""What foreign models answer, in plain numpy and float64: clear and slow, to check others by."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.layers import Layer
from cellport.runtime.convert.models.scimilarity import ScimilarityModel
from cellport.runtime.convert.models.scpoli import ScPoliModel
from cellport.runtime.convert.models.scvi import ScviModel

Array = NDArray[np.float64]
_TARGET = 1e4  # counts that celltypist scales a cell to
_CLIP = 10  # standard deviations above the mean (celltypist/classifier.py, celltype)
_LEAST_NORM = 1e-12  # torch.nn.functional.normalize's own
_LAYER_NORM_EPS = 1e-5  # torch.nn.LayerNorm's own


def _softplus(x: Array) -> Array:
    found: Array = np.where(x > 20, x, np.log1p(np.exp(np.minimum(x, 20))))
    return found


def _elu(x: Array, alpha: float = 1.0) -> Array:
    found: Array = np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))
    return found


def _gelu(x: Array) -> Array:
    found: Array = x / 2 * (1 + np.vectorize(math.erf, otypes=[float])(x / math.sqrt(2)))
    return found


# as torch has them without parameters (torch/nn/modules/activation.py)
_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "": lambda x: x,
    "ReLU": lambda x: np.maximum(x, 0),
    "LeakyReLU": lambda x: np.where(x > 0, x, 0.01 * x),
    "ELU": _elu,
    "GELU": _gelu,
    "SELU": lambda x: 1.0507009873554805 * _elu(x, 1.6732632423543772),
    "SiLU": lambda x: x * sigmoid(x),
    "Sigmoid": lambda x: sigmoid(x),
    "Softplus": _softplus,
    "Tanh": np.tanh,
}


def celltypist_answers(
    model: CellTypistModel, counts: NDArray[Any], genes: Sequence[str]
) -> tuple[Array, Array]:
    """Return decisions and probabilities [cells, labels] of counts [cells, genes of the query].

    A feature whose symbol is in the model twice reads the query's column each time; of columns
    of one name the first counts.
    """
    counts = np.asarray(counts, np.float64)
    values = _log_per_target(counts)
    place = {gene: column for column, gene in reversed(list(enumerate(genes)))}
    shared = [feature for feature, gene in enumerate(model.genes) if gene in place]
    values = values[:, [place[model.genes[feature]] for feature in shared]]
    if model.mean is not None:
        values = values - model.mean[shared]
    values = np.minimum(values / model.scale[shared], _CLIP)
    decision: Array = values @ model.coef[:, shared].T.astype(np.float64) + model.intercept.astype(
        np.float64
    )
    return decision, sigmoid(decision)


def _log_per_target(counts: Array) -> Array:
    library = counts.sum(1, keepdims=True)
    found: Array = np.log1p(counts * (_TARGET / np.where(library > 0, library, 1)))
    return found


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    answer: Array = np.where(x >= 0, 1, small) / (1 + small)
    return answer


def softmax(x: Array) -> Array:
    """Return shares along the last axis."""
    e = np.exp(x - x.max(-1, keepdims=True))
    shares: Array = e / e.sum(-1, keepdims=True)
    return shares


def panel_counts(panel: Sequence[str], counts: NDArray[Any], genes: Sequence[str]) -> Array:
    """Return counts [cells, panel]: of equal names the first, 0 for a gene that lacks."""
    place = {gene: column for column, gene in reversed(list(enumerate(genes)))}
    found = np.zeros((len(counts), len(panel)))
    for at, gene in enumerate(panel):
        if gene in place:
            found[:, at] = counts[:, place[gene]]
    return found


def run_layers(
    layers: Sequence[Layer],
    hidden: Array,
    batch: Array | None = None,
    continuous: Array | None = None,
    categories: Sequence[Array] = (),
) -> Array:
    """Return what a stack of layers makes of [cells, inputs]; one-hots are [cells or 1, levels]."""
    for layer in layers:
        found = hidden @ layer.weight.T.astype(np.float64) + layer.bias
        if layer.continuous is not None and continuous is not None:
            found = found + continuous @ layer.continuous.T
        if layer.batch is not None and batch is not None:
            found = found + batch @ layer.batch.T
        # layers after the first may take none in
        for weight, one_hot in zip(layer.categories, categories, strict=False):
            found = found + one_hot @ weight.T
        if layer.layer_norm:
            found = found - found.mean(-1, keepdims=True)
            found = found / np.sqrt((found**2).mean(-1, keepdims=True) + _LAYER_NORM_EPS)
        if layer.slope is not None:
            hidden = np.where(found > 0, found, layer.slope * found)
        else:
            hidden = _ACTIVATIONS[layer.activation](found)
    return hidden


def scvi_answers(
    model: ScviModel,
    counts: NDArray[Any],
    genes: Sequence[str],
    batch: NDArray[Any] | None = None,
    continuous: NDArray[Any] | None = None,
    categories: Sequence[NDArray[Any]] | None = None,
) -> tuple[Array, Array | None]:
    """Return latents [cells, latent] and label probabilities [cells, labels], or None without.

    `batch` holds weights of batches, [batches] or [cells, batches]; where the encoder expects a
    batch and none is given, all batches weigh alike. So do `categories`, one array a covariate;
    `continuous` [cells, covariates] is 0 where not given.
    The latent of ``ln`` models is the softmax of the mean, where scvi-tools draws 5,000 samples.
    """
    values = panel_counts(model.genes, np.asarray(counts, np.float64), genes)
    if model.log1p:
        values = np.log1p(values)
    inputs = _batch(model, batch), _weights(model, categories)
    if continuous is None:
        continuous = np.zeros((1, len(model.continuous)))
    hidden = run_layers(model.encoder, values, inputs[0], np.asarray(continuous), inputs[1])
    latent = run_layers((model.mean,), hidden)
    probability = None
    if model.classifier:
        probability = softmax(run_layers(model.classifier, latent))
    return softmax(latent) if model.latent_distribution == "ln" else latent, probability


def _batch(model: ScviModel, batch: NDArray[Any] | None) -> Array | None:
    if not model.encoder_takes_batch:
        return None
    n = len(model.batches)
    weights = np.full((1, n), 1 / n) if batch is None else np.atleast_2d(np.asarray(batch, float))
    if model.batch_embedding is not None:
        weights = weights @ model.batch_embedding.astype(np.float64)
    return weights


def _weights(model: ScviModel, given: Sequence[NDArray[Any]] | None) -> list[Array]:
    """One-hots of the categories that the encoder takes in."""
    taken = [at for at, (_, levels) in enumerate(model.categories) if len(levels) > 1]
    if not model.encoder[0].categories:
        return []
    if given is None:
        sizes = [len(model.categories[at][1]) for at in taken]
        return [np.full((1, n), 1 / n) for n in sizes]
    return [np.atleast_2d(np.asarray(given[at], float)) for at in taken]


def scpoli_answers(
    model: ScPoliModel,
    counts: NDArray[Any],
    genes: Sequence[str],
    conditions: Sequence[NDArray[Any]] | None = None,
) -> tuple[Array, Array | None]:
    """Return latents [cells, latent], and distances to prototypes [cells, labels] or None without.

    `conditions` holds weights of the levels of each, [levels] or [cells, levels]; where none are
    given all levels weigh alike. A cell's label is that of the nearest prototype, its uncertainty
    the distance. scPoli's own `classify` draws a latent at random; these are of the mean.
    """
    values = panel_counts(model.genes, np.asarray(counts, np.float64), genes)
    if model.log1p:
        values = np.log1p(values)
    joined = None
    if model.encoder_takes_batch:
        if conditions is None:
            sizes = [len(one.levels) for one in model.conditions]
            conditions = [np.full(n, 1 / n) for n in sizes]
        embedded = [
            np.atleast_2d(np.asarray(weights, float)) @ one.embedding.astype(np.float64)
            for one, weights in zip(model.conditions, conditions, strict=True)
        ]
        rows = max(map(len, embedded))
        joined = np.concatenate(
            [np.broadcast_to(one, (rows, one.shape[1])) for one in embedded], axis=1
        )
    latent = run_layers((model.mean,), run_layers(model.encoder, values, joined))
    if model.prototypes is None:
        return latent, None
    apart = latent[:, None] - model.prototypes.astype(np.float64)
    distances: Array = (apart**2).sum(-1)
    return latent, distances if model.squared else np.sqrt(distances)


def scimilarity_answers(
    model: ScimilarityModel, counts: NDArray[Any], genes: Sequence[str]
) -> Array:
    """Return latents [cells, latent] of norm 1; the library is that of the model's genes alone."""
    values = _log_per_target(panel_counts(model.genes, np.asarray(counts, np.float64), genes))
    latent = run_layers((model.mean,), run_layers(model.encoder, values))
    norm = np.linalg.norm(latent, axis=1, keepdims=True)
    found: Array = latent / np.maximum(norm, _LEAST_NORM)
    return found
