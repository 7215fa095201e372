"""The stages of the fit: points from several starts, then the outline, then hands, then the face."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import pose_verts
from vivant.fit.collision import Apart, make_balls
from vivant.fit.evidence import Evidence, balance, directions, reprojection
from vivant.fit.face import fit_expression
from vivant.fit.hands import SURE, fit_hand, palm_term
from vivant.fit.landmarks import Landmarks, surface_points
from vivant.fit.placement import pose_of
from vivant.fit.reduced import Points, State, join_points
from vivant.fit.silhouette import Mask, Outside, pair_outline, sample_skin
from vivant.fit.solve import Anatomy, Prior, Problem, Solution, activate, minimise
from vivant.fit.starts import first_state, stances
from vivant.fit.terms import Reprojection, Term
from vivant.records import Hand, Person, Shape

FACE_STEP = 6
"""One in so many face points steers the head while the body is fitted."""

FACE_TRUST = 12.0
"""Of all of them together, in body points."""

DIRECTION_SCALE = 2.5
"""In sigmas: guesses of directions in space that are farther off are mistakes."""

FOCAL_FACTORS = (0.8, 1.0, 1.25, 1.6, 2.0)
"""Of the focal length first told."""

ROUNDS = 6
"""How often outline and mask are matched anew."""

SKIN_SAMPLES = 2500

OUTSIDE_TRUST = 250.0
"""Of all samples of the skin together, in body points."""

OUTLINE_TRUST = 100.0
"""Of all pairs of outline and skin together, in body points."""


@dataclass(frozen=True)
class Case:
    """One person to be fitted, with all that stays the same through the stages."""

    anatomy: Anatomy
    landmarks: Landmarks
    evidence: Evidence
    prior: Prior
    person: Person
    steps: int
    focal_spread: float
    """Standard deviation of the focal length's logarithm; 0 if it is known."""

    @property
    def hands(self) -> list[tuple[Hand, Points]]:
        """The hands that were seen well enough, and their points on the body."""
        both = zip((self.person.left_hand, self.person.right_hand), self.landmarks.hands, strict=True)
        return [(hand, points) for hand, points in both if hand is not None and hand.confidence > SURE]

    @property
    def body_joints(self) -> list[int]:
        """Rows of all joints but the fingers'."""
        names = self.anatomy.freedoms.names
        return [row for row, name in enumerate(names) if not name.startswith("finger")]


def fit_points(case: Case) -> tuple[Case, State]:
    """Fit to the body points from several stances, keep the best, and judge the focal length by it."""
    anatomy, prior, points = case.anatomy, case.prior, case.landmarks.body
    start = first_state(anatomy, case.landmarks, case.evidence, prior.phenotypes)
    roughly = activate(anatomy, joints=case.body_joints, phenotypes=("height", "proportions"), tilt=True)
    # Wide scales pull back limbs that start on the wrong side.
    terms = _point_terms(case, 30.0, 30.0)
    found = [
        minimise(Problem(anatomy, points, terms, prior, roughly), state, 15)
        for state in stances(anatomy, start)
    ]
    best = min(found, key=lambda solution: solution.cost)
    if case.focal_spread == 0:
        return case, _fit_all_points(case, best.state, case.steps).state
    return _judge_focal(case, best.state)


def fit_again(case: Case, state: State) -> State:
    """Fit to the body points from a pose near by: first roughly, then all points as they are."""
    roughly = activate(case.anatomy, joints=case.body_joints, tilt=True)
    terms = _point_terms(case, 30.0, 30.0)
    near = minimise(Problem(case.anatomy, case.landmarks.body, terms, case.prior, roughly), state, 15).state
    return _fit_all_points(case, near, case.steps).state


def _judge_focal(case: Case, state: State) -> tuple[Case, State]:
    """Try longer and shorter lenses: a cropped photo's own focal length is too short, and many tell none."""
    best: tuple[float, Case, State] | None = None
    for factor in FOCAL_FACTORS:
        camera = replace(case.evidence.camera, focal=case.evidence.camera.focal * factor)
        tried = replace(case, evidence=replace(case.evidence, camera=camera))
        # A longer lens shows the same from farther away.
        solution = _fit_all_points(
            tried, replace(state, root=state.root * state.root.new_tensor([1, 1, factor])), 12
        )
        cost = solution.cost + (math.log(factor) / case.focal_spread) ** 2
        if best is None or cost < best[0]:
            best = cost, tried, solution.state
    assert best is not None
    return best[1], _fit_all_points(best[1], best[2], case.steps).state


def _fit_all_points(case: Case, state: State, steps: int) -> Solution:
    anatomy = case.anatomy
    points, terms = _with_details(case, case.landmarks.body, _point_terms(case, 8.0, DIRECTION_SCALE))
    every = activate(anatomy, joints=case.body_joints, phenotypes=anatomy.model.phenotype_names, tilt=True)
    return minimise(Problem(anatomy, points, terms, case.prior, every), state, steps)


def _point_terms(case: Case, scale: float, direction_scale: float) -> tuple[Term, ...]:
    evidence = case.evidence
    along = directions(evidence, 0, direction_scale)
    return reprojection(evidence, 0, scale), along, *balance(evidence, 0)


def _with_details(case: Case, points: Points, terms: tuple[Term, ...]) -> tuple[Points, tuple[Term, ...]]:
    """Let the face's points say how the head is held, and the palms' where the wrists are."""
    camera, sigma_px = case.evidence.camera, case.evidence.sigma_px
    parts, more, used = [points], [*terms], len(points)
    if case.person.face is not None:
        chosen = torch.arange(0, len(case.landmarks.face), FACE_STEP)
        seen = case.person.face[case.landmarks.face_index[chosen], :2]
        trust = torch.full((len(chosen),), FACE_TRUST / len(chosen))
        more.append(Reprojection(camera, torch.arange(len(chosen)) + used, seen, 0.35 * sigma_px, trust, 4.0))
        parts.append(case.landmarks.face[chosen])
        used += len(chosen)
    for hand, on_body in case.hands:
        more.append(palm_term(hand, camera, used, sigma_px))
        parts.append(on_body)
        used += len(on_body)
    return join_points(parts), tuple(more)


def fit_outline(case: Case, state: State, mask: Mask | None) -> State:
    """Fit points and outline together, limbs kept apart; the outline is matched anew several times."""
    anatomy, camera, sigma_px = case.anatomy, case.evidence.camera, case.evidence.sigma_px
    points, terms = _with_details(case, case.landmarks.body, _point_terms(case, 6.0, DIRECTION_SCALE))
    balls = make_balls(anatomy.model, state.phenotypes)
    terms = (*terms, Apart(balls, len(points)))
    points = join_points([points, balls.points])
    first, skin = len(points), sample_skin(anatomy.model, SKIN_SAMPLES)
    points = join_points([points, surface_points(anatomy.model, skin.verts)])
    every = activate(anatomy, joints=case.body_joints, phenotypes=anatomy.model.phenotype_names, tilt=True)
    height, width = case.person.alpha.shape
    for _ in range(ROUNDS):
        now = terms
        if mask is not None:
            outside = Outside(camera, mask, torch.arange(first, len(points)), sigma_px, OUTSIDE_TRUST, 5.0)
            verts = posed_verts(anatomy, state)
            outline = pair_outline(
                camera, mask, skin, first, verts, anatomy.model.faces, (width, height), sigma_px, OUTLINE_TRUST
            )
            now = (*terms, outside, outline)
        problem = Problem(anatomy, points, now, case.prior, every)
        state = minimise(problem, state, max(1, case.steps // ROUNDS)).state
    return state


def posed_verts(anatomy: Anatomy, state: State) -> Float[Tensor, "verts 3"]:
    """The whole surface, in the solver's world."""
    rig = anatomy.model.rig(Shape("anny", state.phenotypes, state.actions))
    return pose_verts(rig, pose_of(anatomy, state, rig))


def fit_details(case: Case, state: State) -> State:
    """Fingers, wrists and expression, the rest of the body held still."""
    anatomy, camera = case.anatomy, case.evidence.camera
    for hand, on_body in case.hands:
        side = "L" if hand is case.person.left_hand else "R"
        state = fit_hand(anatomy, case.prior, camera, on_body, hand, side, state, case.steps)
    if case.person.face is not None:
        face = case.person.face
        state = fit_expression(anatomy, case.prior, camera, case.landmarks, face, state, case.steps)
    return state
