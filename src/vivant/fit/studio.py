"""The stage: calibrated pictures of somebody who stands still in, one pose and the world's size out."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from vivant.body import load_anny, pose_verts
from vivant.core.cameras import Cameras
from vivant.core.checks import ABOVE_ZERO, expect_counts, expect_within
from vivant.core.errors import BadInputError, NoPersonError
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.fit.beliefs import make_prior
from vivant.fit.calibrated import Eye, body_points, make_eye, meet, scale_between, scale_onto, seen_from
from vivant.fit.evidence import LIMBS, Evidence, directions, gather_evidence, reprojection, trunk_rotation
from vivant.fit.freedoms import make_freedoms
from vivant.fit.hands import SURE as SURE_HAND
from vivant.fit.hands import fit_hand, palm_term
from vivant.fit.landmarks import Landmarks, anny_landmarks, model_skeleton, surface_points
from vivant.fit.placement import pose_of
from vivant.fit.reduced import Points, State, join_points, place_points
from vivant.fit.silhouette import Mask, Outside, pair_outline, prepare_mask, sample_skin
from vivant.fit.solve import Anatomy, Prior, Problem, activate, minimise
from vivant.fit.stages import FACE_STEP, FACE_TRUST, OUTLINE_TRUST, OUTSIDE_TRUST, posed_verts
from vivant.fit.terms import Reprojection, Term
from vivant.records import BODY_POINTS, Avatar, Hand, Person, Placed, Pose

SURE = 0.5
"""Body points with less confidence are not counted when the fit is judged."""

SEEN_POINTS = 6
"""A picture with fewer sure points tells nothing of the pose."""

SKIN_SAMPLES = 1200
"""Points of the skin that every outline is asked about."""


@dataclass(frozen=True)
class StudioFitConfig:
    """How an avatar is posed among calibrated cameras."""

    rounds: int = 4
    """How often world's size, pose and outlines are matched anew."""

    steps: int = 8
    """Most steps of the solver in each round."""

    metres_per_unit: float | None = None
    """Size of the cameras' world; by default found by the avatar's own size."""

    most_error: float = 6.0
    """Percent of a stature: pictures whose points lie farther from the body's are left out."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, rounds=(1, 100), steps=(1, math.inf), metres_per_unit=(ABOVE_ZERO, math.inf))
        expect_within(self, most_error=(ABOVE_ZERO, math.inf))


@dataclass(frozen=True)
class Sitting:
    """What stays the same while an avatar is posed."""

    anatomy: Anatomy
    landmarks: Landmarks
    prior: Prior
    evidence: tuple[Evidence, ...]
    masks: tuple[Mask | None, ...]

    @property
    def body_joints(self) -> list[int]:
        """Rows of all joints but the fingers'."""
        return [row for row, name in enumerate(self.anatomy.freedoms.names) if not name.startswith("finger")]


def fit_studio(
    context: Context,
    avatar: Avatar,
    persons: tuple[Person, ...],
    cameras: tuple[Cameras, ...],
    config: StudioFitConfig,
) -> Placed:
    """Pose an avatar so that all cameras see it as they saw the person, and find the size of their world.

    Args:
        context: Told how far it is.
        avatar: Its shape stays; a body of anny.
        persons: Who was seen in each picture, always in the same pose. One without sure points (known by a mask
            alone) takes no part, but gets its camera.
        cameras: Of the whole pictures, in one world of any size and direction.
        config: How.

    Raises:
        BadInputError: If the avatar has another body, or cameras and person do not agree.
        NoPersonError: If fewer than two pictures show enough of the person.
    """
    expect_counts("fit_studio", persons=len(persons), cameras=len(cameras))
    if avatar.shape.model != "anny":
        raise BadInputError(
            f"The avatar has the body {avatar.shape.model!r}; only anny's can be fitted to pictures. "
            "Make the avatar anew with `vivant create`."
        )
    with torch.no_grad(), one_torch_thread():
        eyes = [make_eye(person, camera) for person, camera in zip(persons, cameras, strict=True)]
        telling = [eye for eye in eyes if int((eye.person.confidence > SURE).sum()) >= SEEN_POINTS]
        _expect_two(telling, len(eyes))
        eyes, scale = _into_the_body_s_world(eyes, telling, avatar, config)
        kept = [eye for eye in eyes if int((eye.person.confidence > SURE).sum()) >= SEEN_POINTS]
        context.advance(0.1)
        sitting = _sitting(avatar, kept)
        state = _first_state(sitting, avatar)
        state, factor = _fit(context, sitting, kept, state, config)
        eyes = [eye.moved(torch.eye(3), torch.zeros(3), factor) for eye in eyes]
        return _placed(sitting.anatomy, avatar, eyes, state, scale * factor, config)


def _expect_two(telling: list[Eye], count: int) -> None:
    if len(telling) < 2:
        raise NoPersonError(
            f"{len(telling)} of {count} pictures show enough of the person; at least 2 are needed, from "
            "different places. For a single picture there is `vivant create`."
        )
    centers = torch.stack([eye.center for eye in telling])
    reach = torch.stack([(eye.center - centers).norm(dim=1).max() for eye in telling]).max()
    if float(reach) < 1e-9:
        raise BadInputError(
            f"All {len(telling)} cameras stand in one place; pictures from different sides are needed. Check "
            "that the cameras file tells where each camera stood."
        )


def _into_the_body_s_world(
    eyes: list[Eye], telling: list[Eye], avatar: Avatar, config: StudioFitConfig
) -> tuple[list[Eye], float]:
    """Bring the cameras to a world in metres with the hips in its middle, the trunk upright and facing +z."""
    met = meet(telling)
    landmarks = anny_landmarks()
    on_body = body_points(met, landmarks)
    if int((on_body.weight > 0.05).sum()) < SEEN_POINTS:
        raise BadInputError(_no_agreement(f"only {int((on_body.weight > 0.05).sum())} points of the body meet"))
    rotation = trunk_rotation(met.points).T
    hips = met.points[[BODY_POINTS.index(f"{side}_hip") for side in ("left", "right")]].mean(0)
    model = load_anny()
    anatomy = Anatomy(model, model_skeleton(model), make_freedoms(model))
    standing = place_points(landmarks.body, anatomy.pose(_standing(anatomy, avatar)))
    limbs = _limbs(landmarks)
    scale = config.metres_per_unit or scale_between(standing, on_body.points, on_body.weight, limbs)
    return [eye.moved(rotation, hips, scale).single() for eye in eyes], scale


def _no_agreement(what: str) -> str:
    return (
        f"Cameras and person do not agree: {what}. Either the person moved between the pictures (a film of one "
        "camera is given as a film), or the file tells its cameras in other axes (transforms.json: OpenGL, "
        "camera to world; COLMAP and cameras.json: OpenCV, world to camera)."
    )


def _standing(anatomy: Anatomy, avatar: Avatar) -> State:
    return State(
        root_rotation=torch.eye(3),
        root=torch.zeros(3),
        bends=anatomy.freedoms.natural.clone(),
        phenotypes=avatar.shape.coefficients,
        actions=avatar.shape.actions,
        tilt=torch.zeros(()),
    )


def _sitting(avatar: Avatar, eyes: list[Eye]) -> Sitting:
    model, landmarks = load_anny(), anny_landmarks()
    anatomy = Anatomy(model, model_skeleton(model), make_freedoms(model))
    evidence = tuple(gather_evidence(eye.person, landmarks, eye.pinhole) for eye in eyes)
    straight = sum(one.straight_legs for one in evidence) * 2 > len(evidence)
    prior = make_prior(anatomy, avatar.shape.coefficients, straight)
    return Sitting(anatomy, landmarks, prior, evidence, tuple(prepare_mask(eye.person.alpha) for eye in eyes))


def _first_state(sitting: Sitting, avatar: Avatar) -> State:
    """The body at ease, its hips in the world's middle."""
    state = _standing(sitting.anatomy, avatar)
    rows = [sitting.evidence[0].row(f"{side}_hip") for side in ("left", "right")]
    places = place_points(sitting.landmarks.body, sitting.anatomy.pose(state))
    return replace(state, root=-places[rows].mean(0))


def _fit(
    context: Context, sitting: Sitting, eyes: list[Eye], state: State, config: StudioFitConfig
) -> tuple[State, float]:
    """Pose, world's size, outlines, hands; also tell by what the world was enlarged."""
    anatomy, factor = sitting.anatomy, 1.0
    active = activate(anatomy, joints=sitting.body_joints)
    for turn in range(config.rounds):
        scale = 30.0 if turn == 0 else 8.0
        points, terms = _point_terms(sitting, eyes, scale)
        state = minimise(Problem(anatomy, points, terms, sitting.prior, active), state, 2 * config.steps).state
        if config.metres_per_unit is None:
            better = _better_scale(sitting, eyes, state)
            eyes = [eye.moved(torch.eye(3), torch.zeros(3), better) for eye in eyes]
            state, factor = replace(state, root=state.root * better), factor * better
        context.advance(0.1 + 0.3 * (turn + 1) / config.rounds)
    # Before the outlines, which take the time.
    places = place_points(sitting.landmarks.body, anatomy.pose(state))
    _expect_agreement(torch.tensor([_error(eye, places, sitting.landmarks) for eye in eyes]), config)
    for turn in range(config.rounds):
        points, terms = _outlined(sitting, eyes, state)
        state = minimise(Problem(anatomy, points, terms, sitting.prior, active), state, config.steps).state
        context.advance(0.4 + 0.5 * (turn + 1) / config.rounds)
    return _fit_hands(sitting, eyes, state, 3 * config.steps), factor


def _better_scale(sitting: Sitting, eyes: list[Eye], state: State) -> float:
    on_body = body_points(meet(eyes), sitting.landmarks)
    places = place_points(sitting.landmarks.body, sitting.anatomy.pose(state))
    return scale_onto(places, on_body.points, on_body.weight)


def _limbs(landmarks: Landmarks) -> Int[Tensor, "limbs 2"]:
    """Which of the body's landmarks are joined by what keeps its length."""
    index = landmarks.body_index.tolist()
    pairs = [(BODY_POINTS.index(limb.start), BODY_POINTS.index(limb.end)) for limb in LIMBS]
    return torch.tensor([[index.index(a), index.index(b)] for a, b in pairs])


def _point_terms(sitting: Sitting, eyes: list[Eye], scale: float) -> tuple[Points, tuple[Term, ...]]:
    """All cameras' points of the body, the face and the palms."""
    landmarks = sitting.landmarks
    parts, terms, used = [landmarks.body], [], len(landmarks.body)
    for eye, evidence in zip(eyes, sitting.evidence, strict=True):
        own: list[Term] = [reprojection(evidence, 0, scale)]
        if scale > 10:
            own.append(directions(evidence, 0, scale))
        if eye.person.face is not None:
            chosen = torch.arange(0, len(landmarks.face), FACE_STEP)
            seen = eye.person.face[landmarks.face_index[chosen], :2]
            trust = torch.full((len(chosen),), FACE_TRUST / len(chosen))
            rows = torch.arange(len(chosen)) + used
            own.append(Reprojection(eye.pinhole, rows, seen, 0.35 * evidence.sigma_px, trust, 4.0))
            parts.append(landmarks.face[chosen])
            used += len(chosen)
        for hand, on_body in _hands(eye.person, landmarks):
            own.append(palm_term(hand, eye.pinhole, used, evidence.sigma_px))
            parts.append(on_body)
            used += len(on_body)
        terms += seen_from(eye, *own)
    return join_points(parts), tuple(terms)


def _hands(person: Person, landmarks: Landmarks) -> list[tuple[Hand, Points]]:
    both = zip((person.left_hand, person.right_hand), landmarks.hands, strict=True)
    return [(hand, points) for hand, points in both if hand is not None and hand.confidence > SURE_HAND]


def _outlined(sitting: Sitting, eyes: list[Eye], state: State) -> tuple[Points, tuple[Term, ...]]:
    """Points, and the outlines that all cameras see."""
    points, terms = _point_terms(sitting, eyes, 6.0)
    model, first = sitting.anatomy.model, len(points)
    skin = sample_skin(model, SKIN_SAMPLES)
    points = join_points([points, surface_points(model, skin.verts)])
    verts = posed_verts(sitting.anatomy, state)
    for eye, evidence, mask in zip(eyes, sitting.evidence, sitting.masks, strict=True):
        if mask is None:
            continue
        rotation, shift = eye.own_from_world
        height, width = eye.person.alpha.shape
        sigma = evidence.sigma_px
        outside = Outside(eye.pinhole, mask, torch.arange(first, len(points)), sigma, OUTSIDE_TRUST, 5.0)
        outline = pair_outline(
            eye.pinhole, mask, skin, first, verts @ rotation.T + shift, model.faces, (width, height), sigma,
            OUTLINE_TRUST,
        )  # fmt: skip
        terms += seen_from(eye, outside, outline)
    return points, terms


def _fit_hands(sitting: Sitting, eyes: list[Eye], state: State, steps: int) -> State:
    """Bend the fingers of each hand as the camera saw them that saw that hand best."""
    for side, number in (("L", 0), ("R", 1)):
        found = [((eye.person.left_hand, eye.person.right_hand)[number], eye) for eye in eyes]
        sure = [(hand, eye) for hand, eye in found if hand is not None and hand.confidence > SURE_HAND]
        if not sure:
            continue
        hand, eye = max(sure, key=lambda pair: pair[0].confidence)
        # The solver's hands are fitted before a camera at the origin; bends are the same in every world.
        rotation, shift = eye.own_from_world
        there = replace(state, root_rotation=rotation @ state.root_rotation, root=rotation @ state.root + shift)
        on_body = sitting.landmarks.hands[number]
        bent = fit_hand(sitting.anatomy, sitting.prior, eye.pinhole, on_body, hand, side, there, steps)
        state = replace(state, bends=bent.bends)
    return state


def _placed(
    anatomy: Anatomy, avatar: Avatar, eyes: list[Eye], state: State, scale: float, config: StudioFitConfig
) -> Placed:
    """Judge each picture, and stand the person on the floor."""
    landmarks = anny_landmarks()
    places = place_points(landmarks.body, anatomy.pose(state))
    errors = torch.tensor([_error(eye, places, landmarks) for eye in eyes])
    kept = ~(errors > config.most_error)
    _expect_agreement(errors, config)
    pose = pose_of(anatomy, state, avatar.rig)
    floor = torch.stack([torch.zeros(()), pose_verts(avatar.rig, pose)[:, 1].min(), torch.zeros(())])
    eyes = [eye.moved(torch.eye(3), floor, 1.0) for eye in eyes]
    count = len(eyes)
    matrices = torch.eye(4).repeat(count, 1, 1)
    for row, eye in zip(matrices, eyes, strict=True):
        row[:3, :3], row[:3, 3] = eye.rotation, eye.shift
    return Placed(
        cam_from_world=matrices,
        intrinsics=torch.stack([eye.intrinsics for eye in eyes]),
        poses=Pose(pose.local_quats.repeat(count, 1, 1), (pose.root - floor).repeat(count, 1)),
        error=errors,
        kept=kept,
        trust=torch.ones(count),
        metres_per_unit=scale,
        notes=(f"One unit of the cameras' world is {scale:.4g} m at the avatar's size.",),
    )


def _expect_agreement(errors: Float[Tensor, " views"], config: StudioFitConfig) -> None:
    """Refuse a capture most of whose pictures do not fit.

    Raises:
        BadInputError: If so.
    """
    judged = errors[~errors.isnan()]
    wrong = int((judged > config.most_error).sum())
    if wrong * 2 >= len(judged):
        raise BadInputError(
            _no_agreement(
                f"in {wrong} of {len(judged)} pictures the body's points lie more than {config.most_error:g} % "
                f"of a stature off (middle: {float(judged.median()):.1f} %)"
            )
        )


def _error(eye: Eye, places: Float[Tensor, "points 3"], landmarks: Landmarks) -> float:
    """Middle distance of sure points from where they were seen, in percent of a stature.

    The middle, for a detector takes one leg for the other now and then, and the camera is right all the same.
    """
    rotation, shift = eye.own_from_world
    evidence = gather_evidence(eye.person, landmarks, eye.pinhole)
    sure = evidence.confidence[evidence.index] > SURE
    if int((eye.person.confidence > SURE).sum()) < SEEN_POINTS or not bool(sure.any()):
        return math.nan
    pixels = eye.pinhole.project(places @ rotation.T + shift)
    return float((pixels - evidence.points).norm(dim=1)[sure].median()) / evidence.sigma_px
