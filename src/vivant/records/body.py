"""A rigged body and its poses."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect_counts


@dataclass(frozen=True)
class Rig:
    """A shaped body at rest (A-pose, feet on y = 0, facing +z): what skinning needs, whoever made it."""

    verts: Float[Tensor, "verts 3"]
    """Metres, world axes (y up; the person's left is +x)."""

    faces: Int[Tensor, "faces 3"]
    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    """-1 for the root; a parent always stands before its children."""

    world_from_joint: Float[Tensor, "joints 4 4"]
    """Rest frames: where each joint lies, and its bone's own axes."""

    skin_joints: Int[Tensor, "verts influences"]
    skin_weights: Float[Tensor, "verts influences"]
    """Rows sum to 1."""

    uv: Float[Tensor, "uvs 2"]
    """0 to 1, v up."""

    uv_faces: Int[Tensor, "faces 3"]

    def __post_init__(self) -> None:
        """Check counts across fields."""
        expect_counts("Rig", joint_names=len(self.joint_names), joint_parents=len(self.joint_parents),
                      world_from_joint=len(self.world_from_joint))  # fmt: skip
        expect_counts("Rig", verts=len(self.verts), skin_joints=len(self.skin_joints),
                      skin_weights=len(self.skin_weights))  # fmt: skip
        expect_counts("Rig", faces=len(self.faces), uv_faces=len(self.uv_faces))

    @property
    def joints_world(self) -> Float[Tensor, "joints 3"]:
        """Where the joints lie at rest, in metres."""
        return self.world_from_joint[:, :3, 3]

    def joint(self, name: str) -> int:
        """Number of a joint by its name.

        Raises:
            ValueError: If the rig has no such joint.
        """
        return self.joint_names.index(name)


@dataclass(frozen=True)
class Pose:
    """Joint rotations for one or many moments."""

    local_quats: Float[Tensor, "*frames joints 4"]
    """wxyz: each joint's turn relative to its parent, in the rig's WORLD axes at rest.
    All identities give the rest pose (as in SMPL; a bone's own axes do not matter)."""

    root: Float[Tensor, "*frames 3"]
    """Metres: how far the root joint lies from its place at rest."""


@dataclass(frozen=True)
class Shape:
    """The numbers a body model was shaped with."""

    model: str
    """`anny`, or `smplx` for the user's own file."""

    coefficients: Float[Tensor, " coefficients"]
    """anny: the phenotypes (gender, age, muscle, weight, height, proportions), 0 to 1. SMPL-X: betas."""

    actions: Float[Tensor, " actions"]
    """anny: 52 facial actions, 0 to 1. SMPL-X: expression coefficients."""


@dataclass(frozen=True)
class Body:
    """The rig that fits the person, the pose in the photo, and the photo's camera."""

    rig: Rig
    """With the person's shape AND the facial expression of the photo in its rest vertices."""

    pose: Pose
    """One moment (no frames axis), in world axes."""

    camera: Cameras
    """One view; its picture is the person's image."""

    shape: Shape
    notes: tuple[str, ...] = ()
    """Plain sentences for the report."""
