"""Run a graph in numpy and float64, and follow one number a cell back to what went in.

Every cell is by itself: the first axis of what goes in, and of all that is made of it, is that of
the cells, but where operations put others before it.

References
----------
Griewank and Walther 2008, "Evaluating derivatives", chapter 3: the reverse mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.network.graph import Graph, Node
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError

Array = NDArray[Any]
# what a change of the answer is in terms of each input, None where nothing flows back
Back = Callable[[Array], Sequence[Array | None]]


@dataclass(frozen=True, slots=True)
class Run:
    """A graph that was run as far as one output, with what is needed to go back."""

    value: NDArray[np.float64]  # of the output
    _source: str
    _output: str
    _steps: tuple[tuple[Node, Back, tuple[Array, ...]], ...]

    def gradient(self, change: NDArray[np.float64]) -> NDArray[np.float64]:
        """Change of the input that `change` of the output follows from, by the chain rule.

        Of a weight of each number of the output, float64 of its shape, the gradient of the weighted
        sum, float64 of the input's shape.
        """
        flowing: dict[str, Array] = {self._output: change}
        for node, back, inputs in reversed(self._steps):
            gone = flowing.pop(node.outputs[0], None)
            if gone is None:
                continue
            for name, value, part in zip(node.inputs, inputs, back(gone), strict=False):
                if part is not None:
                    part = _as_wide(part, np.shape(value))
                    flowing[name] = flowing[name] + part if name in flowing else part
        return flowing[self._source]


def run(graph: Graph, source: str, values: NDArray[np.floating], output: str, name: str) -> Run:
    """Run a graph as far as `output`; `source` is its input, `name` the atlas's, for the message.

    Raises
    ------
    AtlasError
        An operation is not among those that can be followed back.
    """
    known: dict[str, Array] = {**graph.constants, source: np.asarray(values, np.float64)}
    varies, steps = {source}, []
    for node in graph.towards(output):
        if node.kind not in _KINDS:
            raise AtlasError(say("explain.unknown_operation", atlas=name, kind=node.kind))
        inputs = tuple(known[one] if one else np.empty(0) for one in node.inputs)
        inputs = tuple(one.astype(np.float64) if one.dtype.kind == "f" else one for one in inputs)
        found, back = _KINDS[node.kind](node.attributes, *inputs)
        known[node.outputs[0]] = found
        if varies & set(node.inputs):
            varies.add(node.outputs[0])
            steps.append((node, back, inputs))
    return Run(known[output], source, output, tuple(steps))


def _as_wide(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Add up over what was repeated to fit."""
    extra = gradient.ndim - len(shape)
    repeated = [axis + extra for axis, n in enumerate(shape) if n == 1]
    summed = gradient.sum(axis=(*range(extra), *repeated), keepdims=True)
    return np.asarray(summed.reshape(shape))


def _nowhere(_: Array) -> Sequence[Array | None]:
    return ()


def _add(_: Any, a: Array, b: Array) -> tuple[Array, Back]:
    return a + b, lambda g: (g, g)


def _subtract(_: Any, a: Array, b: Array) -> tuple[Array, Back]:
    return a - b, lambda g: (g, -g)


def _multiply(_: Any, a: Array, b: Array) -> tuple[Array, Back]:
    return a * b, lambda g: (g * b, g * a)


def _divide(_: Any, a: Array, b: Array) -> tuple[Array, Back]:
    if a.dtype.kind != "f":
        return a // b, _nowhere
    return a / b, lambda g: (g / b, -g * a / b**2)


def _product(_: Any, a: Array, b: Array) -> tuple[Array, Back]:
    # weights are constants
    return a @ b, lambda g: (g @ np.swapaxes(b, -1, -2), None)


def _gemm(given: Any, a: Array, b: Array, c: Array | float = 0.0) -> tuple[Array, Back]:
    alpha, beta = given.get("alpha", 1.0), given.get("beta", 1.0)
    weight = b.T if given.get("transB") else b
    return alpha * (a @ weight) + beta * c, lambda g: (alpha * (g @ weight.T), None, beta * g)


def _layer_norm(
    given: Any, x: Array, scale: Array, bias: Array | float = 0.0
) -> tuple[Array, Back]:
    away = x - x.mean(axis=-1, keepdims=True)
    spread = np.sqrt((away**2).mean(axis=-1, keepdims=True) + given.get("epsilon", 1e-5))
    unit = away / spread

    def back(g: Array) -> Sequence[Array | None]:
        scaled = g * scale
        along = (scaled * unit).mean(axis=-1, keepdims=True)
        return (scaled - scaled.mean(axis=-1, keepdims=True) - unit * along) / spread, None, None

    return unit * scale + bias, back


def _each(value: Callable[[Array], Array], slope: Callable[[Array, Array], Array]) -> Any:
    """Make an operation on each number by itself; the slope is of the input and the output."""

    def operation(_: Any, x: Array) -> tuple[Array, Back]:
        found = value(x)
        return found, lambda g: (g * slope(x, found),)

    return operation


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small))


def _elu(given: Any, x: Array) -> tuple[Array, Back]:
    # that of torch, 1, where nothing is said; SELU is one that is stretched
    alpha, gamma = given.get("alpha", 1.0), given.get("gamma", 1.0)
    below = alpha * np.exp(np.minimum(x, 0))
    found = gamma * np.where(x > 0, x, below - alpha)
    return found, lambda g: (g * gamma * np.where(x > 0, 1, below),)


def _leaky(given: Any, x: Array) -> tuple[Array, Back]:
    slope = np.where(x > 0, 1, given.get("alpha", 0.01))
    return x * slope, lambda g: (g * slope,)


def _prelu(_: Any, x: Array, below: Array) -> tuple[Array, Back]:
    slope = np.where(x > 0, 1, below)
    return x * slope, lambda g: (g * slope, None)


def _log_softmax(given: Any, x: Array) -> tuple[Array, Back]:
    axis = given.get("axis", -1)
    found = x - _log_sum(x, axis)
    return found, lambda g: (g - np.exp(found) * g.sum(axis=axis, keepdims=True),)


def _softmax(given: Any, x: Array) -> tuple[Array, Back]:
    axis = given.get("axis", -1)
    found = np.exp(x - _log_sum(x, axis))
    return found, lambda g: (found * (g - (g * found).sum(axis=axis, keepdims=True)),)


def _log_sum(x: Array, axis: Any) -> Array:
    top = x.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True)))


def _reduced(found: Array, share: Array, given: Any, axis: tuple[int, ...]) -> tuple[Array, Back]:
    """Answer of what runs over axes, each number of which has a share in it."""
    kept = bool(given.get("keepdims", 1))
    answer = found if kept else np.squeeze(found, axis)
    return answer, lambda g: ((g if kept else np.expand_dims(g, axis)) * share, None)


def _reduce_log_sum(given: Any, x: Array, axes: Array) -> tuple[Array, Back]:
    axis = tuple(axes.tolist())
    found = _log_sum(x, axis)
    return _reduced(found, np.exp(x - np.where(np.isfinite(found), found, 0)), given, axis)


def _reduce_sum(given: Any, x: Array, axes: Array) -> tuple[Array, Back]:
    axis = tuple(axes.tolist())
    return _reduced(x.sum(axis=axis, keepdims=True), np.ones_like(x), given, axis)


def _reduce_max(given: Any, x: Array, axes: Array) -> tuple[Array, Back]:
    axis = tuple(axes.tolist())
    found = x.max(axis=axis, keepdims=True)
    best = x == found
    return _reduced(found, best / best.sum(axis=axis, keepdims=True), given, axis)


def _arg_max(given: Any, x: Array) -> tuple[Array, Back]:
    axis = given.get("axis", 0)
    found = x.argmax(axis=axis)
    return (np.expand_dims(found, axis) if given.get("keepdims", 1) else found), _nowhere


def _clip(_: Any, x: Array, *ends: Array) -> tuple[Array, Back]:
    low, high = [*(end if end.size else None for end in ends), None, None][:2]
    low_, high_ = -np.inf if low is None else low, np.inf if high is None else high
    inside = (x >= low_) & (x <= high_)
    return np.clip(x, low_, high_), lambda g: (g * inside,)


def _where(_: Any, chosen: Array, a: Array, b: Array) -> tuple[Array, Back]:
    return np.where(chosen, a, b), lambda g: (None, np.where(chosen, g, 0), np.where(chosen, 0, g))


def _slice(
    _: Any, x: Array, starts: Array, ends: Array, axes: Array | None = None, steps: Any = None
) -> tuple[Array, Back]:
    along = range(len(starts)) if axes is None else axes.tolist()
    stride = [1] * len(starts) if steps is None else steps.tolist()
    at: list[slice] = [slice(None)] * x.ndim
    for axis, start, end, step in zip(along, starts.tolist(), ends.tolist(), stride, strict=True):
        at[axis] = slice(start, end, step)
    place = tuple(at)

    def back(g: Array) -> Sequence[Array | None]:
        whole = np.zeros(x.shape)
        whole[place] = g
        return (whole,)

    return x[place], back


def _unsqueeze(_: Any, x: Array, axes: Array) -> tuple[Array, Back]:
    return np.expand_dims(x, tuple(axes.tolist())), lambda g: (g.reshape(x.shape),)


def _concat(given: Any, *parts: Array) -> tuple[Array, Back]:
    axis = given["axis"]
    ends = np.cumsum([part.shape[axis] for part in parts])[:-1]
    return np.concatenate(parts, axis), lambda g: np.split(g, ends, axis)


def _power(_: Any, x: Array, power: Array) -> tuple[Array, Back]:
    return x**power, lambda g: (g * power * x ** (power - 1), None)


def _constant(value: Callable[..., Any]) -> Any:
    """Make an operation that nothing flows back through."""
    return lambda _, *inputs: (np.asarray(value(*inputs)), _nowhere)


def _expand(_: Any, x: Array, shape: Array) -> tuple[Array, Back]:
    return np.asarray(x * np.ones(shape.tolist())), lambda g: (g, None)


_erf = np.vectorize(math.erf, otypes=[float])
_SOFTPLUS_LINEAR = 30  # beyond it log(1 + e^x) is x in float64
_KINDS: dict[str, Any] = {
    "Add": _add,
    "ArgMax": _arg_max,
    "Cast": _each(lambda x: x, lambda x, y: np.ones_like(x)),
    "Clip": _clip,
    "Concat": _concat,
    "Div": _divide,
    "Elu": _elu,
    "Equal": _constant(np.equal),
    "Erf": _each(_erf, lambda x, y: 2 / math.sqrt(math.pi) * np.exp(-(x**2))),
    "Exp": _each(np.exp, lambda x, y: y),
    "Expand": _expand,
    "Gemm": _gemm,
    "Greater": _constant(np.greater),
    "Identity": _each(lambda x: x, lambda x, y: np.ones_like(x)),
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky,
    "LogSoftmax": _log_softmax,
    "MatMul": _product,
    "Mul": _multiply,
    "PRelu": _prelu,
    "Pow": _power,
    "ReduceLogSumExp": _reduce_log_sum,
    "ReduceMax": _reduce_max,
    "ReduceSum": _reduce_sum,
    "Relu": _each(lambda x: np.maximum(x, 0), lambda x, y: x > 0),
    "Selu": _elu,
    "Shape": _constant(np.shape),
    "Sigmoid": _each(_sigmoid, lambda x, y: y * (1 - y)),
    "Slice": _slice,
    "Softmax": _softmax,
    "Softplus": _each(
        lambda x: np.where(x > _SOFTPLUS_LINEAR, x, np.log1p(np.exp(np.minimum(x, 30)))),
        lambda x, y: _sigmoid(x),
    ),
    "Sqrt": _each(np.sqrt, lambda x, y: 0.5 / np.maximum(y, 1e-12)),
    "Sub": _subtract,
    "Tanh": _each(np.tanh, lambda x, y: 1 - y**2),
    "Unsqueeze": _unsqueeze,
    "Where": _where,
}
