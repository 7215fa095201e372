"""The costs of disorder and their gradients, compiled; each splat sums over its own neighbours."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads, thread_count
from vivant.core.workspace import Workspace
from vivant.reconstruct.regularise import Neighborhood, RegulariseConfig
from vivant.records import Splats
from vivant.splat.rasterizer._lanes import COUNT
from vivant.splat.rasterizer._vectors import load, spread, store

f4 = np.float32
ZERO, HALF, ONE, TWO = f4(0), f4(0.5), f4(1), f4(2)
CHUNKS = 8
"""Sums are taken over so many parts whatever the number of threads, so results do not depend on it."""

FAST = {"contract", "arcp", "nsz"}
SMOOTH, SIZE, NEEDLE, ENTROPY, HOLD = range(5)


def regularity(
    splats: Splats, neighborhood: Neighborhood, config: RegulariseConfig, threads: int | None
) -> Tensor:
    """What disorder costs, with gradient."""
    return _Regularity.apply(
        splats.means,
        splats.log_scales,
        splats.opacity_logits,
        splats.sh,
        neighborhood,
        config,
        threads or thread_count(),
    )  # type: ignore[return-value]


def pull_together(
    splats: Splats, neighborhood: Neighborhood, config: RegulariseConfig, threads: int | None
) -> None:
    """Add the gradient to those of the tables."""
    tables = (splats.means, splats.log_scales, splats.opacity_logits, splats.sh)
    wanted = tables if _looks_count(config) else tables[:2]
    for table in wanted:
        if table.grad is None:
            table.grad = torch.zeros_like(table)
    gradients = [table.grad.view(len(table), -1).numpy() for table in wanted if table.grad is not None]
    _sum_up(tables, gradients, neighborhood, config, threads or thread_count())


class _Regularity(torch.autograd.Function):
    """Both passes at once."""

    @staticmethod
    def forward(
        context: Any, means: Tensor, log_scales: Tensor, logits: Tensor, sh: Tensor,
        neighborhood: Neighborhood, config: RegulariseConfig, threads: int,
    ) -> Tensor:  # fmt: skip
        """Sum and differentiate."""
        tables = (means, log_scales, logits, sh)
        # What costs nothing gets no gradient: autograd would add zeros.
        wanted = tables if _looks_count(config) else tables[:2]
        gradients = [torch.zeros_like(table) for table in wanted]
        flat = [gradient.view(len(gradient), -1).numpy() for gradient in gradients]
        cost = _sum_up(tables, flat, neighborhood, config, threads)
        context.gradients = (*gradients, None, None)[:4]
        return means.new_tensor(cost)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Hand out what was found."""
        factor = float(gradient)
        found = (g if g is None or factor == 1 else g * factor for g in context.gradients)
        return (*found, None, None, None)


def _looks_count(config: RegulariseConfig) -> bool:
    return config.entropy != 0 or config.hold != 0


def _sum_up(
    splats: tuple[Tensor, ...], gradients: list[np.ndarray], neighborhood: Neighborhood,
    config: RegulariseConfig, threads: int,
) -> float:  # fmt: skip
    """Cost of means, log scales, opacity logits and harmonics; adds to gradients of all or of the first two."""
    start, count = neighborhood.start, len(splats[0])
    tables = tuple(map(_table, splats))
    starts = tuple(map(_table, (start.means, start.log_scales, start.opacity_logits, start.sh)))
    weights = np.array([config.smooth, config.size, config.needle, config.entropy, config.hold], f4)
    outs = (*gradients, np.empty((0, 1), f4), np.empty((0, 1), f4))[:4]
    sums = np.zeros((CHUNKS, 5), np.float64)
    # Four numbers a splat, and a spare row, so that eight can be read at any.
    space = Workspace()
    shift = space.take("shift", (count + 1, 4), f4)
    spacing, needle_limit = f4(neighborhood.spacing), f4(math.log(config.needle_limit))
    links = neighborhood.first_link.numpy(), neighborhood.link.numpy()
    limits, hold = neighborhood.log_size_limit.numpy(), neighborhood.hold.numpy()
    threads = min(threads, CHUNKS)

    def prepare(thread: int) -> None:
        begin, end = (count + 1) * thread // threads, (count + 1) * (thread + 1) // threads
        _shift(tables[0], starts[0], f4(1) / spacing, begin, end, shift)

    def work(thread: int) -> None:
        _sweep(shift, *links, tables, starts, limits, hold, spacing, needle_limit, weights,
               len(gradients) == 4, thread, CHUNKS, threads, outs, sums)  # fmt: skip

    run_on_threads(prepare, threads)
    run_on_threads(work, threads)
    return float(sums.sum(0) @ weights.astype(np.float64)) / max(count, 1)


def _table(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy().reshape(len(tensor), -1)


@kernel(fastmath=FAST)
def _shift(means, start, factor, begin, end, out):
    """How far splats are from their start, in units of the spacing; nothing in the spare row."""
    for i in range(begin, end):
        out[i] = ZERO
        if i < means.shape[0]:
            for k in range(3):
                out[i, k] = (means[i, k] - start[i, k]) * factor


@kernel(fastmath=FAST)
def _sweep(
    shift, first_link, link, tables, starts, limits, hold, spacing, needle_limit, weights, looks,
    first, last, step, outs, sums,
):  # fmt: skip
    """All costs and slopes of every so manyth chunk."""
    count = outs[0].shape[0]
    for chunk in range(first, last, step):
        begin, end = count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS
        _places(shift, first_link, link, hold, spacing, weights, begin, end, outs[0], sums[chunk])
        _shapes(tables[1], starts[1], limits, hold, needle_limit, weights, begin, end, outs[1], sums[chunk])
        if looks:
            _looks(
                tables[2], starts[2], tables[3], starts[3], hold, weights, begin, end, outs[2], outs[3],
                sums[chunk],
            )  # fmt: skip


@kernel(fastmath=FAST)
def _places(shift, first_link, link, hold, spacing, weights, begin, end, out, sums):
    """Neighbours' shifts, and the shift itself."""
    smooth, held, count = 0.0, 0.0, f4(out.shape[0])
    by_links = TWO * weights[SMOOTH] / (spacing * count)
    scratch = np.empty(2 * COUNT, np.float32)
    for i in range(begin, end):
        x, y, z = shift[i, 0], shift[i, 1], shift[i, 2]
        own, pull, length = load(shift, 4 * i), spread(ZERO), spread(ZERO)
        for at in range(first_link[i], first_link[i + 1]):
            away = own - load(shift, 4 * link[at])
            pull = pull + away
            length = length + away * away
        # The other lanes hold what belongs to the next row.
        store(scratch, 0, pull)
        store(scratch, COUNT, length)
        gx, gy, gz = scratch[0], scratch[1], scratch[2]
        squares = scratch[COUNT] + scratch[COUNT + 1] + scratch[COUNT + 2]
        # A link stands at both its ends, with half its cost at each.
        smooth += HALF * squares
        held += hold[i] * (x * x + y * y + z * z)
        by_hold = TWO * weights[HOLD] * hold[i] / (spacing * count)
        out[i, 0] += by_links * gx + by_hold * x
        out[i, 1] += by_links * gy + by_hold * y
        out[i, 2] += by_links * gz + by_hold * z
    sums[SMOOTH] += smooth
    sums[HOLD] += held


@kernel(fastmath=FAST)
def _shapes(scales, start, limits, hold, needle_limit, weights, begin, end, out, sums):
    """Too large, too thin, and away from the start."""
    size, needle, held, count = 0.0, 0.0, 0.0, f4(out.shape[0])
    for i in range(begin, end):
        s0, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        most = max(s0, max(s1, s2))
        above = max(most - limits[i], ZERO)
        thin = max(most - max(min(s0, s1), min(max(s0, s1), s2)) - needle_limit, ZERO)
        if weights[HOLD] == 0 and above == 0 and thin == 0:
            # Nearly all splats are in order.
            continue
        largest = 0 if s0 == most else (1 if s1 == most else 2)
        middle = 1 if largest == 0 else 0
        for k in range(3):
            if k != largest and scales[i, k] > scales[i, middle]:
                middle = k
        squares = ZERO
        for k in range(3):
            away = scales[i, k] - start[i, k]
            squares += away * away
            out[i, k] += TWO * weights[HOLD] * hold[i] * away / count
        held += hold[i] * squares
        size += above * above
        needle += thin * thin
        out[i, largest] += TWO * (weights[SIZE] * above + weights[NEEDLE] * thin) / count
        out[i, middle] -= TWO * weights[NEEDLE] * thin / count
    sums[SIZE] += size
    sums[NEEDLE] += needle
    sums[HOLD] += held


@kernel(fastmath=FAST)
def _looks(logits, logits_start, sh, sh_start, hold, weights, begin, end, to_logits, to_sh, sums):
    """Entropy of opacity, and opacity and colour away from the start."""
    entropy, held, count = 0.0, 0.0, f4(sh.shape[0])
    for i in range(begin, end):
        x = logits[i, 0]
        away = x - logits_start[i, 0]
        squares = away * away
        to_logits[i, 0] += TWO * weights[HOLD] * hold[i] * away / count
        if weights[ENTROPY] != 0:
            # With o = 1 / (1 + exp(-x)): the entropy is log(1 + exp(|x|)) - |x| o(|x|), its slope -x o (1 - o).
            size = abs(x)
            small = math.exp(-size)
            likely = ONE / (ONE + small)
            entropy += math.log1p(small) + size * (ONE - likely)
            to_logits[i, 0] -= weights[ENTROPY] * x * likely * (ONE - likely) / count
        for k in range(sh.shape[1]):
            away = sh[i, k] - sh_start[i, k]
            squares += away * away
            to_sh[i, k] += TWO * weights[HOLD] * hold[i] * away / count
        held += hold[i] * squares
    sums[ENTROPY] += entropy
    sums[HOLD] += held
