"""Two operations that numba cannot express: sums held in vector registers, and bit scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .lanes import LANES

if TYPE_CHECKING:
    from collections.abc import Callable

_index = ir.IntType(64)
_lane = ir.IntType(32)
_vector = ir.VectorType(ir.FloatType(), LANES)
_wide = ir.VectorType(ir.DoubleType(), LANES)
_Typed = tuple[Any, "Callable[..., Any]"]


def _intrinsic(function: Callable[..., _Typed]) -> Any:
    # Callers leave out the first parameter, so the function's own type would mislead.
    return intrinsic(function)


def _vector_at(builder: Any, base: Any, offset: Any) -> Any:
    return builder.bitcast(builder.gep(base, [offset]), _vector.as_pointer())


@_intrinsic
def add_weighted_rows(
    typing_context: Any,
    table: Any,
    rows: Any,
    factors: Any,
    start: Any,
    stop: Any,
    initial: Any,
    out: Any,
) -> _Typed:
    """``out[:LANES] = initial[:LANES] + sum(factors[k] * table[rows[k]] for k in start:stop)``.

    The sum runs in the order of `k`, in float32, each step one fused multiply-add where the
    machine has it. `table` float32 [n, LANES], `rows` int32, `factors`, `initial` and `out`
    float32, all C-order; bounds are the caller's to keep.
    """
    return _weighted_sums((table, rows, factors, initial, out), wide=False)


@_intrinsic
def add_weighted_rows_widely(
    typing_context: Any,
    table: Any,
    rows: Any,
    factors: Any,
    start: Any,
    stop: Any,
    initial: Any,
    out: Any,
) -> _Typed:
    """Do as `add_weighted_rows`, with sums in float64 that are rounded to float32 in the end."""
    return _weighted_sums((table, rows, factors, initial, out), wide=True)


def _weighted_sums(kinds: tuple[Any, ...], wide: bool) -> _Typed:
    bounds = types.uint64, types.uint64
    signature = types.void(*kinds[:3], *bounds, *kinds[3:])

    def widened(builder: Any, values: Any) -> Any:
        return builder.fpext(values, _wide) if wide else values

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def data(position: int) -> Any:
            array = context.make_array(signature.args[position])
            return array(context, builder, arguments[position]).data

        table, rows, factors, initial, out = (data(i) for i in (0, 1, 2, 5, 6))
        zero = ir.Constant(_index, 0)
        undefined = ir.Constant(_vector, ir.Undefined)
        everywhere = ir.Constant(ir.VectorType(_lane, LANES), [0] * LANES)
        first = widened(builder, builder.load(_vector_at(builder, initial, zero), align=4))
        # Promoted to registers by LLVM: nothing else ever points to it.
        total = cgutils.alloca_once_value(builder, first)
        one = ir.Constant(_index, 1)
        with cgutils.for_range_slice(builder, arguments[3], arguments[4], one, _index) as (k, _):
            row = builder.zext(builder.load(builder.gep(rows, [k])), _index)
            offset = builder.mul(row, ir.Constant(_index, LANES))
            weight = widened(builder, builder.load(_vector_at(builder, table, offset), align=4))
            factor = builder.insert_element(
                undefined, builder.load(builder.gep(factors, [k])), ir.Constant(_lane, 0)
            )
            factor = widened(builder, builder.shuffle_vector(factor, undefined, everywhere))
            product = builder.fmul(factor, weight, flags=["contract"])
            added = builder.fadd(builder.load(total), product, flags=["contract"])
            builder.store(added, total)
        summed = builder.load(total)
        summed = builder.fptrunc(summed, _vector) if wide else summed
        builder.store(summed, _vector_at(builder, out, zero), align=4)
        return context.get_dummy_value()

    return signature, generate


@_intrinsic
def lowest_bit(typing_context: Any, word: Any) -> _Typed:
    """Position of the lowest bit that is set in a uint64 that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate
