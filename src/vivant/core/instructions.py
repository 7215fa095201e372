"""Machine instructions that numba has no name for, for all kernels.

Arrays are addressed by flat element numbers and must be C-contiguous; nothing checks the bounds.
"""

from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba.core import cgutils

# numba's stubs do not know these modules' contents.
types: Any = numba.types
intrinsic: Any = numba.extending.intrinsic

I32, I64 = ir.IntType(32), ir.IntType(64)


@intrinsic
def take_ticket(typing_context, counter):
    """Raise `counter[0]` by one for all threads, and give what it was."""

    def generate(context, builder, sig, args):
        start = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", start, ir.Constant(I64, 1), "monotonic")

    return types.int64(counter), generate


@intrinsic
def trailing_zeros(typing_context, value):
    """How many low bits are 0."""

    def generate(context, builder, sig, args):
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def leading_zeros(typing_context, value):
    """How many high bits are 0."""

    def generate(context, builder, sig, args):
        return builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@intrinsic
def prefetch(typing_context, array, index):
    """Ask the memory for what will be read soon."""

    def generate(context, builder, sig, args):
        return _prefetch(context, builder, sig, args, writes=0)

    return types.void(array, index), generate


@intrinsic
def prefetch_to_write(typing_context, array, index):
    """Ask the memory for what will be written soon."""

    def generate(context, builder, sig, args):
        return _prefetch(context, builder, sig, args, writes=1)

    return types.void(array, index), generate


def _prefetch(context: Any, builder: Any, sig: Any, args: Any, writes: int) -> Any:
    index = context.cast(builder, args[1], sig.args[1], types.intp)
    start = context.make_array(sig.args[0])(context, builder, args[0]).data
    place = builder.bitcast(builder.gep(start, [index]), ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, I32, I32, I32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [place, *(ir.Constant(I32, number) for number in (writes, 3, 1))])
    return context.get_dummy_value()
