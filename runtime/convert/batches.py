"""How much an encoder's answers depend on the batch that it is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.manifest import AssumedBatch
from cellport.runtime.convert.forward import run_layers, scvi_answers, softmax
from cellport.runtime.convert.models.recognise import Model
from cellport.runtime.convert.models.scvi import Decoder, ScviModel
from cellport.runtime.convert.network import BatchChoice

_CELLS, _LIBRARY = 200, 2000  # enough to tell one cell of a hundred; counts of a usual cell
_MOST_BATCHES = 200  # more are looked at by an even choice


def assumed_batch(model: Model, chosen: BatchChoice) -> AssumedBatch | None:
    """Say what stands for the batch, and how far answers move where one batch does.

    None where the encoder asks for no batch.

    Measured on cells drawn from the model's own decoder: latents of the prior, in each batch in
    turn, and counts by chance.
    """
    if not chosen.batches:
        return None
    plain = AssumedBatch(chosen.batches, chosen.weights)
    if not isinstance(model, ScviModel) or model.decoder is None:
        return plain
    if model.decoder.share_activation != "softmax":
        return plain
    counts = _drawn(model, model.decoder)
    model, counts = _past_genes(model, counts)
    latent, prob = scvi_answers(model, counts, model.genes, np.array(chosen.weights))
    spread = np.linalg.norm(latent - latent.mean(0), axis=1).mean()
    agreement, shift = 1.0, 0.0
    n = len(chosen.batches)
    for code in np.unique(np.linspace(0, n - 1, min(n, _MOST_BATCHES)).astype(int)):
        other, other_prob = scvi_answers(model, counts, model.genes, np.eye(n)[code])
        moved = np.linalg.norm(other - latent, axis=1).mean()
        shift = max(shift, float(moved / max(spread, 1e-12)))
        if prob is not None and other_prob is not None:
            same = prob.argmax(1) == other_prob.argmax(1)
            agreement = min(agreement, float(same.mean()))
    return AssumedBatch(
        chosen.batches,
        chosen.weights,
        _CELLS,
        None if prob is None else round(agreement, 4),
        round(shift, 4),
    )


def _past_genes(
    model: ScviModel, counts: NDArray[np.float64]
) -> tuple[ScviModel, NDArray[np.float64]]:
    """Take the product with the genes' weights, the same in every batch, out of the model."""
    first = model.encoder[0]
    values = np.log1p(counts) if model.log1p else counts
    width = len(first.bias)
    rest = replace(
        model,
        genes=tuple(map(str, range(width))),
        log1p=False,
        encoder=(replace(first, weight=np.eye(width)), *model.encoder[1:]),
    )
    return rest, values @ first.weight.T.astype(np.float64)


def _drawn(model: ScviModel, decoder: Decoder) -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(_CELLS, len(model.mean.bias)))
    if model.latent_distribution == "ln":
        latent = softmax(latent)
    n = len(model.batches)
    batch = np.eye(n)[np.arange(_CELLS) % n]
    if model.batch_embedding is not None:
        batch = batch @ model.batch_embedding.astype(np.float64)
    sizes = [len(levels) for _, levels in model.categories if len(levels) > 1]
    categories = [np.full((1, size), 1 / size) for size in sizes]
    continuous = np.zeros((1, len(model.continuous)))
    hidden = run_layers(decoder.layers, latent, batch, continuous, categories)
    shares = softmax(hidden @ decoder.share_weight.T.astype(np.float64) + decoder.share_bias)
    return rng.poisson(_LIBRARY * shares).astype(np.float64)
