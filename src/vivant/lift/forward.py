"""The stage: a person and a fitted body in, a coarse avatar out, without learned weights."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy import ndarray

from vivant.body import forward_kinematics, skin_points, skin_quats
from vivant.core.run import Context
from vivant.lift.complete import complete
from vivant.lift.drape import drape
from vivant.lift.gaussians import COVER, bind, discs, spacing_of
from vivant.lift.guess import places_of
from vivant.lift.posed import carry, draw_depths, photo_lens, posed_normals
from vivant.lift.regions import LEFT_ARM, LEFT_HAND, find_regions
from vivant.lift.scatter import scatter
from vivant.lift.sight import look, prepare_picture, ramp
from vivant.lift.solve import sharpen
from vivant.lift.surface import fine_skin, normals_of
from vivant.records import Avatar, Binding, Body, Origin, Person, Splats


@dataclass(frozen=True)
class LiftConfig:
    """How the coarse avatar is made."""

    splats: int = 60_000
    """About how many splats: 40,000 to 80,000 are sensible."""


def lift(context: Context, person: Person, body: Body, config: LiftConfig) -> Avatar:
    """Dress the body in the photo's colours, and guess what the photo does not show.

    Seen splats take the photo's colour; the rest is completed from the other side, from what is seen at the same height, and
    from the hair, and gets little trust.
    """
    random = np.random.default_rng(context.seed)
    skin = fine_skin(body)
    regions = find_regions(skin, body.rig)
    lens = photo_lens(body)
    picture = prepare_picture(person)
    pinned = regions.face if person.face is not None else 0.2 * regions.face
    frames = lens.blend(skin.weights)
    shifts = drape(skin, regions, lens, picture.alpha, pinned)
    draped = carry(frames, skin.verts) + shifts
    rest = skin.verts + np.linalg.solve(frames[:, :, :3], shifts[..., None])[..., 0]
    context.advance(0.3)

    normals = posed_normals(skin, draped)
    depths = draw_depths(draped, skin.faces, lens)
    points = scatter(skin, regions, lens, draped, normals, depths, picture.detail, config.splats, context.seed)
    rest_normals = _unit(points.take(skin.faces, normals_of(rest, skin.faces)))
    sight = look(
        points.take(skin.faces, draped),
        _unit(points.take(skin.faces, normals)),
        _hand_share(points.take(skin.faces, regions.share)),
        depths.depth,
        picture,
        lens,
    )
    context.advance(0.5)
    places = places_of(points, skin, regions, normals_of(skin.verts, skin.faces))
    colors = complete(points, places, sight, skin, random)
    context.advance(0.8)

    means = points.take(skin.faces, rest)
    widths = COVER * spacing_of(means, rest_normals)
    rig_face = skin.rig_face[points.face]
    barycentric = np.einsum("pk,pkc->pc", points.barycentric, skin.corner_barycentric[points.face])
    binding = bind(means, rig_face, barycentric, points.take(skin.faces, skin.weights), body.rig)
    splats = discs(means, rest_normals, widths, colors)
    anchor = 0.03 + 2.0 * (1 - sight.trust)
    sharp = sharpen(
        _posed(splats, binding, body), lens, picture.color, ramp(picture.alpha, 0.6, 0.98), anchor, 0.3
    )
    return Avatar(
        splats=discs(means, rest_normals, widths, sharp),
        binding=binding,
        trust=torch.from_numpy(sight.trust).float().clamp(0.05, 1.0),
        rig=body.rig,
        shape=body.shape,
        photo_pose=body.pose,
        photo_camera=body.camera,
        origin=_origin(person, body),
    )


def _posed(splats: Splats, binding: Binding, body: Body) -> Splats:
    """The splats in the photo's pose."""
    transforms = forward_kinematics(body.rig.joint_parents, body.rig.joints_world, body.pose)
    means = skin_points(splats.means, binding.skin_joints, binding.skin_weights, transforms)
    quats = skin_quats(splats.quats, binding.skin_joints, binding.skin_weights, transforms)
    return Splats(means, quats, splats.log_scales, splats.opacity_logits, splats.sh)


def _unit(vectors: ndarray) -> ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def _hand_share(share: ndarray) -> ndarray:
    """How much each point may take a hand's pixels: the hand, and the wrist's part of the arm."""
    return np.clip(share[:, LEFT_HAND : LEFT_HAND + 2] * 3, 0, 1) + 0 * share[:, LEFT_ARM : LEFT_ARM + 2]


def _origin(person: Person, body: Body) -> Origin:
    return Origin(
        recipe="", photo="", config="", engines=("lift: surface projection, embedded",), versions=(),
        notes=(*person.notes, *body.notes),
    )  # fmt: skip
