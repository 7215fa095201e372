"""A numba type for eight float32 numbers, for loops that carry them along.

The arithmetic is that of `_lanes`. Arrays are addressed by flat element numbers and must be C-contiguous;
nothing checks the bounds.
"""

import operator
from collections.abc import Callable
from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba.core.typing import templates

from vivant.core.jit import part
from vivant.splat.rasterizer import _lanes
from vivant.splat.rasterizer._lanes import COUNT, FLOATS, I32, INTS, Lanes, Memory, broadcast

# numba's stubs know neither these modules' contents nor what its decorators make of functions.
types: Any = numba.types
models: Any = numba.extending.models
intrinsic: Any = numba.extending.intrinsic
lower_builtin: Any = numba.extending.lower_builtin
register_model: Any = numba.extending.register_model
infer_global: Any = templates.infer_global
signature: Any = templates.signature


class Vector(types.Type):
    """numba's name for eight float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


vector = Vector()


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Kept in a register."""

    def __init__(self, manager: Any, fe_type: Any) -> None:
        super().__init__(manager, fe_type, FLOATS)


def _define_operator(python_operator: Callable[[Any, Any], Any]) -> None:
    """Let numba type and lower `a op b` where both are vectors, or one is a float32."""

    @infer_global(python_operator)
    class Typing(templates.ConcreteTemplate):
        cases = [
            signature(vector, vector, vector),
            signature(vector, vector, types.float32),
            signature(vector, types.float32, vector),
        ]

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        sides = [
            Lanes(builder, side if isinstance(kind, Vector) else broadcast(builder, side))
            for side, kind in zip(args, sig.args, strict=True)
        ]
        return python_operator(*sides).value

    lower_builtin(python_operator, Vector, Vector)(lower)
    lower_builtin(python_operator, Vector, types.float32)(lower)
    lower_builtin(python_operator, types.float32, Vector)(lower)


for _operator in (operator.add, operator.sub, operator.mul, operator.truediv):
    _define_operator(_operator)


@intrinsic
def exp2(typing_context, value):
    """2 to the power of -125 to 126."""

    def generate(context, builder, sig, args):
        return _lanes.exp2(Lanes(builder, args[0])).value

    return vector(vector), generate


@intrinsic
def minimum(typing_context, a, b):
    """The smaller; `b` where `a` is NaN."""

    def generate(context, builder, sig, args):
        return _lanes.minimum(Lanes(builder, args[0]), Lanes(builder, args[1])).value

    return vector(vector, vector), generate


@intrinsic
def maximum(typing_context, a, b):
    """The larger; `b` where `a` is NaN."""

    def generate(context, builder, sig, args):
        return _lanes.maximum(Lanes(builder, args[0]), Lanes(builder, args[1])).value

    return vector(vector, vector), generate


@intrinsic
def where_ge(typing_context, a, b, yes, no):
    """`yes` where `a >= b`, else (NaN included) `no`."""

    def generate(context, builder, sig, args):
        a, b, yes, no = (Lanes(builder, value) for value in args)
        return _lanes.where(a >= b, yes, no).value

    return vector(vector, vector, vector, vector), generate


@intrinsic
def bits_ge(typing_context, a, b):
    """One bit a lane: whether `a >= b`."""

    def generate(context, builder, sig, args):
        mask = Lanes(builder, args[0]) >= Lanes(builder, args[1])
        return builder.zext(builder.bitcast(mask.value, ir.IntType(COUNT)), I32)

    return types.uint32(vector, vector), generate


@intrinsic
def sum_lanes(typing_context, value):
    """Sum of the eight, always in the same order."""

    def generate(context, builder, sig, args):
        total, undefined = args[0], ir.Constant(FLOATS, ir.Undefined)
        for step in (4, 2, 1):
            turned = ir.Constant(INTS, [(lane + step) % COUNT for lane in range(COUNT)])
            total = builder.fadd(total, builder.shuffle_vector(total, undefined, turned))
        return builder.extract_element(total, ir.Constant(I32, 0))

    return types.float32(vector), generate


@intrinsic
def spread(typing_context, scalar):
    """The same number in all lanes."""

    def generate(context, builder, sig, args):
        return broadcast(builder, context.cast(builder, args[0], sig.args[0], types.float32))

    return vector(scalar), generate


@intrinsic
def iota(typing_context):
    """0, 1, ... 7."""

    def generate(context, builder, sig, args):
        return ir.Constant(FLOATS, [float(lane) for lane in range(COUNT)])

    return vector(), generate


def _memory(context: Any, builder: Any, kind: Any, value: Any) -> Memory:
    return Memory(builder, context.make_array(kind)(context, builder, value).data)


@intrinsic
def load(typing_context, array, index):
    """Eight neighbours."""

    def generate(context, builder, sig, args):
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        return _memory(context, builder, sig.args[0], args[0]).load(index).value

    return vector(array, index), generate


@intrinsic
def store(typing_context, array, index, value):
    """Write eight neighbours."""

    def generate(context, builder, sig, args):
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        _memory(context, builder, sig.args[0], args[0]).store(index, Lanes(builder, args[2]))
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@intrinsic
def float_bits(typing_context, value):
    """The bits of a float32; those of positive numbers sort like the numbers."""

    def generate(context, builder, sig, args):
        return builder.bitcast(args[0], I32)

    return types.uint32(types.float32), generate


@intrinsic
def align_stack(typing_context):
    """Keep spilled vectors of the calling function on 32-byte boundaries (AVX: a quarter faster)."""

    def generate(context, builder, sig, args):
        builder.function.attributes.alignstack = 32
        return context.get_dummy_value()

    return types.void(), generate


@part
def pick_rows(first, end, rows):
    """Numbers of eight splats from `first` on; the last one is repeated. Gives how many there are."""
    lanes = min(COUNT, end - first)
    for lane in range(COUNT):
        rows[lane] = first + min(lane, lanes - 1)
    return lanes
