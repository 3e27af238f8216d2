"""The modules that travel: what an atlas answers, as graphs ready for ONNX."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cellport.models.calibrated import calibrated_probabilities
from cellport.models.layout import LayoutNetwork
from cellport.models.novelty import NoveltyScore
from cellport.models.structure import StructureHead
from cellport.models.vae import CountVAE, Encoded, Encoder, EncoderTail

ANSWERS = ("latent", "novelty_score", "umap", "label_prob")
STRUCTURE_ANSWERS = (
    "cluster_prob", "edge_prob", "edge_fraction", "pseudotime", "pseudotime_sd", "fate_prob",
)  # fmt: skip


def answer_names(has_labels: bool, has_trajectory: bool) -> tuple[str, ...]:
    """Names of the answers, in order."""
    return (
        *(ANSWERS if has_labels else ANSWERS[:-1]),
        *(STRUCTURE_ANSWERS if has_trajectory else STRUCTURE_ANSWERS[:1]),
    )


class MappingTail(nn.Module):
    """Linear features to every answer.

    `calibrated_probabilities` takes the softness, of logits over a temperature.
    """

    def __init__(
        self,
        tail: EncoderTail,
        softness: float,
        novelty: NoveltyScore,
        layout: LayoutNetwork,
        structure: StructureHead,
        temperature: float = 1.0,
    ) -> None:
        super().__init__()
        self.tail = tail
        self.structure = structure
        self.novelty = novelty
        self.layout = layout
        self.softness, self.temperature = softness, temperature

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Answer for float [n, features] what `answer_names` names."""
        encoded: Encoded = self.tail(features)
        score: Tensor = self.novelty(features, encoded.mean, encoded.logits)
        place: Tensor = self.layout(encoded.mean)
        prob: tuple[Tensor, ...] = ()
        if encoded.logits.shape[1]:
            prob = (calibrated_probabilities(encoded.logits / self.temperature, self.softness),)
        return encoded.mean, score, place, *prob, *self.structure(encoded.mean)


class MappingEncoder(nn.Module):
    """Raw counts of the panel genes to every answer, self-contained."""

    weight: Tensor

    def __init__(self, encoder: Encoder, answer: MappingTail) -> None:
        super().__init__()
        self.normalise = encoder.normalise
        self.register_buffer("weight", encoder.basis)
        self.answer = answer

    def forward(self, counts: Tensor) -> tuple[Tensor, ...]:
        """Answer for float [n, genes], raw counts; NaN where a gene was not measured."""
        values, _ = self.normalise(counts)
        answers: tuple[Tensor, ...] = self.answer(values @ self.weight)
        return answers


class ExpectedCounts(nn.Module):
    """Latent, batch and library size to the expected counts of every panel gene."""

    def __init__(self, model: CountVAE) -> None:
        super().__init__()
        self.decoder = model.decoder

    def forward(self, latent: Tensor, batch: Tensor, library: Tensor) -> Tensor:
        """Decode float [n, latent], one-hot [n, batches] and [n, 1] to [n, genes]."""
        mean: Tensor
        mean, dropout_logit = self.decoder(latent, batch, library)
        return mean if dropout_logit is None else mean * torch.sigmoid(-dropout_logit)
