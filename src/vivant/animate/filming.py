"""Pictures of an avatar: one, from all round, or in motion."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate.face import with_expressions
from vivant.animate.motions import standing
from vivant.animate.posing import pose_avatar
from vivant.animate.studio import Studio
from vivant.core.cameras import Cameras, orbit
from vivant.core.errors import BadInputError
from vivant.core.threads import in_turn
from vivant.records import Avatar, Motion, Pose, Rendering, Splats
from vivant.splat import Blend, rasterize

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

    skinning: Blend = "linear"
    """How joints blend: as viewers and engines do it, or dual quaternions, which keep the volume of twisted
    wrists and shoulders."""

    def __post_init__(self) -> None:
        """Check what a camera can do.

        Raises:
            BadInputError: If a size or an angle is out of range.
        """
        if not (16 <= self.width <= 8192 and 16 <= self.height <= 8192):
            raise BadInputError(
                f"A picture of {self.width} x {self.height} px; 16 to 8192 a side are possible."
            )
        if not math.isfinite(self.azimuth):
            raise BadInputError(f"An azimuth of {self.azimuth} degrees; a number is needed.")
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
    splats = pose_avatar(avatar, pose or standing(avatar.rig), blend=shot.skinning)
    return rasterize(splats, aim(avatar, [splats], shot))


def picture(
    avatar: Avatar, shot: Shot | None = None, pose: Pose | None = None
) -> Float[Tensor, "height width 4"]:
    """Draw an avatar once, with the shot's background; straight alpha.

    Raises:
        BadInputError: If the pose is of another rig.
    """
    shot = shot or Shot()
    splats = pose_avatar(avatar, pose or standing(avatar.rig), blend=shot.skinning)
    cameras = aim(avatar, [splats], shot)
    return _composed(splats, cameras, _studio(shot))


def play(avatar: Avatar, motion: Motion, shot: Shot | None = None) -> Iterator[Float[Tensor, "height width 4"]]:
    """Draw a motion, picture by picture; the camera stands still.

    Raises:
        BadInputError: If the motion is of another rig.
    """
    shot = shot or Shot()
    cameras = aim(avatar, _sampled(avatar, motion), shot)
    studio, posed = _studio(shot), _posing(avatar, motion, shot.skinning)
    yield from in_turn(lambda frame: _composed(posed(frame), cameras, studio), len(motion))


def posed_frames(avatar: Avatar, motion: Motion, blend: Blend = "linear") -> Iterator[Splats]:
    """An avatar's splats in each frame of a motion, its face included.

    Raises:
        BadInputError: If the motion is of another rig.
    """
    posed = _posing(avatar, motion, blend)
    for frame in range(len(motion)):
        yield posed(frame)


def _posing(avatar: Avatar, motion: Motion, blend: Blend) -> Callable[[int], Splats]:
    """What poses an avatar as in one frame of a motion."""
    expressions = None
    if motion.actions is not None:
        avatar, expressions = with_expressions(avatar, motion.action_names)

    def posed(frame: int) -> Splats:
        weights = None if motion.actions is None else motion.actions[frame]
        return pose_avatar(avatar, _moment(motion, frame), expressions, weights, blend=blend)

    return posed


def turntable(
    avatar: Avatar, count: int, shot: Shot | None = None, pose: Pose | None = None
) -> Iterator[Float[Tensor, "height width 4"]]:
    """Draw a full turn round a still avatar, in `count` pictures.

    Raises:
        BadInputError: If the pose is of another rig.
    """
    shot = shot or Shot()
    splats = pose_avatar(avatar, pose or standing(avatar.rig), blend=shot.skinning)
    cameras = aim(avatar, [splats], shot, [-360 * step / count for step in range(count)])
    studio = _studio(shot)
    yield from in_turn(lambda step: _composed(splats, cameras[step], studio), count)


def showreel(
    avatar: Avatar, motion: Motion, turn_frames: int, shot: Shot | None = None
) -> Iterator[Float[Tensor, "height width 4"]]:
    """Draw a full turn round an avatar, then a motion, without a cut between them.

    Raises:
        BadInputError: If the motion is of another rig.
    """
    shot = shot or Shot()
    moments = _sampled(avatar, motion)
    # Backwards, so that the person seems to turn to the left; slow at the start and the end.
    eased = [-360 * _eased(step / turn_frames) for step in range(turn_frames)]
    cameras = aim(avatar, moments, shot, [*eased, 0.0])
    studio, posed = _studio(shot), _posing(avatar, motion, shot.skinning)
    first = pose_avatar(avatar, _moment(motion, 0), blend=shot.skinning)
    yield from in_turn(lambda step: _composed(first, cameras[step], studio), turn_frames)
    yield from in_turn(lambda frame: _composed(posed(frame), cameras[turn_frames], studio), len(motion))


def aim(avatar: Avatar, moments: list[Splats], shot: Shot, turns: list[float] | None = None) -> Cameras:
    """Place a camera that sees all of some moments, or the face in the first.

    Args:
        avatar: Whom.
        moments: In which poses.
        shot: From where, how large.
        turns: Degrees to go round from there, one camera each; all fits from every side. None: one camera.
    """
    if shot.closeup == "face":
        target, extent = _face(avatar, moments[0])
    else:
        target, extent = _whole(moments, shot, all_round=turns is not None)
    return orbit(
        target,
        [shot.azimuth + turn for turn in turns or [0.0]],
        extent=extent,
        elevation_deg=shot.elevation,
        width=shot.width,
        height=shot.height,
        fov_deg=24.0,
        fill=0.9,
    )


def _whole(moments: list[Splats], shot: Shot, all_round: bool) -> tuple[Float[Tensor, "3"], float]:
    """Middle of what is to be seen, and metres that must fit into the picture's height."""
    angle = math.radians(shot.azimuth)
    right = torch.tensor([math.cos(angle), 0, -math.sin(angle)])
    up, ahead = torch.tensor([0.0, 1.0, 0.0]), torch.tensor([math.sin(angle), 0, math.cos(angle)])
    axes = torch.stack([right, up, ahead])
    places = [_solid(splats) @ axes.T for splats in moments]
    # One in two thousand may lie outside: a stray splat must not shrink the person. Each moment for itself,
    # as a hand that is raised for a moment is few of all splats.
    low = torch.stack([torch.quantile(place, 0.0005, dim=0) for place in places]).amin(0)
    high = torch.stack([torch.quantile(place, 0.9995, dim=0) for place in places]).amax(0)
    middle, size = (low + high) / 2, high - low
    across = float(size[0])
    if all_round:
        # The axis goes through the trunk, not through the middle of a raised arm.
        middle[[0, 2]] = torch.cat(places)[:, [0, 2]].median(dim=0).values
        across = 2 * float(torch.stack([high - middle, middle - low])[:, [0, 2]].max())
    return middle @ axes, max(float(size[1]), across * shot.height / shot.width) + 0.04


def _solid(splats: Splats) -> Float[Tensor, "places 3"]:
    """Some places where there is something to see."""
    solid = splats.means[splats.opacities > 0.3][::5]
    return (solid if len(solid) else splats.means)[:1_000_000]


def _face(avatar: Avatar, splats: Splats) -> tuple[Float[Tensor, "3"], float]:
    """Middle and extent of the head: the rig's head tells the size, splats that lie on it tell the place."""
    rig, binding = avatar.rig, avatar.binding
    joint = next((i for i, name in enumerate(rig.joint_names) if name.lower() == "head"), None)
    if joint is None:
        raise BadInputError("A close-up of the face needs a rig with a joint named `head`; this one has none.")
    of_head = (rig.skin_weights * (rig.skin_joints == joint)).sum(-1) > 0.5
    height = float(rig.verts[of_head, 1].max() - rig.verts[of_head, 1].min()) if bool(of_head.any()) else 0.3
    # Long hair hangs far down; what stands off the skin is not counted.
    near = binding.offset.norm(dim=-1) < 0.02
    head = splats.means[of_head[rig.faces].all(1)[binding.face] & near]
    if len(head) < 10:
        raise BadInputError(f"Only {len(head)} splats lie on the head; a close-up of the face shows nothing.")
    low, high = (torch.quantile(head, q, dim=0) for q in (0.02, 0.98))
    return (low + high) / 2, 1.4 * height


def _studio(shot: Shot) -> Studio:
    return Studio.build(shot.background, shot.width, shot.height)


def _composed(splats: Splats, cameras: Cameras, studio: Studio) -> Float[Tensor, "height width 4"]:
    drawn = rasterize(splats, cameras, normals=False)
    return studio.behind(splats, cameras, drawn.color[0].clamp(0, 1), drawn.alpha[0].clamp(0, 1))


def _sampled(avatar: Avatar, motion: Motion) -> list[Splats]:
    """A few moments of a motion: enough to know how much room it takes."""
    step = math.ceil(len(motion) / 40)
    return [pose_avatar(avatar, _moment(motion, frame), stretch=False) for frame in range(0, len(motion), step)]


def _eased(x: float) -> float:
    return 0.35 * x + 0.65 * x * x * (3 - 2 * x)


def _moment(motion: Motion, frame: int) -> Pose:
    return Pose(motion.pose.local_quats[frame], motion.pose.root[frame])
