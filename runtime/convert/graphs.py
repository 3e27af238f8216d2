"""The graphs of a converted model, written as ONNX: the one place that imports onnx here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.convert.models.layers import Layer
from cellport.runtime.convert.models.scvi import Decoder
from cellport.runtime.convert.network import Network, settled
from cellport.runtime.errors import MissingDependencyError

# format.md promises at least this one
_OPSET = 18
_IR = 10
_LAYER_NORM_EPS = 1e-5  # torch.nn.LayerNorm's own
_LEAST_NORM = 1e-12  # torch.nn.functional.normalize's own
_LEAST_LIBRARY = 1e-6
# as torch has them without parameters, by name and attributes
_PLAIN: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("Relu", {}),
    "LeakyReLU": ("LeakyRelu", {"alpha": 0.01}),
    "ELU": ("Elu", {"alpha": 1.0}),
    "SELU": ("Selu", {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}),
    "Sigmoid": ("Sigmoid", {}),
    "Softplus": ("Softplus", {}),
    "Tanh": ("Tanh", {}),
}


class _Graph:
    """Nodes and constants of a graph that is being written."""

    def __init__(self) -> None:
        try:
            from onnx import helper, numpy_helper
        except ImportError:
            raise MissingDependencyError(
                "Converting a model needs the package onnx: pip install onnx."
            ) from None

        self._helper, self._numpy = helper, numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: NDArray[Any] | float | Sequence[int], dtype: str = "f4") -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self._numpy.from_array(np.array(values, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"v{len(self.nodes)}"
        self.nodes.append(self._helper.make_node(kind, inputs, [name], **attributes))
        return name

    def layer(self, values: str, layer: Layer) -> str:
        weight = self.constant(layer.weight.T)
        return self.after(self.node("MatMul", values, weight), layer)

    def after(self, values: str, layer: Layer) -> str:
        """Return what follows the product with a layer's weight."""
        values = self.node("Add", values, self.constant(layer.bias))
        if layer.layer_norm:
            ones = self.constant(np.ones(len(layer.bias)))
            values = self.node("LayerNormalization", values, ones, axis=-1, epsilon=_LAYER_NORM_EPS)
        return self._activated(values, layer)

    def _activated(self, values: str, layer: Layer) -> str:
        if not layer.activation:
            return values
        if layer.activation in _PLAIN:
            kind, attributes = _PLAIN[layer.activation]
            return self.node(kind, values, **attributes)
        if layer.activation == "SiLU":
            return self.node("Mul", values, self.node("Sigmoid", values))
        if layer.activation == "GELU":
            halved = self.node("Mul", values, self.constant(np.sqrt(0.5)))
            one = self.node("Add", self.node("Erf", halved), self.constant(1.0))
            return self.node("Mul", self.node("Mul", values, self.constant(0.5)), one)
        assert layer.slope is not None  # PReLU is the last of them
        return self.node("PRelu", values, self.constant(layer.slope))

    def model(self, inputs: dict[str, int], outputs: dict[str, int], title: str) -> bytes:
        """Serialise; inputs and outputs are float32 [cells, width] by name."""
        from onnx import TensorProto, checker

        def described(one: dict[str, int]) -> list[Any]:
            return [
                self._helper.make_tensor_value_info(name, TensorProto.FLOAT, ["cells", width])
                for name, width in one.items()
            ]

        graph = self._helper.make_graph(
            self.nodes, title, described(inputs), described(outputs), self.constants
        )
        opset = [self._helper.make_opsetid("", _OPSET)]
        model = self._helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        checker.check_model(model)
        return bytes(model.SerializeToString())


def tail_graph(network: Network) -> bytes:
    """Features to every answer, ``encoder_tail.onnx``."""
    graph = _Graph()
    _answers(graph, "features", network)
    width = len(network.first.bias)
    return graph.model({"features": width}, _widths(network), "encoder_tail")


def encoder_graph(network: Network) -> bytes:
    """Raw counts to every answer, ``encoder.onnx``; NaN for genes that were not measured."""
    graph, n_genes = _Graph(), network.panel.n_genes
    inputs = {"counts": n_genes}
    missing = graph.node("IsNaN", "counts")
    nothing = graph.constant(0.0)
    counts = graph.node("Where", missing, nothing, "counts")
    values = counts
    if network.input.library != "none":
        library = graph.node("ReduceSum", counts, graph.constant([1], "i8"), keepdims=1)
        if network.input.library == "query":
            inputs["library"] = 1
            library = "library"
        least = graph.constant(_LEAST_LIBRARY)
        scale = graph.node(
            "Div", graph.constant(network.input.target or 1.0), graph.node("Max", library, least)
        )
        values = graph.node("Mul", counts, scale)
    if network.input.log1p:
        values = graph.node("Log", graph.node("Add", values, graph.constant(1.0)))
    if network.cap is not None:
        values = graph.node("Min", values, graph.constant(network.cap))
    if network.mean is not None:
        values = graph.node("Sub", values, graph.constant(network.mean))
        values = graph.node("Where", missing, nothing, values)
    features = graph.node("MatMul", values, graph.constant(network.first.weight.T))
    _answers(graph, features, network)
    return graph.model(inputs, _widths(network), "encoder")


def answer_names(network: Network) -> tuple[str, ...]:
    """Names of the answers, in order."""
    return tuple(_widths(network))


def _widths(network: Network) -> dict[str, int]:
    widths = {"latent": network.n_latent}
    if network.head in ("softmax", "sigmoids"):
        widths["label_prob"] = len(network.labels)
    if network.head == "sigmoids":
        widths["label_score"] = len(network.labels)
    if network.head == "prototypes":
        widths["label_distance"] = len(network.labels)
    return widths


def _answers(graph: _Graph, features: str, network: Network) -> None:
    values = graph.after(features, network.first)
    for layer in network.layers:
        values = graph.layer(values, layer)
    if network.latent is not None:
        values = graph.layer(values, network.latent)
    if network.head == "sigmoids":
        graph.node("Sigmoid", values, name="label_prob")
        graph.node("Identity", values, name="label_score")
    elif network.prototypes is not None:
        _distances(graph, values, network.prototypes, network.squared)
    elif network.labels:
        scores = values
        for layer in network.classifier:
            scores = graph.layer(scores, layer)
        graph.node("Softmax", scores, axis=-1, name="label_prob")
    if network.ending == "softmax":
        graph.node("Softmax", values, axis=-1, name="latent")
    elif network.ending == "unit":
        squares = graph.node("Mul", values, values)
        total = graph.node("ReduceSum", squares, graph.constant([1], "i8"), keepdims=1)
        norm = graph.node("Max", graph.node("Sqrt", total), graph.constant(_LEAST_NORM))
        graph.node("Div", values, norm, name="latent")
    else:
        graph.node("Identity", values, name="latent")


def _distances(graph: _Graph, values: str, prototypes: NDArray[Any], squared: bool) -> None:
    cells = graph.node("Unsqueeze", values, graph.constant([1], "i8"))
    apart = graph.node("Sub", cells, graph.constant(prototypes))
    squares = graph.node("Mul", apart, apart)
    name = "label_distance" if squared else ""
    total = graph.node("ReduceSum", squares, graph.constant([2], "i8"), keepdims=0, name=name)
    if not squared:
        graph.node("Sqrt", total, name="label_distance")


def decoder_graph(decoder: Decoder, embedding: NDArray[Any] | None, sizes: dict[str, int]) -> bytes:
    """Latent, batch and library to expected counts, ``decoder.onnx``.

    `sizes` are the widths of ``latent``, ``batch`` and ``counts``. Further covariates stand at
    their mean.
    """
    graph = _Graph()
    batch = "batch"
    if embedding is not None:
        batch = graph.node("MatMul", batch, graph.constant(embedding))
    values = "latent"
    for layer in decoder.layers:
        values = _decoding(graph, values, batch, layer)
    share = Layer(decoder.share_weight, decoder.share_bias)
    shares = graph.node("Softmax", graph.layer(values, share), axis=-1)
    graph.node("Mul", shares, "library", name="counts")
    inputs = {"latent": sizes["latent"], "batch": sizes["batch"], "library": 1}
    return graph.model(inputs, {"counts": sizes["counts"]}, "decoder")


def _decoding(graph: _Graph, values: str, batch: str, layer: Layer) -> str:
    product = graph.node("MatMul", values, graph.constant(layer.weight.T))
    if layer.batch is not None:
        of_batch = graph.node("MatMul", batch, graph.constant(layer.batch.T))
        product = graph.node("Add", product, of_batch)
    return graph.after(product, settled(layer, None))
