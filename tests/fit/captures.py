"""Made-up captures: an avatar's own body, seen by several cameras whose truth is known."""

from dataclasses import dataclass, replace

import torch
from tests import fakes
from tests.fit.figures import make_anatomy, make_figure, make_state
from torch import Tensor

from vivant.core.cameras import Cameras, transform
from vivant.core.rotations import matrices_from_rotvecs
from vivant.fit.reduced import State
from vivant.records import Avatar, Person, Shape

BENDS = {"upperarm01__L": (0.0, 0.0, 0.4), "lowerarm01__R": (0.0, 0.7, 0.0), "upperleg01__L": (0.0, 0.35, 0.0)}


def make_avatar(state: State) -> Avatar:
    """Somebody of the state's shape."""
    shape = Shape("anny", state.phenotypes, state.actions)
    return replace(fakes.avatar(), rig=make_anatomy().model.rig(shape), shape=shape)


@dataclass(frozen=True)
class MadeCapture:
    """Pictures and cameras, and the truth behind."""

    persons: tuple[Person, ...]
    cameras: tuple[Cameras, ...]
    """In a turned world of other units."""

    state: State
    verts_cam: tuple[Tensor, ...]
    """The body in each camera's axes, metres."""


def seen_from_sides(yaws: list[float], scale: float = 1.0) -> MadeCapture:
    """One person in one pose from several sides."""
    turn = matrices_from_rotvecs(torch.tensor([0.9, -1.3, 0.6])).double()
    origin = torch.tensor([30.0, -110.0, 50.0]).double()
    persons, cameras, verts = [], [], []
    for yaw in yaws:
        state = make_state(make_anatomy(), yaw=yaw, **BENDS)
        figure = make_figure(state, hands=False)
        # From behind no detector sees a face.
        front = abs(yaw) < 1.2
        persons.append(figure.person if front else replace(figure.person, face=None))
        pose = figure.camera.cam_from_world[0].double()
        rotation = pose[:3, :3] @ state.root_rotation.double() @ turn.T
        matrix = torch.eye(4).double()
        matrix[:3, :3] = rotation
        matrix[:3, 3] = scale * pose[:3, 3] - rotation @ origin
        cameras.append(replace(figure.camera, cam_from_world=matrix[None]))
        verts.append(transform(figure.camera.cam_from_world[0], figure.verts))
    return MadeCapture(tuple(persons), tuple(cameras), make_state(make_anatomy(), **BENDS), tuple(verts))
