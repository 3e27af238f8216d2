from __future__ import annotations

from typing import Any

import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cellport.runtime.atlas.onnx_scan import refuse_external_data
from cellport.runtime.errors import AtlasError


def _scan(graph: bytes) -> None:
    refuse_external_data(memoryview(graph), "encoder.onnx")


def _tensor(external: bool, name: str = "w") -> TensorProto:
    tensor = helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 2.0])
    if external:
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", "/etc/passwd"
    return tensor


def _graph(nodes: list[Any] | None = None, **keywords: Any) -> Any:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    nodes = nodes or [helper.make_node("Identity", ["x"], ["y"])]
    return helper.make_graph(nodes, "g", value[:1], value[1:], **keywords)


def _constant(tensor: TensorProto) -> Any:
    return helper.make_node("Constant", [], ["y"], value=tensor)


def _sparse(external: bool) -> Any:
    index = helper.make_tensor("i", TensorProto.INT64, [2], [0, 1])
    return helper.make_sparse_tensor(_tensor(external), index, [4])


def _initializer(external: bool) -> Any:
    return helper.make_model(_graph(initializer=[_tensor(external)]))


def _sparse_initializer(external: bool) -> Any:
    return helper.make_model(_graph(sparse_initializer=[_sparse(external)]))


def _sparse_indices(external: bool) -> Any:
    sparse = _sparse(external=False)
    sparse.indices.CopyFrom(_tensor(external))
    return helper.make_model(_graph(sparse_initializer=[sparse]))


def _attribute(external: bool) -> Any:
    return helper.make_model(_graph([_constant(_tensor(external))]))


def _attribute_list(external: bool) -> Any:
    node = helper.make_node("Odd", [], ["y"], values=[_tensor(False), _tensor(external)])
    return helper.make_model(_graph([node]))


def _sparse_attribute(external: bool) -> Any:
    node = helper.make_node("Constant", [], ["y"], sparse_value=_sparse(external))
    return helper.make_model(_graph([node]))


def _branch(external: bool) -> Any:
    inner = _graph([_constant(_tensor(external))])
    return helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=_graph())


def _nested_graph(external: bool) -> Any:
    return helper.make_model(_graph([_branch(external)]))


def _twice_nested_graph(external: bool) -> Any:
    inner = _graph([_branch(external)])
    node = helper.make_node("If", ["x"], ["y"], then_branch=_graph(), else_branch=inner)
    return helper.make_model(_graph([node]))


def _graph_list(external: bool) -> Any:
    inner = _graph([_constant(_tensor(external))])
    return helper.make_model(_graph([helper.make_node("Odd", [], ["y"], bodies=[inner])]))


def _function(external: bool) -> Any:
    opset = helper.make_opsetid("", 18)
    node = _constant(_tensor(external))
    function = helper.make_function("mine", "F", [], ["y"], [node], [opset])
    return helper.make_model(_graph(), functions=[function])


def _function_default(external: bool) -> Any:
    opset = helper.make_opsetid("", 18)
    default = helper.make_attribute("value", _tensor(external))
    function = helper.make_function(
        "mine", "F", [], ["y"], [_constant(_tensor(False))], [opset], attribute_protos=[default]
    )
    return helper.make_model(_graph(), functions=[function])


def _training(external: bool) -> Any:
    model = helper.make_model(_graph())
    training = model.training_info.add()
    training.algorithm.CopyFrom(_graph(initializer=[_tensor(external)]))
    return model


PLACES = [
    _initializer, _sparse_initializer, _sparse_indices, _attribute, _attribute_list,
    _sparse_attribute, _nested_graph, _twice_nested_graph, _graph_list, _function,
    _function_default, _training,
]  # fmt: skip


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__[1:])
def test_external_data_is_refused_wherever_it_hides(place: Any) -> None:
    _scan(place(external=False).SerializeToString())
    with pytest.raises(AtlasError, match="outside the atlas"):
        _scan(place(external=True).SerializeToString())


@pytest.mark.parametrize("field", ["external_data", "data_location"])
def test_either_sign_of_external_data_is_enough(field: str) -> None:
    model = _initializer(external=True)
    model.graph.initializer[0].ClearField(field)
    with pytest.raises(AtlasError, match="outside the atlas"):
        _scan(model.SerializeToString())


def test_tensors_that_say_they_are_inside_pass() -> None:
    model = _initializer(external=False)
    model.graph.initializer[0].data_location = TensorProto.DEFAULT
    _scan(model.SerializeToString())


def _varint(number: int) -> bytes:
    digits = []
    while True:
        number, low = number >> 7, number & 127
        digits.append(low | (128 if number else 0))
        if not number:
            return bytes(digits)


def test_second_graph_field_is_scanned_too() -> None:
    """Protobuf merges repeated occurrences of one field."""
    bad = _initializer(external=True).graph.SerializeToString()
    model = _initializer(external=False).SerializeToString()
    with pytest.raises(AtlasError, match="outside the atlas"):
        _scan(model + _varint(7 << 3 | 2) + _varint(len(bad)) + bad)


def test_tag_that_other_parsers_truncate_is_refused() -> None:
    """Protobuf in C++ reads tag 7 here, a scan over Python's integers another field."""
    bad = _initializer(external=True).graph.SerializeToString()
    tag = _varint(1 << 32 | 7 << 3 | 2)
    with pytest.raises(AtlasError, match="not a valid ONNX graph"):
        _scan(helper.make_model(_graph()).SerializeToString() + tag + _varint(len(bad)) + bad)


def test_overlong_tag_is_the_field_it_says() -> None:
    bad = _initializer(external=True).graph.SerializeToString()
    with pytest.raises(AtlasError, match="outside the atlas"):
        _scan(b"\xba\x80\x80\x00" + _varint(len(bad)) + bad)


def test_graphs_nested_without_end_are_refused() -> None:
    message = b""
    for _ in range(2000):
        attribute = _varint(6 << 3 | 2) + _varint(len(message)) + message
        node = _varint(5 << 3 | 2) + _varint(len(attribute)) + attribute
        message = _varint(1 << 3 | 2) + _varint(len(node)) + node
    with pytest.raises(AtlasError, match="not a valid ONNX graph"):
        _scan(_varint(7 << 3 | 2) + _varint(len(message)) + message)


@pytest.mark.parametrize(
    "graph",
    [
        b"\x3a",  # a length is missing
        b"\x3a\x05\x0a",  # runs past the end
        b"\x38\x01",  # the graph as a number
        b"\x3b\x3c",  # a group
        b"\x09\x00",  # a fixed64 cut off
        b"\xff" * 11,  # a number without end
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00",
    ],
    ids=["no length", "too long", "number", "group", "fixed64", "endless", "huge"],
)
def test_malformed_graphs_are_refused(graph: bytes) -> None:
    with pytest.raises(AtlasError, match="not a valid ONNX graph"):
        _scan(graph)


SEED = _twice_nested_graph(external=False).SerializeToString()


def _refused(graph: bytes) -> bool:
    try:
        _scan(graph)
    except AtlasError:
        return True
    return False


@given(graph=st.binary(max_size=200))
@example(b"")
@settings(max_examples=500, deadline=None)
def test_random_bytes_raise_nothing_but_atlas_errors(graph: bytes) -> None:
    _refused(graph)


@given(
    at=st.integers(0, len(SEED) - 1), replacement=st.binary(max_size=8), removed=st.integers(0, 8)
)
@settings(max_examples=500, deadline=None)
def test_damaged_graphs_that_pass_hold_no_external_data(
    at: int, replacement: bytes, removed: int
) -> None:
    bad = _twice_nested_graph(external=True).SerializeToString()
    for whole in (SEED, bad):
        graph = whole[:at] + replacement + whole[at + removed :]
        if not _refused(graph) and (model := _parsed(graph)) is not None:
            assert "external_data" not in str(model)


def _parsed(graph: bytes) -> Any:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(graph)
    except Exception:  # noqa: BLE001 - whatever it raises, it is no graph
        return None
    model.DiscardUnknownFields()
    return model
