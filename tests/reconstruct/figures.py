"""A small person to test with: a rig of two tubes, splats on it, and views of it."""

import torch
from torch import Tensor

from vivant.body import forward_kinematics, interpolate_skin, rest_pose, surface_points, tangent_frames
from vivant.core.cameras import Cameras, orbit
from vivant.core.rotations import normalize_quats, quats_from_matrices, quats_from_rotvecs
from vivant.records import Avatar, Binding, Origin, Pose, Rig, Shape, Splats, Views
from vivant.splat import pose_splats, rasterize, sh_from_colors

SIDES, RINGS = 12, 9


def make_rig() -> Rig:
    """A trunk that bends in the middle: 1.6 m tall, joints at the floor and half way up."""
    angle = torch.arange(SIDES) * (2 * torch.pi / SIDES)
    height = torch.linspace(0, 1.6, RINGS)
    ring = torch.stack([0.25 * angle.sin(), torch.zeros(SIDES), 0.15 * angle.cos()], dim=1)
    verts = (ring[None] + torch.stack([torch.zeros(RINGS), height, torch.zeros(RINGS)], 1)[:, None]).reshape(
        -1, 3
    )
    faces = []
    for row in range(RINGS - 1):
        for side in range(SIDES):
            a, b = row * SIDES + side, row * SIDES + (side + 1) % SIDES
            faces += [(a, b, b + SIDES), (a, b + SIDES, a + SIDES)]
    upper = ((verts[:, 1] - 0.6) / 0.4).clamp(0, 1)
    frames = torch.eye(4).repeat(2, 1, 1)
    frames[1, 1, 3] = 0.8
    return Rig(
        verts=verts,
        faces=torch.tensor(faces),
        joint_names=("root", "bend"),
        joint_parents=(-1, 0),
        world_from_joint=frames,
        skin_joints=torch.tensor([[0, 1]]).repeat(len(verts), 1),
        skin_weights=torch.stack([1 - upper, upper], dim=1),
        uv=torch.zeros(1, 2),
        uv_faces=torch.zeros(len(faces), 3, dtype=torch.long),
    )


def paint(points: Tensor) -> Tensor:
    """A colour for each place: stripes and a gradient."""
    x, y, z = points.unbind(1)
    return torch.stack([0.5 + 0.4 * torch.sin(18 * y), 0.3 + 1.2 * x.abs(), 0.5 + 1.5 * z], dim=1).clamp(
        0.05, 0.95
    )


def make_avatar(count: int = 800, seed: int = 0, grey: bool = False, bands: int = 1) -> Avatar:
    """Discs on the rig's skin, painted or grey."""
    rig = make_rig()
    points = surface_points(rig.verts, rig.faces, count, seed=seed)
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    joints = joints.clamp(max=1)  # Two joints fill four places; the spare ones weigh nothing.
    means = points.interpolate(rig.faces, rig.verts)
    frames = tangent_frames(rig.verts, rig.faces)[points.face]
    spacing = (2 * torch.pi * 0.2 * 1.6 / count) ** 0.5
    scales = torch.tensor([0.7, 0.7, 0.15]) * spacing
    colors = torch.full_like(means, 0.5) if grey else paint(means)
    sh = torch.zeros(count, bands, 3)
    sh[:, :1] = sh_from_colors(colors)
    splats = Splats(
        means,
        normalize_quats(quats_from_matrices(frames)),
        scales.log().repeat(count, 1),
        torch.full((count,), 2.0),
        sh,
    )
    binding = Binding(points.face, points.barycentric, torch.zeros(count, 3), joints, weights)
    camera = make_cameras([0.0])
    return Avatar(
        splats=splats,
        binding=binding,
        trust=torch.ones(count),
        rig=rig,
        shape=Shape("made up", torch.zeros(0), torch.zeros(0)),
        photo_pose=rest_pose(2),
        photo_camera=camera,
        origin=Origin("test", "", "{}", (), (), ()),
    )


def make_cameras(azimuths: list[float], size: int = 48) -> Cameras:
    """Round the person's middle."""
    return orbit(torch.tensor([0.0, 0.8, 0.0]), azimuths, extent=1.9, width=size, height=size)


def bent(angle: float) -> Pose:
    """The upper half leans to its left."""
    quats = rest_pose(2).local_quats
    quats[1] = quats_from_rotvecs(torch.tensor([0.0, 0.0, -angle]))
    return Pose(quats, torch.zeros(3))


def take_views(avatar: Avatar, azimuths: list[float], angles: list[float], size: int = 48) -> Views:
    """True pictures of an avatar; straight colours."""
    cameras = make_cameras(azimuths, size)
    images, alphas, quats = [], [], []
    for view, angle in enumerate(angles):
        pose = bent(angle)
        transforms = forward_kinematics(avatar.rig.joint_parents, avatar.rig.joints_world, pose)
        drawn = rasterize(pose_splats(avatar.splats, avatar.binding, transforms), cameras[view], normals=False)
        alpha = drawn.alpha[0]
        images.append((drawn.color[0] / alpha.clamp(min=1e-3)[..., None]).clamp(0, 1))
        alphas.append(alpha.clamp(0, 1))
        quats.append(pose.local_quats)
    alpha = torch.stack(alphas)
    return Views(
        images=torch.stack(images),
        alphas=alpha,
        normals=None,
        trust=torch.ones_like(alpha),
        cameras=cameras,
        poses=Pose(torch.stack(quats), torch.zeros(len(angles), 3)),
    )
