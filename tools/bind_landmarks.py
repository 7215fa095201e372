"""Find where on the body model the detectors' points lie, by showing the detectors renders of it.

    python tools/bind_landmarks.py src/vivant/fit/assets/landmarks.npz

Body points: each keeps a constant offset from the model's own anatomical point (or joint), in rest axes; the
offsets are those which best explain what the detector sees on many poses, shapes and sides. Face points: each
is bound to the triangle and place where it lies on frontal renders of several heads. Needs 5 minutes on a core.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree
from torch import Tensor

from vivant.body import AnnyModel, load_anny, pose_verts
from vivant.core.cameras import Cameras, look_at, project
from vivant.core.rotations import matrices_from_rotvecs
from vivant.engines.catalog import load_vision
from vivant.engines.jobs import VisionEngine
from vivant.fit.freedoms import Freedoms, make_freedoms
from vivant.fit.landmarks import anatomical_points, body_index, model_skeleton
from vivant.fit.placement import pose_of
from vivant.fit.reduced import Posed, State, place_points
from vivant.fit.solve import Anatomy
from vivant.mesh import interpolate, rasterize_mesh, vertex_normals
from vivant.perceive.points import look_at_body
from vivant.records import BODY_POINTS, Rig, Shape

NUM_BODIES = 90
SKIN, LIP, BROW, IRIS, EYE = (
    (0.86, 0.66, 0.55),
    (0.70, 0.38, 0.36),
    (0.25, 0.17, 0.12),
    (0.15, 0.1, 0.08),
    (0.95,) * 3,
)
CLOTHES = {
    "top": ("spine", "clavicle", "shoulder", "upperarm"),
    "legs": ("root", "pelvis", "upperleg", "lowerleg"),
    "shoes": ("foot", "toe"),
}
RIDGE_M = 0.02
"""Offsets are believed to be about this small."""

FACE_SPREAD_M = 0.012
"""A face point that wanders farther over the heads is left out."""


def main() -> None:
    """Render, look, solve, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("out", type=Path)
    out = parser.parse_args().out
    torch.set_num_threads(1)
    model, engine = load_anny(), load_vision("mediapipe")
    corners, barycentric, index = bind_face(model, engine)
    offsets = body_offsets(model, engine)
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out,
        body_offsets=offsets.astype(np.float32),
        face_corners=corners.astype(np.int32),
        face_barycentric=barycentric.astype(np.float32),
        face_index=index.astype(np.int32),
    )
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


def owners(model: AnnyModel) -> np.ndarray:
    """Name of the joint that carries most of each vertex."""
    best = model.skin_joints[torch.arange(len(model.skin_joints)), model.skin_weights.argmax(1)]
    return np.array(model.joint_names)[best.numpy()]


def draw(
    rig: Rig, verts: Tensor, colors: Tensor, camera: Cameras, background: Tensor, light: Tensor
) -> np.ndarray:
    """Shade a mesh softly over a background, twice as large as asked for and then reduced."""
    big = camera.resized(camera.width * 2, camera.height * 2)
    buffers = rasterize_mesh(verts, rig.faces, big)
    shade = (vertex_normals(verts, rig.faces) @ light * 0.7 + 0.4).clamp(0.12, 1.1)
    picture = interpolate(buffers, rig.faces, colors * shade[:, None])[0]
    picture = torch.where(buffers.face[0, ..., None] >= 0, picture, background)
    smooth = gaussian_filter(picture.numpy(), (1.2, 1.2, 0))[::2, ::2]
    return (smooth.clip(0, 1) * 255).astype(np.uint8)


@dataclass(frozen=True)
class Seen:
    """One render and what the detector saw."""

    posed: Posed
    cameras: Cameras
    points: Tensor
    trust: Tensor


def body_offsets(model: AnnyModel, engine: VisionEngine) -> np.ndarray:
    """Constant offsets in rest axes that explain the detector's body points best."""
    anatomy = Anatomy(model, model_skeleton(model), make_freedoms(model))
    generator = np.random.default_rng(0)
    seen = [one for number in range(NUM_BODIES) if (one := see_body(anatomy, engine, generator, number))]
    print(f"{len(seen)} of {NUM_BODIES} bodies were seen")
    points = anatomical_points(model)
    offsets = np.zeros((len(points), 3))
    before, after = [], []
    for number in range(len(points)):
        rows, goals = [], []
        for one in seen:
            at = place_points(points[torch.tensor([number])], one.posed)
            turn = (points.weights[number] @ one.posed.rotations.reshape(-1, 9)).reshape(3, 3)
            pixel, depth = project(at, one.cameras)
            focal = float(one.cameras.intrinsics[0, 0, 0])
            # Weak perspective is exact enough for a few centimetres.
            scale = float(depth[0]) / focal
            sight = one.cameras.cam_from_world[0, :2, :3] @ turn
            weight = float(one.trust[number]) / 0.01
            rows.append((sight * weight).numpy())
            goals.append(((one.points[number] - pixel[0]) * scale * weight).numpy())
        matrix, goal = np.concatenate(rows), np.concatenate(goals)
        offset, used = np.zeros(3), np.ones(len(goal))
        for _ in range(10):
            weighted = matrix * used[:, None]
            offset = np.linalg.solve(weighted.T @ matrix + np.eye(3) / RIDGE_M**2, weighted.T @ goal)
            left = (goal - matrix @ offset).reshape(-1, 2)
            used = np.repeat(1 / (1 + (left**2).sum(1) / 9) ** 2, 2)
        offsets[number] = offset
        before.append(np.median(np.linalg.norm(goal.reshape(-1, 2), axis=1)))
        after.append(np.median(np.linalg.norm(left, axis=1)))
    offsets = symmetrised(offsets)
    for name, offset, was, now in zip(body_names(), offsets, before, after, strict=True):
        print(f"{name:18} offset mm {np.round(offset * 1e3)}  median error cm {was:.2f} -> {now:.2f}")
    return offsets


def body_names() -> list[str]:
    """Names of the bound body points."""
    return [BODY_POINTS[int(i)] for i in body_index()]


def symmetrised(offsets: np.ndarray) -> np.ndarray:
    """Left and right are mirror images."""
    names, result = body_names(), offsets.copy()
    for number, name in enumerate(names):
        other = name.replace("left", "#").replace("right", "left").replace("#", "right")
        mirrored = offsets[names.index(other)] * [-1, 1, 1]
        result[number] = (offsets[number] + mirrored) / 2
    return result


def see_body(
    anatomy: Anatomy, engine: VisionEngine, generator: np.random.Generator, number: int
) -> Seen | None:
    """Render one body in one pose, and show it to the detector."""
    model, freedoms = anatomy.model, anatomy.freedoms
    phenotypes = torch.tensor(
        [
            generator.uniform(*span)
            for span in ((0, 1), (0.6, 0.85), (0.2, 0.8), (0.2, 0.8), (0.35, 0.65), (0.2, 0.8))
        ]
    ).float()
    state = random_state(anatomy, freedoms, generator, phenotypes, number)
    rig = model.rig(Shape("anny", phenotypes, torch.zeros(52)))
    pose = pose_of(anatomy, state, rig)
    verts = pose_verts(rig, pose)
    center = (verts.amax(0) + verts.amin(0)) / 2
    away = torch.tensor([0.0, generator.uniform(-0.1, 0.35), generator.uniform(3.0, 5.0)])
    extent = float((verts.amax(0) - verts.amin(0))[:2].max())
    focal = 800 * 0.8 / extent * float(away.norm())
    intrinsics = torch.tensor([[focal, 0, 400.0], [0, focal, 400.0], [0, 0, 1]])
    cameras = Cameras(look_at(center + away, center)[None], intrinsics[None], 800, 800)
    picture = draw(
        rig, verts, body_colors(model, generator), cameras, backdrop(generator, 1600), random_light(generator)
    )
    people = engine.see_people(picture)
    if not people:
        return None
    body = look_at_body(engine, picture, people[0].region)
    if body is None:
        return None
    index = body_index()
    steady = 1 / (1 + (body.spread / (0.01 * body.extent)) ** 2)
    trust = torch.from_numpy(body.visibility.clip(0, 1) * steady).float()[index]
    return Seen(anatomy.pose(state), cameras, torch.from_numpy(body.points).float()[index], trust)


def random_state(
    anatomy: Anatomy, freedoms: Freedoms, generator: np.random.Generator, phenotypes: Tensor, number: int
) -> State:
    """Somebody who stands, half of them with some life in the limbs, turned by up to 50 degrees."""
    noise = torch.from_numpy(generator.normal(size=freedoms.low.shape)).float() * freedoms.spread
    bends = (freedoms.natural + (0.15 if number % 2 else 0.45) * noise).clamp(freedoms.low, freedoms.high)
    turn = torch.tensor([0.0, generator.uniform(-0.9, 0.9), 0.0])
    return State(
        matrices_from_rotvecs(turn), torch.zeros(3), bends, phenotypes, torch.zeros(52), torch.zeros(())
    )


def body_colors(model: AnnyModel, generator: np.random.Generator) -> Tensor:
    """Plain skin, top, trousers and shoes."""
    who, colors = owners(model), np.tile(np.array(SKIN), (len(model.verts_mean), 1))
    for kinds in CLOTHES.values():
        colors[np.char.startswith(who[:, None], np.array(kinds)).any(1)] = generator.uniform(0.08, 0.85, 3)
    return torch.from_numpy(paint_face(model, colors)).float()


def paint_face(model: AnnyModel, colors: np.ndarray) -> np.ndarray:
    """White eyes with dark irises, red lips, brows: the detectors look for them."""
    verts = model.rest_verts(model.default_shape().coefficients).numpy()
    joints = model.rest_joints(model.default_shape().coefficients).numpy()
    eyes = np.unique(model.faces[model.face_region == 1].numpy())
    colors[eyes] = EYE
    for side in "LR":
        center = joints[model.joint_names.index(f"eye.{side}")]
        flat = np.linalg.norm(verts[eyes, :2] - center[:2], axis=1)
        colors[eyes[flat < 0.0062]] = IRIS
    moved = {name: action for name, action in zip(model.action_names, model.action_basis, strict=True)}
    lips = strongly(model, [moved["mouthPucker"], moved["mouthRollLower"], moved["mouthRollUpper"]], 0.5)
    brows = strongly(model, [moved["browDownLeft"], moved["browDownRight"]], 0.8)
    colors[lips], colors[brows] = LIP, BROW
    return colors


def strongly(model: AnnyModel, actions: list[Tensor], part: float) -> np.ndarray:
    """Vertices that some facial actions move most."""
    chosen = [(size := a.reshape(-1, 3).norm(dim=1)) > part * size.max() for a in actions]
    return model.action_verts[torch.stack(chosen).any(0)].numpy()


def backdrop(generator: np.random.Generator, side: int) -> Tensor:
    """Soft blobs of colour."""
    blobs = gaussian_filter(generator.uniform(0, 1, (side // 20, side // 20, 3)), (3, 3, 0))
    blobs = (blobs - blobs.min()) / np.ptp(blobs)
    picture = torch.from_numpy(blobs).float().permute(2, 0, 1)[None]
    return torch.nn.functional.interpolate(picture, (side, side), mode="bilinear")[0].permute(1, 2, 0)


def random_light(generator: np.random.Generator) -> Tensor:
    """From above and before the person."""
    light = torch.tensor([generator.uniform(-0.6, 0.6), 0.6, 0.8]).float()
    return light / light.norm()


def bind_face(model: AnnyModel, engine: VisionEngine) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, barycentrics and number of each face point that lies steadily on the skin."""
    default = model.rest_verts(model.default_shape().coefficients).numpy()
    faces = model.faces.numpy()
    found = []
    for gender in (0.0, 0.5, 1.0):
        for yaw in (-0.12, 0.0, 0.12):
            points = see_face(model, engine, gender, yaw, default)
            if points is not None:
                found.append(points)
    places = np.nanmedian(found, 0)
    wander = np.sqrt(np.nanmean(np.nansum((np.array(found) - places) ** 2, -1), 0))
    good = ~np.isnan(places[:, 0]) & (wander < FACE_SPREAD_M)
    print(f"face: {len(found)} heads seen, {good.sum()} points, wander mm {np.median(wander[good]) * 1e3:.1f}")
    external = model.external_verts.numpy()
    near = external[faces].all(1) & np.isin(owners(model), ["head", "eye.L", "eye.R", "neck03"])[faces].any(1)
    near = np.nonzero(near)[0]
    _, best = cKDTree(default[faces[near]].mean(1)).query(places[good])
    corners = faces[near[best]]
    weights = [barycentric_of(default[c], p) for c, p in zip(corners, places[good], strict=True)]
    return corners, np.array(weights), np.nonzero(good)[0]


def see_face(
    model: AnnyModel, engine: VisionEngine, gender: float, yaw: float, default: np.ndarray
) -> np.ndarray | None:
    """Where the 478 points lie on the default body's surface, from one render of a head."""
    rig = model.rig(model.default_shape(gender=gender))
    head = rig.verts[np.nonzero(owners(model) == "head")[0]].mean(0)
    away = torch.tensor([math.sin(yaw), 0.0, math.cos(yaw)]) * 0.9
    intrinsics = torch.tensor([[1200.0, 0, 256], [0, 1200.0, 256], [0, 0, 1]])
    cameras = Cameras(look_at(head + away, head)[None], intrinsics[None], 512, 512)
    colors = torch.from_numpy(paint_face(model, np.tile(np.array(SKIN), (len(rig.verts), 1)))).float()
    light = torch.tensor([-0.15, 0.35, 0.9])
    picture = draw(rig, rig.verts, colors, cameras, torch.full((1024, 1024, 3), 0.75), light / light.norm())
    seen = engine.see_face(picture)
    if seen is None:
        return None
    buffers = rasterize_mesh(rig.verts, rig.faces, cameras)
    column, row = seen.points[:, :2].astype(int).clip(0, 511).T
    face, weights = buffers.face[0].numpy()[row, column], buffers.barycentric[0].numpy()[row, column]
    places = (default[model.faces.numpy()[face]] * weights[..., None]).sum(1)
    places[face < 0] = np.nan
    return places


def barycentric_of(triangle: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Weights of a triangle's corners at the point nearest to a place."""
    sides = np.stack([triangle[1] - triangle[0], triangle[2] - triangle[0]], 1)
    a, b = np.linalg.lstsq(sides, point - triangle[0], rcond=None)[0]
    weights = np.clip([1 - a - b, a, b], 0, 1)
    return weights / weights.sum()


if __name__ == "__main__":
    main()
