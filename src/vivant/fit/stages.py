"""The stages of the fit: points from several starts, then the outline, then hands, then the face."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import pose_verts
from vivant.fit.evidence import Evidence, balance, directions, reprojection
from vivant.fit.landmarks import Landmarks, surface_points
from vivant.fit.placement import pose_of
from vivant.fit.reduced import Points, State, join_points
from vivant.fit.silhouette import Mask, Outside, Skin, pair_outline
from vivant.fit.solve import Anatomy, Prior, Problem, activate, minimise
from vivant.fit.starts import first_state, stances
from vivant.fit.terms import Reprojection, Term
from vivant.records import Person, Shape

FACE_STEP = 6
"""One in so many face points steers the head while the body is fitted."""

FACE_TRUST = 12.0
"""Of all of them together, in body points."""

ROUNDS = 6
"""How often outline and mask are matched anew."""


@dataclass(frozen=True)
class Case:
    """One person to be fitted, with all that stays the same through the stages."""

    anatomy: Anatomy
    landmarks: Landmarks
    evidence: Evidence
    prior: Prior
    person: Person
    steps: int

    @property
    def body_joints(self) -> list[int]:
        """Rows of all joints but the fingers'."""
        names = self.anatomy.freedoms.names
        return [row for row, name in enumerate(names) if not name.startswith("finger")]


def fit_points(case: Case) -> State:
    """Fit to the body points from several stances, and keep the best."""
    anatomy, prior, points = case.anatomy, case.prior, case.landmarks.body
    start = first_state(anatomy, case.landmarks, case.evidence, prior.phenotypes)
    roughly = activate(anatomy, joints=case.body_joints, phenotypes=("height", "proportions"), tilt=True)
    terms = _point_terms(case, 30.0)
    found = [
        minimise(Problem(anatomy, points, terms, prior, roughly), state, 15)
        for state in stances(anatomy, start)
    ]
    best = min(found, key=lambda solution: solution.cost)
    points, terms = _with_face(case, points, _point_terms(case, 8.0))
    every = activate(anatomy, joints=case.body_joints, phenotypes=anatomy.model.phenotype_names, tilt=True)
    return minimise(Problem(anatomy, points, terms, prior, every), best.state, case.steps).state


def _point_terms(case: Case, scale: float) -> tuple[Term, ...]:
    evidence = case.evidence
    return reprojection(evidence, 0, scale), directions(evidence, 0, 0.2), *balance(evidence, 0)


def _with_face(case: Case, points: Points, terms: tuple[Term, ...]) -> tuple[Points, tuple[Term, ...]]:
    """Let the face's points, if there are any, say how the head is held."""
    if case.person.face is None:
        return points, terms
    chosen = torch.arange(0, len(case.landmarks.face), FACE_STEP)
    seen = case.person.face[case.landmarks.face_index[chosen], :2]
    term = Reprojection(
        case.evidence.camera,
        torch.arange(len(chosen)) + len(points),
        seen,
        0.35 * case.evidence.sigma_px,
        torch.full((len(chosen),), FACE_TRUST / len(chosen)),
        4.0,
    )
    return join_points([points, case.landmarks.face[chosen]]), (*terms, term)


def fit_outline(case: Case, state: State, mask: Mask, skin: Skin) -> State:
    """Fit points and outline together; the outline is matched anew several times."""
    anatomy, camera = case.anatomy, case.evidence.camera
    points, terms = _with_face(case, case.landmarks.body, _point_terms(case, 6.0))
    first = len(points)
    points = join_points([points, surface_points(anatomy.model, skin.verts)])
    index = torch.arange(first, len(points))
    outside = Outside(camera, mask, index, case.evidence.sigma_px, 90.0, 5.0)
    every = activate(anatomy, joints=case.body_joints, phenotypes=anatomy.model.phenotype_names, tilt=True)
    height, width = case.person.alpha.shape
    for _ in range(ROUNDS):
        verts = posed_verts(anatomy, state)
        outline = pair_outline(
            camera, mask, skin, first, verts, anatomy.model.faces, (width, height), case.evidence.sigma_px, 25.0
        )
        problem = Problem(anatomy, points, (*terms, outside, outline), case.prior, every)
        state = minimise(problem, state, max(1, case.steps // ROUNDS)).state
    return state


def posed_verts(anatomy: Anatomy, state: State) -> Float[Tensor, "verts 3"]:
    """The whole surface, in the solver's world."""
    rig = anatomy.model.rig(Shape("anny", state.phenotypes, state.actions))
    return pose_verts(rig, pose_of(anatomy, state, rig))
