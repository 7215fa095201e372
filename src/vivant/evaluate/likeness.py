"""How well an avatar shows its photo again: numbers, definitions, plain verdicts."""

from dataclasses import dataclass
from typing import Literal

from vivant.core.checks import expect_counts
from vivant.evaluate.metrics import mask_iou, psnr, ssim
from vivant.records import Avatar, Person, Rendering, Score, Scores

SURE = 0.5
"""Splats with more trust than this are shown by the photo; the others are guessed."""


@dataclass(frozen=True)
class Judgement:
    """What a number means in plain words."""

    good: float
    """The value from which on it is good; below `fair` where less is better."""

    fair: float
    """The value from which on it is acceptable."""

    sentences: tuple[str, str, str]
    """For good, fair and poor."""


JUDGEMENTS = {
    "PSNR in the photo's view": Judgement(
        26.0,
        22.0,
        (
            "The front looks like the photo.",
            "The front looks roughly like the photo.",
            "The front differs visibly from the photo.",
        ),
    ),
    "silhouette overlap": Judgement(
        0.95,
        0.90,
        (
            "The outline is that of the photo.",
            "The outline is close to the photo's.",
            "The outline differs from the photo's: look at hair, clothes and hands.",
        ),
    ),
    "reprojection": Judgement(
        1.0,
        2.5,
        (
            "The body stands as in the photo.",
            "The body stands roughly as in the photo.",
            "The body does not stand as in the photo: arms or legs are wrong.",
        ),
    ),
    "seen": Judgement(
        30.0,
        15.0,
        (
            "The photo shows as much of the person as one photo can.",
            "The photo shows less of the person than usual; more is guessed.",
            "The photo shows little of the person; most of the avatar is guessed.",
        ),
    ),
}
"""By the score's name."""


def compare_with_photo(avatar: Avatar, person: Person, rendering: Rendering) -> Scores:
    """Measure an avatar, drawn from the photo's camera in the photo's pose, against the photo.

    Args:
        avatar: What was made.
        person: What the photo shows.
        rendering: Of the photo's size, premultiplied, on black.

    Raises:
        BadInputError: If the rendering is not of the person image's size.
    """
    color, alpha = rendering.color[0, ..., :3], rendering.alpha[0]
    expect_counts("compare_with_photo (height)", person=len(person.alpha), rendering=len(alpha))
    expect_counts("compare_with_photo (width)", person=person.alpha.shape[1], rendering=alpha.shape[1])
    inside = (person.alpha > 0.5).float()
    photo_on_white = person.foreground * person.alpha[..., None] + (1 - person.alpha[..., None])
    avatar_on_white = (color + (1 - alpha[..., None])).clamp(0, 1)
    definition = "photo and avatar on white, over the pixels where the photo's mask is above one half"
    values = {
        "psnr": psnr(photo_on_white, avatar_on_white, inside),
        "ssim": ssim(photo_on_white, avatar_on_white, inside),
        "iou": mask_iou(person.alpha, alpha),
        "seen": _seen_area(avatar),
    }
    scores = (
        Score("PSNR in the photo's view", values["psnr"], "dB", f"peak signal to noise, {definition}", "photo"),
        Score("SSIM in the photo's view", values["ssim"], "", f"window of 11 px, {definition}", "photo"),
        Score("silhouette overlap", values["iou"], "", "intersection over union of the two masks", "photo"),
    )
    summary = (
        Score("splats", float(len(avatar.splats)), "", "Gaussians in the avatar"),
        Score(
            "seen",
            100 * values["seen"],
            "%",
            f"of the avatar's surface: splats with trust above {SURE}, by area",
        ),
    )
    sentences = [judge(score) for score in (*scores, *summary)]
    return Scores(scores, summary, tuple(said[1] for said in sentences if said is not None))


def _seen_area(avatar: Avatar) -> float:
    """Part of the surface that the photo shows. By area, for splats are smaller where there is more to see."""
    area = avatar.splats.log_scales.topk(2, dim=1).values.sum(1).exp() * avatar.splats.opacities
    return float(area[avatar.trust > SURE].sum() / area.sum().clamp(min=1e-12))


def judge(score: Score) -> tuple[Literal["good", "fair", "poor"], str] | None:
    """Say in plain words what a number means; None for a number without a better and a worse."""
    judgement = JUDGEMENTS.get(score.name)
    if judgement is None:
        return None
    # Where less is better, good lies below fair.
    sign = 1 if judgement.good > judgement.fair else -1
    if sign * score.value >= sign * judgement.good:
        return "good", judgement.sentences[0]
    if sign * score.value >= sign * judgement.fair:
        return "fair", judgement.sentences[1]
    return "poor", judgement.sentences[2]
