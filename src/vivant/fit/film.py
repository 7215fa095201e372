"""The stage: a person seen in the pictures of a film in, the body and its motion out."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import load_anny
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import NoPersonError
from vivant.core.rotations import multiply_quats, normalize_quats, quats_from_matrices, slerp_quats
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.fit.beliefs import make_prior
from vivant.fit.evidence import directions, gather_evidence, reprojection
from vivant.fit.freedoms import make_freedoms
from vivant.fit.hands import SURE, fit_hand, palm_term
from vivant.fit.landmarks import anny_landmarks, model_skeleton
from vivant.fit.photo import FOCAL_SPREAD
from vivant.fit.placement import pose_of
from vivant.fit.reduced import State, join_points
from vivant.fit.solve import Anatomy, Prior, Problem, activate, minimise
from vivant.fit.stages import Case, fit_points
from vivant.fit.terms import Pinhole, upright_axes
from vivant.records import Acted, Hand, Motion, Person, Pose, Shape, Sightings

KEY_FRAMES = 5
"""So many clear pictures decide shape, focal length and tilt."""

TURN_A_SECOND = 9.0
"""Radians: how fast joints usually turn; from picture to picture a bend is believed to stay within that."""


@dataclass(frozen=True)
class FilmFitConfig:
    """How a body is fitted to a film."""

    steps: int = 14
    """Most steps of the solver in each picture."""

    focal_px: float | None = None
    """Focal length in pixels of the film's pictures; by default the likeliest of five."""

    hands: bool = True
    """Follow the fingers where hands are seen."""

    smoothing: float = 0.35
    """Seconds over which the motion is smoothed; 0 leaves it as seen."""

    age: float = 0.7
    """As in a photo."""

    gender: float = 0.5
    """As in a photo."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, steps=(1, math.inf), focal_px=(ABOVE_ZERO, math.inf), smoothing=(0, math.inf))
        expect_within(self, age=(0, 1), gender=(0, 1))


def fit_film(context: Context, sightings: Sightings, config: FilmFitConfig) -> Acted:
    """Fit one body to all pictures: shape first, then the pose from picture to picture, then smooth.

    Raises:
        NoPersonError: If the person is found in too few pictures.
    """
    frames = sightings.seen.nonzero()[:, 0].tolist()
    if len(frames) < 2 or len(frames) < 0.2 * len(sightings):
        raise NoPersonError(
            f"A person was found in {len(frames)} of the film's {len(sightings)} pictures; a fifth of them are "
            "needed. Use a film that shows one person from head to foot, large enough."
        )
    with torch.no_grad(), one_torch_thread():
        case, keys = _decide_shape(sightings, frames, config)
        context.advance(0.1)
        states = _track(context, case, sightings, frames, keys, config)
        pose = _world_pose(case, states)
    quats, root = _fill_gaps(pose, frames, len(sightings))
    quats, root = smooth(quats, root, sightings.fps, config.smoothing)
    rig = case.anatomy.model.rig(_shape(next(iter(keys.values()))))
    missing = len(sightings) - len(frames)
    notes = (f"In {missing} of {len(sightings)} pictures nobody was found: guessed from those around.",)
    motion = Motion("film", Pose(quats, root), sightings.fps, False)
    return Acted(rig, motion, notes if missing else ())


def _decide_shape(
    sightings: Sightings, frames: list[int], config: FilmFitConfig
) -> tuple[Case, dict[int, State]]:
    """Fit some clear pictures one by one: the body's shape is their middle, the camera the first one's."""
    model = load_anny()
    anatomy, landmarks = Anatomy(model, model_skeleton(model), make_freedoms(model)), anny_landmarks()
    clear = sorted(frames, key=lambda frame: -float(sightings.confidence[frame].sum()))
    chosen = clear[:: max(1, len(clear) // (2 * KEY_FRAMES))][:KEY_FRAMES]
    focal = config.focal_px or 1.2 * max(sightings.width, sightings.height)
    camera = Pinhole(torch.tensor([focal, focal]), torch.tensor([sightings.width / 2, sightings.height / 2]))
    shape = model.default_shape(age=config.age, gender=config.gender)
    found: dict[int, State] = {}
    spread = FOCAL_SPREAD if config.focal_px is None else 0.0
    case = None
    for frame in chosen:
        person = person_at(sightings, frame)
        evidence = gather_evidence(person, landmarks, camera)
        prior = make_prior(anatomy, shape.coefficients, evidence.straight_legs)
        case, state = fit_points(Case(anatomy, landmarks, evidence, prior, person, 40, spread))
        camera, spread = case.evidence.camera, 0.0
        found[frame] = state
    assert case is not None
    phenotypes = torch.stack([state.phenotypes for state in found.values()]).median(dim=0).values
    tilt = torch.stack([state.tilt for state in found.values()]).median()
    prior = make_prior(anatomy, phenotypes, straight_legs=False)
    found = {frame: replace(state, phenotypes=phenotypes, tilt=tilt) for frame, state in found.items()}
    return replace(case, prior=prior), found


def _track(
    context: Context,
    case: Case,
    sightings: Sightings,
    frames: list[int],
    keys: dict[int, State],
    config: FilmFitConfig,
) -> list[State]:
    """Go from the first key picture to both ends; each picture starts where its neighbour ended."""
    start = next(iter(keys))
    states: dict[int, State] = {}
    for way in (
        [f for f in frames if f >= start],
        [f for f in reversed(frames) if f <= start],
    ):
        before, at = keys[start], start
        for frame in way:
            before = _fit_picture(case, sightings, frame, before, abs(frame - at), config)
            states[frame], at = before, frame
            context.advance(0.1 + 0.9 * len(states) / len(frames))
    return [states[frame] for frame in frames]


def _fit_picture(
    case: Case, sightings: Sightings, frame: int, before: State, gap: int, config: FilmFitConfig
) -> State:
    person = person_at(sightings, frame)
    camera = case.evidence.camera
    evidence = gather_evidence(person, case.landmarks, camera)
    case = replace(case, evidence=evidence, person=person)
    prior = believed_after(case.prior, before, TURN_A_SECOND * max(gap, 1) / sightings.fps)
    points = case.landmarks.body
    terms = [reprojection(evidence, 0, 8.0), directions(evidence, 0, 2.5)]
    for hand, on_body in case.hands:
        terms.append(palm_term(hand, camera, len(points), evidence.sigma_px))
        points = join_points([points, on_body])
    active = activate(case.anatomy, joints=case.body_joints)
    problem = Problem(case.anatomy, points, tuple(terms), prior, active)
    state = minimise(problem, before, config.steps).state
    if config.hands:
        for hand, on_body in case.hands:
            side = "L" if hand is person.left_hand else "R"
            state = fit_hand(case.anatomy, prior, camera, on_body, hand, side, state, 6)
    return state


def believed_after(prior: Prior, before: State, spread: float) -> Prior:
    """Believe both in what is natural and in what was a moment ago: the product of two Gaussians."""
    old, new = prior.bend_spread**-2, torch.full_like(prior.bend_spread, spread) ** -2
    mean = (prior.bends * old + before.bends * new) / (old + new)
    return replace(prior, bends=mean, bend_spread=(old + new) ** -0.5)


def person_at(sightings: Sightings, frame: int) -> Person:
    """What was seen in one picture, as the photo's fit wants it; there is no image and no mask."""
    plane = torch.zeros(1, 1).expand(sightings.height, sightings.width)
    hands: list[Hand | None] = []
    for side in (0, 1):
        sure = float(sightings.hands_confidence[frame, side])
        seen = Hand(sightings.hands[frame, side], sightings.hands_world[frame, side], sure)
        hands.append(seen if sure > SURE else None)
    colors = plane[..., None].expand(-1, -1, 3)
    return Person(
        image=colors,
        foreground=colors,
        alpha=plane,
        intrinsics=torch.eye(3),
        photo_from_image=torch.eye(3),
        keypoints=sightings.keypoints[frame],
        keypoints_world=sightings.keypoints_world[frame],
        confidence=sightings.confidence[frame],
        spread_px=sightings.spread_px[frame],
        face=None,
        left_hand=hands[0],
        right_hand=hands[1],
        visible_parts=(),
        notes=(),
    )


def _shape(state: State) -> Shape:
    return Shape("anny", state.phenotypes, torch.zeros_like(state.actions))


def _world_pose(case: Case, states: list[State]) -> Pose:
    """All states as poses, upright: the camera's tilt is taken out."""
    rig = case.anatomy.model.rig(_shape(states[0]))
    hips = rig.joints_world[0]
    up, front = upright_axes(states[0].tilt)
    world_from_solver = torch.stack([torch.tensor([1.0, 0.0, 0.0]), up, front])
    poses = [pose_of(case.anatomy, state, rig) for state in states]
    quats = torch.stack([pose.local_quats for pose in poses])
    quats[:, 0] = multiply_quats(quats_from_matrices(world_from_solver), quats[:, 0])
    root = (torch.stack([pose.root for pose in poses]) + hips) @ world_from_solver.T - hips
    return Pose(quats, root)


def _fill_gaps(pose: Pose, frames: list[int], count: int) -> tuple[Tensor, Tensor]:
    """Pictures without the person get what lies between their neighbours."""
    known, at = torch.tensor(frames), torch.arange(count)
    after = torch.searchsorted(known, at).clamp(max=len(known) - 1)
    before = torch.where(known[after] > at, (after - 1).clamp(min=0), after)
    share = ((at - known[before]) / (known[after] - known[before]).clamp(min=1)).clamp(0, 1)
    quats = slerp_quats(pose.local_quats[before], pose.local_quats[after], share[:, None, None])
    return quats, torch.lerp(pose.root[before], pose.root[after], share[:, None])


def smooth(
    quats: Float[Tensor, "frames joints 4"], root: Float[Tensor, "frames 3"], fps: float, seconds: float
) -> tuple[Float[Tensor, "frames joints 4"], Float[Tensor, "frames 3"]]:
    """Savitzky-Golay smoothing (1964) of quaternions with continuous signs, and of the root.

    Distance from the camera is what a single picture tells worst; it is smoothed over three times as long.
    """
    quats = continuous(quats)
    if _window(fps, seconds, len(quats)) < 3:
        return quats, root
    turned = _filtered(quats.flatten(1).numpy(), fps, seconds).reshape(quats.shape)
    level, far = root[:, :2].numpy(), root[:, 2:].numpy()
    moved = np.concatenate([_filtered(level, fps, seconds), _filtered(far, fps, 3 * seconds)], axis=1)
    return normalize_quats(torch.from_numpy(turned)), torch.from_numpy(moved)


def continuous(quats: Float[Tensor, "frames joints 4"]) -> Float[Tensor, "frames joints 4"]:
    """Choose each quaternion's sign so that it lies on the side of the one before."""
    same = (quats[1:] * quats[:-1]).sum(-1, keepdim=True) >= 0
    signs = torch.where(same, 1.0, -1.0).cumprod(0)
    return torch.cat([quats[:1], quats[1:] * signs])


def _window(fps: float, seconds: float, frames: int) -> int:
    """An odd number of frames."""
    return min(2 * round(seconds * fps / 2) + 1, frames if frames % 2 else frames - 1)


def _filtered(values: Float[np.ndarray, "frames numbers"], fps: float, seconds: float) -> np.ndarray:
    window = _window(fps, seconds, len(values))
    order = 2 if window > 3 else 1
    # Half a second to load, which only films need.
    from scipy.signal import savgol_filter

    return np.asarray(savgol_filter(values, window, order, axis=0, mode="interp"), dtype=np.float32)
