"""Eight float32 numbers at once: a vector type for numba, lowered to LLVM's vectors.

LLVM turns `<8 x float>` into one AVX register, two of SSE or NEON, so kernels are written once. Loops that LLVM would
have to vectorise by itself ran 4 to 8 times slower. Products and sums carry the flag that lets LLVM fuse them where the processor can; calling
`llvm.fma` itself is a slow library call where it cannot.

Arrays are addressed by flat element numbers and must be C-contiguous; nothing checks the bounds.
"""

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, models, register_model

LANES = 8
FLAGS = ("contract", "nsz")
"""No reassociation: formulas are arranged so that needle splats do not cancel."""

FLOATS = ir.VectorType(ir.FloatType(), LANES)
INTS = ir.VectorType(ir.IntType(32), LANES)
I32 = ir.IntType(32)


class Vector(types.Type):
    """numba's name for eight float32 numbers."""

    def __init__(self) -> None:
        super().__init__(name="float32x8")


vector = Vector()


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """Kept in a register."""

    def __init__(self, manager, fe_type) -> None:
        super().__init__(manager, fe_type, FLOATS)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(FLOATS, [float(value)] * LANES)


def _broadcast(builder, scalar):
    undefined = ir.Constant(FLOATS, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(INTS, [0] * LANES))


def _call(builder, name, *args):
    kind = ir.FunctionType(FLOATS, [FLOATS] * len(args))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v8f32"), args)


def _pointer(context, builder, array_type, array, index):
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])


def _define_operator(python_operator, instruction: str) -> None:
    """Let numba type and lower `a op b` where both are vectors, or one is a float32."""

    @infer_global(python_operator)
    class Typing(ConcreteTemplate):
        cases = [
            signature(vector, vector, vector),
            signature(vector, vector, types.float32),
            signature(vector, types.float32, vector),
        ]

    def lower(context, builder, sig, args):
        sides = [
            side if kind is vector or isinstance(kind, Vector) else _broadcast(builder, side)
            for side, kind in zip(args, sig.args, strict=True)
        ]
        return getattr(builder, instruction)(*sides, flags=FLAGS)

    lower_builtin(python_operator, Vector, Vector)(lower)
    lower_builtin(python_operator, Vector, types.float32)(lower)
    lower_builtin(python_operator, types.float32, Vector)(lower)


for _operator, _instruction in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define_operator(_operator, _instruction)


@infer_global(operator.neg)
class _Negation(ConcreteTemplate):
    cases = [signature(vector, vector)]


@lower_builtin(operator.neg, Vector)
def _lower_negation(context, builder, sig, args):
    return builder.fneg(args[0])


def _define_unary(name: str, build):
    @intrinsic
    def unary(typing_context, value):
        def generate(context, builder, sig, args):
            return build(builder, args[0])

        return vector(vector), generate

    unary.__name__ = name
    return unary


def _build_exp2(builder, value):
    """2 to the power of -125 to 126, to 2e-7: a minimax polynomial within -0.5 to 0.5, exact at 0."""
    whole = _call(builder, "nearbyint", value)
    part = builder.fsub(value, whole)
    total = _constant(1.3264727629796434e-3)
    for weight in (
        9.671512646252805e-3,
        5.550733741753384e-2,
        2.4022242085258083e-1,
        6.931469776002877e-1,
        1.0,
    ):
        total = builder.fadd(builder.fmul(total, part, flags=FLAGS), _constant(weight), flags=FLAGS)
    exponent = builder.shl(builder.fptosi(whole, INTS), ir.Constant(INTS, [23] * LANES))
    return builder.bitcast(builder.add(builder.bitcast(total, INTS), exponent), FLOATS)


def _build_log2(builder, value):
    """Logarithm of positive normal numbers, to 1e-7: atanh's series on a mantissa within sqrt(1/2) to sqrt(2)."""

    def ints(number):
        return ir.Constant(INTS, [number] * LANES)

    bits = builder.bitcast(value, INTS)
    # 0x3F3504F3 is sqrt(1/2): the exponent is counted from there.
    shifted = builder.sub(bits, ints(0x3F3504F3))
    exponent = builder.ashr(shifted, ints(23))
    mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, ints(23))), FLOATS)
    above = builder.fsub(mantissa, _constant(1.0))
    share = builder.fdiv(above, builder.fadd(mantissa, _constant(1.0)))
    square = builder.fmul(share, share)
    total = _constant(2 / 9)
    for weight in (2 / 7, 2 / 5, 2 / 3, 2.0):
        total = builder.fadd(builder.fmul(total, square, flags=FLAGS), _constant(weight), flags=FLAGS)
    natural = builder.fmul(total, share, flags=FLAGS)
    return builder.fadd(
        builder.fmul(natural, _constant(1.4426950408889634), flags=FLAGS),
        builder.sitofp(exponent, FLOATS),
        flags=FLAGS,
    )


exp2 = _define_unary("exp2", _build_exp2)
log2 = _define_unary("log2", _build_log2)
sqrt = _define_unary("sqrt", lambda builder, value: _call(builder, "sqrt", value))
floor = _define_unary("floor", lambda builder, value: _call(builder, "floor", value))
ceil = _define_unary("ceil", lambda builder, value: _call(builder, "ceil", value))


def _define_select(comparison: str):
    """`f(a, b, x, y)` gives x where `a comparison b`, else (NaN included) y."""

    @intrinsic
    def select(typing_context, a, b, x, y):
        def generate(context, builder, sig, args):
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[2], args[3])

        return vector(vector, vector, vector, vector), generate

    return select


where_ge, where_le, where_gt, where_lt = (_define_select(c) for c in (">=", "<=", ">", "<"))


def _define_pick(comparison: str):
    @intrinsic
    def pick(typing_context, a, b):
        def generate(context, builder, sig, args):
            return builder.select(builder.fcmp_ordered(comparison, args[0], args[1]), args[0], args[1])

        return vector(vector, vector), generate

    return pick


minimum, maximum = _define_pick("<"), _define_pick(">")
"""Where `a` is NaN they give `b`."""


@intrinsic
def bits_ge(typing_context, a, b):
    """One bit a lane: whether `a >= b`."""

    def generate(context, builder, sig, args):
        mask = builder.bitcast(builder.fcmp_ordered(">=", args[0], args[1]), ir.IntType(LANES))
        return builder.zext(mask, I32)

    return types.uint32(vector, vector), generate


@intrinsic
def sum_lanes(typing_context, value):
    """Sum of the eight, always in the same order."""

    def generate(context, builder, sig, args):
        total, undefined = args[0], ir.Constant(FLOATS, ir.Undefined)
        for step in (4, 2, 1):
            turned = [(lane + step) % LANES for lane in range(LANES)]
            total = builder.fadd(total, builder.shuffle_vector(total, undefined, ir.Constant(INTS, turned)))
        return builder.extract_element(total, ir.Constant(I32, 0))

    return types.float32(vector), generate


@intrinsic
def spread(typing_context, scalar):
    """The same number in all lanes."""

    def generate(context, builder, sig, args):
        return _broadcast(builder, context.cast(builder, args[0], sig.args[0], types.float32))

    return vector(scalar), generate


@intrinsic
def iota(typing_context):
    """0, 1, ... 7."""

    def generate(context, builder, sig, args):
        return ir.Constant(FLOATS, [float(lane) for lane in range(LANES)])

    return vector(), generate


@intrinsic
def load(typing_context, array, index):
    """Eight neighbours."""

    def generate(context, builder, sig, args):
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = _pointer(context, builder, sig.args[0], args[0], index)
        value = builder.load(builder.bitcast(pointer, FLOATS.as_pointer()))
        value.align = 4
        return value

    return vector(array, index), generate


@intrinsic
def store(typing_context, array, index, value):
    """Write eight neighbours."""

    def generate(context, builder, sig, args):
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = _pointer(context, builder, sig.args[0], args[0], index)
        builder.store(args[2], builder.bitcast(pointer, FLOATS.as_pointer())).align = 4
        return context.get_dummy_value()

    return types.void(array, index, vector), generate


@intrinsic
def gather(typing_context, array, rows, stride, offset):
    """One number of each of eight rows: `array[rows[lane] * stride + offset]`."""

    def generate(context, builder, sig, args):
        stride = context.cast(builder, args[2], sig.args[2], types.intp)
        offset = context.cast(builder, args[3], sig.args[3], types.intp)
        value = ir.Constant(FLOATS, ir.Undefined)
        for lane in range(LANES):
            row = builder.load(
                _pointer(context, builder, sig.args[1], args[1], ir.Constant(ir.IntType(64), lane))
            )
            index = builder.add(builder.mul(row, stride), offset)
            number = builder.load(_pointer(context, builder, sig.args[0], args[0], index))
            value = builder.insert_element(value, number, ir.Constant(I32, lane))
        return value

    return vector(array, rows, stride, offset), generate


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
def float_bits(typing_context, value):
    """The bits of a float32; those of positive numbers sort like the numbers."""

    def generate(context, builder, sig, args):
        return builder.bitcast(args[0], I32)

    return types.uint32(types.float32), generate


@intrinsic
def take_ticket(typing_context, counter):
    """Raise `counter[0]` by one for all threads, and give what it was."""

    def generate(context, builder, sig, args):
        pointer = _pointer(context, builder, sig.args[0], args[0], ir.Constant(ir.IntType(64), 0))
        return builder.atomic_rmw("add", pointer, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(counter), generate


@intrinsic
def prefetch(typing_context, array, index):
    """Ask the memory for what will be read or written soon."""

    def generate(context, builder, sig, args):
        index = context.cast(builder, args[1], sig.args[1], types.intp)
        pointer = _pointer(context, builder, sig.args[0], args[0], index)
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, I32, I32, I32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, ir.Constant(I32, 0), ir.Constant(I32, 3), ir.Constant(I32, 1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


@intrinsic
def align_stack(typing_context):
    """Keep spilled vectors of the calling function on 32-byte boundaries (AVX: a quarter faster)."""

    def generate(context, builder, sig, args):
        builder.function.attributes.alignstack = 32
        return context.get_dummy_value()

    return types.void(), generate
