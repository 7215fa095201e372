"""A body's bones as coloured lines: one of the things the generator of views is told."""

import torch
from jaxtyping import Float
from torch import Tensor

BONES = (
    ("neck01", "head"), ("spine03", "neck01"), ("root", "spine03"),
    *((a + side, b + side) for side in (".L", ".R") for a, b in (
        ("clavicle", "upperarm01"), ("upperarm01", "lowerarm01"), ("lowerarm01", "wrist"),
        ("wrist", "finger3-1"),
        ("upperleg01", "lowerleg01"), ("lowerleg01", "foot"), ("foot", "toe2-1"))),
)  # fmt: skip
"""Lines by the anny body's joints, each in a colour of its own; later ones lie above earlier ones."""


@torch.no_grad()
def draw_skeleton(
    joint_names: tuple[str, ...],
    joints_rest: Float[Tensor, "joints 3"],
    world_from_rest: Float[Tensor, "pictures joints 4 4"],
    cam_from_world: Float[Tensor, "pictures 4 4"],
    intrinsics: Float[Tensor, "pictures 3 3"],
    size: int,
) -> Float[Tensor, "pictures 3 size size"]:
    """Draw the bones of posed bodies; colours 0 to 1, 0 where no bone is.

    Args:
        joint_names: Of the anny body.
        joints_rest: Their places at rest, metres.
        world_from_rest: How each joint carries points from rest to its pose.
        cam_from_world: One camera a picture.
        intrinsics: In pixels.
        size: Pixels a side.
    """
    numbers = torch.tensor([[joint_names.index(a), joint_names.index(b)] for a, b in BONES])
    places = (world_from_rest[..., :3, :3] @ joints_rest[..., None])[..., 0] + world_from_rest[..., :3, 3]
    local = places @ cam_from_world[:, :3, :3].mT + cam_from_world[:, None, :3, 3]
    pixels = (local @ intrinsics.mT)[..., :2] / local[..., 2:].clamp(min=1e-3)
    ends = pixels[:, numbers.to(pixels.device)]
    return draw_lines(ends[:, :, 0], ends[:, :, 1], bone_colors().to(pixels), size)


def bone_colors() -> Float[Tensor, "bones 3"]:
    """A hue a bone, evenly round the circle."""
    hue = torch.arange(len(BONES))[:, None] * 2 * torch.pi / len(BONES) + torch.tensor([0.0, 2.1, 4.2])
    return 0.5 + 0.5 * hue.cos()


@torch.no_grad()
def draw_lines(
    starts: Float[Tensor, "pictures lines 2"],
    ends: Float[Tensor, "pictures lines 2"],
    colors: Float[Tensor, "lines 3"],
    size: int,
) -> Float[Tensor, "pictures 3 size size"]:
    """Lines in pixels, about a 64th of the picture wide; later lines lie above earlier ones."""
    steps = torch.arange(size, device=starts.device) + 0.5
    places = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), dim=-1)
    picture = torch.zeros(len(starts), size, size, 3, device=starts.device)
    for line in range(starts.shape[1]):
        start, way = starts[:, line, None, None], (ends - starts)[:, line, None, None]
        share = ((places - start) * way).sum(-1) / way.square().sum(-1).clamp(min=1e-6)
        far = (places - start - share.clamp(0, 1)[..., None] * way).norm(dim=-1)
        cover = (max(size / 128, 0.75) + 0.5 - far).clamp(0, 1)[..., None]
        picture = picture + cover * (colors[line] - picture)
    return picture.permute(0, 3, 1, 2)
