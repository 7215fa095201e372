"""Put the feet where they belong: planted ones stand still, none goes under the floor."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vivant.animate.retarget.figure import Figure
from vivant.core.rotations import (
    matrices_from_quats,
    multiply_quats,
    quats_from_rotvecs,
    slerp_quats,
)
from vivant.records import Rig

SLOW, SLOWER = 0.30, 0.15
"""Metres a second: a foot is planted once it is slower than the second, until it is faster than the first."""

LOW = 0.04
"""Metres above its lowest: a foot's heel or ball higher than this is not planted."""

WANDER = 0.05
"""Metres that the clip may let a planted foot creep before it counts as another stance."""

STRAIGHT = 0.9985
"""Of the leg's length: never quite straight, or the knee loses its direction."""


@dataclass(frozen=True)
class Sole:
    """Where one foot of the rig touches the floor, at rest, seen from its ankle."""

    heel: Float[Tensor, "3"]
    ball: Float[Tensor, "3"]
    skin: Float[Tensor, "points 3"]
    """Of the sole, back to front."""

    toes: Float[Tensor, "points 3"]
    """Of the toes' underside, seen from the joint they turn about."""

    pivot: Float[Tensor, "3"]
    """That joint."""


@dataclass(frozen=True)
class Steps:
    """When and where a foot stands."""

    heel: Bool[Tensor, " frames"]
    ball: Bool[Tensor, " frames"]
    stance: list[tuple[int, int]]
    """First frame, and one past the last."""


def sole_of(rig: Rig, figure: Figure, side: str) -> Sole:
    """Find heel, ball and toe tip of a foot from the skin."""
    ankle = figure.place(f"{side}_foot")
    sign = 1.0 if side == "left" else -1.0
    low = rig.verts[(rig.verts[:, 1] < 0.5 * ankle[1]) & (rig.verts[:, 0] * sign > 0)]
    if len(low) < 8:
        heel, ball = (torch.stack([0 * ankle[0], -ankle[1], z * ankle[1]]) for z in (-0.6, 1.6))
        return Sole(heel, ball, torch.stack([heel, ball]), torch.zeros(1, 3), ball)
    floor = float(low[:, 1].min())
    low = low[low[:, 1] < floor + 0.03]
    back, front = float(low[:, 2].min()), float(low[:, 2].max())

    def middle(z: float) -> Tensor:
        near = low[(low[:, 2] - z).abs() < 0.03]
        return torch.tensor([float(near[:, 0].mean()), floor, z]) - ankle

    toe = figure.place(f"{side}_toe")[2] if f"{side}_toe" in figure.roles else back + 0.72 * (front - back)
    ball = middle(float(toe))
    of_toes = low[:, 2] > toe
    pivot = figure.place(f"{side}_toe") - ankle if f"{side}_toe" in figure.roles else ball
    under, toes = _spread(low[~of_toes] - ankle), _spread(low[of_toes] - ankle - pivot)
    return Sole(middle(back + 0.01), ball, under, toes, pivot)


def _spread(points: Float[Tensor, "some 3"]) -> Float[Tensor, "points 3"]:
    """The outermost points all round, seen from above, with the lowest of each direction."""
    if len(points) < 12:
        return points
    angles = torch.arange(12) * (2 * torch.pi / 12)
    ways = torch.stack([angles.cos(), -0.5 + 0 * angles, angles.sin()])
    return points[(points @ ways).argmax(0)]


def find_steps(
    ankle: Float[Tensor, "frames 3"], foot: Float[Tensor, "frames 3 3"], sole: Sole, fps: float
) -> Steps:
    """Tell from a foot's path (at the rig's scale) when heel and ball stand still on the floor."""
    heel, ball = (_standing(ankle + foot @ part, fps) for part in (sole.heel, sole.ball))
    any_contact = heel | ball
    stances: list[tuple[int, int]] = []
    at, frames = 0, len(any_contact)
    flat = torch.tensor([1.0, 0.0, 1.0])
    while at < frames:
        if not any_contact[at]:
            at += 1
            continue
        first = at
        part = sole.ball if bool(ball[first]) else sole.heel
        path = (ankle + foot @ part) * flat
        while at < frames and any_contact[at]:
            if bool(ball[at]) and part is sole.heel:
                part, path = sole.ball, (ankle + foot @ sole.ball) * flat
                start = at
            else:
                start = first
            if float((path[at] - path[start]).norm()) > WANDER:
                break
            at += 1
        if at - first >= max(2, round(0.08 * fps)):
            stances.append((first, at))
        else:
            heel[first:at] = False
            ball[first:at] = False
        at = max(at, first + 1)
    keep = torch.zeros(frames, dtype=torch.bool)
    for first, last in stances:
        keep[first:last] = True
    return Steps(heel & keep, ball & keep, stances)


def _standing(path: Float[Tensor, "frames 3"], fps: float) -> Bool[Tensor, " frames"]:
    """Low and slow, with some inertia."""
    if len(path) < 3:
        return path[:, 1] < LOW
    speed = torch.cat([path[1:2] - path[:1], (path[2:] - path[:-2]) / 2, path[-1:] - path[-2:-1]]) * fps
    fast = speed.norm(dim=-1)
    # A foot that hovers higher all the time stands on nothing.
    low = path[:, 1] < min(max(0.0, float(torch.quantile(path[:, 1], 0.02))), LOW) + LOW
    stands, planted = [], False
    for slow, slower, near in zip((fast < SLOW).tolist(), (fast < SLOWER).tolist(), low.tolist(), strict=True):
        planted = near and (slower or (planted and slow))
        stands.append(planted)
    return torch.tensor(stands)


def plant(
    ankle: Float[Tensor, "frames 3"],
    foot: Float[Tensor, "frames 4"],
    toes: Float[Tensor, "frames 4"],
    sole: Sole,
    steps: Steps,
    fps: float,
) -> tuple[Float[Tensor, "frames 3"], Float[Tensor, "frames 4"]]:
    """Where ankle and foot shall be so that stances stand still, flat where heel and ball both touch."""
    both = steps.heel & steps.ball
    flatness = torch.zeros(len(ankle))
    flat = foot.clone()
    for first, last in steps.stance:
        inside = both[first:last]
        if bool(inside.any()):
            flat[first:last] = _yaw_only(foot[first:last][inside])
            flatness[first:last] = _eased(inside.float(), max(1, round(0.06 * fps)))
    foot = slerp_quats(foot, flat, flatness[:, None])
    turned = matrices_from_quats(foot)
    heel, ball = (ankle + turned @ part for part in (sole.heel, sole.ball))
    shift, known = torch.zeros_like(ankle), torch.zeros(len(ankle), dtype=torch.bool)
    for first, last in steps.stance:
        _anchor(shift, first, last, steps, heel, ball)
        known[first:last] = True
    ankle = ankle + _bridge(shift, known)
    lowest = lowest_point(ankle, turned, matrices_from_quats(toes), sole)
    return ankle + torch.stack([0 * lowest, (-lowest).clamp(min=0), 0 * lowest], dim=-1), foot


def _anchor(
    shift: Float[Tensor, "frames 3"],
    first: int,
    last: int,
    steps: Steps,
    heel: Float[Tensor, "frames 3"],
    ball: Float[Tensor, "frames 3"],
) -> None:
    """Hold the part that touches over one stance; the ball leads, the heel's place follows from it."""
    on_ball, on_heel = steps.ball[first:last], steps.heel[first:last] & ~steps.ball[first:last]
    both = on_ball & steps.heel[first:last]
    for touching, part in ((on_ball, ball), (on_heel, heel)):
        if not bool(touching.any()):
            continue
        path = part[first:last]
        if part is heel and bool(on_ball.any()):
            # Where the heel lies while the foot stands flat, or at the moment nearest to it.
            moments = both.nonzero()[:, 0] if bool(both.any()) else on_ball.nonzero()[:, 0][:1]
            anchor = (path + shift[first:last])[moments].mean(0)
        else:
            chosen = path[both] if bool(both.any()) and part is ball else path[touching]
            anchor = chosen.median(dim=0).values
        anchor = torch.stack([anchor[0], 0 * anchor[1], anchor[2]])
        shift[first:last][touching] = anchor - path[touching]


def _bridge(shift: Float[Tensor, "frames 3"], known: Bool[Tensor, " frames"]) -> Float[Tensor, "frames 3"]:
    """Between stances, pass smoothly from one correction to the next."""
    frames = known.nonzero()[:, 0]
    if not len(frames):
        return shift
    at = torch.arange(len(known))
    after = torch.searchsorted(frames, at).clamp(max=len(frames) - 1)
    before = (torch.searchsorted(frames, at, right=True) - 1).clamp(min=0)
    a, b = frames[before], frames[after]
    part = ((at - a) / (b - a).clamp(min=1)).clamp(0, 1)
    part = (part * part * (3 - 2 * part))[:, None]
    return torch.where(known[:, None], shift, shift[a] * (1 - part) + shift[b] * part)


def lowest_point(
    ankle: Float[Tensor, "frames 3"],
    foot: Float[Tensor, "frames 3 3"],
    toes: Float[Tensor, "frames 3 3"],
    sole: Sole,
) -> Float[Tensor, " frames"]:
    """Height of the lowest point of a foot."""
    under = (foot[:, 1] @ sole.skin.T).amin(-1)
    tip = foot[:, 1] @ sole.pivot + (toes[:, 1] @ sole.toes.T).amin(-1)
    return ankle[:, 1] + torch.minimum(under, tip)


def drop_to_reach(
    hips: Float[Tensor, "frames 2 3"],
    ankles: Float[Tensor, "frames 2 3"],
    planted: Bool[Tensor, "frames 2"],
    lengths: Float[Tensor, "2"],
    fps: float,
) -> Float[Tensor, " frames"]:
    """How far the hips must sink so that planted feet are within reach; smooth over time."""
    way = hips - ankles
    level = way[..., [0, 2]].square().sum(-1)
    reach = (lengths * STRAIGHT).square()
    excess = way[..., 1] - (reach - level).clamp(min=1e-4).sqrt()
    needed = torch.where(planted, excess, torch.zeros_like(excess)).clamp(0, 0.25).amax(-1)
    return envelope(needed, max(1, round(0.15 * fps)))


def envelope(values: Float[Tensor, " frames"], reach: int) -> Float[Tensor, " frames"]:
    """A smooth curve nowhere below some values: their running maximum, then averaged over the same window."""
    padded = torch.nn.functional.pad(values[None, None], (reach, reach), mode="replicate")
    highest = torch.nn.functional.max_pool1d(padded, 2 * reach + 1, stride=1)
    padded = torch.nn.functional.pad(highest, (reach, reach), mode="replicate")
    return torch.nn.functional.avg_pool1d(padded, 2 * reach + 1, stride=1)[0, 0]


def reach_for(
    upper: Float[Tensor, "frames 4"],
    lower: Float[Tensor, "frames 4"],
    bones: tuple[Float[Tensor, "3"], Float[Tensor, "3"]],
    hinge: Float[Tensor, "3"],
    way: Float[Tensor, "frames 3"],
) -> tuple[Float[Tensor, "frames 4"], Float[Tensor, "frames 4"]]:
    """Bend a leg and swing it so that its ankle lies at `way` from the hip; the knee keeps its plane.

    Args:
        upper: World turn of the thigh.
        lower: World turn of the shin.
        bones: Thigh and shin at rest.
        hinge: The knee's axis at rest.
        way: Wanted, from hip to ankle.
    """
    thigh, shin = (matrices_from_quats(quat) @ bone for quat, bone in zip((upper, lower), bones, strict=True))
    a, b = float(bones[0].norm()), float(bones[1].norm())
    wanted = way.norm(dim=-1).clamp(abs(a - b) + 1e-3, (a + b) * STRAIGHT)
    axis = matrices_from_quats(upper) @ hinge
    bent = torch.linalg.cross(thigh, shin)
    # The plane the leg lies in, unless it is too straight to have one.
    clear = bent.norm(dim=-1, keepdim=True) > 0.06 * a * b
    axis = torch.nn.functional.normalize(torch.where(clear, bent, axis), dim=-1)
    axis = torch.nn.functional.normalize(axis - _along(axis, thigh), dim=-1)
    flat_shin = shin - _along(shin, axis)
    now = torch.atan2((torch.linalg.cross(thigh, flat_shin) * axis).sum(-1), (thigh * flat_shin).sum(-1))
    # Of a shin that leans out of the plane only the part within it bends.
    cosine = (wanted.square() - a * a - b * b) / (2 * a * flat_shin.norm(dim=-1).clamp(min=0.5 * b))
    step = quats_from_rotvecs((cosine.clamp(-1, 1).arccos() - now)[:, None] * axis)
    lower = multiply_quats(step, lower)
    end = thigh + (matrices_from_quats(step) @ shin[..., None])[..., 0]
    swing = _shortest(end, way)
    return multiply_quats(swing, upper), multiply_quats(swing, lower)


def _along(vectors: Float[Tensor, "frames 3"], axis: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 3"]:
    axis = torch.nn.functional.normalize(axis, dim=-1)
    return (vectors * axis).sum(-1, keepdim=True) * axis


def _shortest(a: Float[Tensor, "frames 3"], b: Float[Tensor, "frames 3"]) -> Float[Tensor, "frames 4"]:
    """Quaternions that turn one direction into another the short way."""
    a, b = torch.nn.functional.normalize(a, dim=-1), torch.nn.functional.normalize(b, dim=-1)
    quats = torch.cat([1 + (a * b).sum(-1, keepdim=True), torch.linalg.cross(a, b)], dim=-1)
    return torch.nn.functional.normalize(quats, dim=-1)


def _yaw_only(quats: Float[Tensor, "some 4"]) -> Float[Tensor, "4"]:
    """The mean heading of some turns."""
    ahead = matrices_from_quats(quats)[..., 2].mean(0)
    half = torch.atan2(ahead[0], ahead[2]) / 2
    return torch.stack([half.cos(), 0 * half, half.sin(), 0 * half])


def _eased(values: Float[Tensor, " frames"], reach: int) -> Float[Tensor, " frames"]:
    """Reach 1 where values are 1, and ramp towards it outside."""
    ramp = torch.nn.functional.max_pool1d(values[None, None], 2 * reach + 1, stride=1, padding=reach)
    kernel = torch.ones(1, 1, 2 * reach + 1) / (2 * reach + 1)
    padded = torch.nn.functional.pad(ramp, (reach, reach), mode="replicate")
    return torch.maximum(values, torch.nn.functional.conv1d(padded, kernel)[0, 0])
