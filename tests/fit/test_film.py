"""Motions of films: a made-up film whose truth is known, and smoothing, which has closed forms."""

from dataclasses import replace

import pytest
import torch
from tests.fit.figures import Figure, make_anatomy, make_figure, make_state

from vivant.body import forward_kinematics
from vivant.core.errors import NoPersonError
from vivant.core.run import Context
from vivant.fit import FilmFitConfig, fit_film
from vivant.fit.film import believed_after, continuous, smooth
from vivant.fit.solve import Prior
from vivant.records import Motion, Rig, Sightings

pytestmark = pytest.mark.usefixtures("detector_without_habits")

FPS = 15.0


def still(frames: int) -> torch.Tensor:
    return torch.tensor([1.0, 0.0, 0.0, 0.0]).expand(frames, 2, 4)


def about_y(angles: torch.Tensor) -> torch.Tensor:
    zero = 0 * angles
    return torch.stack([(angles / 2).cos(), zero, (angles / 2).sin(), zero], dim=-1)[:, None]


def test_smoothing_leaves_parabolas_as_they_are() -> None:
    # A filter of the second order fits a parabola; it changes none, not even at its ends.
    t = torch.arange(40) / FPS
    root = torch.stack([0.3 * t * t - t, 0.1 + t, 2 - 0.5 * t * t], dim=-1)
    _, smoothed = smooth(still(40), root, FPS, 0.35)
    torch.testing.assert_close(smoothed, root, atol=1e-4, rtol=0)


def test_a_jerk_is_spread_as_savitzky_and_golay_say() -> None:
    # Weights in the middle of windows of 2 m + 1 pictures: 3 (3 m^2 + 3 m - 1) / ((2m - 1) (2m + 1) (2m + 3)).
    root = torch.zeros(61, 3)
    root[30] = 1.0
    _, smoothed = smooth(still(61), root, FPS, 0.35)
    assert smoothed[30].tolist() == pytest.approx([7 / 21, 7 / 21, 645 / 4845], abs=1e-5)
    assert smoothed[27, 0] == pytest.approx(-2 / 21, abs=1e-5)
    assert smoothed[26, 0] == 0 and abs(float(smoothed[26, 2])) > 0.01


def test_signs_of_quaternions_do_not_matter_to_smoothing() -> None:
    angles = torch.linspace(0, 5.5, 40)
    signs = torch.where(torch.arange(40) % 3 == 0, -1.0, 1.0)[:, None, None]
    quats = about_y(angles)
    flipped = quats * signs
    assert float((continuous(flipped)[1:] * continuous(flipped)[:-1]).sum(-1).min()) > 0.9
    smoothed, _ = smooth(flipped, torch.zeros(40, 3), FPS, 0.35)
    torch.testing.assert_close(smoothed.norm(dim=-1), torch.ones(40, 1))
    # An even turn stays one, up to what a parabola misses of a sine within seven pictures.
    assert float((smoothed * quats).sum(-1).abs().min()) > 1 - 1e-6


def test_nothing_is_smoothed_if_so_wished_or_if_there_is_too_little() -> None:
    noise = torch.randn(9, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(smooth(still(9), noise, FPS, 0.0)[1], noise)
    assert torch.equal(smooth(still(2), noise[:2], FPS, 0.35)[1], noise[:2])


def test_belief_lies_between_what_is_natural_and_what_was_by_their_precisions() -> None:
    anatomy = make_anatomy()
    state = make_state(anatomy)
    bends = torch.zeros_like(state.bends)
    prior = _prior(bends, torch.full_like(bends, 0.6))
    believed = believed_after(prior, replace(state, bends=bends + 1.0), 0.3)
    assert float(believed.bends.flatten()[0]) == pytest.approx(0.8)
    assert float(believed.bend_spread.flatten()[0]) == pytest.approx((1 / 0.36 + 1 / 0.09) ** -0.5)


def _prior(bends: torch.Tensor, spread: torch.Tensor) -> Prior:
    return Prior(bends, spread, torch.zeros(6), torch.ones(6), 0.1, 0.1)


def test_the_motion_of_a_film_is_found_again() -> None:
    anatomy = make_anatomy()
    raised = (0.0, 0.3, 0.5, 0.7, 0.9)
    states = [make_state(anatomy, upperarm01__L=(0.0, 0.0, a), lowerarm01__R=(0.0, a, 0.0)) for a in raised]
    figures = [make_figure(state, hands=False) for state in states]
    sightings = seen_in(figures, missing=2)
    told: list[float] = []
    context = Context(listener=lambda event: told.append(getattr(event, "fraction", 0.0)))
    acted = fit_film(context, sightings, FilmFitConfig(focal_px=900.0, smoothing=0.0))
    places = _places(acted.rig, acted.motion)
    shoulder, elbow, wrist = (acted.rig.joint(n) for n in ("upperarm01.L", "lowerarm01.L", "wrist.L"))
    for frame, figure in enumerate(figures):
        truth = figure.joints_cam * torch.tensor([1.0, -1.0, -1.0])
        for a, b in ((shoulder, elbow), (elbow, wrist)):
            found, true = places[frame, b] - places[frame, a], truth[b] - truth[a]
            off = torch.rad2deg(torch.arccos(torch.cosine_similarity(found, true, dim=0).clamp(-1, 1)))
            assert float(off) < 12, (frame, float(off))
    assert any("1 of 5 pictures" in note for note in acted.notes)
    assert told == sorted(told) and told[-1] == 1.0


def test_a_film_without_a_person_is_refused() -> None:
    sightings = seen_in([make_figure(make_state(make_anatomy()), hands=False)] * 3)
    with pytest.raises(NoPersonError, match="0 of the film's 3 pictures"):
        fit_film(Context(), replace(sightings, seen=torch.zeros(3, dtype=torch.bool)), FilmFitConfig())


def seen_in(figures: list[Figure], missing: int | None = None) -> Sightings:
    people = [figure.person for figure in figures]
    count = len(people)
    return Sightings(
        seen=torch.arange(count) != (count if missing is None else missing),
        keypoints=torch.stack([p.keypoints for p in people]),
        keypoints_world=torch.stack([p.keypoints_world for p in people]),
        confidence=torch.stack([p.confidence for p in people]),
        spread_px=torch.stack([p.spread_px for p in people]),
        hands=torch.zeros(count, 2, 21, 2),
        hands_world=torch.zeros(count, 2, 21, 3),
        hands_confidence=torch.zeros(count, 2),
        width=480,
        height=640,
        fps=FPS,
    )


def _places(rig: Rig, motion: Motion) -> torch.Tensor:
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    return (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]
