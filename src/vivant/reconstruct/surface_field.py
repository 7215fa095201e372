"""A smooth field that moves an avatar's surface in and out, and what outlines in pictures ask of it.

Splats moved one by one by small, soft masks would fray. So the surface moves as a whole, along the body's
normals, by a field of a few hundred numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from vivant.body import forward_kinematics, joints_of, skin_points
from vivant.core.cameras import Cameras, project
from vivant.core.checks import expect_finite
from vivant.core.outlines import signed_distances
from vivant.networks import Mix, mix_over, splats_where, verts_where, ways_of
from vivant.reconstruct.cloud import binding_at
from vivant.reconstruct.photo import views_from_photo
from vivant.records import Avatar, Body, Person, Views
from vivant.splat import pose_splats, rasterize_averaged

PLACES = 400
"""Numbers of a field."""

HELD = ("face", "scalp", *(f"{side}_{part}" for side in ("left", "right") for part in ("hand", "fingers")))
"""Parts that keep their shape: they were fitted to landmarks, and masks of 128 px know less than that."""

NEAR = 0.014
"""Metres beside the avatar's outline within which splats belong to it."""

ACROSS = 0.6
"""Least cosine, in the picture, between a splat's way and the outline's normal."""

CALM = 1.0
"""Splats that say of each place that it stays: where hardly any are free, nothing is known."""

SURE = 0.01
"""Metres beyond which an outline's distance counts only in proportion, not by its square (Huber)."""

SLIGHT = 0.015
"""Metres by which the photo's outline may differ: where more is asked for, another thing hides the body."""

GAP = (0.02, 0.03, 0.045, 0.06)
"""Metres beyond an outline point at which nothing of the person may be: what faces a limb tells nothing."""

STEP = 0.001
"""Metres by which splats are moved to see where in a picture they go."""

LOOK = 0.01
"""Metres to each side of a point between which an outline's direction is measured."""


@dataclass(frozen=True)
class Goal:
    """What one view asks for."""

    camera: Cameras
    joints: Float[Tensor, "joints 4 4"]
    asked: Float[Tensor, "height width"]
    """Signed distances, in pixels, to its mask's outline."""

    weight: float
    limit: float
    """Metres beyond which what is asked for is not believed."""


@dataclass(frozen=True)
class Points:
    """The splats at views' outlines."""

    splat: Int[ndarray, " points"]
    slope: Float[ndarray, " points"]
    """How much of its move widens the outline."""

    distance: Float[ndarray, " points"]
    """Metres that the outline lacks there."""

    weight: Float[ndarray, " points"]

    @classmethod
    def joined(cls, some: "list[Points]") -> "Points":
        """All in one."""
        return cls(*(np.concatenate(rows) for rows in zip(*(vars(one).values() for one in some), strict=True)))


@dataclass(frozen=True)
class Field:
    """A smooth field over the splats."""

    mix: Mix
    """Each splat's move from the places'. Shares sum to 1, and to 0 on head and hands."""

    ways: Float[Tensor, "splats 3"]
    """Where each splat goes, at rest: along the body's normal under it."""

    places: Float[ndarray, "places 6"]
    """Where they lie at rest, and which way they face (times `TURNED`)."""


def field_over(avatar: Avatar) -> Field:
    """Places spread evenly over surface and directions, and each splat's share in those around it."""
    from vivant.reconstruct._field_numba import spread_places

    ways = ways_of(avatar)
    where = splats_where(avatar).double().numpy()
    places = where[spread_places(where, PLACES)]
    held = joints_of(avatar.rig, *HELD)[avatar.binding.skin_joints]
    free = (avatar.binding.skin_weights * ~held).sum(1).double().numpy()
    mix = mix_over(where, places)
    return Field(replace(mix, share=mix.share * free[:, None]), ways, places)


def goals_of(avatar: Avatar, views: Views, *, weight: float, limit: float) -> list[Goal]:
    """What the masks of views ask for."""
    joints = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, views.poses)
    asked = signed_distances(views.alphas)
    return [
        Goal(views.cameras[view], joints[view], asked[view], weight, limit) for view in range(len(views.alphas))
    ]


def photo_goals(avatar: Avatar, person: Person, *, weight: float, limit: float) -> list[Goal]:
    """What the photo's mask asks for.

    Raises:
        BadInputError: If the photo is not the avatar's.
    """
    if weight == 0:
        return []
    body = Body(avatar.rig, avatar.photo_pose, avatar.photo_camera, avatar.shape)
    return goals_of(avatar, views_from_photo(person, body), weight=weight, limit=min(SLIGHT, limit))


def over_places(field: Field, avatar: Avatar, moves: Float[Tensor, " verts"]) -> Float[ndarray, " places"]:
    """The places' numbers by which splats move as nearly as possible like the body's vertices."""
    from vivant.reconstruct._field_numba import normal_equations

    corners, mix = moves[avatar.rig.faces[avatar.binding.face]], field.mix
    asked = (corners * avatar.binding.barycentric).sum(1).double().numpy() * mix.share.sum(1)
    once = np.ones(len(asked))
    left, right = normal_equations(np.arange(len(asked)), mix.index, mix.share, once, asked, once, mix.places)
    return np.linalg.solve(left + CALM * np.eye(len(left)), right)


def over_verts(field: Field, avatar: Avatar, numbers: Float[ndarray, " places"]) -> Float[ndarray, " verts"]:
    """Moves of the body's vertices from those of the places."""
    return mix_over(verts_where(avatar), field.places)(numbers)


def settled(
    avatar: Avatar,
    field: Field,
    goals: list[Goal],
    expected: Float[ndarray, " places"],
    *,
    rounds: int,
    steady: float,
    limit: float,
    advance: Callable[[float], None],
) -> Float[ndarray, " places"]:
    """The places' moves, in metres, by which the avatar's outlines become those asked for.

    Args:
        avatar: Whose splats are to move.
        field: Over its splats.
        goals: What the views ask for; without any, the places move as expected.
        expected: The places' moves in metres, as far as no outline says otherwise.
        rounds: How often outlines are drawn and compared: moved splats uncover others.
        steady: How many outline points say the expected move of each place.
        limit: Metres that the surface moves at most.
        advance: Is told the part that is done.
    """
    numbers = expected
    moved = moved_by(avatar, field, numbers, limit)
    for turn in range(rounds if goals else 0):
        seen = []
        for goal in goals:
            seen.append(_compared(moved, field, goal))
            advance((turn + len(seen) / len(goals)) / rounds)
        points = Points.joined(seen)
        numbers = numbers + _step(field.mix, points, numbers - expected, steady)
        moved = moved_by(avatar, field, numbers, limit)
    return numbers


def moved_by(avatar: Avatar, field: Field, numbers: Float[ndarray, " places"], limit: float) -> Avatar:
    """Move the splats, none farther than a limit in metres; nothing but their places changes.

    Raises:
        NumericalError: If places become infinite.
    """
    move = torch.from_numpy(np.clip(field.mix(numbers), -limit, limit)).float()
    means = avatar.splats.means + move[:, None] * field.ways
    expect_finite("outlines", means=means)
    binding = binding_at(avatar.rig, avatar.binding, means)
    return replace(avatar, splats=replace(avatar.splats, means=means), binding=binding)


def _compared(avatar: Avatar, field: Field, goal: Goal) -> Points:
    """What a view says of the splats at its outline."""
    camera, binding = goal.camera, avatar.binding
    posed = pose_splats(avatar.splats, binding, goal.joints)
    onward = skin_points(
        avatar.splats.means + STEP * field.ways, binding.skin_joints, binding.skin_weights, goal.joints
    )
    pixels, depth = project(posed.means, camera)
    metres_per_px = (torch.ones_like(depth) if camera.orthographic else depth) / camera.intrinsics[0, 0, 0]
    way = (project(onward, camera)[0] - pixels) * metres_per_px[:, None] / STEP
    drawn = signed_distances(rasterize_averaged(posed, camera, normals=False).alpha)[0]
    here = _sampled(drawn, pixels)
    uphill = _uphill(drawn, pixels, metres_per_px)
    slope = -(way * uphill).sum(1)
    distance = (_sampled(goal.asked, pixels) - here) * metres_per_px
    size = torch.tensor([camera.width, camera.height])
    # At the picture's border nothing is known.
    inside = ((pixels > 2) & (pixels < size - 2)).all(1) & (depth > 0.05)
    # Masks that close a narrow gap between two limbs would web them.
    for metres in GAP:
        inside &= _sampled(drawn, pixels - uphill * (metres / metres_per_px)[:, None]) < 0
    index = torch.nonzero(
        inside & (here.abs() * metres_per_px < NEAR) & (slope > ACROSS) & (distance.abs() < goal.limit)
    )[:, 0]
    slopes, distances = (values[index].double().numpy() for values in (slope, distance))
    return Points(index.numpy(), slopes, distances, np.full(len(index), goal.weight))


def _step(mix: Mix, points: Points, off: Float[ndarray, " places"], steady: float) -> Float[ndarray, " places"]:
    """The step that brings the outlines nearest to where they shall be (robust least squares).

    Args:
        mix: How splats move with the places.
        points: What the outlines say.
        off: How far the places are from what was expected.
        steady: How much that counts.
    """
    from vivant.reconstruct._field_numba import normal_equations

    weight, step = points.weight, np.zeros_like(off)
    for _ in range(3):
        left, right = normal_equations(
            points.splat, mix.index, mix.share, points.slope, points.distance, weight, len(off)
        )
        step = np.linalg.solve(left + steady * np.eye(len(off)), right - steady * off)
        moved = points.slope * mix(step)[points.splat]
        weight = points.weight / np.maximum(1, np.abs(moved - points.distance) / SURE)
    return step


def _sampled(picture: Float[Tensor, "height width"], pixels: Float[Tensor, "points 2"]) -> Tensor:
    """Values between pixels' centres; beyond the border those of the border."""
    height, width = picture.shape
    grid = 2 * pixels / torch.tensor([width, height]) - 1
    found = torch.nn.functional.grid_sample(
        picture[None, None], grid[None, None], padding_mode="border", align_corners=False
    )
    return found[0, 0, 0]


def _uphill(
    distances: Float[Tensor, "height width"],
    pixels: Float[Tensor, "points 2"],
    metres_per_px: Float[Tensor, " points"],
) -> Float[Tensor, "points 2"]:
    """Unit vectors in the picture that point into the mask."""
    ways = []
    for axis in ([1.0, 0.0], [0.0, 1.0]):
        ahead = torch.tensor(axis) * (LOOK / metres_per_px).clamp(min=1.0)[:, None]
        ways.append(_sampled(distances, pixels + ahead) - _sampled(distances, pixels - ahead))
    return torch.nn.functional.normalize(torch.stack(ways, dim=1), dim=1)
