"""Made-up people whose body is known: the truth that the fit must find again."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vivant.body import load_anny, pose_verts
from vivant.core.cameras import Cameras, look_at, project
from vivant.core.rotations import matrices_from_rotvecs
from vivant.fit.freedoms import make_freedoms
from vivant.fit.landmarks import anny_landmarks, model_skeleton
from vivant.fit.placement import pose_of
from vivant.fit.reduced import State, place_points
from vivant.fit.solve import Anatomy
from vivant.mesh import rasterize_mesh
from vivant.records import BODY_POINTS, Hand, Person, Shape

WIDTH, HEIGHT, FOCAL = 480, 640, 900.0


@dataclass(frozen=True)
class Figure:
    """A person and the truth behind."""

    person: Person
    state: State
    joints_cam: Tensor
    """All joints, OpenCV camera axes."""

    verts: Tensor
    camera: Cameras


def make_anatomy() -> Anatomy:
    model = load_anny()
    return Anatomy(model, model_skeleton(model), make_freedoms(model))


def make_state(anatomy: Anatomy, yaw: float = 0.0, **bends: tuple[float, float, float]) -> State:
    """Somebody who stands naturally, with some joints bent; `__` stands for the dot in a joint's name."""
    freedoms = anatomy.freedoms
    angles = freedoms.natural.clone()
    for name, values in bends.items():
        angles[freedoms.index(name.replace("__", ".").replace("_", "-"))] += torch.tensor(values)
    phenotypes = torch.tensor([0.45, 0.7, 0.55, 0.45, 0.5, 0.5])
    turned = matrices_from_rotvecs(torch.tensor([0.0, yaw, 0.0]))
    return State(turned, torch.zeros(3), angles, phenotypes, torch.zeros(52), torch.zeros(()))


def make_figure(
    state: State, noise_px: float = 0.5, noise_m: float = 0.01, height: int = HEIGHT, hands: bool = True
) -> Figure:
    """Photograph a state: exact points with a little noise, and the body's own mask.

    Args:
        state: The truth.
        noise_px: Standard deviation of all points in the picture.
        noise_m: Standard deviation of the guessed points in space.
        height: Rows of the picture; fewer cut the legs off.
        hands: Whether hands are seen.
    """
    anatomy, landmarks = make_anatomy(), anny_landmarks()
    generator = torch.Generator().manual_seed(0)
    rig = anatomy.model.rig(Shape("anny", state.phenotypes, state.actions))
    verts = pose_verts(rig, pose_of(anatomy, state, rig))
    center = (verts.amax(0) + verts.amin(0)) / 2
    intrinsics = torch.tensor([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    cam_from_world = look_at(center + torch.tensor([0.0, 0.0, 3.0]), center)
    camera = Cameras(cam_from_world[None], intrinsics[None], WIDTH, height)
    posed = anatomy.pose(state)

    def seen(points: Tensor) -> Tensor:
        pixels, _ = project(points, camera)
        return pixels + noise_px * torch.randn(pixels.shape, generator=generator)

    def to_cam(points: Tensor) -> Tensor:
        return points @ cam_from_world[:3, :3].T + cam_from_world[:3, 3]

    body = place_points(landmarks.body, posed)
    space = torch.zeros(33, 3)
    space[landmarks.body_index] = to_cam(body)
    hips = [BODY_POINTS.index("left_hip"), BODY_POINTS.index("right_hip")]
    space = space - space[hips].mean(0) + noise_m * torch.randn(33, 3, generator=generator)
    keypoints = torch.zeros(33, 2)
    keypoints[landmarks.body_index] = seen(body)
    confidence = torch.zeros(33)
    confidence[landmarks.body_index] = 1.0
    confidence = confidence * (keypoints[:, 1] < height)
    face = torch.zeros(478, 3)
    face[landmarks.face_index, :2] = seen(place_points(landmarks.face, posed))
    palms = [place_points(points, posed) for points in landmarks.hands]
    found = [Hand(seen(p), to_cam(p) - to_cam(p).mean(0), 0.95) if hands else None for p in palms]
    mask = (rasterize_mesh(verts, rig.faces, camera).face[0] >= 0).float()
    person = Person(
        image=torch.full((height, WIDTH, 3), 0.5),
        foreground=torch.full((height, WIDTH, 3), 0.5),
        alpha=mask,
        intrinsics=intrinsics,
        photo_from_image=torch.eye(3),
        keypoints=keypoints,
        keypoints_world=space,
        confidence=confidence,
        spread_px=torch.zeros(33),
        face=face,
        left_hand=found[0],
        right_hand=found[1],
        visible_parts=(),
        notes=(),
    )
    return Figure(person, state, to_cam(posed.places), verts, camera)
