"""What the view generator is told about the views it shall make."""

import dataclasses
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.errors import BadInputError

TASKS = ("view", "pose", "canonical")
"""New cameras round the photo's pose; new poses before one camera; the A-pose from all around."""

STREAMS = ("rgb", "normal")

KINDS = ("reference", "guide", "normals", "skeleton", "rays", "task")
"""Conditions that can be left out, in the order of `ViewConditions.keep`."""


@dataclass(frozen=True)
class ViewConditions:
    """Conditions for some people, so many views each. Colours and normals -1 to 1, masks 0 to 1."""

    reference: Float[Tensor, "people 7 height width"]
    """The photo: colour (0 outside the person), mask, and the fitted body's normals in camera axes."""

    guide: Float[Tensor, "people views 4 height width"]
    """A coarse picture of what is wanted, by a NeRF or by splats: colour (0 outside), and mask."""

    normals: Float[Tensor, "people views 3 height width"]
    """Of the body, in camera axes; 0 outside."""

    skeleton: Float[Tensor, "people views 3 height width"]
    """The body's bones as coloured lines; 0 outside."""

    rays: Float[Tensor, "people views 6 rows columns"]
    """Plücker coordinates of the ray through each place of the generator's first map."""

    keep: Float[Tensor, "people kinds"]
    """1 for each condition that is told, 0 where it is left out; kinds as in `KINDS`."""

    task: Int[Tensor, " people"]
    """Number in `TASKS`."""

    def to(self, where: torch.dtype | torch.device | str) -> "ViewConditions":
        """Same conditions in another float type or on another device."""
        moved = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, value in moved.items():
            if value.is_floating_point() or not isinstance(where, torch.dtype):
                moved[name] = value.to(where)
        return ViewConditions(**moved)

    def without(self, *kinds: str) -> "ViewConditions":
        """Leave conditions out, for everybody.

        Raises:
            BadInputError: If there is no such condition.
        """
        unknown = set(kinds) - set(KINDS)
        if unknown:
            raise BadInputError(f"{sorted(unknown)} are no conditions; there are {list(KINDS)}.")
        told = self.keep.new_tensor([kind not in kinds for kind in KINDS])
        return dataclasses.replace(self, keep=self.keep * told)

    def at_views(self, index: Int[Tensor, " some"]) -> "ViewConditions":
        """Same conditions for some of the views."""
        picked = {name: getattr(self, name)[:, index] for name in ("guide", "normals", "skeleton", "rays")}
        return dataclasses.replace(self, **picked)

    def dropped(self, chance: float, generator: torch.Generator) -> "ViewConditions":
        """Leave each condition out by chance, and with the same chance all but camera and task at once."""
        people, kinds = self.keep.shape
        draws = torch.rand(people, kinds + 1, generator=generator, device=generator.device).to(self.keep)
        told = draws[:, :kinds] >= chance
        steady = torch.tensor([kind in ("rays", "task") for kind in KINDS], device=self.keep.device)
        told &= steady | (draws[:, kinds:] >= chance)
        return dataclasses.replace(self, keep=self.keep * told)


def plucker_rays(
    cameras: Cameras, rows: int, columns: int, center: Float[Tensor, "3"]
) -> Float[Tensor, "views 6 rows columns"]:
    """Unit direction and moment (centre of the eye times direction) of the ray through each place.

    Args:
        cameras: One ray map each; perspective.
        rows: Places down the picture; places are spread evenly, each at the middle of its pixels.
        columns: Places across.
        center: The world's point that counts as the origin, e.g. the person's middle.
    """
    small = cameras.resized(columns, rows)
    y, x = torch.meshgrid(torch.arange(rows) + 0.5, torch.arange(columns) + 0.5, indexing="ij")
    pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).to(small.intrinsics)
    directions_cam = pixels.reshape(-1, 3) @ torch.linalg.inv(small.intrinsics).transpose(1, 2)
    directions = directions_cam @ small.cam_from_world[:, :3, :3]
    directions = torch.nn.functional.normalize(directions, dim=-1)
    eyes = (small.centers_world - center)[:, None].expand_as(directions)
    both = torch.cat([directions, torch.linalg.cross(eyes, directions)], dim=-1)
    return both.transpose(1, 2).reshape(len(cameras), 6, rows, columns)
