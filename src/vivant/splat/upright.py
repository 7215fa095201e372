"""The half turn between our world and the splat files of others.

Captures made from photos have their y axis down, so viewers turn such files by 180 degrees about z. Our world
has y up: it is turned before it is written, else people would stand on their heads.
"""

from vivant.core.rotations import multiply_quats
from vivant.records import Splats

HALF_TURN = (0.0, 0.0, 0.0, 1.0)
"""By 180 degrees about z, as a quaternion."""

TURNED_SIGNS = (1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1)
"""What the same turn does to harmonics: those with x and y together in odd powers change their sign."""


def turn_half(splats: Splats) -> Splats:
    """Turn everything by 180 degrees about z; twice is nothing."""
    means = splats.means * splats.means.new_tensor([-1.0, -1.0, 1.0])
    quats = multiply_quats(splats.quats.new_tensor(HALF_TURN).expand_as(splats.quats), splats.quats)
    signs = splats.sh.new_tensor(TURNED_SIGNS[: splats.sh.shape[1]])
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, splats.sh * signs[:, None])
