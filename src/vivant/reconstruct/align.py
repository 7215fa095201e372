"""The stage: poses are turned until the avatar's pictures lie on the views, while its splats stay as they are.

In a film nobody knows the poses. Detected ones are some centimetres wrong, each in its own way, and splats
that are fitted to them meet in the middle. So films are fitted in turns: splats to poses, poses to splats
(bundle adjustment by halves; ExAvatar, arXiv 2407.21686, moves both at once). Splats go first: from poses that
are wrong in all directions they learn a mean figure that is right, while poses that follow a lean first avatar
lean, too.
"""

import math
import re
import statistics
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import BadInputError
from vivant.core.rotations import multiply_quats, normalize_quats, quats_from_rotvecs
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.reconstruct.losses import LossConfig, image_loss
from vivant.reconstruct.targets import BACKGROUNDS, Frame, prepare_frames
from vivant.records import Avatar, Pose, Rig, Views
from vivant.splat import pose_splats, rasterize

MOVED = re.compile(
    r"root|spine0[135]|neck0[13]|head|(clavicle|upperarm01|lowerarm01|wrist|upperleg01|lowerleg01|foot)\.[LR]"
    r"|pelvis|spine[123]|neck|(left|right)_(collar|shoulder|elbow|wrist|hip|knee|ankle)"
)
"""Names of the joints that turn, anny's and SMPL-X's; of several in a row, which look alike, some."""

MEAN, SPREAD = 0.7, 0.9
"""Adam's memory: short, for there are few steps."""

LEAST_SIZE = 1e-6
"""Of a gradient: joints that no pixel pulls stay."""

LAST_RATE = 0.1
"""Of the first one; rates fall along a cosine."""


@dataclass(frozen=True)
class AlignConfig:
    """How poses are aligned to views."""

    steps: int = 30
    """For each view."""

    max_side: int = 512
    """Larger views are reduced to so many pixels."""

    turns: float = 0.012
    """Radians of the first step, about."""

    shifts: float = 2.4e-3
    """Metres of the first step."""

    hold: float = 0.1
    """Pulls joints back to where they began: cost of a radian squared."""

    astray: float = 0.08
    """A view whose outline overlaps (intersection over union) by so much less than that of the middle one is
    begun again from its neighbours' poses; 1 leaves it."""

    loss: LossConfig = field(default_factory=lambda: LossConfig(mask=1.0))

    threads: int = 0
    """Of compiled kernels; 0 takes all processors. Results do not depend on it."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, steps=(1, math.inf), max_side=(16, math.inf), turns=(ABOVE_ZERO, math.inf))
        expect_within(self, shifts=(0, math.inf), hold=(0, math.inf), astray=(0, 1), threads=(0, math.inf))


def align_poses(
    context: Context, avatar: Avatar, views: Views, config: AlignConfig, still: tuple[int, ...] = ()
) -> Pose:
    """Turn trunk, limbs and head of each view's pose, and move it, until the avatar looks like the view.

    Args:
        context: Told how far it is.
        avatar: Stays as it is.
        views: Their poses are the start. Neighbours in time lie side by side.
        config: How.
        still: Numbers of views whose poses stay; neighbours may begin again from them.

    Returns:
        A pose a view; views that show nobody keep theirs.

    Raises:
        BadInputError: If no view shows the person, or the views are of another rig.
    """
    with torch.enable_grad(), one_torch_thread():
        frames = prepare_frames(views, avatar.rig, config.max_side)
        work = _Alignment(avatar, config)
        found: dict[int, _Found] = {}
        for number, frame in enumerate(frames):
            start = _pose_of(views, frame.view)
            found[frame.view] = work.judged(frame, start) if frame.view in still else work.align(frame, start)
            context.advance((number + 1) / len(frames))
        _begin_again(work, frames, found, still)
    quats, root = views.poses.local_quats.clone(), views.poses.root.clone()
    for view, one in found.items():
        if view not in still:
            quats[view], root[view] = one.pose.local_quats, one.pose.root
    return Pose(quats, root)


def _pose_of(views: Views, view: int) -> Pose:
    return Pose(views.poses.local_quats[view], views.poses.root[view])


@dataclass(frozen=True)
class _Found:
    """A view's pose."""

    pose: Pose
    overlap: float
    """Intersection over union of the outlines."""


class _Alignment:
    """An avatar that is laid on views, one by one."""

    def __init__(self, avatar: Avatar, config: AlignConfig) -> None:
        self.avatar, self.config = avatar, config
        self.joints = moved_joints(avatar.rig)
        self.threads = config.threads or None

    def align(self, frame: Frame, start: Pose) -> _Found:
        """Descend from a pose."""
        moves = (torch.zeros(len(self.joints), 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True))
        rates = (self.config.turns, self.config.shifts)
        means, squares = ([torch.zeros_like(move) for move in moves] for _ in range(2))
        for step in range(self.config.steps):
            behind = step % len(BACKGROUNDS)
            drawn = self._draw(frame, self._moved(start, *moves), BACKGROUNDS[behind])
            loss = image_loss(*drawn, frame.targets[behind], self.config.loss, threads=self.threads)
            total = loss.total + self.config.hold * moves[0].square().sum()
            slower = LAST_RATE + (1 - LAST_RATE) * (1 + math.cos(math.pi * step / self.config.steps)) / 2
            with torch.no_grad():
                for move, slope, mean, square, rate in zip(
                    moves, torch.autograd.grad(total, moves), means, squares, rates, strict=True
                ):
                    mean.lerp_(slope, 1 - MEAN)
                    # One size for a joint's three axes: what pulls at none of them much shall not turn it.
                    square.lerp_(slope.square().sum(-1, keepdim=True).expand_as(slope), 1 - SPREAD)
                    size = (square / (1 - SPREAD ** (step + 1))).sqrt() + LEAST_SIZE
                    move -= slower * rate * mean / (1 - MEAN ** (step + 1)) / size
        with torch.no_grad():
            return self.judged(frame, self._moved(start, *moves))

    def judged(self, frame: Frame, pose: Pose) -> _Found:
        """A pose, and how far its outline is the view's."""
        with torch.no_grad():
            _, alpha = self._draw(frame, pose, 0.0)
            ours, theirs = alpha > 0.5, frame.targets[0].alpha > 0.5
            overlap = float((ours & theirs).sum() / (ours | theirs).sum().clamp(min=1))
        return _Found(Pose(normalize_quats(pose.local_quats), pose.root), overlap)

    def _moved(self, start: Pose, turns: Float[Tensor, "moved 3"], shift: Float[Tensor, "1 3"]) -> Pose:
        turned = multiply_quats(quats_from_rotvecs(turns), start.local_quats[self.joints])
        return Pose(start.local_quats.index_copy(0, self.joints, turned), start.root + shift[0])

    def _draw(self, frame: Frame, pose: Pose, grey: float) -> tuple[Tensor, Tensor]:
        rig = self.avatar.rig
        transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
        posed = pose_splats(self.avatar.splats, self.avatar.binding, transforms, threads=self.threads)
        background = torch.full((3,), grey)
        drawn = rasterize(posed, frame.camera, background=background, normals=False, threads=self.threads)
        return drawn.color[0], drawn.alpha[0]


def _begin_again(
    work: _Alignment, frames: list[Frame], found: dict[int, _Found], still: tuple[int, ...]
) -> None:
    """Try the poses of neighbours in time where the outline says that the pose went astray."""
    least = statistics.median(one.overlap for one in found.values()) - work.config.astray
    astray = {view for view, one in found.items() if one.overlap < least and view not in still}
    for before, frame, after in zip([None, *frames], frames, [*frames[1:], None], strict=False):
        if frame.view not in astray:
            continue
        for neighbour in (before, after):
            if neighbour is None or neighbour.view in astray:
                continue
            other = work.align(frame, found[neighbour.view].pose)
            if other.overlap > found[frame.view].overlap:
                found[frame.view] = other
        if found[frame.view].overlap >= least:
            # The next one may begin from here.
            astray.discard(frame.view)


def moved_joints(rig: Rig) -> Int[Tensor, " moved"]:
    """Numbers of the joints that `align_poses` turns.

    Raises:
        BadInputError: If the rig has none of them.
    """
    joints = [number for number, name in enumerate(rig.joint_names) if MOVED.fullmatch(name)]
    if not joints:
        raise BadInputError(
            "The avatar's rig has no joints that are known by name; its poses cannot be aligned."
        )
    return torch.tensor(joints)
