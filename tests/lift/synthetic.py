"""A dressed person made from the body itself, with a photo of it, so that the truth is known from all sides."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from vivant.body import load_anny, rest_pose
from vivant.core.cameras import Cameras, look_at, project, transform
from vivant.core.rotations import quats_from_rotvecs
from vivant.lift import posed, regions, surface
from vivant.mesh import interpolate, rasterize_mesh
from vivant.records import Body, Person, Pose, Rig

SKIN, HAIR, SHIRT, TROUSERS, SHOES = (
    (0.85, 0.62, 0.5), (0.2, 0.12, 0.06), (0.75, 0.15, 0.2), (0.15, 0.2, 0.45), (0.1, 0.1, 0.1),
)  # fmt: skip
LOGO = (1.0, 0.95, 0.2)
BACKGROUND = (0.05, 0.9, 0.1)


@dataclass(frozen=True)
class Truth:
    """The dressed mesh in the photo's pose (world axes), its colours, and what the photo is of."""

    person: Person
    body: Body
    skin: surface.Skin
    verts: Tensor
    colors: Tensor

    def picture(
        self, cameras: Cameras, background: tuple[float, float, float] = BACKGROUND
    ) -> tuple[Tensor, Tensor]:
        """Supersampled pictures and masks of the dressed mesh."""
        double = cameras.resized(2 * cameras.width, 2 * cameras.height)
        faces = torch.from_numpy(self.skin.faces)
        drawn = rasterize_mesh(self.verts, faces, double)
        alpha = (drawn.face >= 0).float()
        color = interpolate(drawn, faces, self.colors) + (1 - alpha[..., None]) * torch.tensor(background)
        pool = torch.nn.functional.avg_pool2d
        return pool(color.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1), pool(alpha[:, None], 2)[:, 0]


def make_truth(
    height: int = 640, *, turn: float = 0.0, logo: bool = True, bare: bool = False, arms: float = 0.35
) -> Truth:
    """A person with shirt, trousers, shoes and hair that stand off the skin, before a green wall.

    Args:
        height: Of the photo in pixels; the width is three quarters of it.
        turn: Radians the person is turned about the vertical.
        logo: A bright square on the chest.
        bare: Bald, barefoot and without any thickness of cloth.
        arms: Radians the arms are lowered.
    """
    model = load_anny()
    shape = model.default_shape()
    rig = model.rig(shape)
    pose = _pose(rig, turn, arms)
    width = height * 3 // 4
    focal = 1.2 * height
    center = torch.tensor([0.0, 0.9, 2.75])
    matrix = look_at(center, torch.tensor([0.0, 0.9, 0.0]))
    intrinsics = torch.tensor([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    camera = Cameras(matrix[None], intrinsics[None], width, height)
    body = Body(rig, pose, camera, shape)
    skin = surface.fine_skin(body)
    parts = regions.find_regions(skin, rig)
    dressed = (
        skin.verts
        if bare
        else skin.verts + surface.normals_of(skin.verts, skin.faces) * _thickness(skin, parts)
    )
    lens = posed.photo_lens(body)
    in_camera = torch.from_numpy(posed.carry(lens.blend(skin.weights), dressed)).float()
    verts = transform(torch.linalg.inv(matrix), in_camera)
    truth = Truth(None, body, skin, verts, torch.from_numpy(_colors(skin, parts, logo, bare)).float())  # type: ignore[arg-type]
    image, alpha = truth.picture(camera)
    foreground, _ = _spread(truth, camera)
    person = _person(image[0], foreground, alpha[0], camera, rig, pose)
    return Truth(person, body, skin, verts, truth.colors)


def _pose(rig: Rig, turn: float, arms: float) -> Pose:
    rotvecs = torch.zeros(len(rig.joint_names), 3)
    rotvecs[0, 1] = turn
    rotvecs[rig.joint("upperarm01.L"), 2] = -arms
    rotvecs[rig.joint("upperarm01.R"), 2] = arms
    return Pose(quats_from_rotvecs(rotvecs), rest_pose(len(rotvecs)).root)


def _thickness(skin: surface.Skin, parts: regions.Regions) -> np.ndarray:
    thick = np.zeros(len(skin.verts))
    thick[np.isin(parts.part, (regions.TRUNK, regions.LEFT_LEG, regions.RIGHT_LEG))] = 0.015
    thick[np.isin(parts.part, (regions.LEFT_FOOT, regions.RIGHT_FOOT))] = 0.006
    thick = np.maximum(thick, 0.03 * parts.scalp)
    around = surface.edges_of(skin.faces)
    for _ in range(6):
        total, count = np.zeros_like(thick), np.zeros_like(thick)
        for a, b in (around.T, around.T[::-1]):
            np.add.at(total, a, thick[b])
            np.add.at(count, a, 1)
        thick = 0.5 * thick + 0.5 * total / count
    return thick[:, None]


def _colors(skin: surface.Skin, parts: regions.Regions, logo: bool, bare: bool) -> np.ndarray:
    y = skin.verts[:, 1]
    color = np.tile(SKIN, (len(y), 1))
    if not bare:
        color[parts.scalp > 0.5] = HAIR
        color[np.isin(parts.part, (regions.LEFT_FOOT, regions.RIGHT_FOOT))] = SHOES
    low = np.isin(parts.part, (regions.LEFT_LEG, regions.RIGHT_LEG)) & (y > 0.1)
    waist = 0.55 * y.max()
    trunk = parts.part == regions.TRUNK
    arms = np.isin(parts.part, (regions.LEFT_ARM, regions.RIGHT_ARM))
    color[low | (trunk & (y <= waist))] = TROUSERS
    collar = 0.845 * y.max()
    color[(trunk & (y > waist) & (y < collar)) | (arms & (parts.along < 0.25))] = SHIRT
    front = skin.verts[:, 2] > 0.0
    square = (np.abs(skin.verts[:, 0] - 0.03) < 0.07) & (np.abs(y - 0.74 * y.max()) < 0.06)
    if logo:
        color[trunk & front & square] = LOGO
    return color


def _spread(truth: Truth, camera: Cameras) -> tuple[Tensor, Tensor]:
    """The person's colours continued past the mask, as a matting step would give them."""
    from scipy import ndimage

    drawn = rasterize_mesh(truth.verts, torch.from_numpy(truth.skin.faces), camera)
    color = interpolate(drawn, torch.from_numpy(truth.skin.faces), truth.colors)[0]
    hit = (drawn.face[0] >= 0).numpy()
    index = ndimage.distance_transform_edt(~hit, return_distances=False, return_indices=True)
    return color[index[0], index[1]], torch.from_numpy(hit)


def _person(image: Tensor, foreground: Tensor, alpha: Tensor, camera: Cameras, rig: Rig, pose: Pose) -> Person:
    joints = rig.joints_world
    pixels, _ = project(joints, camera)
    points = pixels[:1].repeat(33, 1)
    points[11:, 1] = torch.linspace(0.1, 0.9, 22) * camera.height
    return Person(
        image=image, foreground=foreground, alpha=alpha, intrinsics=camera.intrinsics[0],
        photo_from_image=torch.eye(3), keypoints=points, keypoints_world=torch.zeros(33, 3),
        confidence=torch.ones(33), spread_px=torch.ones(33), face=torch.zeros(478, 3),
        left_hand=None, right_hand=None,
        visible_parts=("head", "torso", "left_arm", "right_arm", "left_hand", "right_hand",
                       "left_leg", "right_leg", "left_foot", "right_foot"),
        notes=(),
    )  # fmt: skip


def cropped(truth: Truth, part: float) -> tuple[Person, Body]:
    """The same photo without its lower end."""
    person, body = truth.person, truth.body
    height = round(part * person.image.shape[0])
    camera = Cameras(body.camera.cam_from_world, body.camera.intrinsics, body.camera.width, height)
    cut = replace(
        person, image=person.image[:height], foreground=person.foreground[:height], alpha=person.alpha[:height]
    )
    return cut, replace(body, camera=camera)
