"""A radiance field of any person from one photo (GAS, arXiv 2502.06957, section 3.2).

A sample in the target's space goes to the rest pose by the inverse skinning of the nearest point of the body,
and from there to the photo's pose, where it reads the photo's features. Samples are spent near the body.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vivant.body import blend_transforms
from vivant.networks.layers import embed_points, group_norm, sample_map

OCTAVES = 6
NEAR_SKIN = 0.06
"""Metres over which samples become rare away from the skin."""

EMPTY = 0.25
"""Metres from the skin beyond which there is nothing."""


@dataclass(frozen=True)
class NerfConfig:
    """Size of the radiance field, and how it is drawn."""

    side: int = 64
    """Pixels a side that are drawn through; the picture is twice as large."""

    channels: tuple[int, int] = (32, 64)
    """Of the photo's maps, at a quarter and an eighth of its side."""

    width: int = 128
    layers: int = 4
    features: int = 12
    """Numbers a ray carries beside colour, for the enlargement."""

    coarse: int = 24
    """Samples of a ray that only ask how far the body is."""

    fine: int = 16
    """Samples of a ray that ask the network."""


@dataclass(frozen=True)
class NerfScene:
    """Some people, each with a photo and one target pose. Colours -1 to 1 (0 outside), masks 0 to 1."""

    photo: Float[Tensor, "people 4 height width"]
    photo_from_world: Float[Tensor, "people 3 4"]
    """To the photo's places, -1 to 1, before the division by the third row (metres of depth)."""

    rest: Float[Tensor, "people points 3"]
    """Points on the skin at rest, metres."""

    skin_joints: Int[Tensor, "points 4"]
    skin_weights: Float[Tensor, "points 4"]
    photo_from_rest: Float[Tensor, "people joints 4 4"]
    """How each joint carries points from rest into the photo's pose."""

    target_from_rest: Float[Tensor, "people joints 4 4"]


@dataclass(frozen=True)
class Drawn:
    """Pictures of radiance fields: colour (0 to 1, premultiplied) and coverage."""

    small: Float[Tensor, "people 4 side side"]
    large: Float[Tensor, "people 4 double double"]


class HumanNerf(nn.Module):
    """Draws a person seen in one photo in a new pose from a new camera."""

    def __init__(self, config: NerfConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle = config.channels
        self.fine = nn.Sequential(nn.Conv2d(4, fine, 4, 4), group_norm(fine), nn.SiLU(), _look(fine))
        self.middle = nn.Sequential(
            nn.Conv2d(fine, middle, 3, 2, 1), group_norm(middle), nn.SiLU(), _look(middle)
        )
        inside = 4 + fine + middle + middle + 3 + 6 * OCTAVES + 3 + 1
        layers: list[nn.Module] = [nn.Linear(inside, config.width), nn.SiLU()]
        for _ in range(config.layers - 1):
            layers += [nn.Linear(config.width, config.width), nn.SiLU()]
        self.field = nn.Sequential(*layers, nn.Linear(config.width, 1 + 3 + config.features))
        self.enlarge = nn.Sequential(
            nn.Conv2d(4 + config.features, 48, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(48, 48, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(48, 16, 3, padding=1),
            nn.PixelShuffle(2),
        )

    def forward(
        self,
        scene: NerfScene,
        cam_from_world: Float[Tensor, "people 4 4"],
        intrinsics: Float[Tensor, "people 3 3"],
        generator: torch.Generator | None = None,
    ) -> Drawn:
        """Draw each person once.

        Args:
            scene: The people.
            cam_from_world: The targets' cameras.
            intrinsics: In pixels of a picture `config.side` wide and high.
            generator: Shifts samples at random, for training; None takes the middles.
        """
        # Places need single precision throughout; the network is small enough not to mind.
        with torch.autocast(scene.rest.device.type, enabled=False):
            return self._draw(scene, cam_from_world, intrinsics, generator)

    def _draw(
        self, scene: NerfScene, cam_from_world: Tensor, intrinsics: Tensor, generator: torch.Generator | None
    ) -> Drawn:
        to_target = blend_transforms(scene.skin_joints, scene.skin_weights, scene.target_from_rest)
        to_photo = blend_transforms(scene.skin_joints, scene.skin_weights, scene.photo_from_rest)
        posed = _apply(to_target, scene.rest)
        eyes, rays, depths = self._rays(posed, cam_from_world, intrinsics, generator)
        depths = self._near_body(eyes, rays, depths, posed, generator)
        points = eyes[:, None, None] + rays[:, :, None] * depths[..., None]
        flat = points.flatten(1, 2)
        distance, nearest = _nearest(flat, posed)
        raw = self._ask(scene, flat, distance, nearest, to_target, to_photo).unflatten(1, depths.shape[1:])
        away = distance.unflatten(1, depths.shape[1:])
        # Begin with a solid skin: begun with mist, training first learns to draw nothing.
        density = nn.functional.softplus(raw[..., 0] + 4 - 4 * away / NEAR_SKIN) * 40 * (away < EMPTY)
        weights = _weights(density, depths)
        shown = (weights[..., None] * torch.cat([raw[..., 1:4].sigmoid(), raw[..., 4:]], dim=-1)).sum(2)
        picture = torch.cat([shown[..., :3], weights.sum(-1, keepdim=True), shown[..., 3:]], dim=-1)
        picture = picture.transpose(1, 2).unflatten(2, (self.config.side, self.config.side))
        small = picture[:, :4]
        soft = nn.functional.interpolate(small, scale_factor=2.0, mode="bilinear", align_corners=False)
        return Drawn(small, soft + 0.2 * self.enlarge(picture))

    def _rays(
        self, posed: Tensor, cam_from_world: Tensor, intrinsics: Tensor, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Eyes, directions (one metre of depth long), and depths that span the body."""
        side = self.config.side
        grid = torch.arange(side, device=posed.device) + 0.5
        y, x = torch.meshgrid(grid, grid, indexing="ij")
        pixels = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
        turn, shift = cam_from_world[:, :3, :3], cam_from_world[:, :3, 3]
        rays = pixels @ torch.linalg.inv(intrinsics).transpose(1, 2) @ turn
        eyes = -(turn.transpose(1, 2) @ shift[..., None])[..., 0]
        body = (posed @ turn.transpose(1, 2) + shift[:, None])[..., 2]
        near, far = (body.amin(1) - EMPTY).clamp(min=0.05), body.amax(1) + EMPTY
        steps = torch.linspace(0, 1, self.config.coarse, device=posed.device)
        depths = near[:, None] + (far - near)[:, None] * steps
        return eyes, rays, depths[:, None].expand(-1, side * side, -1)

    @torch.no_grad()
    def _near_body(
        self, eyes: Tensor, rays: Tensor, depths: Tensor, posed: Tensor, generator: torch.Generator | None
    ) -> Float[Tensor, "people rays fine"]:
        """Depths spread by how near the body is (inverse transform sampling, NeRF section 5.2)."""
        points = eyes[:, None, None] + rays[:, :, None] * depths[..., None]
        distance, _ = _nearest(points.flatten(1, 2), posed)
        likely = torch.exp(-(distance / NEAR_SKIN).square()).unflatten(1, depths.shape[1:]) + 1e-4
        between = (likely[..., 1:] + likely[..., :-1]) / 2
        ends = nn.functional.pad((between / between.sum(-1, keepdim=True)).cumsum(-1), (1, 0))
        count = self.config.fine
        shape = (*depths.shape[:2], count)
        jitter = torch.full(shape, 0.5, device=depths.device)
        if generator is not None:
            jitter = torch.rand(shape, generator=generator, device=generator.device).to(depths)
        at = (torch.arange(count, device=depths.device) + jitter) / count
        above = torch.searchsorted(ends.contiguous(), at.contiguous()).clamp(1, ends.shape[-1] - 1)
        low, high = ends.gather(-1, above - 1), ends.gather(-1, above)
        share = (at - low) / (high - low).clamp(min=1e-9)
        return torch.lerp(depths.gather(-1, above - 1), depths.gather(-1, above), share.clamp(0, 1))

    def _ask(
        self,
        scene: NerfScene,
        points: Tensor,
        distance: Tensor,
        nearest: Tensor,
        to_target: Tensor,
        to_photo: Tensor,
    ) -> Float[Tensor, "people samples out"]:
        """Density, colour and features of points in the target's space."""
        rest = _unapply(_pick(to_target, nearest), points)
        in_photo = _apply(_pick(to_photo, nearest), rest)
        seen = (
            in_photo @ scene.photo_from_world[:, :, :3].transpose(1, 2) + scene.photo_from_world[:, None, :, 3]
        )
        places = seen[..., :2] / seen[..., 2:].clamp(min=0.05)
        fine = self.fine(scene.photo)
        middle = self.middle(fine)
        read = [sample_map(m, places) for m in (scene.photo, fine, middle)]
        whole = middle.mean((2, 3))[:, None].expand(-1, points.shape[1], -1)
        beside = (rest - _pick(scene.rest, nearest)).clamp(-EMPTY, EMPTY)
        told = [
            *read,
            whole,
            embed_points(rest.clamp(-3, 3), OCTAVES),
            beside,
            distance[..., None].clamp(max=EMPTY),
        ]
        return self.field(torch.cat(told, dim=-1)).float()


def _look(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), group_norm(channels), nn.SiLU())


def _pick(rows: Float[Tensor, "people points *rest"], index: Int[Tensor, "people samples"]) -> Tensor:
    """Rows of each person's own table."""
    person = torch.arange(len(rows), device=rows.device)[:, None]
    return rows[person, index]


def _apply(transforms: Float[Tensor, "people rows 3 4"], points: Float[Tensor, "people rows 3"]) -> Tensor:
    return (transforms[..., :3] @ points[..., None])[..., 0] + transforms[..., 3]


def _unapply(transforms: Float[Tensor, "people rows 3 4"], points: Float[Tensor, "people rows 3"]) -> Tensor:
    a, b, c = transforms[..., :3].unbind(-1)
    volume = (torch.linalg.cross(b, c) * a).sum(-1, keepdim=True)
    volume = torch.where(volume.abs() < 1e-4, volume.new_tensor(1e-4), volume)
    rows = [torch.linalg.cross(b, c), torch.linalg.cross(c, a), torch.linalg.cross(a, b)]
    inverse = torch.stack(rows, dim=-2) / volume[..., None]
    return (inverse @ (points - transforms[..., 3])[..., None])[..., 0]


@torch.no_grad()
def _nearest(
    points: Float[Tensor, "people samples 3"], body: Float[Tensor, "people points 3"]
) -> tuple[Float[Tensor, "people samples"], Int[Tensor, "people samples"]]:
    """Distance to the nearest point of the body, and which it is; some at a time, to bound memory."""
    parts = [torch.cdist(part, body).min(-1) for part in points.split(16384, dim=1)]
    return torch.cat([part.values for part in parts], 1), torch.cat([part.indices for part in parts], 1)


def _weights(density: Tensor, depths: Tensor) -> Float[Tensor, "people rays samples"]:
    """Volume rendering (NeRF, equation 3)."""
    length = nn.functional.pad(depths.diff(dim=-1), (0, 1), value=0.01)
    alpha = 1 - torch.exp(-density * length)
    through = torch.cumprod(1 - alpha + 1e-7, dim=-1)
    return alpha * nn.functional.pad(through[..., :-1], (1, 0), value=1.0)
