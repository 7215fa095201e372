"""How well an avatar shows real pictures again: one number a picture, before and after a fit."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.checks import expect_counts
from vivant.evaluate.metrics import mask_iou, psnr
from vivant.records import Score, Views


@dataclass(frozen=True)
class Shown:
    """An avatar's picture of each view, on white."""

    colors: Float[Tensor, "views height width 3"]
    alphas: Float[Tensor, "views height width"]


def view_scores(views: Views, names: tuple[str, ...], before: Shown, after: Shown) -> tuple[Score, ...]:
    """PSNR inside the mask and overlap of outlines of each view, before and after.

    Raises:
        BadInputError: If the counts differ.
    """
    expect_counts("view_scores", views=len(views.images), names=len(names), before=len(before.alphas),
                  after=len(after.alphas))  # fmt: skip
    found = []
    for view, name in enumerate(names):
        truth, alpha, trusted = picture_on_white(views, view), views.alphas[view], views.trust[view] > 0
        for when, shown in (("before", before), ("after", after)):
            decibels = psnr(shown.colors[view], truth, alpha * trusted)
            overlap = mask_iou(shown.alphas[view] * trusted, alpha * trusted)
            told = "the avatar's picture against the photographed one, both on white"
            found += [
                Score(f"PSNR {when}", decibels, "dB", f"{name}: {told}, inside the mask.", name),
                Score(f"outline {when}", overlap, "", f"{name}: both masks, intersection over union.", name),
            ]
    return tuple(found)


def picture_on_white(views: Views, view: int) -> Float[Tensor, "height width 3"]:
    """One view, cut out, on white."""
    alpha = views.alphas[view][..., None]
    return (views.images[view] * alpha + 1 - alpha).clamp(0, 1)


def mean_score(scores: tuple[Score, ...], name: str, views: tuple[str, ...]) -> float:
    """Mean of one number over some views."""
    values = [score.value for score in scores if score.name == name and score.view in views]
    return sum(values) / max(len(values), 1)


def comparison_sheet(
    views: Views, before: Shown, after: Shown, most: int = 8
) -> Float[Tensor, "height width 3"]:
    """Up to so many views side by side: above the photographed pictures, then before, below after."""
    count = len(views.images)
    number = min(count, most)
    chosen = [round(place * (count - 1) / max(number - 1, 1)) for place in range(number)]
    columns = []
    for view in chosen:
        three = (picture_on_white(views, view), before.colors[view], after.colors[view])
        columns.append(torch.cat(three, 0))
    return torch.cat(columns, 1).clamp(0, 1)
