"""Read the nodes and constants of an ONNX graph, without the onnx package.

Field numbers are those of onnx.proto, which never change (IR version 3 on).
"""

from __future__ import annotations

import struct
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.onnx_scan import fields
from cellport.runtime.decisions import say
from cellport.runtime.errors import AtlasError

Array = NDArray[Any]
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OUTPUT, _NODE_KIND, _NODE_ATTRIBUTE, _NODE_DOMAIN = 1, 2, 4, 5, 7
_NAME, _FLOAT, _INT, _TEXT, _TENSOR, _INTS = 1, 2, 3, 4, 5, 8
_DIMS, _DTYPE, _TENSOR_NAME, _RAW = 1, 2, 8, 9
# number of a type in onnx.proto: how its raw data is laid out
_DTYPES = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 11: "<f8"}
# where values stand that are not raw, by type: field, and how one of a fixed width is laid out
_LISTS = {1: (4, "<f4"), 6: (5, ""), 7: (7, ""), 9: (5, ""), 11: (10, "<f8")}
_SIGN = 1 << 63


@dataclass(frozen=True, slots=True)
class Node:
    """One operation."""

    kind: str
    inputs: tuple[str, ...]  # '' for one that is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Graph:
    """A graph in the order in which it is computed."""

    nodes: tuple[Node, ...]
    constants: dict[str, Array]

    def towards(self, name: str) -> tuple[Node, ...]:
        """Nodes that a value is computed by, in order."""
        wanted, found = {name}, []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                found.append(node)
                wanted |= set(node.inputs)
        return tuple(reversed(found))


def read_graph(model: memoryview, name: str) -> Graph:
    """Read a serialised ``ModelProto``; `name` is for the message.

    Raises
    ------
    AtlasError
        It is none, or holds what no atlas does.
    """
    try:
        graph = _gathered(_gathered(model)[_MODEL_GRAPH][-1])
        nodes = tuple(_node(one) for one in graph[_GRAPH_NODE])
        constants = dict(_tensor(one) for one in graph[_GRAPH_INITIALIZER])
    except (IndexError, ValueError, KeyError, TypeError, struct.error):
        raise AtlasError(say("explain.no_graph", graph=name)) from None
    for node in nodes:
        if node.kind == "Constant":
            constants[node.outputs[0]] = node.attributes["value"]
    return Graph(tuple(node for node in nodes if node.kind != "Constant"), constants)


def _gathered(message: Any) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for number, value in fields(message):
        found[number].append(value)
    return found


def _node(message: memoryview) -> Node:
    found = _gathered(message)
    domain = _text(found[_NODE_DOMAIN][-1]) if found[_NODE_DOMAIN] else ""
    return Node(
        _text(found[_NODE_KIND][-1]) if not domain else f"{domain}.{_text(found[_NODE_KIND][-1])}",
        tuple(map(_text, found[_NODE_INPUT])),
        tuple(map(_text, found[_NODE_OUTPUT])),
        dict(_attribute(one) for one in found[_NODE_ATTRIBUTE]),
    )


def _attribute(message: memoryview) -> tuple[str, Any]:
    found = _gathered(message)
    name = _text(found[_NAME][-1])
    if found[_TENSOR]:
        return name, _tensor(found[_TENSOR][-1])[1]
    if found[_INTS]:
        return name, tuple(_numbers(found[_INTS]))
    if found[_FLOAT]:
        return name, float(struct.unpack("<f", found[_FLOAT][-1])[0])
    if found[_INT]:
        return name, _signed(found[_INT][-1])
    return name, _text(found[_TEXT][-1]) if found[_TEXT] else None


def _tensor(message: memoryview) -> tuple[str, Array]:
    found = _gathered(message)
    kind = found[_DTYPE][-1]
    shape = _numbers(found[_DIMS])
    name = _text(found[_TENSOR_NAME][-1]) if found[_TENSOR_NAME] else ""
    if found[_RAW]:
        return name, np.frombuffer(found[_RAW][-1], _DTYPES[kind]).reshape(shape)
    field, fixed = _LISTS[kind]
    if fixed:
        packed = b"".join(bytes(one) for one in found[field])
        return name, np.frombuffer(packed, fixed).reshape(shape)
    return name, np.array(_numbers(found[field]), _DTYPES[kind]).reshape(shape)


def _numbers(values: list[Any]) -> list[int]:
    """Whole numbers, each a field of its own or packed into one."""
    found: list[int] = []
    for value in values:
        if isinstance(value, int):
            found.append(_signed(value))
            continue
        # a packed field is one number after the other, which a message with tags of its own is not
        number = shift = 0
        for byte in bytes(value):
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                found.append(_signed(number))
                number = shift = 0
    return found


def _signed(value: int) -> int:
    return value - (_SIGN << 1) if value >= _SIGN else value


def _text(value: Any) -> str:
    return bytes(value).decode()
