"""The stage: a person in a photo in, the body that fits out."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.body import load_anny
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.core.threads import one_torch_thread
from vivant.fit.beliefs import make_prior
from vivant.fit.evidence import gather_evidence
from vivant.fit.face import warp_face
from vivant.fit.freedoms import make_freedoms
from vivant.fit.landmarks import anny_landmarks, model_skeleton
from vivant.fit.notes import tell_guesses
from vivant.fit.placement import place_in_world, pose_of
from vivant.fit.silhouette import prepare_mask
from vivant.fit.solve import Anatomy
from vivant.fit.stages import Case, fit_details, fit_outline, fit_points
from vivant.fit.strayed import follow_strayed_hands
from vivant.fit.terms import Pinhole
from vivant.records import Body, Person, Shape

FOCAL_SPREAD = 0.35
"""Standard deviation of the focal length's logarithm: photos are cropped, and lenses differ."""


@dataclass(frozen=True)
class FitConfig:
    """How the body is fitted."""

    steps: int = 40
    """Most steps of the solver in each stage; it stops earlier when nothing improves."""

    focal_px: float | None = None
    """Focal length in pixels of the photo; by default what the photo says, or a normal lens."""

    age: float = 0.7
    """0 newborn, 0.33 child, 0.67 young adult, 1 old; it cannot be read off the picture."""

    gender: float = 0.5
    """0 male, 1 female; it cannot be read off the picture reliably."""

    def __post_init__(self) -> None:
        """Check before long work what a body can be.

        Raises:
            BadInputError: If a number is out of range.
        """
        if self.steps < 1:
            raise BadInputError(f"{self.steps} steps of the fit; at least 1 is needed.")
        if self.focal_px is not None and not 0 < self.focal_px < math.inf:
            raise BadInputError(f"A focal length of {self.focal_px} px; a number above 0 is needed.")
        for name, value in (("age", self.age), ("gender", self.gender)):
            if not 0 <= value <= 1:
                raise BadInputError(f"The {name} {value}; 0 to 1 are possible.")


def fit_body(context: Context, person: Person, config: FitConfig) -> Body:
    """Fit a rigged body to the person: points from several starts, then outline, hands and face.

    Raises:
        NumericalError: If the solver made a NaN.
    """
    with torch.no_grad(), one_torch_thread():
        model = load_anny()
        anatomy = Anatomy(model, model_skeleton(model), make_freedoms(model))
        landmarks = anny_landmarks()
        intrinsics = _intrinsics(person, config)
        camera = Pinhole(intrinsics.diagonal()[:2], intrinsics[:2, 2])
        evidence = gather_evidence(person, landmarks, camera)
        shape = model.default_shape(age=config.age, gender=config.gender)
        prior = make_prior(anatomy, shape.coefficients, evidence.straight_legs)
        spread = FOCAL_SPREAD if config.focal_px is None else 0.0
        case = Case(anatomy, landmarks, evidence, prior, person, config.steps, spread)
        case, state = fit_points(case)
        camera = case.evidence.camera
        intrinsics[0, 0], intrinsics[1, 1] = camera.focal
        context.advance(0.3)
        mask = prepare_mask(person.alpha)
        state = fit_outline(case, state, mask)
        state, strayed = follow_strayed_hands(case, state, mask)
        context.advance(0.7)
        state = fit_details(case, state)
        context.advance(0.9)
        shape = Shape("anny", state.phenotypes, state.actions)
        rig = model.rig(shape)
        pose = pose_of(anatomy, state, rig)
        if person.face is not None:
            rig = warp_face(rig, pose, camera, anatomy, landmarks, person.face, state)
        body = place_in_world(rig, pose, shape, person, intrinsics, state.tilt)
        focal_before = float(_intrinsics(person, config)[0, 0])
        return replace(body, notes=tell_guesses(case, focal_before, body, strayed))


def _intrinsics(person: Person, config: FitConfig) -> Float[Tensor, "3 3"]:
    intrinsics = person.intrinsics.clone()
    if config.focal_px is not None:
        # Of the whole matrix, for a photo that was turned has its scale off the diagonal.
        scale = person.photo_from_image[:2, :2].det().abs().sqrt()
        intrinsics[0, 0] = intrinsics[1, 1] = config.focal_px / scale
    return intrinsics
