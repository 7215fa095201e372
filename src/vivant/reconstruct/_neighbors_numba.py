"""How much of their skin weights neighbours share, compiled."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.jit import kernel
from vivant.core.threads import run_on_threads, thread_count
from vivant.records import Binding


def shared_weights(
    binding: Binding, others: Int[Tensor, "splats neighbors"], threads: int | None
) -> Float[Tensor, "splats neighbors"]:
    """For each splat and each of its neighbours, the sum over joints of the smaller weight: 0 to 1."""
    joints, weights = binding.skin_joints.contiguous().numpy(), binding.skin_weights.contiguous().numpy()
    others_array, most = others.contiguous().numpy(), threads or thread_count()
    shared = np.empty(others_array.shape, np.float32)

    def work(thread: int) -> None:
        begin, end = len(others) * thread // most, len(others) * (thread + 1) // most
        _share(joints, weights, others_array, begin, end, shared)

    run_on_threads(work, most)
    return torch.from_numpy(shared)


@kernel
def _share(joints, weights, others, begin, end, shared):
    """A joint may stand several times in a row; its weights add up."""
    influences = joints.shape[1]
    own = np.zeros(influences, np.float32)
    for i in range(begin, end):
        for a in range(influences):
            own[a] = _weight_from(joints, weights, i, joints[i, a], a)
        for column in range(others.shape[1]):
            total = np.float32(0)
            for a in range(influences):
                if own[a] != 0:
                    total += min(own[a], _weight_from(joints, weights, others[i, column], joints[i, a], 0))
            shared[i, column] = total


@kernel
def _weight_from(joints, weights, splat, joint, first):
    """A joint's weight in a row; 0 if the joint stands before place `first`, for then it was counted there."""
    total = np.float32(0)
    for place in range(joints.shape[1]):
        if joints[splat, place] == joint:
            if place < first:
                return np.float32(0)
            total += weights[splat, place]
    return total
