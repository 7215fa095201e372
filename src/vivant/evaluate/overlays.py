"""Pictures that explain: what was seen in the photo, how the body lies in it, what is guessed."""

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import pose_verts
from vivant.mesh import interpolate, rasterize_mesh, vertex_normals
from vivant.records import BODY_POINTS, Avatar, Body, Hand, Person
from vivant.splat import colors_from_sh, sh_from_colors

BONES = (
    ("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"),
    *((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
        ("shoulder", "elbow"), ("elbow", "wrist"), ("shoulder", "hip"), ("hip", "knee"), ("knee", "ankle"),
        ("ankle", "heel"), ("heel", "foot_index"), ("ankle", "foot_index"))),
)  # fmt: skip
"""Pairs of body points that are joined by a line."""

FINGERS = tuple((0 if i % 4 == 1 else i - 1, i) for i in range(1, 21))
"""Pairs of hand points that are joined by a line."""

SEEN, GUESSED = (0.10, 0.62, 0.60), (0.96, 0.55, 0.15)
"""Colours of the trust map."""


def keypoint_svg(person: Person) -> str:
    """Points and bones as SVG shapes in the pixels of the person's image; doubtful ones are faint."""
    # Of a half body the points' extent is small; lines shall be seen in the picture all the same.
    unit = max(person.height_px, 0.6 * len(person.alpha)) / 100
    shapes = []
    index = {name: i for i, name in enumerate(BODY_POINTS)}
    points, sure = person.keypoints.tolist(), person.confidence.tolist()
    for a, b in BONES:
        i, j = index[a], index[b]
        shapes.append(_line(points[i], points[j], _side(a), unit * 0.7, min(sure[i], sure[j])))
    for (x, y), name, opacity in zip(points, BODY_POINTS, sure, strict=True):
        shapes.append(_dot(x, y, unit * 0.75, _side(name), opacity))
    for hand, color in ((person.left_hand, "#ff8a3d"), (person.right_hand, "#35b6ff")):
        if hand is not None:
            shapes += _hand(hand, color, unit)
    if person.face is not None:
        shapes += [_dot(x, y, unit * 0.14, "#ffffff", 0.8) for x, y, _ in person.face.tolist()]
    return "".join(shapes)


def cutout(person: Person) -> Float[Tensor, "height width 3"]:
    """The person's own colour over a chequerboard."""
    height, width = person.alpha.shape
    cell = max(height // 48, 4)
    y, x = torch.meshgrid(torch.arange(height) // cell, torch.arange(width) // cell, indexing="ij")
    board = torch.where((x + y) % 2 == 0, 0.93, 0.80)[..., None]
    alpha = person.alpha[..., None]
    return person.foreground * alpha + board * (1 - alpha)


def body_overlay(person: Person, body: Body) -> Float[Tensor, "height width 3"]:
    """The fitted body, shaded, over the faded photo."""
    verts = pose_verts(body.rig, body.pose)
    buffers = rasterize_mesh(verts, body.rig.faces, body.camera)
    normals = interpolate(buffers, body.rig.faces, vertex_normals(verts, body.rig.faces))[0]
    toward = torch.nn.functional.normalize(body.camera.centers_world[0] - verts.mean(0), dim=0)
    light = (normals @ toward).abs()
    shade = torch.tensor([0.36, 0.66, 0.98]) * (0.30 + 0.75 * light)[..., None]
    hit = (buffers.face[0] >= 0)[..., None]
    photo = person.image * 0.75 + 0.25
    return torch.where(hit, 0.72 * shade + 0.28 * photo, photo).clamp(0, 1)


def trust_colored(avatar: Avatar) -> Avatar:
    """The same avatar in the colours of trust, with a little of its own shading to be recognised."""
    splats = avatar.splats
    own = colors_from_sh(splats.sh[:, :1], splats.means).clamp(0, 1).mean(-1, keepdim=True)
    trust = avatar.trust[:, None].clamp(0, 1)
    color = torch.tensor(SEEN) * trust + torch.tensor(GUESSED) * (1 - trust)
    color = color * (0.55 + 0.55 * own)
    return replace(avatar, splats=replace(splats, sh=sh_from_colors(color.clamp(0, 1))))


def _hand(hand: Hand, color: str, unit: float) -> list[str]:
    points = hand.points.tolist()
    lines = [_line(points[a], points[b], color, unit * 0.3, hand.confidence) for a, b in FINGERS]
    return lines + [_dot(x, y, unit * 0.28, color, hand.confidence) for x, y in points]


def _side(name: str) -> str:
    return "#ff8a3d" if name.startswith("left") else "#35b6ff" if name.startswith("right") else "#ffe14d"


def _line(a: list[float], b: list[float], color: str, width: float, opacity: float) -> str:
    return (
        f'<line x1="{a[0]:.1f}" y1="{a[1]:.1f}" x2="{b[0]:.1f}" y2="{b[1]:.1f}" stroke="{color}" '
        f'stroke-width="{width:.1f}" stroke-linecap="round" opacity="{max(opacity, 0.12):.2f}"/>'
    )


def _dot(x: float, y: float, radius: float, color: str, opacity: float) -> str:
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
    return f'<circle {place} fill="{color}" opacity="{max(opacity, 0.12):.2f}"/>'
