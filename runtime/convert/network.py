"""What every foreign model becomes: one network from values of genes to a latent and labels."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import Fill, HeadKind, Input
from cellport.runtime.base.hints import hint
from cellport.runtime.convert.models.celltypist import CellTypistModel
from cellport.runtime.convert.models.layers import Layer
from cellport.runtime.convert.models.recognise import Model
from cellport.runtime.convert.models.scimilarity import ScimilarityModel
from cellport.runtime.convert.models.scpoli import ScPoliModel
from cellport.runtime.convert.models.scvi import ScviModel
from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError
from cellport.runtime.genes.panel import Panel

Numbers = NDArray[np.float64]
_ENSEMBL_ID = re.compile(text("genes.ensembl_id"))
_PER_CELL = 1e4  # counts that celltypist and SCimilarity scale a cell to
_CLIP = 10  # standard deviations that celltypist lets through (celltypist/classifier.py, celltype)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A model's arithmetic, with whatever it takes beside counts settled once for all cells.

    The features are ``min(values, cap) - mean`` of the genes times ``first.weight``; then come the
    rest of the first layer, the others, and `latent`.
    """

    panel: Panel
    input: Input
    fill: Fill
    mean: Numbers | None  # [genes], taken off the values
    cap: Numbers | None  # [genes], largest value let through, before that
    first: Layer
    layers: tuple[Layer, ...]  # hidden layers after the first
    latent: Layer | None  # to the latent; None where the features are the latent
    ending: Literal["", "softmax", "unit"]  # what becomes of the latent in the end
    classifier: tuple[Layer, ...]  # from the latent, before its ending, to scores
    head: HeadKind
    labels: tuple[str, ...]
    prototypes: Numbers | None = None  # [labels, latent], of which the nearest's label is answered
    squared: bool = False  # whether distances to them are given squared

    @property
    def n_latent(self) -> int:
        """Width of the latent."""
        return len((self.latent or self.first).bias)


@dataclass(frozen=True, slots=True)
class BatchChoice:
    """Which batch an encoder that asks for one is told that a cell is of."""

    batches: tuple[str, ...] = ()  # none where the encoder asks for none
    weights: tuple[float, ...] = ()  # of each, adding up to 1


def choose_batch(model: Model, wanted: str | Mapping[str, float] | None) -> BatchChoice:
    """Return the batch of every cell: the mean of all, weighted as wanted, or one of them.

    The mean agrees with averaging over all batches where one batch often does not.

    Raises
    ------
    InputError
        The model has no such batch, or asks for none.
    """
    batches = _batches(model)
    if not batches:
        if wanted is not None:
            raise InputError(text("convert.no_batches"))
        return BatchChoice()
    if wanted is None:
        wanted = dict.fromkeys(batches, 1.0)
    given = {wanted: 1.0} if isinstance(wanted, str) else dict(wanted)
    for name in given:
        if name not in batches:
            raise InputError(say("convert.no_such_batch", batch=name, hint=hint(name, batches)))
    weights = np.array([given.get(name, 0.0) for name in batches])
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.sum() > 0):
        raise InputError(text("convert.bad_weights"))
    return BatchChoice(batches, tuple((weights / weights.sum()).tolist()))


def network_of(model: Model, batch: BatchChoice) -> Network:
    """Return the arithmetic of a model.

    Raises
    ------
    InputError
        It is of a kind, or does what, no atlas can say.
    """
    if isinstance(model, CellTypistModel):
        return _of_celltypist(model)
    if isinstance(model, ScviModel):
        return _of_scvi(model, batch)
    if isinstance(model, ScimilarityModel):
        return _of_scimilarity(model)
    return _of_scpoli(model, batch)


def _batches(model: Model) -> tuple[str, ...]:
    """Batches that an encoder asks for one of: of scPoli, the levels of its first condition."""
    if isinstance(model, ScviModel | ScPoliModel) and model.encoder_takes_batch:
        return model.batches if isinstance(model, ScviModel) else model.conditions[0].levels
    return ()


def panel_of(genes: Sequence[str]) -> Panel:
    """Tell Ensembl ids, of which versions are taken off, from symbols."""
    ids = [(found[0] if (found := _ENSEMBL_ID.match(gene)) else "") for gene in genes]
    if len({name or gene for name, gene in zip(ids, genes, strict=True)}) < len(set(genes)):
        ids = [gene if name else "" for name, gene in zip(ids, genes, strict=True)]
    symbols = ["" if name else gene for name, gene in zip(ids, genes, strict=True)]
    return Panel(tuple(symbols), tuple(ids), exact=True)


def _of_celltypist(model: CellTypistModel) -> Network:
    """Scores are the latent: min(log value, mean + 10 sd) - mean, times coef / sd.

    A symbol that comes twice stays in the panel twice: both read the query's gene.
    """
    scale = model.scale.astype(np.float64)
    mean = np.zeros(len(scale)) if model.mean is None else model.mean.astype(np.float64)
    centred = model.mean is not None
    return Network(
        panel=panel_of(model.genes),
        input=Input("query", _PER_CELL, log1p=True, centre=centred, scale=False, cap=True),
        fill="mean" if centred else "zero",
        mean=mean if centred else None,
        cap=mean + _CLIP * scale,
        first=Layer(model.coef / scale, model.intercept.astype(np.float64)),
        layers=(),
        latent=None,
        ending="",
        classifier=(),
        head="sigmoids",
        labels=model.labels,
    )


def _of_scvi(model: ScviModel, batch: BatchChoice) -> Network:
    weights = None
    if batch.batches:
        weights = np.array(batch.weights)
        if model.batch_embedding is not None:
            weights = weights @ model.batch_embedding.astype(np.float64)
    first, *others = (settled(layer, weights) for layer in model.encoder)
    return Network(
        panel=panel_of(model.genes),
        input=Input("none", None, log1p=model.log1p, centre=False, scale=False, cap=False),
        fill="zero",
        mean=None,
        cap=None,
        first=first,
        layers=tuple(others),
        latent=model.mean,
        ending="softmax" if model.latent_distribution == "ln" else "",
        classifier=model.classifier,
        head="softmax" if model.labels else "none",
        labels=model.labels,
    )


def _of_scimilarity(model: ScimilarityModel) -> Network:
    return Network(
        panel=panel_of(model.genes),
        input=Input("panel", _PER_CELL, log1p=True, centre=False, scale=False, cap=False),
        fill="zero",
        mean=None,
        cap=None,
        first=model.encoder[0],
        layers=model.encoder[1:],
        latent=model.mean,
        ending="unit",
        classifier=(),
        head="none",
        labels=(),
    )


def _of_scpoli(model: ScPoliModel, batch: BatchChoice) -> Network:
    """Answer the label of the nearest prototype; conditions after the first are at their mean.

    Where cells were labelled in several columns, the labels are those of the column with most.
    """
    if not model.log1p:
        raise InputError(text("convert.prepared_values"))
    embedded = None
    if model.encoder_takes_batch:
        first, *others = (one.embedding.astype(np.float64) for one in model.conditions)
        means = [one.mean(axis=0) for one in others]
        embedded = np.concatenate([np.array(batch.weights) @ first, *means])
    chosen = list(max(model.levels, key=lambda level: len(level[1]))[1]) if model.levels else []
    prototypes = model.prototypes
    return Network(
        panel=panel_of(model.genes),
        input=Input("none", None, log1p=True, centre=False, scale=False, cap=False),
        fill="zero",
        mean=None,
        cap=None,
        first=settled(model.encoder[0], embedded),
        layers=model.encoder[1:],
        latent=model.mean,
        ending="",
        classifier=(),
        head="none" if prototypes is None else "prototypes",
        labels=tuple(model.labels[at] for at in chosen),
        prototypes=None if prototypes is None else prototypes[chosen].astype(np.float64),
        squared=model.squared,
    )


def settled(layer: Layer, batch: NDArray[Any] | None) -> Layer:
    """Put what a layer takes beside its inputs into its bias: covariates at their mean.

    Continuous ones stand at 0, and of categories every level counts alike.
    """
    bias = layer.bias.astype(np.float64)
    if layer.batch is not None and batch is not None:
        bias = bias + layer.batch.astype(np.float64) @ batch
    for weight in layer.categories:
        bias = bias + weight.astype(np.float64).mean(axis=1)
    return replace(layer, bias=bias, batch=None, categories=(), continuous=None)
