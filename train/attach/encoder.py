"""The arithmetic of a converted model in PyTorch, to fit on top of it and to export."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from cellport.models.calibrated import calibrated_probabilities
from cellport.models.feature_layout import FeatureLayout
from cellport.models.layout import LayoutNetwork
from cellport.models.novelty import NoveltyScore
from cellport.models.structure import StructureHead
from cellport.runtime.convert.models.layers import Layer
from cellport.runtime.convert.network import Network

# as many as the latent of a trained atlas has dimensions
_COMPONENTS = 30
_LEAST_LIBRARY = 1e-6  # as the graphs of converted models have it
_LEAST_NORM = 1e-12  # torch.nn.functional.normalize's own


class Answered(NamedTuple):
    """What a converted model says of cells."""

    mean: Tensor  # float [n, latent]
    # float [n, labels], scores over the temperature; [n, 0] without labels. Of prototypes they are
    # the distances, negative: what scPoli's own ``get_prob`` takes the softmax of
    logits: Tensor


class Values(nn.Module):
    """Counts of the panel to values of its genes."""

    mean: Tensor | None
    cap: Tensor | None

    def __init__(self, network: Network) -> None:
        super().__init__()
        how = network.input
        self.library, self.log1p, self.target = how.library, how.log1p, how.target or 1.0
        self.register_buffer("mean", None if network.mean is None else _tensor(network.mean))
        self.register_buffer("cap", None if network.cap is None else _tensor(network.cap))

    def forward(self, counts: Tensor, library: Tensor | None = None) -> Tensor:
        """Values float [n, genes] of counts, NaN for genes that were not measured."""
        missing = torch.isnan(counts)
        values = torch.where(missing, torch.zeros_like(counts), counts)
        if self.library != "none":
            total = values.sum(dim=1, keepdim=True) if library is None else library
            values = values * (self.target / total.clamp_min(_LEAST_LIBRARY))
        if self.log1p:
            values = torch.log(values + 1)
        if self.cap is not None:
            values = torch.minimum(values, self.cap)
        if self.mean is not None:
            values = torch.where(missing, torch.zeros_like(values), values - self.mean)
        return values


class Tail(nn.Module):
    """Features to the latent and the scores of labels, over a temperature.

    Of the features, which `basis_of` names, the model takes the last ones.
    """

    bias: Tensor
    prototypes: Tensor | None

    def __init__(self, network: Network, temperature: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("bias", _tensor(network.first.bias))
        self.first = nn.Sequential(*_after(network.first))
        layers = (*network.layers, *([network.latent] if network.latent is not None else []))
        self.hidden = nn.Sequential(*map(_module, layers))
        self.classifier = nn.Sequential(*map(_module, network.classifier))
        places = network.prototypes
        self.register_buffer("prototypes", None if places is None else _tensor(places))
        self.head, self.ending, self.temperature = network.head, network.ending, temperature
        self.squared = network.squared

    def forward(self, features: Tensor) -> Answered:
        """Answer for float [n, features]."""
        return self.of_mean(self.hidden(self.first(features[:, -len(self.bias) :] + self.bias)))

    def of_mean(self, latent: Tensor) -> Answered:
        """Answer for float [n, latent], latents before their ending."""
        scores = self._scores(latent) / self.temperature
        if self.ending == "softmax":
            latent = torch.softmax(latent, dim=1)
        elif self.ending == "unit":
            norm = latent.square().sum(dim=1, keepdim=True).sqrt()
            latent = latent / norm.clamp_min(_LEAST_NORM)
        return Answered(latent, scores)

    def _scores(self, latent: Tensor) -> Tensor:
        if self.prototypes is not None:
            distance = (latent.unsqueeze(1) - self.prototypes).square().sum(dim=2)
            return -distance if self.squared else -distance.sqrt()
        if self.head == "sigmoids":
            return latent
        scores: Tensor = self.classifier(latent) if self.head != "none" else latent[:, :0]
        return scores


class AttachedTail(nn.Module):
    """Features to every answer, in the order of `attached_answers`.

    Without a `softness` the probabilities are as the model gives them.
    """

    def __init__(
        self,
        tail: Tail,
        softness: float | None,
        novelty: NoveltyScore,
        layout: LayoutNetwork,
        structure: StructureHead,
    ) -> None:
        super().__init__()
        self.tail, self.novelty, self.layout, self.structure = tail, novelty, layout, structure
        self.softness = softness

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Answer for float [n, features]."""
        latent, logits = self.tail(features)
        place: Tensor = self.layout(latent)
        score: Tensor = self.novelty(features, latent, logits)
        return latent, score, place, *self._labels(logits), *self.structure(latent)

    def _labels(self, logits: Tensor) -> tuple[Tensor, ...]:
        if self.tail.head == "none":
            return ()
        if self.softness is not None:
            return (calibrated_probabilities(logits, self.softness),)
        if self.tail.head == "sigmoids":
            # a copy: an answer under another name
            return torch.sigmoid(logits), logits * 1.0
        if self.tail.head == "prototypes":
            return (-logits,)
        return (torch.softmax(logits, dim=1),)


def attached_answers(network: Network, calibrated: bool) -> tuple[str, ...]:
    """Names of the answers, in order."""
    of_labels: tuple[str, ...] = ("label_prob",) if network.labels else ()
    if network.head == "sigmoids" and not calibrated:
        of_labels += ("label_score",)
    if network.head == "prototypes" and not calibrated:
        of_labels = ("label_distance",)
    return ("latent", "novelty_score", "umap", *of_labels, "cluster_prob")


class AttachedEncoder(nn.Module):
    """Raw counts of the panel genes to every answer, self-contained."""

    weight: Tensor

    def __init__(
        self, network: Network, components: NDArray[np.float32], answer: AttachedTail
    ) -> None:
        super().__init__()
        self.values, self.answer = Values(network), answer
        self.register_buffer("weight", torch.from_numpy(basis_of(network, components)))

    def forward(self, counts: Tensor, library: Tensor | None = None) -> tuple[Tensor, ...]:
        """Answer for float [n, genes], NaN where not measured, and [n, 1] if it is divided by."""
        answers: tuple[Tensor, ...] = self.answer(self.values(counts, library) @ self.weight)
        return answers


def basis_of(network: Network, components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Basis float32 [genes, features]: components of the reference, then the model's own."""
    return np.column_stack([components, network.first.weight.T]).astype(np.float32)


class ForeignEncoder:
    """A converted model as `cellport.train.infer.CellEncoder`.

    Counts are of the panel, a gene that comes twice in its first place alone, and of the columns
    that other genes were summed into. `has` is bool [genes], those that the reference measured,
    `components` float32 [genes, components], and scores of labels are divided by `temperature`.
    """

    def __init__(
        self,
        network: Network,
        has: NDArray[np.bool_],
        components: NDArray[np.float32],
        temperature: float = 1.0,
    ) -> None:
        self.n_genes = network.panel.n_genes
        self.tail = Tail(network, temperature).eval()
        # novelty looks at components and at the model's own features apart
        self.layout = FeatureLayout(components.shape[1], len(network.first.bias), 0)
        self._values = Values(network).eval()
        self._weight = torch.from_numpy(basis_of(network, components))
        self._own = torch.tensor(network.panel.representative)
        self._lacks = torch.from_numpy(~has)
        self._library = network.input.library

    def features(
        self, counts: sp.csr_matrix, measured: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float32]:
        """Features float32 [n, features] of CSR [n, columns], of which some were `measured`."""
        dense = torch.from_numpy(counts.toarray())
        if measured is not None:
            dense[:, torch.from_numpy(~measured)] = torch.nan
        found: NDArray[np.float32] = self.features_of_dense(dense).numpy()
        return found

    def features_of_dense(self, counts: Tensor) -> Tensor:
        """Features of float [n, columns], NaN where a gene was not measured."""
        return self.values(counts) @ self._weight

    def values(self, counts: Tensor) -> Tensor:
        """Values of the panel genes, float [n, genes], of the same."""
        panel = counts[:, self._own].masked_fill(self._lacks, torch.nan)
        library = torch.nansum(counts, dim=1, keepdim=True) if self._library == "query" else None
        values: Tensor = self._values(panel, library)
        return values


def components_of(encoder: ForeignEncoder, counts: sp.csr_matrix, seed: int) -> NDArray[np.float32]:
    """Principal components of the values of cells CSR [n, columns], float32 [genes, components].

    A classifier's scores show little of cells that are like none of its labels; these show more.
    """
    dense = torch.from_numpy(counts.toarray())
    values = encoder.values(dense).numpy()
    n = max(1, min(_COMPONENTS, len(values) - 1, values.shape[1] - 1))
    found = PCA(n, svd_solver="randomized", random_state=seed).fit(values)
    components: NDArray[np.float32] = found.components_.T.astype(np.float32)
    return components


def _module(layer: Layer) -> nn.Module:
    linear = nn.Linear(layer.weight.shape[1], layer.weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(_tensor(layer.weight))
        linear.bias.copy_(_tensor(layer.bias))
    return nn.Sequential(linear, *_after(layer))


def _after(layer: Layer) -> list[nn.Module]:
    """Return what follows a layer's sum."""
    parts: list[nn.Module] = []
    if layer.layer_norm:
        parts.append(nn.LayerNorm(len(layer.bias), elementwise_affine=False))
    if layer.activation == "PReLU":
        assert layer.slope is not None
        bent = nn.PReLU(len(layer.slope))
        with torch.no_grad():
            bent.weight.copy_(_tensor(layer.slope))
        parts.append(bent)
    elif layer.activation:
        parts.append(getattr(nn, layer.activation)())
    return parts


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32))
