"""Skinning of splats on the CPU: compiled, on threads, as one node of autograd's graph."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from vivant.core.threads import run_on_threads, thread_count
from vivant.records import Binding, Splats
from vivant.splat.skinning._blending import ROW, blend_dual, blend_linear, joints_exist
from vivant.splat.skinning._carrying import carry, carry_back, gather_joints
from vivant.splat.skinning._joints import refuse_missing_joints
from vivant.splat.skinning._reference import dual_quats_from_transforms
from vivant.splat.skinning._turning_harmonics import turn_sh

CHUNKS = 8
"""Splats are divided into so many parts whatever the number of threads, so sums do not depend on it."""

f4 = np.float32


def pose(splats: Splats, binding: Binding, world_from_rest: Tensor, blend: str, threads: int | None) -> Splats:
    """Carry splats to a pose."""
    means, quats, sh = _Pose.apply(
        splats.means, splats.quats, splats.sh, world_from_rest, binding, blend, threads or thread_count()
    )  # type: ignore[misc]
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, sh)


class _Pose(torch.autograd.Function):
    """Skinning as one node of the graph."""

    @staticmethod
    def forward(
        context: Any, means: Tensor, quats: Tensor, sh: Tensor, transforms: Tensor,
        binding: Binding, blend: str, threads: int,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Blend, find the turns, carry."""
        arrays = [_array(value) for value in (means, quats, sh)]
        joints = _array(binding.skin_joints, torch.int64)
        weights = _array(binding.skin_weights)
        dual = blend == "dual_quaternion"
        table = _table(transforms, dual)
        count = len(means)
        affine, turns = np.empty((count, ROW), f4), np.empty((count, 4), f4)
        posed = [np.empty_like(array) for array in arrays]

        sound = np.zeros(CHUNKS, np.bool_)

        def work(first: int, last: int, chunk: int) -> None:
            sound[chunk] = joints_exist(joints, first, last, len(table))
            if not sound[chunk]:
                return
            if dual:
                blend_dual(joints, weights, table, first, last, affine, turns)
            else:
                blend_linear(joints, weights, table, first, last, affine, turns)
            carry(arrays[0], arrays[1], first, last, affine, turns, posed[0], posed[1])
            if sh.shape[1] > 1:
                turn_sh(arrays[2], first, last, turns, False, posed[2])

        _in_chunks(work, count, threads)
        if not sound.all():
            refuse_missing_joints(binding, len(table))
        if sh.shape[1] == 1:
            posed[2] = arrays[2]
        context.kept = (arrays, joints, weights, affine, turns, len(transforms), threads)
        return tuple(map(torch.from_numpy, posed))  # type: ignore[return-value]

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """Carry gradients back to rest, and to the joints if they are asked for."""
        arrays, joints, weights, affine, turns, num_joints, threads = context.kept
        means, quats, sh = arrays
        g_means, g_quats, g_sh = (_array(gradient) for gradient in gradients)
        count, bands = len(means), sh.shape[1]
        to_means, to_quats = np.empty_like(means), np.empty_like(quats)
        to_sh = g_sh if bands == 1 else np.empty_like(sh)
        to_joints = np.zeros((CHUNKS, num_joints, 12), f4)
        wants_joints = context.needs_input_grad[3]

        def work(first: int, last: int, chunk: int) -> None:
            carry_back(g_means, g_quats, first, last, affine, turns, to_means, to_quats)
            if bands > 1:
                turn_sh(g_sh, first, last, turns, True, to_sh)
            if wants_joints:
                gather_joints(means, quats, g_means, g_quats, first, last, affine, turns, joints, weights,
                               to_joints[chunk])  # fmt: skip

        _in_chunks(work, count, threads)
        to_transforms = None
        if wants_joints:
            to_transforms = torch.zeros(num_joints, 4, 4)
            summed = to_joints.sum(0, dtype=np.float64).astype(f4).reshape(-1, 3, 4)
            to_transforms[:, :3] = torch.from_numpy(summed)
        return (
            torch.from_numpy(to_means), torch.from_numpy(to_quats), torch.from_numpy(to_sh), to_transforms,
            None, None, None,
        )  # fmt: skip


def _array(tensor: Tensor, dtype: torch.dtype = torch.float32) -> np.ndarray:
    return tensor.detach().to(dtype).contiguous().numpy()


def _table(transforms: Tensor, dual: bool) -> np.ndarray:
    """What is blended, one row a joint: 12 numbers of the matrix, or 8 of the dual quaternion."""
    if dual:
        return _array(torch.cat(dual_quats_from_transforms(transforms.detach().double()), dim=1))
    # Filled up to two vectors a row.
    table = np.zeros((len(transforms), ROW), f4)
    table[:, :12] = transforms.detach().numpy()[:, :3].reshape(-1, 12)
    return table


def _in_chunks(work: Any, count: int, threads: int) -> None:
    def on_thread(thread: int) -> None:
        for chunk in range(thread, CHUNKS, threads):
            work(count * chunk // CHUNKS, count * (chunk + 1) // CHUNKS, chunk)

    run_on_threads(on_thread, min(threads, CHUNKS))
