"""Refuse ONNX graphs that point outside their own bytes.

A graph may name files that hold its weights ("external data"). In an atlas from a stranger
that would read any file it names, so such graphs are refused before onnxruntime sees them.
The scan walks the protobuf wire format and needs no onnx package.
"""

from __future__ import annotations

from collections.abc import Iterator

from cellport.runtime.errors import AtlasError

# message -> {field number: message it holds}; field numbers of onnx.proto (IR version 3 on)
_CHILDREN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14
_DEEPEST = 64


def refuse_external_data(model: memoryview, name: str) -> None:
    """Raise AtlasError when the graph refers to files, or is no ONNX graph.

    Parameters
    ----------
    model
        Serialised ``ModelProto``.
    name
        Member of the atlas, for the message.
    """
    try:
        _walk(model, "model", 0)
    except _ExternalDataError:
        raise AtlasError(
            f"{name} refers to data outside the atlas; such graphs are refused. "
            "Get the atlas from its maker again."
        ) from None
    except (IndexError, ValueError):
        raise AtlasError(f"{name} is not a valid ONNX graph; get the atlas again.") from None


class _ExternalDataError(Exception):
    pass


def _walk(message: memoryview, kind: str, depth: int) -> None:
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    for number, value in fields(message):
        if isinstance(value, bytes):
            continue
        if kind == "tensor":
            if number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value != 0):
                raise _ExternalDataError
        elif number in _CHILDREN[kind]:
            if not isinstance(value, memoryview):
                raise ValueError("field of the wrong type")
            _walk(value, _CHILDREN[kind][number], depth + 1)


def fields(message: memoryview) -> Iterator[tuple[int, int | memoryview | bytes]]:
    """Yield number and value of each field of a protobuf message.

    A whole number, a view of what has a length, or the bytes of what has a fixed width.

    Raises
    ------
    IndexError, ValueError
        It is no message.
    """
    at, end = 0, len(message)
    while at < end:
        tag, at = _varint(message, at)
        if tag >= 1 << 32:
            # protobuf in C++ drops the higher bits, and would see another field than this scan
            raise ValueError("tag too large")
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield number, value
        elif wire == 2:
            size, at = _varint(message, at)
            if at + size > end:
                raise ValueError("field runs past the end")
            yield number, message[at : at + size]
            at += size
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
            if at + size > end:
                raise ValueError("field runs past the end")
            yield number, bytes(message[at : at + size])
            at += size
        else:
            raise ValueError("unknown wire type")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    if (byte := message[at]) < 0x80:
        return byte, at + 1
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("varint too long")
