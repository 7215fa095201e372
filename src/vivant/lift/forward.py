"""The stage: a person and a fitted body in, a coarse avatar out, without learned weights."""

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from vivant.body import forward_kinematics, skin_points, skin_quats
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread, run_together
from vivant.lift.complete import complete
from vivant.lift.drape import drape
from vivant.lift.dress import dress, hang
from vivant.lift.evidence import Evidence, gather, like
from vivant.lift.gaussians import COVER, bind, discs, spacing_of
from vivant.lift.guess import places_of
from vivant.lift.head import Cut, comb, find_cut
from vivant.lift.mask import trusted_mask
from vivant.lift.notes import tell_guesses
from vivant.lift.posed import Lens, carry, draw_depths, facing, photo_lens, posed_normals
from vivant.lift.regions import LEFT_HAND, TRUNK, Regions, find_regions
from vivant.lift.scatter import scatter
from vivant.lift.sheets import span_sheets
from vivant.lift.shell import Shell, build_shell, plain_colors
from vivant.lift.sight import Picture, Sight, look, lookup, prepare_picture, ramp
from vivant.lift.skirt import find_hem, skirt_weights
from vivant.lift.solve import sharpen
from vivant.lift.surface import Skin, fine_skin, normals_of
from vivant.lift.tuck import tuck_hidden_hands
from vivant.records import Avatar, Binding, Body, Origin, Person, Splats
from vivant.splat import sh_from_colors

Part = TypeVar("Part", Splats, Binding)

THICKER = 0.4
"""How much wider splats of guessed hair are."""

LOOSE = 0.015
"""Metres that loose clothes stand off the trunk."""


@dataclass(frozen=True)
class Cloud:
    """Some splats at rest."""

    splats: Splats
    binding: Binding
    trust: Float[ndarray, " splats"]
    anchor: Float[ndarray, " splats"]
    """How firmly each keeps its colour when the photo is matched."""

    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LiftConfig:
    """How the coarse avatar is made."""

    splats: int = 60_000
    """About how many splats: 40,000 to 80,000 are sensible."""

    hanging: float = 0.6
    """How far clothes fall straight over the hollows of the trunk: 0 is a second skin, 1 spans all."""

    def __post_init__(self) -> None:
        """Check before long work what can be built.

        Raises:
            BadInputError: If a number is out of range.
        """
        if not 1000 <= self.splats <= 1_000_000:
            raise BadInputError(f"{self.splats} splats; 1,000 to 1,000,000 are possible.")
        if not 0 <= self.hanging <= 1:
            raise BadInputError(f"Clothes that hang by {self.hanging}; 0 to 1 are possible.")


def lift(context: Context, person: Person, body: Body, config: LiftConfig) -> Avatar:
    """Dress the body in the photo's colours, and guess what the photo does not show.

    Seen splats take the photo's colour; the rest is completed from the other side, from what is seen at the
    same height, and from the hair, and gets little trust.
    """
    with one_torch_thread():
        return _lift(context, person, body, config)


def _lift(context: Context, person: Person, body: Body, config: LiftConfig) -> Avatar:
    (bare, regions), picture = run_together([
        partial(_parted_skin, body), partial(prepare_picture, person)
    ])  # fmt: skip
    lens = photo_lens(body)
    frames = lens.blend(bare.weights)
    bare_cam = carry(frames, bare.verts)
    sight = _look_at_verts(bare, bare_cam, picture, lens)
    evidence = gather(sight, regions, bare.verts[:, 1], person.visible_parts)
    tucked = tuck_hidden_hands(person, body, bare, regions, lens, bare_cam, sight, evidence)
    if tucked is not body:
        body, lens = tucked, photo_lens(tucked)
        frames = lens.blend(bare.weights)
        bare_cam = carry(frames, bare.verts)
    cut = find_cut(bare, regions, lens, frames, picture, evidence)
    skin = dress(replace(bare, verts=comb(bare, regions, cut)), regions, evidence)
    context.advance(0.1)

    pinned = regions.face if person.face is not None else 0.2 * regions.face
    pinned = pinned * ramp(facing(bare_cam, posed_normals(bare, bare_cam)), 0.25, 0.6)
    picture = replace(picture, alpha=trusted_mask(picture, _part_picture(bare, regions, bare_cam, lens)))
    shifts = drape(skin, regions, lens, picture.alpha, pinned)
    draped = carry(frames, skin.verts) + shifts
    rest = skin.verts + np.linalg.solve(frames[:, :, :3], shifts[..., None])[..., 0]
    if evidence.dressed:
        free = ramp(np.abs(facing(draped, posed_normals(skin, draped))), 0.35, 0.8)
        rest = hang(rest, skin, regions, free, config.hanging * _looseness(skin, regions, draped, shifts))
        draped = carry(frames, rest)
    context.advance(0.3)

    # Draped, the head carries its hair and the arms their sleeves: what is seen of them is clearer now.
    evidence = gather(
        _look_at_verts(skin, draped, picture, lens), regions, skin.verts[:, 1], person.visible_parts
    )
    hem = find_hem(skin, regions, body.rig, lens, draped, picture, evidence.skin)
    if hem is not None:
        skin = replace(skin, weights=skirt_weights(skin, regions, body.rig, hem))
        frames = lens.blend(skin.weights)
        rest = np.linalg.solve(frames[:, :, :3], (draped - frames[:, :, 3])[..., None])[..., 0]
    random = np.random.default_rng(context.seed)
    hairlike = np.zeros(picture.alpha.shape, bool)
    if evidence.hair is not None:
        shown = picture.alpha > 0
        hairlike[shown] = like(picture.smooth[shown], evidence.hair)
    sheets = span_sheets(skin, regions, lens, draped, picture, hairlike, hem is not None)
    shell = None if sheets is None else build_shell(sheets, lens, picture, config.splats // 5, random)
    cloth = _skin_cloud(
        skin, regions, lens, body, draped, rest, shell, picture, person, evidence, cut, config, random
    )
    clouds = [cloth] if shell is None else [cloth, _shell_cloud(shell, skin, lens, body, rest, picture)]
    context.advance(0.8)

    splats, binding, trust = _joined(clouds)
    anchor = np.concatenate([cloud.anchor for cloud in clouds])
    sharp = sharpen(
        _posed(splats, binding, body), lens, picture.color, ramp(picture.alpha, 0.6, 0.98), anchor, 0.5
    )
    return Avatar(
        splats=replace(splats, sh=sh_from_colors(torch.from_numpy(sharp).float())),
        binding=binding,
        trust=torch.from_numpy(trust).float().clamp(0.05, 1.0),
        rig=body.rig,
        shape=body.shape,
        photo_pose=body.pose,
        photo_camera=body.camera,
        origin=_origin(person, body, cloth.notes),
    )


def _parted_skin(body: Body) -> tuple[Skin, Regions]:
    """The bare skin and its parts."""
    bare = fine_skin(body)
    return bare, find_regions(bare, body.rig)


def _look_at_verts(skin: Skin, posed_cam: ndarray, picture: Picture, lens: Lens) -> Sight:
    """What the photo shows at the skin's vertices."""
    depths = draw_depths(posed_cam, skin.faces, lens)
    share = np.ones((len(posed_cam), 2))
    return look(posed_cam, posed_normals(skin, posed_cam), share, depths.depth, picture, lens)


def _part_picture(skin: Skin, regions: Regions, posed_cam: ndarray, lens: Lens) -> ndarray:
    """Which part of the body each pixel shows; -1 where none."""
    depths = draw_depths(posed_cam, skin.faces, lens)
    corner = np.take_along_axis(skin.faces[depths.face], depths.barycentric.argmax(2)[..., None], 2)[..., 0]
    return np.where(depths.covered, regions.part[corner], -1)


def _looseness(skin: Skin, regions: Regions, draped: ndarray, shifts: ndarray) -> float:
    """0.3 to 1: how far the clothes stand off the trunk at its outline."""
    normals = posed_normals(skin, draped)
    rim = (regions.part == TRUNK) & (np.abs(facing(draped, normals)) < 0.3)
    off = float(np.median((shifts * normals).sum(1)[rim])) if rim.any() else 0.0
    return float(np.clip(off / LOOSE, 0.3, 1.0))


def _skin_cloud(
    skin: Skin,
    regions: Regions,
    lens: Lens,
    body: Body,
    draped: ndarray,
    rest: ndarray,
    shell: Shell | None,
    picture: Picture,
    person: Person,
    evidence: Evidence,
    cut: Cut,
    config: LiftConfig,
    random: np.random.Generator,
) -> Cloud:
    """Splats on the draped skin."""
    normals = posed_normals(skin, draped)
    depths = draw_depths(draped, skin.faces, lens)
    count = config.splats - (0 if shell is None else len(shell))
    points = scatter(skin, regions, lens, draped, normals, depths, picture.detail, count, random)
    blocked = depths.depth if shell is None else _nearest(depths.depth, shell.depth)
    hands = np.clip(3 * points.take(skin.faces, regions.share)[:, LEFT_HAND : LEFT_HAND + 2], 0, 1)
    place = points.take(skin.faces, draped)
    sight = look(place, _unit(points.take(skin.faces, normals)), hands, blocked, picture, lens)
    anchor = 0.03 + 3 * (1 - sight.share) ** 2
    foreign = _foreign(points.take(skin.faces, regions.share), sight, person, evidence)
    sight = replace(sight, trust=sight.trust * (1 - foreign), share=sight.share * (1 - foreign))
    anchor = anchor + 30 * foreign
    means = points.take(skin.faces, rest)
    rest_normals = _unit(points.take(skin.faces, normals_of(rest, skin.faces)))
    spacing = spacing_of(means, rest_normals)
    places = places_of(points, skin, regions, spacing, cut)
    colors = complete(points, places, sight, skin, evidence)
    notes = tell_guesses(places.part, places.face, places.rest[:, 0], sight.trust, evidence)
    barycentric = np.einsum("pk,pkc->pc", points.barycentric, skin.corner_barycentric[points.face])
    weights = points.take(skin.faces, skin.weights)
    binding = bind(means, skin.rig_face[points.face], barycentric, weights, body.rig)
    # Hair that is guessed has no detail to keep sharp, and the bright face must not shine through from inside.
    dense = 1 + THICKER * places.scalp * (1 - sight.trust)
    widths = COVER * spacing * dense
    return Cloud(discs(means, rest_normals, widths, colors), binding, sight.trust, anchor, notes)


def _foreign(share: ndarray, sight: Sight, person: Person, evidence: Evidence) -> ndarray:
    """1 for splats of a hand where the photo shows something else: a pocket, the other arm, nothing."""
    foreign = np.zeros(len(share))
    for side, (hand, name) in enumerate(((person.left_hand, "left_hand"), (person.right_hand, "right_hand"))):
        on_hand = ramp(share[:, LEFT_HAND + side], 0.3, 0.6)
        if person.visible_parts and name not in person.visible_parts:
            foreign = np.maximum(foreign, on_hand)
        elif hand is None:
            foreign = np.maximum(foreign, on_hand * ~like(sight.color, evidence.hand, 0.085))
    return foreign


def _shell_cloud(shell: Shell, skin: Skin, lens: Lens, body: Body, rest: ndarray, picture: Picture) -> Cloud:
    """Splats on the shell, brought to rest by their own skin weights."""
    frames = lens.blend(shell.weights)
    means = np.linalg.solve(frames[:, :, :3], (shell.points - frames[:, :, 3])[..., None])[..., 0]
    normals = _unit(np.einsum("nji,nj->ni", frames[:, :, :3], shell.normals))
    pixels = lens.pixels(shell.points)
    inside = ramp(lookup(picture.inside, pixels), 0.3, 2.2) * ramp(lookup(picture.alpha, pixels), 0.5, 0.95)
    trust = inside * shell.front * ramp(-shell.normals[:, 2], 0.1, 0.4)
    plain = plain_colors(shell, pixels, picture)
    colors = trust[:, None] * lookup(picture.smooth, pixels) + (1 - trust[:, None]) * plain
    face, barycentric = _corners(shell.vertex, skin)
    binding = bind(means, face, barycentric, shell.weights, body.rig)
    return Cloud(
        discs(means, normals, COVER * shell.spacing, colors), binding, trust, 0.03 + 3 * (1 - trust) ** 2
    )


def _corners(vertex: ndarray, skin: Skin) -> tuple[ndarray, ndarray]:
    """For vertices of the skin, a triangle of the rig and where in it they lie."""
    face = np.zeros(len(skin.verts), int)
    corner = np.zeros(len(skin.verts), int)
    for turn in range(3):
        face[skin.faces[:, turn]] = np.arange(len(skin.faces))
        corner[skin.faces[:, turn]] = turn
    return skin.rig_face[face[vertex]], skin.corner_barycentric[face[vertex], corner[vertex]]


def _nearest(a: ndarray, b: ndarray) -> ndarray:
    """The nearer of two depths, 0 meaning none."""
    nearest = np.minimum(np.where(a > 0, a, np.inf), np.where(b > 0, b, np.inf))
    return np.where(np.isfinite(nearest), nearest, 0.0)


def _joined(clouds: list[Cloud]) -> tuple[Splats, Binding, ndarray]:
    """One set of splats from several."""

    def join(kind: type[Part], records: list[Part]) -> Part:
        return kind(*(torch.cat([getattr(r, f.name) for r in records]) for f in fields(kind)))

    splats = join(Splats, [cloud.splats for cloud in clouds])
    binding = join(Binding, [cloud.binding for cloud in clouds])
    return splats, binding, np.concatenate([cloud.trust for cloud in clouds])


def _posed(splats: Splats, binding: Binding, body: Body) -> Splats:
    """The splats in the photo's pose."""
    transforms = forward_kinematics(body.rig.joint_parents, body.rig.joints_world, body.pose)
    means = skin_points(splats.means, binding.skin_joints, binding.skin_weights, transforms)
    quats = skin_quats(splats.quats, binding.skin_joints, binding.skin_weights, transforms)
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, splats.sh)


def _unit(vectors: ndarray) -> ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _origin(person: Person, body: Body, notes: tuple[str, ...]) -> Origin:
    return Origin(
        recipe="", photo="", config="", engines=("lift: surface projection, embedded",), versions=(),
        notes=tuple(dict.fromkeys((*person.notes, *body.notes, *notes))),
    )  # fmt: skip
