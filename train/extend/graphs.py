"""The graphs of an atlas with new types in them: the one place here that imports onnx.

Nothing in the graphs is changed but what goes in and what comes out: the old ones get the features
that they had, and their label probabilities and novelty score, which go by another name now, become
the new ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.errors import AtlasError, MissingDependencyError
from cellport.train.extend.gate import Gate
from cellport.train.extend.linear import LEAST_SQUARE
from cellport.train.extend.near import Near

_BEFORE = "before_extension"
_PROB, _SCORE, _LATENT, _FEATURES = "label_prob", "novelty_score", "latent", "features"


class _Graph:
    """A model that nodes are added to; names that were there stay apart from new ones."""

    def __init__(self, model: bytes, name: str) -> None:
        try:
            import onnx
        except ImportError:
            raise MissingDependencyError(
                "Extending an atlas needs the package onnx: pip install onnx."
            ) from None
        self._onnx, self.name = onnx, name
        self.model: Any = onnx.load_from_string(model)
        self.graph: Any = self.model.graph
        taken = {one for node in self.graph.node for one in node.output}
        taken |= {one.name for one in self.graph.initializer}
        depth = 1
        while any(one.startswith(f"x{depth}_") for one in taken):
            depth += 1
        self._prefix, self._count = f"x{depth}_", 0
        self.added: list[Any] = []

    def _new_name(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"

    def constant(self, values: Any, dtype: str = "f4") -> str:
        name = self._new_name()
        self.graph.initializer.append(
            self._onnx.numpy_helper.from_array(np.ascontiguousarray(values, dtype), name)
        )
        return name

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or self._new_name()
        self.added.append(self._onnx.helper.make_node(kind, inputs, [name], **attributes))
        return name

    def columns(self, values: str, start: int, stop: int) -> str:
        ends = (self.constant([one], "i8") for one in (start, stop, 1))
        return self.node("Slice", values, *ends)

    def sum(self, values: str) -> str:
        return self.node("ReduceSum", values, self.constant([1], "i8"), keepdims=1)

    def rename(self, name: str) -> str:
        """Give what a node answers another name, wherever it is used, and return that."""
        other = f"{self._prefix}{_BEFORE}_{name}"
        for node in self.graph.node:
            for names in (node.input, node.output):
                for at, one in enumerate(names):
                    if one == name:
                        names[at] = other
        return other

    def put_first(self) -> None:
        """Put the nodes that were added before all others."""
        self.order([*self.added, *self.graph.node])

    def put_last(self) -> None:
        self.order([*self.graph.node, *self.added])

    def order(self, nodes: list[Any]) -> None:
        """Put these nodes in place of all."""
        copies = [self._copy(node) for node in nodes]
        del self.graph.node[:]
        self.graph.node.extend(copies)
        self.added = []

    def _copy(self, node: Any) -> Any:
        made = self._onnx.NodeProto()
        made.CopyFrom(node)
        return made

    def widen(self, values: Any, name: str, width: int) -> None:
        """State the width of an input or output."""
        for one in values:
            if one.name == name:
                one.type.tensor_type.shape.dim[1].dim_value = width

    def serialised(self) -> bytes:
        # shapes between nodes were stated for the old widths
        del self.graph.value_info[:]
        self._onnx.checker.check_model(self.model)
        return bytes(self.model.SerializeToString())


def extended_tail(model: bytes, gate: Gate, near: Near, n_features: int, first: int) -> bytes:
    """Extend ``encoder_tail.onnx``, whose features were `n_features`; new ones come at `first`."""
    graph = _Graph(model, "encoder_tail.onnx")
    if gate.n_new:
        old = graph.rename(_FEATURES)
        _old_features(graph, _FEATURES, old, n_features, first, gate.n_new)
        graph.put_first()
        graph.widen(graph.graph.input, _FEATURES, n_features + gate.n_new)
    _answers(graph, _FEATURES, gate, near)
    return graph.serialised()


def extended_encoder(
    model: bytes,
    gate: Gate,
    near: Near,
    before: NDArray[np.float32],
    basis: NDArray[np.float32],
    first: int,
) -> bytes:
    """Extend ``encoder.onnx``: the basis that was before becomes another one.

    Raises
    ------
    AtlasError
        The graph does not multiply by the basis of the atlas.
    """
    graph = _Graph(model, "encoder.onnx")
    product, weight = _product_with(graph, before)
    features = product.output[0]
    if gate.n_new:
        old = graph.rename(features)
        place = list(graph.graph.node).index(product)
        graph.graph.initializer.remove(weight)
        name = graph.constant(basis)
        product.input[1], product.output[0] = name, features
        _old_features(graph, features, old, before.shape[1], first, gate.n_new)
        nodes = list(graph.graph.node)
        graph.order([*nodes[: place + 1], *graph.added, *nodes[place + 1 :]])
    _answers(graph, features, gate, near)
    return graph.serialised()


def extended_decoder(model: bytes, mixture: NDArray[np.float32]) -> bytes:
    """Extend ``decoder.onnx``: each new batch is a mixture of old ones, float32 [batches, old]."""
    graph = _Graph(model, "decoder.onnx")
    old = graph.rename("batch")
    graph.node("MatMul", "batch", graph.constant(mixture), name=old)
    graph.put_first()
    graph.widen(graph.graph.input, "batch", len(mixture))
    return graph.serialised()


def _product_with(graph: _Graph, basis: NDArray[np.float32]) -> tuple[Any, Any]:
    constants = {one.name: one for one in graph.graph.initializer}
    for node in graph.graph.node:
        weight = constants.get(node.input[1]) if node.op_type == "MatMul" else None
        if weight is None or list(weight.dims) != list(basis.shape):
            continue
        if np.array_equal(graph._onnx.numpy_helper.to_array(weight), basis):
            return node, weight
    raise AtlasError(
        "encoder.onnx does not multiply values by the basis in arrays/basis.npy, so new features "
        "cannot be added to it. Train the atlas anew with the new cells."
    )


def _old_features(
    graph: _Graph, features: str, name: str, width: int, first: int, n_new: int
) -> None:
    """Take the new features out again, for what knows the old ones alone."""
    parts = [graph.columns(features, 0, first)]
    if first < width:
        parts.append(graph.columns(features, first + n_new, width + n_new))
    graph.node("Concat", *parts, axis=1, name=name)


def _answers(graph: _Graph, features: str, gate: Gate, near: Near) -> None:
    prob = graph.rename(_PROB)
    at = graph.node("Concat", features, _LATENT, axis=1)
    if gate.moves:
        prob = _moved(graph, at, prob, gate)
    if gate.n_new:
        _novelty(graph, at, graph.rename(_SCORE), near)
        _joined(graph, at, prob, gate)
    else:
        graph.node("Identity", prob, name=_PROB)
    graph.put_last()
    graph.widen(graph.graph.output, _PROB, gate.n_old + gate.n_new)


def _moved(graph: _Graph, at: str, prob: str, gate: Gate) -> str:
    # the operation Clip takes one number for all columns
    unit = np.where(gate.most_moved > 0, gate.most_moved, 1.0)
    product = graph.node("MatMul", at, graph.constant(gate.move_weight / unit))
    change = graph.node("Add", product, graph.constant(gate.move_bias / unit))
    change = graph.node("Clip", change, graph.constant(-1.0), graph.constant(1.0))
    change = graph.node("Mul", change, graph.constant(gate.most_moved))
    weighed = graph.node("Mul", prob, graph.node("Exp", change))
    return graph.node("Div", weighed, graph.sum(weighed))


def _joined(graph: _Graph, at: str, prob: str, gate: Gate) -> None:
    n_old, n_types = gate.n_old, gate.n_old + gate.n_new
    product = graph.node("MatMul", at, graph.constant(gate.weight))
    density = graph.node("Add", product, graph.constant(gate.bias))
    old = graph.columns(density, 0, n_old)
    together = graph.node("ReduceLogSumExp", old, graph.constant([1], "i8"), keepdims=1)
    odds = graph.node("Sub", graph.columns(density, n_old, n_types), together)
    odds = graph.node("Mul", odds, graph.constant(gate.scale))
    odds = graph.node("Add", odds, graph.constant(gate.offset))
    steep = graph.node("Mul", graph.node("Relu", odds), graph.constant(gate.softness))
    odds = graph.node("Div", odds, graph.node("Add", steep, graph.constant(1.0)))
    nothing = graph.node("Mul", together, graph.constant(0.0))
    shares = graph.node("Softmax", graph.node("Concat", nothing, odds, axis=1), axis=1)
    known = graph.node("Mul", prob, graph.columns(shares, 0, 1))
    new = graph.columns(shares, 1, 1 + gate.n_new)
    graph.node("Concat", known, new, axis=1, name=_PROB)


def _novelty(graph: _Graph, at: str, own: str, near: Near) -> None:
    placed = graph.node("MatMul", at, graph.constant(near.axes))
    score = own
    axes, least = graph.constant([1], "i8"), graph.constant(LEAST_SQUARE)
    for centre, slope, start in zip(near.centre, near.slope, near.start, strict=True):
        away = graph.node("Sub", placed, graph.constant(centre))
        square = graph.node("ReduceSum", graph.node("Mul", away, away), axes, keepdims=0)
        far = graph.node("Sqrt", graph.node("Add", square, least))
        of_type = graph.node("Mul", far, graph.constant(slope))
        of_type = graph.node("Add", of_type, graph.constant(start))
        score = graph.node("Min", score, of_type)
    graph.node("Identity", score, name=_SCORE)
