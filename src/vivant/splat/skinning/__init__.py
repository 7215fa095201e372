"""The door of splat skinning: splats at rest in, posed splats out, with gradients."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.core.errors import BadInputError
from vivant.records import Binding, Splats
from vivant.splat.harmonics import BAND_COUNTS
from vivant.splat.skinning._joints import refuse_missing_joints

__all__ = ["Blend", "SkinningBackend", "pose_splats"]

Blend = Literal["linear", "dual_quaternion"]
SkinningBackend = Literal["auto", "reference", "numba"]


def pose_splats(
    splats: Splats,
    binding: Binding,
    world_from_rest: Float[Tensor, "joints 4 4"],
    *,
    blend: Blend = "linear",
    backend: SkinningBackend = "auto",
    threads: int | None = None,
) -> Splats:
    """Carry splats from rest to one pose: centres by the blended transform, axes and harmonics by its rotation.

    Gradients go to means, quaternions, harmonics and transforms; not from the harmonics to the transforms, for
    a highlight that turns by a degree tells little about a joint. Scales and opacities stay as they are.

    Args:
        splats: At rest.
        binding: Its skin joints and weights are used.
        world_from_rest: One rigid transform a joint, as `vivant.body.forward_kinematics` gives them.
        blend: `linear` is what viewers and game engines do. `dual_quaternion` (Kavan 2007) keeps the volume
            of twisted wrists and shoulders, and bulges at strongly bent ones.
        backend: `auto` takes numba on the CPU, but the reference where dual quaternions need
            gradients to the transforms.
        threads: Of the numba backend, at most so many; all processors if None. Results do not depend on it.

    Raises:
        BadInputError: If counts differ, a joint does not exist, or a backend cannot do what is asked.
    """
    expect_counts("pose_splats", splats=len(splats), binding=len(binding.face))
    if splats.sh.shape[1] not in BAND_COUNTS:
        raise BadInputError(f"`sh` has {splats.sh.shape[1]} bands; 1, 4, 9 or 16 are possible.")
    dual_with_gradient = (
        blend == "dual_quaternion" and torch.is_grad_enabled() and world_from_rest.requires_grad
    )
    if backend == "auto":
        # Compiled code knows float32 on the CPU; a float64 test or another device gets plain torch.
        compiled = splats.means.device.type == "cpu" and splats.means.dtype == torch.float32
        backend = "numba" if compiled and not dual_with_gradient else "reference"
    if backend == "reference":
        from vivant.splat.skinning import _reference

        refuse_missing_joints(binding, len(world_from_rest))
        return _reference.pose(splats, binding, world_from_rest, blend)
    if dual_with_gradient:
        raise BadInputError(
            "The numba backend has no gradient from dual quaternions to transforms; use `reference`."
        )
    if splats.means.device.type != "cpu" or splats.means.dtype != torch.float32:
        raise BadInputError(
            f"The numba backend needs float32 on the CPU, got {splats.means.dtype} on {splats.means.device}."
        )
    from vivant.splat.skinning import _numba

    return _numba.pose(splats, binding, world_from_rest, blend, threads)
