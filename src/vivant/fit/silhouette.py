"""The body stays inside the mask, and its outline follows the mask's where cloth and hair allow it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, label
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import AnnyModel
from vivant.core.cameras import Cameras
from vivant.fit.landmarks import owned_by
from vivant.fit.terms import Pinhole, Places, Rows, robust
from vivant.mesh import rasterize_mesh, vertex_normals

FIELD_SIDE = 384
"""Pixels of the longer side of the distance field."""

PINHOLE = 12
"""Holes with fewer pixels of the field are the matting's mistakes."""

GRAZING = 0.4
"""Cosine between normal and view below which skin may belong to the outline."""

REACH = 0.06
"""Statures: outline and mask farther apart than this do not belong together."""

INSIDE_TRUST = 0.15
"""A mask wider than the body is usual, for clothes are thick; one narrower than the body is not."""

HAIR_TRUST = 0.05
"""The same on the head, where hair is."""


@dataclass(frozen=True)
class Mask:
    """The person's mask, ready for questions."""

    scale: float
    """Field pixels per image pixel."""

    field: Float[Tensor, "3 rows columns"]
    """Distance to the mask in image pixels (0 inside), and its slope along x and y."""

    outline: Float[Tensor, "outline 2"]
    """Image pixels."""

    outward: Float[Tensor, "outline 2"]
    """Unit normals of the outline."""


def prepare_mask(alpha: Float[Tensor, "height width"]) -> Mask | None:
    """Measure distances and trace the outline; None if the mask is empty or fills the picture."""
    height, width = alpha.shape
    scale = min(1.0, FIELD_SIDE / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = torch.nn.functional.interpolate(alpha[None, None], size, mode="area")[0, 0].numpy()
    inside = _without_pinholes(small > 0.5)
    if not inside.any() or inside.all():
        return None
    distance = _distance(~inside) / scale
    slope_y, slope_x = np.gradient(gaussian_filter(distance, 1.0))
    field = np.stack([distance, slope_x * scale, slope_y * scale])
    outline, outward = _trace(inside)
    return Mask(scale, torch.from_numpy(field), torch.from_numpy(outline / scale), torch.from_numpy(outward))


def _distance(region: np.ndarray) -> np.ndarray:
    """Pixels from each place in a region to its rim; 0 outside."""
    return np.asarray(distance_transform_edt(region), dtype=np.float32)


def _without_pinholes(inside: np.ndarray) -> np.ndarray:
    found: Any = label(binary_fill_holes(inside) & ~inside)
    holes, _ = found
    small = np.bincount(holes.ravel()) < PINHOLE
    small[0] = False
    return inside | small[holes]


def _trace(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outline pixels away from the picture's rim, in field pixels, and the normals there."""
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    rows, columns = np.nonzero(inside & ~core)
    smooth = gaussian_filter(inside.astype(np.float32), 1.5)
    slope_y, slope_x = np.gradient(smooth)
    outward = -np.stack([slope_x[rows, columns], slope_y[rows, columns]], axis=1)
    length = np.linalg.norm(outward, axis=1)
    height, width = inside.shape
    away = (rows > 1) & (rows < height - 2) & (columns > 1) & (columns < width - 2) & (length > 1e-3)
    # Pixel centres of inside pixels lie half a pixel within the edge.
    outward = outward[away] / length[away, None]
    points = np.stack([columns, rows], axis=1)[away] + 0.5 + 0.5 * outward
    return points.astype(np.float32), outward.astype(np.float32)


@dataclass(frozen=True)
class Outside:
    """Skin does not show beyond the mask."""

    camera: Pinhole
    mask: Mask
    points: Int[Tensor, " skin"]
    sigma_px: float
    trust: float
    """Of all points together."""

    scale: float

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """One row for each point that lies beyond."""
        here = places[self.points]
        value, slope = self._sample(self.camera.project(here))
        beyond = (value > 0).nonzero()[:, 0]
        each = self.trust / max(1, len(self.points))
        values = value[beyond] / self.sigma_px
        loss, weight = robust(values.square(), self.scale)
        by_place = (slope[beyond, None] @ self.camera.gradients(here[beyond]))[:, 0]
        return Rows(
            values=values,
            weights=each * weight,
            points=self.points[beyond, None],
            directions=(by_place / self.sigma_px)[:, None],
            cost=float(each * loss.sum()),
        )

    def _sample(self, pixels: Float[Tensor, "skin 2"]) -> tuple[Tensor, Tensor]:
        """Distance and slope at pixels; what lies off the picture may be anywhere."""
        rows, columns = self.mask.field.shape[1:]
        size = pixels.new_tensor([columns, rows])
        at = pixels * self.mask.scale / size * 2 - 1
        found = torch.nn.functional.grid_sample(
            self.mask.field[None], at[None, None], align_corners=False, padding_mode="border"
        )[0, :, 0]
        seen = (at.abs() <= 1).all(1)
        return found[0] * seen, found[1:].T


@dataclass(frozen=True)
class Outline:
    """Pairs of an outline point and the skin that should project onto it, along the outline's normal."""

    camera: Pinhole
    points: Int[Tensor, " pairs"]
    targets: Float[Tensor, "pairs 2"]
    outward: Float[Tensor, "pairs 2"]
    softness: Float[Tensor, " pairs"]
    """Trust in a mask that is wider than the body, 0 to 1."""

    sigma_px: float
    trust: float
    scale: float

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """One row a pair."""
        here = places[self.points]
        off = (self.camera.project(here) - self.targets) / self.sigma_px
        values = (off * self.outward).sum(1)
        loss, weight = robust(values.square(), self.scale)
        each = (
            self.trust
            / max(1, len(self.points))
            * torch.where(values > 0, torch.ones_like(values), self.softness)
        )
        by_place = (self.outward[:, None] @ self.camera.gradients(here))[:, 0]
        return Rows(
            values=values,
            weights=each * weight,
            points=self.points[:, None],
            directions=(by_place / self.sigma_px)[:, None],
            cost=float((each * loss).sum()),
        )


@dataclass(frozen=True)
class Skin:
    """Samples of the body's surface."""

    verts: Int[Tensor, " samples"]
    is_head: Bool[Tensor, " samples"]


def sample_skin(model: AnnyModel, count: int) -> Skin:
    """Spread samples evenly over the outside of the body; fingers, which are posed later, get none."""
    allowed = model.external_verts & ~owned_by(model, ("finger",))
    verts = model.rest_verts(model.default_shape().coefficients)
    corners = verts[model.faces]
    area = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).norm(dim=1)
    share = torch.zeros(len(verts)).index_add(0, model.faces.flatten(), area.repeat_interleave(3))
    share = share * allowed
    generator = torch.Generator().manual_seed(0)
    chosen = torch.multinomial(share, count, generator=generator).sort().values
    return Skin(chosen, owned_by(model, ("head", "neck03", "eye"))[chosen])


def pair_outline(
    camera: Pinhole,
    mask: Mask,
    skin: Skin,
    first: int,
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    size: tuple[int, int],
    sigma_px: float,
    trust: float,
) -> Outline:
    """Match the mask's outline to the samples that are on the body's own outline now.

    Args:
        camera: In the solver's world.
        mask: To be matched.
        skin: Samples of the surface.
        first: Number of the first sample among the problem's points.
        verts: The whole posed body.
        faces: Its triangles.
        size: Width and height of the picture.
        sigma_px: One standard deviation of the outline.
        trust: Of all pairs together.
    """
    rim, normals = _rim(camera, mask, skin, verts, faces, size)
    pixels = camera.project(verts[skin.verts[rim]])
    step = max(1, len(mask.outline) // 600)
    outline, outward = mask.outline[::step], mask.outward[::step]
    if len(rim) < 20 or len(outline) < 20:
        nothing = torch.zeros(0, dtype=torch.long)
        return Outline(camera, nothing, outline[:0], outward[:0], outline[:0, 0], sigma_px, trust, 3.0)
    # Normals are part of the distance, so that an arm's inner edge does not take the trunk's outer one.
    lever = 4.0 * sigma_px
    tree = KDTree(torch.cat([pixels, lever * normals], dim=1).numpy())
    far, nearest = tree.query(torch.cat([outline, lever * outward], dim=1).numpy())
    close = torch.from_numpy(far < REACH * 100 * sigma_px)
    chosen = rim[torch.from_numpy(nearest)[close]]
    softness = torch.where(skin.is_head[chosen], HAIR_TRUST, INSIDE_TRUST)
    return Outline(camera, chosen + first, outline[close], outward[close], softness, sigma_px, trust, 3.0)


def _rim(
    camera: Pinhole,
    mask: Mask,
    skin: Skin,
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    size: tuple[int, int],
) -> tuple[Int[Tensor, " rim"], Float[Tensor, "rim 2"]]:
    """Samples on the body's outline, and the outline's normals there in the picture."""
    drawn = draw_body(camera, mask, verts, faces, size)
    rows, columns = drawn.shape
    depth = torch.from_numpy(_distance(drawn.numpy()))
    here = verts[skin.verts]
    normals = vertex_normals(verts, faces)[skin.verts]
    facing = (normals * here).sum(1) / here.norm(dim=1)
    at = (camera.project(here) * mask.scale).long()
    at = torch.stack([at[:, 0].clamp(0, columns - 1), at[:, 1].clamp(0, rows - 1)], dim=1)
    rim = ((facing.abs() < GRAZING) & (depth[at[:, 1], at[:, 0]] < 3.0)).nonzero()[:, 0]
    flat = normals[rim, :2] * normals.new_tensor([1.0, -1.0])
    return rim, flat / flat.norm(dim=1, keepdim=True).clamp(min=1e-6)


def draw_body(
    camera: Pinhole,
    mask: Mask,
    verts: Float[Tensor, "verts 3"],
    faces: Int[Tensor, "faces 3"],
    size: tuple[int, int],
) -> Bool[Tensor, "rows columns"]:
    """Where the posed body covers the mask's field."""
    level = torch.diag(verts.new_tensor([1.0, -1.0, -1.0, 1.0]))
    intrinsics = torch.eye(3)
    intrinsics[0, 0], intrinsics[1, 1] = camera.focal
    intrinsics[:2, 2] = camera.center
    cameras = Cameras(level[None], intrinsics[None], *size)
    rows, columns = mask.field.shape[1:]
    return rasterize_mesh(verts, faces, cameras.resized(columns, rows), threads=1).face[0] >= 0
