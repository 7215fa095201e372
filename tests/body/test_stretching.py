"""Splats that stretch with the skin, against sheets whose deformation is known."""

import pytest
import torch
from tests import fakes

from vivant.body import forward_kinematics, rest_pose, skin_strains, stretch_splats
from vivant.core.rotations import matrices_from_quats, quats_from_rotvecs, quats_identity
from vivant.records import Binding, Pose, Rig, Splats
from vivant.splat import pose_splats, sh_from_colors

LENGTH = 0.5


def sheet() -> Rig:
    """A sheet in x and z; weights go evenly from the first joint, at x = 0, to the second, at its end."""
    x, z = torch.meshgrid(torch.linspace(0, LENGTH, 11), torch.linspace(0, 0.2, 5), indexing="ij")
    verts = torch.stack([x, 0 * x, z], dim=-1).reshape(-1, 3)
    corner = (torch.arange(10)[:, None] * 5 + torch.arange(4)).reshape(-1)
    faces = torch.cat(
        [torch.stack([corner, corner + 1, corner + 5], 1), torch.stack([corner + 1, corner + 6, corner + 5], 1)]
    )
    share = verts[:, :1] / LENGTH
    return Rig(
        verts=verts,
        faces=faces,
        uv=torch.zeros(1, 2),
        uv_faces=torch.zeros_like(faces),
        skin_joints=torch.tensor([[0, 1]]).expand(len(verts), 2).clone(),
        skin_weights=torch.cat([1 - share, share], dim=1),
        joint_names=("begin", "end"),
        joint_parents=(-1, 0),
        world_from_joint=torch.eye(4).repeat(2, 1, 1),
    )


def lying_on(rig: Rig) -> tuple[Splats, Binding]:
    """Round, flat splats in the middle of the sheet's triangles."""
    count = len(rig.faces)
    means = rig.verts[rig.faces].mean(1)
    share = means[:, :1] / LENGTH
    nothing = torch.zeros(count, 1)
    splats = Splats(
        means=means,
        quats=quats_identity(count),
        log_scales=torch.tensor([0.01, 0.001, 0.01]).log().repeat(count, 1),
        opacity_logits=torch.zeros(count),
        sh=sh_from_colors(torch.full((count, 3), 0.5)),
    )
    binding = Binding(
        face=torch.arange(count),
        barycentric=torch.full((count, 3), 1 / 3),
        offset=torch.zeros(count, 3),
        skin_joints=torch.tensor([[0, 1, 0, 0]]).repeat(count, 1),
        skin_weights=torch.cat([1 - share, share, nothing, nothing], dim=1),
    )
    return splats, binding


def covariances(splats: Splats) -> torch.Tensor:
    axes = matrices_from_quats(splats.quats) * splats.log_scales.exp()[:, None]
    return axes @ axes.transpose(1, 2)


def stretched(shift: tuple[float, float, float]) -> tuple[Splats, Rig]:
    """The sheet's far end is moved."""
    rig = sheet()
    splats, binding = lying_on(rig)
    transforms = torch.eye(4).repeat(2, 1, 1)
    transforms[1, :3, 3] = torch.tensor(shift)
    posed = pose_splats(splats, binding, transforms)
    return stretch_splats(posed, splats, binding, rig, transforms), rig


@pytest.mark.parametrize(("pulled", "longer"), [(1.0, 2.0), (1.9, 2.9), (8.0, 3.0), (0.1, 1.0)])
def test_splats_get_longer_as_the_sheet_is_pulled_but_not_endlessly(pulled: float, longer: float) -> None:
    splats, _ = stretched((pulled * LENGTH, 0.0, 0.0))
    expected = torch.tensor([0.01 * longer, 0.001, 0.01]).square().diag()
    assert torch.allclose(covariances(splats), expected.expand(len(splats), 3, 3), atol=1e-8, rtol=1e-3)


def test_splats_lie_in_a_sheet_that_is_sheared() -> None:
    splats, _ = stretched((0.0, LENGTH, 0.0))
    # What was y = 0 is y = x now.
    thin = torch.linalg.eigh(covariances(splats))
    normal = torch.tensor([-0.5, 0.5, 0.0]) * 2**0.5
    assert torch.allclose((thin.eigenvectors[:, :, 0] @ normal).abs(), torch.ones(len(splats)), atol=1e-3)
    assert torch.allclose(thin.eigenvalues[:, 0].sqrt(), torch.tensor(0.001), atol=1e-4)
    # Along x they reach as far as before: the sheet has not got longer there.
    assert torch.allclose(covariances(splats)[:, 0, 0].sqrt(), torch.tensor(0.01), rtol=0.01)


def test_a_body_that_moves_as_a_whole_strains_nowhere() -> None:
    rig = fakes.rig()
    pose = rest_pose(len(rig.joint_names))
    quats = pose.local_quats.clone()
    quats[0] = quats_from_rotvecs(torch.tensor([0.4, 1.9, -0.7]))
    moved = forward_kinematics(rig.joint_parents, rig.joints_world, Pose(quats, torch.tensor([1.0, 2.0, 3.0])))
    assert not bool(skin_strains(rig, moved).any())


def test_a_raised_arm_strains_the_armpit_and_not_the_feet() -> None:
    rig = fakes.rig()
    quats = rest_pose(len(rig.joint_names)).local_quats.clone()
    quats[rig.joint("upperarm01.L")] = quats_from_rotvecs(torch.tensor([0.0, 0.0, 1.8]))
    raised = forward_kinematics(rig.joint_parents, rig.joints_world, Pose(quats, torch.zeros(3)))
    size = skin_strains(rig, raised).flatten(1).norm(dim=1)
    assert bool((size[rig.verts[:, 1] < 0.9] == 0).all())
    assert float(size.max()) > 1.0
    near = (rig.verts - rig.joints_world[rig.joint("upperarm01.L")]).norm(dim=1) < 0.25
    assert bool((size[~near] == 0).all())


def test_an_avatar_of_no_splats_stays_one() -> None:
    rig = sheet()
    splats, binding = lying_on(rig)
    none = torch.zeros(0, dtype=torch.long)
    splats = Splats(
        splats.means[none],
        splats.quats[none],
        splats.log_scales[none],
        splats.opacity_logits[none],
        splats.sh[none],
    )
    binding = Binding(
        binding.face[none],
        binding.barycentric[none],
        binding.offset[none],
        binding.skin_joints[none],
        binding.skin_weights[none],
    )
    assert len(stretch_splats(splats, splats, binding, rig, torch.eye(4).repeat(2, 1, 1))) == 0
