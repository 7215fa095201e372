"""The stage: pictures of somebody who moves before one camera in, an avatar's pose in each of them out."""

import math
from dataclasses import dataclass, replace

import torch

from vivant.body import load_anny
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import BadInputError, NoPersonError
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.fit.beliefs import make_prior
from vivant.fit.evidence import gather_evidence
from vivant.fit.freedoms import make_freedoms
from vivant.fit.landmarks import anny_landmarks, model_skeleton
from vivant.fit.photo import FOCAL_SPREAD
from vivant.fit.placement import LEVEL, pose_of
from vivant.fit.reduced import State, place_points
from vivant.fit.silhouette import prepare_mask
from vivant.fit.solve import Anatomy, Prior
from vivant.fit.stages import Case, fit_again, fit_details, fit_outline, fit_points
from vivant.fit.studio import SEEN_POINTS, SURE
from vivant.fit.terms import Pinhole
from vivant.records import Avatar, Person, Placed, Pose

AS_IT_IS = 1e-3
"""Spread of a shape that is known."""

ASTRAY = 2.5
"""Percent of a stature: a picture that fits worse from its neighbour's pose is begun anew."""

HALF_TRUSTED = 2.0
"""Percent of a stature: error of a picture that counts half."""


@dataclass(frozen=True)
class FilmedFitConfig:
    """How an avatar is posed in the pictures of a film."""

    steps: int = 24
    """Most steps of the solver in each stage."""

    focal_px: float | None = None
    """Focal length in pixels of the film; by default the likeliest of five."""

    most_error: float = 4.0
    """Percent of a stature: pictures whose points lie farther from the body's are left out."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, steps=(1, math.inf), focal_px=(ABOVE_ZERO, math.inf))
        expect_within(self, most_error=(ABOVE_ZERO, math.inf))


def fit_filmed(
    context: Context, avatar: Avatar, persons: tuple[Person, ...], config: FilmedFitConfig
) -> Placed:
    """Pose an avatar in each picture; its shape stays, so that splats fitted to one picture fit them all.

    Args:
        context: Told how far it is.
        avatar: A body of anny.
        persons: In the order of time, seen by one camera; it may move, but not zoom.
        config: How.

    Raises:
        BadInputError: If the avatar has another body.
        NoPersonError: If fewer than two pictures show enough of the person, or fit.
    """
    if avatar.shape.model != "anny":
        raise BadInputError(
            f"The avatar has the body {avatar.shape.model!r}; only anny's can be fitted to pictures. "
            "Make the avatar anew with `vivant create`."
        )
    telling = [n for n, person in enumerate(persons) if _sure_points(person) >= SEEN_POINTS]
    if len(telling) < 2:
        raise NoPersonError(
            f"{len(telling)} of {len(persons)} pictures show enough of the person; at least 2 are needed."
        )
    with torch.no_grad(), one_torch_thread():
        clearest = max(telling, key=lambda n: float(persons[n].confidence.sum()))
        case, state, factor = _begin(avatar, persons[clearest], config)
        found = {clearest: _finish(case, state)}
        order = [n for n in telling if n > clearest] + [n for n in reversed(telling) if n < clearest]
        before = clearest
        for number in order:
            before = clearest if (before > clearest) != (number > clearest) else before
            found[number] = _follow(case, persons[number], found[before], factor)
            before = number
            context.advance(len(found) / len(telling))
        return _placed(case, avatar, persons, found, factor, config)


def _sure_points(person: Person) -> int:
    return int((person.confidence > SURE).sum())


def _case(case: Case, person: Person, factor: float) -> Case:
    """The same body before another picture."""
    camera = Pinhole(factor * person.intrinsics.diagonal()[:2], person.intrinsics[:2, 2])
    evidence = gather_evidence(person, case.landmarks, camera)
    return replace(case, person=person, evidence=evidence, focal_spread=0.0)


def _begin(avatar: Avatar, person: Person, config: FilmedFitConfig) -> tuple[Case, State, float]:
    """Fit the clearest picture; it also tells the focal length, as a factor on what was guessed."""
    model, landmarks = load_anny(), anny_landmarks()
    anatomy = Anatomy(model, model_skeleton(model), make_freedoms(model))
    guess = float(person.intrinsics[0, 0])
    scale = float(person.photo_from_image[:2, :2].det().abs().sqrt())
    factor = 1.0 if config.focal_px is None else config.focal_px / scale / guess
    camera = Pinhole(factor * person.intrinsics.diagonal()[:2], person.intrinsics[:2, 2])
    evidence = gather_evidence(person, landmarks, camera)
    prior = _of_known_shape(make_prior(anatomy, avatar.shape.coefficients, evidence.straight_legs))
    spread = FOCAL_SPREAD if config.focal_px is None else 0.0
    case, state = fit_points(Case(anatomy, landmarks, evidence, prior, person, config.steps, spread))
    return case, state, float(case.evidence.camera.focal[0]) / guess


def _of_known_shape(prior: Prior) -> Prior:
    return replace(prior, phenotype_spread=torch.full_like(prior.phenotype_spread, AS_IT_IS))


def _follow(case: Case, person: Person, before: State, factor: float) -> State:
    """Fit one picture from its neighbour's pose, or from several stances if that leads astray."""
    case = _case(case, person, factor)
    state = fit_again(case, before)
    if _error(case, state) > ASTRAY:
        _, other = fit_points(case)
        state = min((state, other), key=lambda one: _error(case, one))
    return _finish(case, state)


def _finish(case: Case, state: State) -> State:
    return fit_details(case, fit_outline(case, state, prepare_mask(case.person.alpha)))


def _error(case: Case, state: State) -> float:
    """Middle distance of sure points from where they were seen, in percent of a stature.

    The middle, for a detector takes one leg for the other now and then, and the camera is right all the same.
    """
    evidence = case.evidence
    sure = evidence.confidence[evidence.index] > SURE
    if not bool(sure.any()):
        return math.nan
    pixels = evidence.camera.project(place_points(case.landmarks.body, case.anatomy.pose(state)))
    return float((pixels - evidence.points).norm(dim=1)[sure].median()) / evidence.sigma_px


def _placed(
    case: Case,
    avatar: Avatar,
    persons: tuple[Person, ...],
    found: dict[int, State],
    factor: float,
    config: FilmedFitConfig,
) -> Placed:
    """Judge each picture; those without the person take a neighbour's pose and are left out."""
    errors, poses, lenses = [], [], []
    any_state = next(iter(found.values()))
    for number, person in enumerate(persons):
        own = _case(case, person, factor)
        errors.append(_error(own, found[number]) if number in found else math.nan)
        poses.append(pose_of(case.anatomy, found.get(number, any_state), avatar.rig))
        lens = person.intrinsics.clone()
        lens[0, 0], lens[1, 1] = own.evidence.camera.focal
        lenses.append(lens)
    error = torch.tensor(errors)
    kept = error <= config.most_error
    if int(kept.sum()) < 2:
        raise NoPersonError(
            f"The avatar fits {int(kept.sum())} of the film's {len(persons)} pictures; at least 2 are needed. "
            "Use a film that shows the person from head to foot, large enough."
        )
    notes = [f"A focal length of {float(persons[0].intrinsics[0, 0]) * factor:.0f} px was found likeliest."]
    if config.focal_px is not None:
        notes = []
    if not bool(kept.all()):
        notes.append(
            f"{int((~kept).sum())} of {len(persons)} pictures are left out: the avatar does not fit them."
        )
    return Placed(
        cam_from_world=LEVEL.repeat(len(persons), 1, 1),
        intrinsics=torch.stack(lenses),
        poses=Pose(torch.stack([p.local_quats for p in poses]), torch.stack([p.root for p in poses])),
        error=error,
        kept=kept,
        trust=1 / (1 + (error.nan_to_num(HALF_TRUSTED) / HALF_TRUSTED).square()),
        metres_per_unit=1.0,
        notes=tuple(notes),
    )
