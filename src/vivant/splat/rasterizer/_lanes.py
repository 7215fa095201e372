"""Eight float32 numbers at once, written as plain Python and traced into LLVM's vectors.

A function under `@traced` runs once, when the kernel that calls it is compiled: its arithmetic on `Lanes`
leaves instructions behind. There is no type inference to wait for, so long formulas compile several times
faster than as numba code. LLVM turns `<8 x float>` into one AVX register, or two of SSE or NEON; loops that it
would have to vectorise by itself ran 4 to 8 times slower.

Products and sums carry the flag that lets LLVM fuse them where the processor can; calling `llvm.fma` is a slow
library call where it cannot. There is no flag for reassociation: formulas are arranged so that needle splats do
not cancel. The same text can be traced in float64, too: see `Memory.widened`.
"""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numba
import numba.extending
from llvmlite import ir
from numba.core import cgutils

COUNT = 8
FLAGS = ("contract", "nsz")
FLOATS = ir.VectorType(ir.FloatType(), COUNT)
DOUBLES = ir.VectorType(ir.DoubleType(), COUNT)
INTS = ir.VectorType(ir.IntType(32), COUNT)
I32, I64 = ir.IntType(32), ir.IntType(64)

Number = float | int
Builder = Any
Value = Any
"""llvmlite's; it carries no types."""

# numba's stubs do not know what is in here.
types: Any = numba.types
intrinsic: Any = numba.extending.intrinsic


def constant(value: Number, kind: ir.VectorType = FLOATS) -> ir.Constant:
    """The same number in all lanes."""
    return ir.Constant(kind, [float(value)] * COUNT)


def broadcast(builder: Builder, scalar: Value) -> Value:
    """A float32, or a float64, in all lanes."""
    undefined = ir.Constant(ir.VectorType(scalar.type, COUNT), ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(I32, 0))
    return _shuffle(builder, first, undefined, [0] * COUNT)


@dataclass(frozen=True)
class Mask:
    """Eight truth values."""

    builder: Builder
    value: Value
    kind: ir.VectorType
    """Of the numbers that were compared."""

    def __and__(self, other: "Mask") -> "Mask":
        return Mask(self.builder, self.builder.and_(self.value, other.value), self.kind)


@dataclass(frozen=True, eq=False)
class Lanes:
    """Eight numbers in a register, or eight float64 in two. Comparisons with NaN are false."""

    builder: Builder
    value: Value

    @property
    def kind(self) -> ir.VectorType:
        """`FLOATS` or `DOUBLES`."""
        return self.value.type

    def narrowed(self) -> "Lanes":
        """Rounded to float32 if they are wider."""
        return Lanes(self.builder, self.builder.fptrunc(self.value, FLOATS)) if self.kind == DOUBLES else self

    def widened(self) -> "Lanes":
        """As float64."""
        return Lanes(self.builder, self.builder.fpext(self.value, DOUBLES)) if self.kind == FLOATS else self

    def beyond_float32(self) -> "Lanes":
        """What rounding to float32 takes away."""
        if self.kind == FLOATS:
            return Lanes(self.builder, constant(0))
        return self - self.narrowed().widened()

    def _operate(self, instruction: str, left: "Lanes | Number", right: "Lanes | Number") -> "Lanes":
        sides = [side.value if isinstance(side, Lanes) else constant(side, self.kind) for side in (left, right)]
        return Lanes(self.builder, getattr(self.builder, instruction)(*sides, flags=FLAGS))

    def __add__(self, other: "Lanes | Number") -> "Lanes":
        return self._operate("fadd", self, other)

    def __radd__(self, other: Number) -> "Lanes":
        return self._operate("fadd", other, self)

    def __sub__(self, other: "Lanes | Number") -> "Lanes":
        return self._operate("fsub", self, other)

    def __rsub__(self, other: Number) -> "Lanes":
        return self._operate("fsub", other, self)

    def __mul__(self, other: "Lanes | Number") -> "Lanes":
        return self._operate("fmul", self, other)

    def __rmul__(self, other: Number) -> "Lanes":
        return self._operate("fmul", other, self)

    def __truediv__(self, other: "Lanes | Number") -> "Lanes":
        return self._operate("fdiv", self, other)

    def __rtruediv__(self, other: Number) -> "Lanes":
        return self._operate("fdiv", other, self)

    def __neg__(self) -> "Lanes":
        return Lanes(self.builder, self.builder.fneg(self.value))

    def _compare(self, sign: str, other: "Lanes | Number") -> Mask:
        right = other.value if isinstance(other, Lanes) else constant(other, self.kind)
        return Mask(self.builder, self.builder.fcmp_ordered(sign, self.value, right), self.kind)

    def __lt__(self, other: "Lanes | Number") -> Mask:
        return self._compare("<", other)

    def __le__(self, other: "Lanes | Number") -> Mask:
        return self._compare("<=", other)

    def __gt__(self, other: "Lanes | Number") -> Mask:
        return self._compare(">", other)

    def __ge__(self, other: "Lanes | Number") -> Mask:
        return self._compare(">=", other)


def where(mask: Mask, yes: Lanes | Number, no: Lanes | Number) -> Lanes:
    """Choose lane by lane."""
    sides = [side.value if isinstance(side, Lanes) else constant(side, mask.kind) for side in (yes, no)]
    return Lanes(mask.builder, mask.builder.select(mask.value, *sides))


def minimum(a: Lanes, b: Lanes | Number) -> Lanes:
    """The smaller; `b` where `a` is NaN."""
    return where(a < b, a, b)


def maximum(a: Lanes, b: Lanes | Number) -> Lanes:
    """The larger; `b` where `a` is NaN."""
    return where(a > b, a, b)


def _intrinsic(name: str, value: Lanes) -> Lanes:
    kind = ir.FunctionType(value.kind, [value.kind])
    suffix = "v8f64" if value.kind == DOUBLES else "v8f32"
    function = cgutils.get_or_insert_function(value.builder.module, kind, f"llvm.{name}.{suffix}")
    return Lanes(value.builder, value.builder.call(function, [value.value]))


def sqrt(value: Lanes) -> Lanes:
    """Square root."""
    return _intrinsic("sqrt", value)


def floor(value: Lanes) -> Lanes:
    """Round down."""
    return _intrinsic("floor", value)


def ceil(value: Lanes) -> Lanes:
    """Round up."""
    return _intrinsic("ceil", value)


def exp2(value: Lanes) -> Lanes:
    """2 to the power of -125 to 126, to 2e-7 of either type: a polynomial for -0.5 to 0.5, exact at 0."""
    if value.kind == DOUBLES:
        return exp2(value.narrowed()).widened()
    builder = value.builder
    whole = _intrinsic("nearbyint", value)
    part, total = value - whole, 1.3264727629796434e-3
    for weight in (9.671512646252805e-3, 5.550733741753384e-2, 0.24022242085258083, 0.6931469776002877, 1.0):
        total = part * total + weight
    exponent = builder.shl(builder.fptosi(whole.value, INTS), ir.Constant(INTS, [23] * COUNT))
    bits = builder.add(builder.bitcast(total.value, INTS), exponent)
    return Lanes(builder, builder.bitcast(bits, FLOATS))


def log2(value: Lanes) -> Lanes:
    """Logarithm of positive normal numbers, to 1e-7 of either type: atanh's series on a mantissa near 1."""
    if value.kind == DOUBLES:
        return log2(value.narrowed()).widened()
    builder = value.builder
    twenty_three = ir.Constant(INTS, [23] * COUNT)
    bits = builder.bitcast(value.value, INTS)
    # 0x3F3504F3 is sqrt(1/2) in bits: the exponent is counted from there.
    exponent = builder.ashr(builder.sub(bits, ir.Constant(INTS, [0x3F3504F3] * COUNT)), twenty_three)
    mantissa = Lanes(builder, builder.bitcast(builder.sub(bits, builder.shl(exponent, twenty_three)), FLOATS))
    share = (mantissa - 1) / (mantissa + 1)
    square, total = share * share, 2 / 9
    for weight in (2 / 7, 2 / 5, 2 / 3, 2.0):
        total = square * total + weight
    return total * share * 1.4426950408889634 + Lanes(builder, builder.sitofp(exponent, FLOATS))


def _shuffle(builder: Builder, first: Value, second: Value, places: list[int]) -> Value:
    """Pick numbers of two vectors that are thought of as one after the other."""
    return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(I32, len(places)), places))


@dataclass(frozen=True)
class Memory:
    """A float32 array of any shape, addressed by flat element numbers; nothing checks the bounds."""

    builder: Builder
    start: Value
    wide: bool = False
    """Whether numbers are read as float64."""

    def widened(self) -> "Memory":
        """The same numbers, read as float64."""
        return Memory(self.builder, self.start, wide=True)

    def _read(self, value: Value) -> Lanes:
        return Lanes(self.builder, value).widened() if self.wide else Lanes(self.builder, value)

    def _pointer(self, index: int | Value) -> Value:
        return self.builder.gep(self.start, [ir.Constant(I64, index) if isinstance(index, int) else index])

    def part(self, start: int | Value) -> "Memory":
        """What begins at an element."""
        return Memory(self.builder, self._pointer(start), self.wide)

    def load(self, index: int | Value) -> Lanes:
        """Eight neighbours."""
        value = self.builder.load(self.builder.bitcast(self._pointer(index), FLOATS.as_pointer()))
        value.align = 4
        return self._read(value)

    def store(self, index: int | Value, lanes: Lanes) -> None:
        """Write eight neighbours, as float32."""
        pointer = self.builder.bitcast(self._pointer(index), FLOATS.as_pointer())
        self.builder.store(lanes.narrowed().value, pointer).align = 4

    def fill(self, index: int | Value, value: Number) -> None:
        """Write one number eight times."""
        self.store(index, Lanes(self.builder, constant(value)))

    def load_three(self, index: int | Value) -> tuple[Lanes, Lanes, Lanes]:
        """Eight neighbouring triples, taken apart."""
        wide = ir.VectorType(ir.FloatType(), 3 * COUNT)
        value = self.builder.load(self.builder.bitcast(self._pointer(index), wide.as_pointer()))
        value.align = 4
        first, second, third = (
            self._read(_shuffle(self.builder, value, value, [3 * lane + i for lane in range(COUNT)]))
            for i in range(3)
        )
        return first, second, third

    def store_three(self, index: int | Value, lanes: tuple[Lanes, Lanes, Lanes]) -> None:
        """Write eight neighbouring triples."""
        wide = ir.VectorType(ir.FloatType(), 3 * COUNT)
        first, second, third = (one.value for one in lanes)
        pair = _shuffle(self.builder, first, second, list(range(2 * COUNT)))
        last = _shuffle(self.builder, third, third, [lane % COUNT for lane in range(2 * COUNT)])
        turns = [2 * COUNT * (i // 2) + COUNT * (i % 2) + lane for lane in range(COUNT) for i in range(3)]
        pointer = self.builder.bitcast(self._pointer(index), wide.as_pointer())
        self.builder.store(_shuffle(self.builder, pair, last, turns), pointer).align = 4

    def number(self, index: int | Value) -> Lanes:
        """One number in all lanes."""
        return self._read(broadcast(self.builder, self.builder.load(self._pointer(index))))

    def gather(self, rows: "Rows", stride: int | Value, offset: int | Value) -> Lanes:
        """One number of each row: `array[rows[lane] * stride + offset]`."""
        builder, value = self.builder, ir.Constant(FLOATS, ir.Undefined)
        stride = ir.Constant(I64, stride) if isinstance(stride, int) else stride
        offset = ir.Constant(I64, offset) if isinstance(offset, int) else offset
        for lane, row in enumerate(rows.numbers):
            number = builder.load(self._pointer(builder.add(builder.mul(row, stride), offset)))
            value = builder.insert_element(value, number, ir.Constant(I32, lane))
        return self._read(value)

    def gather_four(
        self, rows: "Rows", stride: int | Value, offset: int | Value
    ) -> tuple[Lanes, Lanes, Lanes, Lanes]:
        """Four neighbouring numbers of each row: eight loads and eight shuffles in place of 32 of each."""
        pointers, builder = self._fours(rows, stride, offset), self.builder
        parts = [builder.load(pointer) for pointer in pointers]
        for part in parts:
            part.align = 4
        joined = [
            _shuffle(builder, parts[lane], parts[lane + 4], list(range(COUNT))) for lane in range(COUNT // 2)
        ]
        first, second, third, fourth = (self._read(value) for value in _swap_fours(builder, joined))
        return first, second, third, fourth

    def scatter_four(
        self,
        rows: "Rows",
        stride: int | Value,
        offset: int | Value,
        lanes: tuple[Lanes, Lanes, Lanes, Lanes],
    ) -> None:
        """Write four neighbouring numbers of each row, in the order of the rows."""
        builder = self.builder
        joined = _swap_fours(builder, [one.narrowed().value for one in lanes])
        for lane, pointer in enumerate(self._fours(rows, stride, offset)):
            half = joined[lane % 4]
            places = [lane // 4 * 4 + i for i in range(4)]
            builder.store(_shuffle(builder, half, half, places), pointer).align = 4

    def _fours(self, rows: "Rows", stride: int | Value, offset: int | Value) -> list[Value]:
        """Pointers to four neighbours in each row."""
        builder, kind = self.builder, ir.VectorType(ir.FloatType(), 4).as_pointer()
        stride = ir.Constant(I64, stride) if isinstance(stride, int) else stride
        offset = ir.Constant(I64, offset) if isinstance(offset, int) else offset
        places = [builder.add(builder.mul(row, stride), offset) for row in rows.numbers]
        return [builder.bitcast(self._pointer(place), kind) for place in places]


def _swap_fours(builder: Builder, vectors: list[Value]) -> list[Value]:
    """Transpose the 4 x 4 numbers of the lower halves, and those of the upper: rows to columns, and back."""
    low, high = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
    left, right = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
    a, b, c, d = vectors
    ab, cd = _shuffle(builder, a, b, low), _shuffle(builder, c, d, low)
    first, second = _shuffle(builder, ab, cd, left), _shuffle(builder, ab, cd, right)
    ab, cd = _shuffle(builder, a, b, high), _shuffle(builder, c, d, high)
    return [first, second, _shuffle(builder, ab, cd, left), _shuffle(builder, ab, cd, right)]


@dataclass(frozen=True)
class Rows:
    """Eight row numbers."""

    numbers: tuple[Value, ...]

    @staticmethod
    def fixed(*numbers: int) -> "Rows":
        """Known when the kernel is compiled."""
        return Rows(tuple(ir.Constant(I64, number) for number in numbers))


def traced(function: Callable[..., None]) -> Any:
    """Make a function callable from kernels.

    It receives float32 arrays as `Memory`, int64 arrays as `Rows`, float32 numbers as `Lanes`, other integers
    as they are; it returns nothing.
    """

    def define(typing_context: Any, *kinds: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            function(*(_receive(context, builder, *pair) for pair in zip(kinds, values, strict=True)))
            return context.get_dummy_value()

        return types.void(*kinds), generate

    functools.update_wrapper(define, function)
    parameters = inspect.signature(function).parameters.values()
    context = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_ONLY)
    plain = [inspect.Parameter(p.name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for p in parameters]
    define.__signature__ = inspect.Signature([context, *plain])  # pyright: ignore[reportFunctionMemberAccess]
    return intrinsic(define)


def _receive(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    if isinstance(kind, types.Array):
        start = context.make_array(kind)(context, builder, value).data
        if kind.dtype == types.float32:
            return Memory(builder, start)
        numbers = [builder.load(builder.gep(start, [ir.Constant(I64, lane)])) for lane in range(COUNT)]
        return Rows(tuple(numbers))
    if kind == types.float32:
        return Lanes(builder, broadcast(builder, value))
    return context.cast(builder, value, kind, types.int64)
