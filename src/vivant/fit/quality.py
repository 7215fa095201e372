"""How well a body fits the person it was fitted to."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from vivant.body import forward_kinematics, load_anny, pose_verts
from vivant.core.cameras import project
from vivant.fit.landmarks import Landmarks, anny_landmarks
from vivant.fit.reduced import Points
from vivant.mesh import rasterize_mesh
from vivant.records import Body, Person, Score

SURE = 0.5
"""Body points with less confidence are not counted."""


def fit_quality(person: Person, body: Body) -> tuple[Score, ...]:
    """Reprojection, face, mask: what can be measured without a ground truth.

    Scores that have nothing to measure (no face seen, no point sure) are left out.
    """
    scores = []
    if body.shape.model == "anny":
        landmarks = anny_landmarks()
        points = _point_error(person, body, landmarks)
        if points is not None:
            scores.append(points)
        if person.face is not None:
            scores.append(_face_error(person, person.face, body, landmarks))
    return (*scores, *_mask_scores(person, _drawn(body)))


def _point_error(person: Person, body: Body, landmarks: Landmarks) -> Score | None:
    sure = person.confidence[landmarks.body_index] > SURE
    if not bool(sure.any()):
        return None
    pixels, _ = project(place_on_body(landmarks.body, body), body.camera)
    error = (pixels - person.keypoints[landmarks.body_index]).norm(dim=1)[sure]
    return Score(
        name="reprojection",
        value=100 * float(error.mean()) / person.height_px,
        unit="%",
        definition=f"Mean distance of the {int(sure.sum())} body points with confidence over {SURE} "
        "from where the detector saw them, as a part of the person's extent in the picture.",
    )


def place_on_body(points: Points, body: Body) -> Float[Tensor, "points 3"]:
    """Where bound points lie in a body's pose, in the world."""
    model = load_anny()
    components = model.components(body.shape.coefficients)
    rest = points.mean + (components @ points.basis.flatten(1)).reshape(-1, 3)
    rest = rest + (body.shape.actions @ points.actions.flatten(1)).reshape(-1, 3)
    # A rig stands on the floor; the bound points do not know it.
    raw = model.joints_mean + (components @ model.joints_basis).reshape(-1, 3)
    rest = rest + body.rig.joints_world[0] - raw[0]
    transforms = forward_kinematics(body.rig.joint_parents, body.rig.joints_world, body.pose)
    blended = torch.einsum("pj,jab->pab", points.weights, transforms)
    return (blended[:, :3, :3] @ rest[..., None])[..., 0] + blended[:, :3, 3]


def _face_error(person: Person, face: Float[Tensor, "478 3"], body: Body, landmarks: Landmarks) -> Score:
    places = (
        pose_verts(body.rig, body.pose)[landmarks.face_corners] * landmarks.face_barycentric[..., None]
    ).sum(1)
    pixels, _ = project(places, body.camera)
    error = (pixels - face[landmarks.face_index, :2]).norm(dim=1)
    return Score(
        name="face",
        value=float(error.median()),
        unit="px",
        definition=f"Median distance of {len(error)} face points from where the detector saw them, in pixels "
        "of the person's image.",
    )


def _drawn(body: Body) -> Bool[Tensor, "height width"]:
    verts = pose_verts(body.rig, body.pose)
    return rasterize_mesh(verts, body.rig.faces, body.camera).face[0] >= 0


def _mask_scores(person: Person, drawn: Bool[Tensor, "height width"]) -> tuple[Score, ...]:
    mask = person.alpha > 0.5
    both, either = int((drawn & mask).sum()), int((drawn | mask).sum())
    return (
        Score(
            name="body outside the mask",
            value=100 * float((drawn & ~mask).sum()) / max(1, int(drawn.sum())),
            unit="%",
            definition="Part of the body's pixels where the mask is below one half.",
        ),
        Score(
            name="body IoU",
            value=both / max(1, either),
            unit="",
            definition="Body and mask: intersection over union. Loose clothes and hair lower it rightly.",
        ),
    )
