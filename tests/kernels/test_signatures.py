"""A call that does not fit its signature is refused; one that does reaches the loops as it was."""

from __future__ import annotations

import ctypes
from typing import Annotated, Any, NamedTuple

import numpy as np
import pytest

from cellport.kernels import entries, signatures
from cellport.kernels.features import linear_features, prepare
from cellport.kernels.jit import part
from cellport.kernels.machine_code import call
from cellport.kernels.signatures import (
    AllCounts,
    Float32,
    Int32,
    LinearFeatures,
    fields,
    packed,
    structure,
)


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> LinearFeatures:
    """What the caller hands over for three cells and five genes."""
    seen: list[LinearFeatures] = []
    monkeypatch.setattr("cellport.kernels.features.call", seen.append)
    basis = np.ones((4, 40), np.float32)
    prepared = prepare(np.array([0, 1, -1, 2, 3]), basis, np.ones(4), np.zeros(40), 1e4)
    linear_features(prepared, np.array([0, 1, 1, 2]), np.array([0, 3]), np.ones(2))
    (arguments,) = seen
    return arguments


def test_the_structure_follows_the_fields(arguments: LinearFeatures) -> None:
    words = packed(arguments)
    at = 0
    for name, dtype, axes in fields(LinearFeatures):
        value, member = getattr(arguments, name), getattr(structure(LinearFeatures), name)
        assert member.offset == at
        expected = value.ctypes.data if axes else value
        assert getattr(words, name) == expected
        assert not axes or (value.dtype, value.ndim) == (dtype, len(axes))
        lengths = [getattr(words, f"{name}_{axis}") for axis in range(len(axes))]
        assert lengths == list(np.shape(value))
        at += 8 + 8 * len(axes)
    assert ctypes.sizeof(words) == at
    call(arguments)


def test_every_field_is_named_and_known(arguments: LinearFeatures) -> None:
    given = arguments._asdict()
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'cap'"):
        LinearFeatures(**{name: value for name, value in given.items() if name != "cap"})
    with pytest.raises(TypeError, match="unexpected keyword argument 'weight'"):
        LinearFeatures(**given, weight=given["basis"])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("indptr", lambda array: array.astype(np.int32)),
        ("data", lambda array: array.astype(np.float64)),
        ("data", lambda array: array.astype(">f4")),
        ("cap", lambda array: array[:, None]),
        ("basis", lambda array: array[0]),
        ("basis", np.asfortranarray),
        ("library", list),
        ("slot", lambda array: 3),
        ("target", str),
        ("start", float),
        ("stop", lambda stop: np.arange(3)),
    ],
)
def test_another_type_is_refused(arguments: LinearFeatures, name: str, change: Any) -> None:
    with pytest.raises(TypeError):
        call(arguments._replace(**{name: change(getattr(arguments, name))}))


@pytest.mark.parametrize("name", ["data", "row", "cap", "offset", "library", "ends", "last"])
def test_lengths_that_contradict_each_other_are_refused(
    arguments: LinearFeatures, name: str
) -> None:
    longer = np.concatenate([getattr(arguments, name)] * 2)
    with pytest.raises(ValueError, match=f"^{name} has"):
        call(arguments._replace(**{name: longer}))


def test_a_message_names_the_field() -> None:
    with pytest.raises(TypeError, match=r"^values must be float32 \('values',\) as in C"):
        packed(AllCounts(np.ones(2)))  # type: ignore[arg-type]


class Mixed(NamedTuple):
    """Every kind of field, in no helpful order."""

    low: int
    table: Annotated[Float32, "rows", "columns"]
    factor: float
    chosen: Annotated[Int32, "chosen"]
    high: int


def test_the_loops_see_what_the_caller_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    @part
    def is_right(of: Mixed) -> bool:
        total = 0.0
        for k in range(len(of.chosen)):
            for j in range(of.table.shape[1]):
                total += of.table[of.chosen[k], j] * of.factor
        return of.low == -3 and of.high == 2**40 and of.table.shape[0] == 4 and total == 31.5

    monkeypatch.setitem(signatures.RESULTS, Mixed, ctypes.c_bool)
    made = entries.entry(Mixed, is_right)
    function = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p)(made.address)
    table = np.arange(12, dtype=np.float32).reshape(4, 3)
    right = Mixed(-3, table, 0.5, np.array([0, 3, 3], np.int32), 2**40)
    assert function(ctypes.byref(packed(right)))
    assert not function(ctypes.byref(packed(right._replace(factor=0.25))))
