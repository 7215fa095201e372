"""Pictures of an avatar: one, from all round, or in motion."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.motions import standing
from vivant.animate.posing import pose_avatar
from vivant.animate.studio import Studio
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.records import Avatar, Motion, Pose, Rendering, Splats
from vivant.splat import rasterize

Background = Literal["studio", "white", "black", "transparent"]


@dataclass(frozen=True)
class Shot:
    """How a picture is taken."""

    width: int = 480
    """Pixels."""

    height: int = 640
    """Pixels."""

    azimuth: float = 0.0
    """Degrees round the person: 0 from the front, 90 from the person's left, 180 from behind."""

    elevation: float = 5.0
    """Degrees above the horizon."""

    closeup: Literal["none", "face"] = "none"
    """What fills the picture: the whole person, or the face."""

    background: Background = "studio"
    """What is behind: a light room with a shadow on the floor, a plain colour, or nothing."""

    def __post_init__(self) -> None:
        """Check what a camera can do.

        Raises:
            BadInputError: If a size or an angle is out of range.
        """
        if not (16 <= self.width <= 8192 and 16 <= self.height <= 8192):
            raise BadInputError(
                f"A picture of {self.width} x {self.height} px; 16 to 8192 a side are possible."
            )
        if not -85 <= self.elevation <= 85:
            raise BadInputError(f"An elevation of {self.elevation} degrees; -85 to 85 are possible.")


def draw(avatar: Avatar, shot: Shot | None = None, pose: Pose | None = None) -> Rendering:
    """Draw an avatar once, without background: `color` is premultiplied by `alpha`.

    Args:
        avatar: Whom.
        shot: From where, how large.
        pose: One moment; a relaxed stand if None.

    Raises:
        BadInputError: If the pose is of another rig.
    """
    shot = shot or Shot()
    splats = pose_avatar(avatar, pose or _first(standing(avatar.rig)))
    return rasterize(splats, aim(avatar, [splats], shot))


def picture(
    avatar: Avatar, shot: Shot | None = None, pose: Pose | None = None
) -> Float[Tensor, "height width 4"]:
    """Draw an avatar once, with the shot's background; straight alpha.

    Raises:
        BadInputError: If the pose is of another rig.
    """
    shot = shot or Shot()
    splats = pose_avatar(avatar, pose or _first(standing(avatar.rig)))
    cameras = aim(avatar, [splats], shot)
    return _composed(splats, cameras, Studio.build(shot.background, cameras))


def play(avatar: Avatar, motion: Motion, shot: Shot | None = None) -> Iterator[Float[Tensor, "height width 4"]]:
    """Draw a motion, picture by picture; the camera stands still.

    Raises:
        BadInputError: If the motion is of another rig.
    """
    shot = shot or Shot()
    count = len(motion)
    moments = [pose_avatar(avatar, _moment(motion, i)) for i in range(0, count, max(1, count // 8))]
    cameras = aim(avatar, moments, shot)
    studio = Studio.build(shot.background, cameras)
    for frame in range(count):
        yield _composed(pose_avatar(avatar, _moment(motion, frame)), cameras, studio)


def turntable(
    avatar: Avatar, count: int, shot: Shot | None = None, pose: Pose | None = None
) -> Iterator[Float[Tensor, "height width 4"]]:
    """Draw a full turn round a still avatar, in `count` pictures.

    Raises:
        BadInputError: If the pose is of another rig.
    """
    shot = shot or Shot()
    splats = pose_avatar(avatar, pose or _first(standing(avatar.rig)))
    for step in range(count):
        # The camera goes to the person's right, so that the person seems to turn to the left.
        turned = replace(shot, azimuth=shot.azimuth - 360 * step / count)
        cameras = aim(avatar, [splats], turned)
        yield _composed(splats, cameras, Studio.build(shot.background, cameras))


def aim(avatar: Avatar, moments: list[Splats], shot: Shot) -> Cameras:
    """Place a camera that sees all of some moments, or the face in the first."""
    if shot.closeup == "face":
        target, extent = _face(avatar, moments[0])
    else:
        target, extent = _extent(moments, shot)
    return orbit(
        target,
        [shot.azimuth],
        extent=extent,
        elevation_deg=shot.elevation,
        width=shot.width,
        height=shot.height,
        fov_deg=24.0,
        fill=0.88,
    )


def _extent(moments: list[Splats], shot: Shot) -> tuple[Float[Tensor, "3"], float]:
    """Middle of what is to be seen, and metres that must fit into the picture's height, from whatever side."""
    points = torch.cat([splats.means[splats.opacities > 0.3] for splats in moments])
    points = points if len(points) else torch.cat([splats.means for splats in moments])
    low = torch.tensor([torch.quantile(axis[:: max(1, len(axis) // 100_000)], 0.0005) for axis in points.T])
    high = torch.tensor([torch.quantile(axis[:: max(1, len(axis) // 100_000)], 0.9995) for axis in points.T])
    # The axis of the turntable goes through the trunk, not through the middle of a raised arm.
    middle = torch.tensor([0.0, float(low[1] + high[1]) / 2, 0.0])
    middle[[0, 2]] = points[:, [0, 2]].median(dim=0).values
    reach = float(torch.stack([(low - middle).abs(), (high - middle).abs()]).amax(0)[[0, 2]].norm())
    across = 2 * min(reach, 1.15 * float((high - low)[[0, 2]].max()) / 2 + 0.05)
    return middle, max(float(high[1] - low[1]) + 0.04, across * shot.height / shot.width)


def _face(avatar: Avatar, splats: Splats) -> tuple[Float[Tensor, "3"], float]:
    """Middle and extent of the head: of the splats that the head's joint carries."""
    joint = next((i for i, name in enumerate(avatar.rig.joint_names) if name.lower() == "head"), None)
    if joint is None:
        raise BadInputError("A close-up of the face needs a rig with a joint named `head`; this one has none.")
    weight = (avatar.binding.skin_weights * (avatar.binding.skin_joints == joint)).sum(-1)
    head = splats.means[weight > 0.5]
    if len(head) < 10:
        raise BadInputError(
            f"Only {len(head)} splats belong to the head; a close-up of the face shows nothing."
        )
    low, high = (torch.quantile(head, q, dim=0) for q in (0.02, 0.98))
    return (low + high) / 2, 1.15 * float((high - low)[1])


def _composed(splats: Splats, cameras: Cameras, studio: Studio) -> Float[Tensor, "height width 4"]:
    drawn = rasterize(splats, cameras, normals=False)
    return studio.behind(splats, drawn.color[0].clamp(0, 1), drawn.alpha[0].clamp(0, 1))


def _moment(motion: Motion, frame: int) -> Pose:
    return Pose(motion.pose.local_quats[frame], motion.pose.root[frame])


def _first(motion: Motion) -> Pose:
    return _moment(motion, 0)
