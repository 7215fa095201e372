"""Small corrections of each view's pose and camera, found together with the splats."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras
from vivant.core.checks import expect_within
from vivant.core.rotations import matrices_from_rotvecs, multiply_quats, quats_from_rotvecs
from vivant.reconstruct.adam import Adam
from vivant.records import Pose, Rig


@dataclass(frozen=True)
class RefineConfig:
    """What of a view may be corrected, and how fast."""

    poses: bool = False
    """Turn the joints of each view a little."""

    cameras: bool = False
    """Turn and move the camera of each view a little."""

    turns: float = 1e-3
    """Radians a step, of joints."""

    shifts: float = 5e-4
    """Metres a step, of the root and of cameras."""

    camera_turns: float = 2e-4
    """Radians a step, of cameras."""

    hold: float = 0.05
    """Pulls joints back to what was given: cost of a radian squared."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        rate = (0, math.inf)
        expect_within(self, turns=rate, shifts=rate, camera_turns=rate, hold=rate)


class Corrections:
    """How each view's pose and camera differ from what was given."""

    def __init__(self, rig: Rig, poses: Pose, config: RefineConfig) -> None:
        """Begin with no corrections."""
        views, joints = poses.local_quats.shape[:2]
        self.config = config
        self.rig, self.poses = rig, poses
        self.tables = {
            "turns": torch.zeros(views, joints, 3, requires_grad=config.poses),
            "shifts": torch.zeros(views, 3, requires_grad=config.poses),
            "cameras": torch.zeros(views, 6, requires_grad=config.cameras),
        }
        self.adam = Adam(self.tables)
        with torch.no_grad():
            # Without corrections of poses, the joints' transforms never change.
            self.given = forward_kinematics(rig.joint_parents, rig.joints_world, poses)

    @property
    def active(self) -> bool:
        """Whether there is anything to find."""
        return self.config.poses or self.config.cameras

    def transforms(self, view: int) -> Float[Tensor, "joints 4 4"]:
        """The joints' transforms in one view; with gradient if poses are refined."""
        if not self.config.poses:
            return self.given[view]
        turned = multiply_quats(quats_from_rotvecs(self.tables["turns"][view]), self.poses.local_quats[view])
        pose = Pose(turned, self.poses.root[view] + self.tables["shifts"][view])
        return forward_kinematics(self.rig.joint_parents, self.rig.joints_world, pose)

    def camera(self, view: int, camera: Cameras) -> Cameras:
        """The camera of one view; with gradient if cameras are refined."""
        if not self.config.cameras:
            return camera
        change = self.tables["cameras"][view]
        upper = torch.cat([matrices_from_rotvecs(change[:3]), change[3:, None]], dim=1)
        matrix = torch.cat([upper, upper.new_tensor([[0, 0, 0, 1.0]])])
        return Cameras(
            (matrix @ camera.cam_from_world[0])[None],
            camera.intrinsics,
            camera.width,
            camera.height,
            camera.orthographic,
        )

    def cost(self, view: int) -> Float[Tensor, ""]:
        """What the corrections of one view cost."""
        return self.config.hold * self.tables["turns"][view].square().sum()

    def step(self, view: int, progress: float) -> None:
        """Move along the gradients of one view; the others stay."""
        config, slower = self.config, 1 - 0.9 * progress
        rows = torch.zeros(len(self.poses.root))
        rows[view] = slower
        rates = {"turns": config.turns, "shifts": config.shifts, "cameras": 1.0}
        columns = {"cameras": torch.tensor([config.camera_turns] * 3 + [config.shifts] * 3)}
        self.adam.step(rates, columns=columns, rows=dict.fromkeys(rates, rows), threads=1)
        for table in self.tables.values():
            table.grad = None
