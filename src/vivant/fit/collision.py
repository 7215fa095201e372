"""Arms and legs do not go through trunk or each other, to first order: balls inside the flesh keep apart."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.body import AnnyModel
from vivant.fit.landmarks import mixed_points, owned_by
from vivant.fit.reduced import Points, join_points
from vivant.fit.terms import Places, Rows

SLACK_M = 0.012
"""Flesh gives way by so much before it counts."""

SIGMA_M = 0.01

TRUNK_HEIGHTS = (-0.04, 0.05, 0.14, 0.22, 0.30, 0.38)
"""Metres above the root joint, on the default body."""

TRUNK_BONES = ("root", "pelvis", "upperleg01", "clavicle", "shoulder01", "spine")

LIMB_BALLS = {
    "forearm": ("lowerarm01", "wrist", (0.0, 0.25, 0.5, 0.75, 1.0), ("lowerarm", "upperarm02", "wrist")),
    "upperarm": ("upperarm01", "lowerarm01", (0.75,), ("upperarm", "lowerarm")),
    "hand": ("wrist", "finger3-2", (0.35, 0.7, 1.0), ("wrist", "metacarpal", "finger2", "finger3", "finger4")),
    "thigh": ("upperleg01", "lowerleg01", (0.3, 0.5, 0.7, 0.9), ("upperleg", "lowerleg01")),
    "shin": ("lowerleg01", "foot", (0.15, 0.4, 0.65, 0.9), ("lowerleg", "foot")),
}
"""Between which joints, at which parts of the way, and whose skin is around."""

APART = (
    ("forearm", "trunk"), ("hand", "trunk"), ("upperarm", "trunk"), ("hand", "head"), ("forearm", "head"),
    ("hand", "thigh"), ("forearm", "thigh"), ("hand", "other hand"), ("forearm", "other forearm"),
    ("hand", "other forearm"), ("thigh", "other thigh"), ("shin", "other shin"), ("thigh", "other shin"),
)  # fmt: skip
"""Who must not meet whom; "other" is on the other side of the body."""


@dataclass(frozen=True)
class Balls:
    """Balls inside the flesh, and the pairs that keep apart."""

    points: Points
    radii: Float[Tensor, " balls"]
    pairs: Int[Tensor, "pairs 2"]


@dataclass(frozen=True)
class Apart:
    """Balls keep apart."""

    balls: Balls
    first: int
    """Number of the first ball among the problem's points."""

    def rows(self, places: Places, tilt: Float[Tensor, ""]) -> Rows:
        """One row a pair that meets."""
        here = places[self.first : self.first + len(self.balls.points)]
        a, b = self.balls.pairs.unbind(1)
        between = here[a] - here[b]
        distance = between.norm(dim=1).clamp(min=1e-4)
        depth = self.balls.radii[a] + self.balls.radii[b] - SLACK_M - distance
        meeting = (depth > 0).nonzero()[:, 0]
        values = depth[meeting] / SIGMA_M
        away = between[meeting] / distance[meeting, None]
        return Rows(
            values=values,
            weights=torch.ones_like(values),
            points=self.balls.pairs[meeting] + self.first,
            directions=torch.stack([-away, away], dim=1) / SIGMA_M,
            cost=float(values.square().sum()),
        )


def make_balls(model: AnnyModel, phenotypes: Float[Tensor, " phenotypes"]) -> Balls:
    """Fill trunk, head, arms and legs of a shape with balls; they follow the shape, their radii do not."""
    verts = model.rest_verts(phenotypes)
    joints = dict(zip(model.joint_names, model.rest_joints(phenotypes).unbind(), strict=True))
    groups = [("trunk", "", group) for group in _trunk(owned_by(model, TRUNK_BONES), verts, joints["root"])]
    groups.append(("head", "", owned_by(model, ("head",)).nonzero()[:, 0]))
    for side in "LR":
        for kind, (start, end, parts, around) in LIMB_BALLS.items():
            nearby = owned_by(model, around, side)
            ends = joints[f"{start}.{side}"], joints[f"{end}.{side}"]
            groups += [(kind, side, _slice(verts, nearby, *ends, part)) for part in parts]
    points = join_points([_center(model, group) for _, _, group in groups])
    radii = torch.stack([_radius(verts[group]) for _, _, group in groups])
    return Balls(points, radii, _pairs([(kind, side) for kind, side, _ in groups]))


def _trunk(
    trunk: Bool[Tensor, " verts"], verts: Float[Tensor, "verts 3"], root: Float[Tensor, "3"]
) -> list[Int[Tensor, " group"]]:
    """Skin around balls that stand side by side at several heights."""
    groups = []
    for height in TRUNK_HEIGHTS:
        level = trunk & ((verts[:, 1] - root[1] - height).abs() < 0.03)
        half_width = float(verts[level, 0].abs().max())
        half_depth = float(verts[level, 2].max() - verts[level, 2].min()) / 2
        reach = max(0.0, half_width - half_depth)
        for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
            groups.append((level & ((verts[:, 0] - share * reach).abs() < 0.035)).nonzero()[:, 0])
    return groups


def _slice(
    verts: Float[Tensor, "verts 3"],
    nearby: Tensor,
    start: Float[Tensor, "3"],
    end: Float[Tensor, "3"],
    part: float,
) -> Int[Tensor, " slice"]:
    """Skin in a thin slice square to a bone."""
    along = (end - start) / (end - start).norm()
    middle = start + part * (end - start)
    off = ((verts - middle) @ along).abs()
    off[~nearby] = torch.inf
    # At least a dozen vertices, however coarse the mesh is there.
    width = max(0.012, float(off.sort().values[12]))
    return (off <= width).nonzero()[:, 0]


def _center(model: AnnyModel, verts: Int[Tensor, " some"]) -> Points:
    return mixed_points(model, verts[None], torch.full((1, len(verts)), 1 / len(verts)))


def _radius(verts: Float[Tensor, "some 3"]) -> Float[Tensor, ""]:
    """A ball that stays inside: the distance that a quarter of the skin around comes closer than."""
    return (verts - verts.mean(0)).norm(dim=1).quantile(0.25)


def _pairs(kinds: list[tuple[str, str]]) -> Int[Tensor, "pairs 2"]:
    pairs = []
    for first, (kind, side) in enumerate(kinds):
        for second, (other, other_side) in enumerate(kinds):
            same = (kind, other) in APART and not (
                side and other_side and side != other_side and other != "thigh"
            )
            across = (kind, f"other {other}") in APART and side != other_side
            if (same or across) and not (kind == other and second < first):
                pairs.append((first, second))
    return torch.tensor(pairs)
