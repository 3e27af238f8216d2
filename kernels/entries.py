"""Kernels as C functions of one pointer, to the structure of what they take."""

from __future__ import annotations

from itertools import count
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import carray, cfunc, from_dtype, types
from numba.extending import intrinsic

from .check_loops import all_counts
from .features_loops import linear_features
from .group_sums_loops import group_sums
from .signatures import RESULTS, AllCounts, Field, GroupSums, LinearFeatures, fields

_WORD = ir.IntType(64)


def entry(signature: type, function: Any) -> Any:
    """Compile `function`, of one object of `signature`, as a C function of its structure."""
    kinds = [_kind(field) for field in fields(signature)]
    whole = types.NamedTuple(kinds, signature)

    def generate(context: Any, builder: Any, _: Any, arguments: Any) -> Any:
        words = _Words(context, builder, arguments[0])
        return context.make_tuple(builder, whole, [words.read(kind) for kind in kinds])

    def unpacked(typing_context: Any, structure: Any) -> Any:
        return whole(structure), generate

    unpack = intrinsic(unpacked)

    def of_structure(structure: Any) -> Any:  # pragma: no cover - numba compiles it
        return function(unpack(structure))

    result = types.void if RESULTS[signature] is None else types.boolean
    return cfunc(result(types.voidptr))(of_structure)


def _kind(field: Field) -> Any:
    number = from_dtype(field.dtype)
    return types.Array(number, len(field.axes), "C") if field.axes else number


class _Words:
    """Writes the code that reads `signatures.structure`, word after word."""

    def __init__(self, context: Any, builder: Any, structure: Any) -> None:
        self._context, self._builder = context, builder
        self._words = builder.bitcast(structure, _WORD.as_pointer())
        self._place = count()

    def read(self, kind: Any) -> Any:
        """Read a number, or lay an array over its memory."""
        if not isinstance(kind, types.Array):
            return self._next(kind)
        pointer, lengths = types.CPointer(kind.dtype), types.UniTuple(types.int64, kind.ndim)
        address = self._next(pointer)
        of_axes = [self._next(types.int64) for _ in range(kind.ndim)]
        shape = self._context.make_tuple(self._builder, lengths, of_axes)
        view = kind(pointer, lengths)
        return self._context.compile_internal(self._builder, _view, view, [address, shape])

    def _next(self, kind: Any) -> Any:
        word = self._builder.gep(self._words, [_WORD(next(self._place))])
        pointer = self._context.get_value_type(kind).as_pointer()
        return self._builder.load(self._builder.bitcast(word, pointer))


def _view(address: Any, shape: Any) -> Any:  # pragma: no cover - numba compiles it
    return carray(address, shape)


ENTRIES = {
    AllCounts: entry(AllCounts, all_counts),
    GroupSums: entry(GroupSums, group_sums),
    LinearFeatures: entry(LinearFeatures, linear_features),
}
