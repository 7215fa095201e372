"""Small inputs of networks, made of a real body."""

import functools
from typing import TypeVar

import torch
from torch import Tensor, nn

from vivant.body import load_anny
from vivant.networks import Anchors, LifterConfig, LifterInput, NerfScene, spread_anchors
from vivant.records import Rig

SMALL = LifterConfig(width=24, layers=2, heads=2, anchors=16, splats=4, channels=(8, 16), detail=8)


@functools.lru_cache(maxsize=1)
def rig() -> Rig:
    return load_anny().rig(load_anny().default_shape())


@functools.lru_cache(maxsize=1)
def anchors() -> Anchors:
    return spread_anchors(rig(), SMALL.anchors, SMALL.splats)


def lifter_input(people: int = 1, seed: int = 0) -> LifterInput:
    g = torch.Generator().manual_seed(seed)
    rest = anchors().place(rig().verts, rig().faces).expand(people, -1, -1, -1)
    frames = anchors().frames(rig().verts, rig().faces).expand(people, -1, -1, -1, -1)
    places = (rest[..., :2] - torch.tensor([0.0, 0.9])) * torch.tensor([1.0, -1.0])
    return LifterInput(
        photo=torch.rand(people, 4, 64, 64, generator=g) * 2 - 1,
        head=torch.rand(people, 4, 32, 32, generator=g) * 2 - 1,
        rest=rest,
        frames=frames,
        places=places,
        head_places=(places - torch.tensor([0.0, -0.7])) * 5,
        visible=(frames[..., 2, 2] > 0).float(),
        guess=torch.rand(rest.shape, generator=g),
    )


def nerf_scene(turn: Tensor | None = None, people: int = 1) -> NerfScene:
    """The body at rest, all of it turned and shifted by `turn`."""
    turn = torch.eye(4) if turn is None else turn
    joints = len(rig().joint_names)
    flat = anchors()
    # Looking along -z from 4 m away, 2 m fill the photo.
    looking = torch.tensor([[4.0, 0, 0, 0], [0, -4.0, 0, 3.6], [0, 0, -1, 4]])
    return NerfScene(
        photo=torch.rand(people, 4, 32, 32, generator=torch.Generator().manual_seed(0)),
        photo_from_world=(looking @ torch.linalg.inv(turn)).expand(people, -1, -1),
        rest=flat.place(rig().verts, rig().faces).flatten(0, 1).expand(people, -1, -1),
        skin_joints=flat.skin_joints.flatten(0, 1),
        skin_weights=flat.skin_weights.flatten(0, 1),
        photo_from_rest=turn.expand(people, joints, 4, 4),
        target_from_rest=turn.expand(people, joints, 4, 4),
    )


N = TypeVar("N", bound=nn.Module)


def spoken(network: N, seed: int = 0) -> N:
    """With random numbers also where a new network has zeros, so that every branch speaks."""
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.copy_(0.1 * torch.randn(parameter.shape, generator=g))
    return network.eval()
