"""The network in numpy: as ONNX Runtime runs it, and with the slopes that it has."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cellport.runtime.atlas.network.gradient import run
from cellport.runtime.atlas.network.graph import read_graph
from cellport.runtime.atlas.session import open_session
from cellport.runtime.errors import AtlasError

WIDTH = 5
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(WIDTH, WIDTH)).astype(np.float32)
ROW = RNG.normal(size=WIDTH).astype(np.float32)
# kind, further inputs, attributes; each takes and gives [cells, 5]
OPERATIONS: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Add", [ROW], {}),
    ("Sub", [ROW], {}),
    ("Mul", [ROW], {}),
    ("Div", [ROW], {}),
    ("MatMul", [MATRIX], {}),
    ("Gemm", [MATRIX, ROW], {"transB": 1, "alpha": 0.5}),
    ("Gemm", [MATRIX], {}),
    ("LayerNormalization", [ROW, ROW], {"axis": -1, "epsilon": 1e-5}),
    ("Relu", [], {}),
    ("LeakyRelu", [], {"alpha": 0.2}),
    ("Elu", [], {"alpha": 1.0}),
    ("Selu", [], {"alpha": 1.6732632, "gamma": 1.050701}),
    ("Sigmoid", [], {}),
    ("Softplus", [], {}),
    ("Tanh", [], {}),
    ("Erf", [], {}),
    ("Exp", [], {}),
    ("Identity", [], {}),
    ("PRelu", [np.float32([0.1])], {}),
    ("LogSoftmax", [], {"axis": 1}),
    ("Softmax", [], {"axis": -1}),
    ("Clip", [np.float32(-0.5), np.float32(0.7)], {}),
    ("Pow", [np.float32(2)], {}),
]


def graph_of(nodes: list[Any], constants: list[Any]) -> bytes:
    def described(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["cells", None])

    made = helper.make_graph(nodes, "g", [described("x")], [described("y")], constants)
    opset = [helper.make_opsetid("", 18)]
    return bytes(helper.make_model(made, opset_imports=opset, ir_version=10).SerializeToString())


def chain(picked: list[int], raw: bool) -> bytes:
    nodes, constants, value = [], [], "x"
    for step, at in enumerate(picked):
        kind, more, attributes = OPERATIONS[at]
        names = [f"c{step}_{i}" for i in range(len(more))]
        for name, array in zip(names, more, strict=True):
            array = np.asarray(array)
            constants.append(
                numpy_helper.from_array(array, name)
                if raw
                else helper.make_tensor(name, TensorProto.FLOAT, array.shape, array.ravel())
            )
        after = "y" if step == len(picked) - 1 else f"v{step}"
        nodes.append(helper.make_node(kind, [value, *names], [after], **attributes))
        value = after
    return graph_of(nodes, constants)


@given(
    st.lists(st.integers(0, len(OPERATIONS) - 1), min_size=1, max_size=4),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_any_chain_of_operations(picked: list[int], raw: bool, seed: int) -> None:
    """Values as ONNX Runtime has them, slopes as small steps have them."""
    # of several the numbers overflow
    assume(sum(OPERATIONS[at][0] in ("Exp", "Pow") for at in picked) <= 1)
    model = chain(picked, raw)
    onnx.checker.check_model(model)
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(3, WIDTH)).astype(np.float32)
    graph = read_graph(memoryview(model), "g")
    found = run(graph, "x", x, "y", "g")
    assume(np.abs(found.value).max() < 1e4)
    expected = open_session(model, "g", "cpu", 1).run(["y"], {"x": x})[0]
    np.testing.assert_allclose(found.value, expected, rtol=2e-3, atol=2e-3)
    weight, way = rng.normal(size=found.value.shape), rng.normal(size=x.shape)
    slope = (found.gradient(weight) * way).sum()
    ends = [
        (run(graph, "x", x + step * way, "y", "g").value * weight).sum() for step in (1e-6, -1e-6)
    ]
    middle = [
        (run(graph, "x", x + step * way, "y", "g").value * weight).sum() for step in (3e-6, -3e-6)
    ]
    steps = (ends[0] - ends[1]) / 2e-6, (middle[0] - middle[1]) / 6e-6
    # no bend lies within the steps
    assume(abs(steps[0] - steps[1]) <= 1e-3 * max(1, abs(steps[0])))
    assert slope == pytest.approx(steps[0], rel=1e-3, abs=1e-3)


def test_whole_numbers_beside_the_cells() -> None:
    """They are divided as whole numbers, and no slope leads through them."""
    divided = np.array([7, 9, 1000, 3, 0])
    by = helper.make_tensor("m", TensorProto.INT64, [WIDTH], [2, 3, 7, 4, 5])
    nodes = [
        helper.make_node("Constant", [], ["m"], value=by),
        helper.make_node("Div", ["n", "m"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["added"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["x", "added"], ["y"]),
    ]
    model = graph_of(nodes, [numpy_helper.from_array(divided, "n")])
    x = RNG.normal(size=(3, WIDTH)).astype(np.float32)
    found = run(read_graph(memoryview(model), "g"), "x", x, "y", "g")
    expected = open_session(model, "g", "cpu", 1).run(["y"], {"x": x})[0]
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    weight = RNG.normal(size=x.shape)
    np.testing.assert_array_equal(found.gradient(weight), weight)


NUMBERS = [0, 1, 127, 128, 2**31 - 1, -1, -300]


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        (TensorProto.INT64, [*NUMBERS, 2**62, -(2**63)], "i8"),
        (TensorProto.INT32, NUMBERS, "i4"),
        (TensorProto.BOOL, [True, False, True], "?"),
        (TensorProto.FLOAT, [0.5, -1.25], "f4"),
        (TensorProto.DOUBLE, [0.1, -1e300], "f8"),
    ],
)
def test_numbers_in_fields_of_their_own(kind: int, values: list[Any], dtype: str) -> None:
    constant = helper.make_tensor("c", kind, [len(values)], values)
    assert not constant.raw_data
    found = read_graph(memoryview(graph_of([], [constant])), "g").constants["c"]
    assert found.dtype == np.dtype(dtype)
    assert found.tolist() == np.array(values, dtype).tolist()


def test_attributes_of_every_kind() -> None:
    given = {"one": 3, "less": -4, "share": 0.5, "several": [1, -2, 300], "word": "linear"}
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    made = helper.make_node(
        "Some", ["x"], ["y"], domain="own", **given, array=numpy_helper.from_array(array)
    )
    (node,) = read_graph(memoryview(graph_of([made], [])), "g").nodes
    assert node.kind == "own.Some"
    held = node.attributes.pop("array")
    np.testing.assert_array_equal(held, array)
    assert node.attributes == {**given, "several": (1, -2, 300)}


def test_what_cannot_be_followed_is_told() -> None:
    model = graph_of([helper.make_node("Sin", ["x"], ["y"])], [])
    graph = read_graph(memoryview(model), "g")
    with pytest.raises(AtlasError, match=r"'small' has an operation .* \(Sin\)"):
        run(graph, "x", np.zeros((1, WIDTH)), "y", "small")


@given(st.binary(max_size=40))
def test_bytes_that_are_no_graph(data: bytes) -> None:
    with pytest.raises(AtlasError, match="it is no graph of layers"):
        read_graph(memoryview(data), "encoder_tail.onnx")


def test_only_what_leads_to_an_answer_is_run() -> None:
    nodes = [
        helper.make_node("Sin", ["x"], ["z"]),
        helper.make_node("Relu", ["x"], ["y"]),
    ]
    graph = read_graph(memoryview(graph_of(nodes, [])), "g")
    assert [node.kind for node in graph.towards("y")] == ["Relu"]
