"""The pictures of a report: goods carried from the rooms that draw to the one that tells."""

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate import Shot, picture, standing
from vivant.core.images import encode_image
from vivant.evaluate import Panel, Section, body_overlay, cutout, keypoint_svg, trust_colored
from vivant.records import Avatar, Body, Person, Photo, Rendering, Views

TALL = 720
"""Pixels: height of the pictures, enough for a desktop's column and for a phone's full width."""

FACE = 560
"""Pixels: size of the close-ups."""

IMAGINED_SHOWN = 8
"""Pictures of each series of imagined views."""

SIDES = ((0.0, "front"), (90.0, "left side"), (180.0, "back"), (270.0, "right side"))


def report_sections(
    photo: Photo,
    avatar: Avatar,
    person: Person | None,
    body: Body | None,
    rendering: Rendering | None,
    preview: Panel,
    imagined: tuple[Views, ...] = (),
) -> tuple[Section, ...]:
    """Draw everything the report shows; what a recipe does not make is left out."""
    sections = [Section("The avatar", "", (_jpeg(_reduced(photo.image), "the photo"), preview))]
    if person is not None and rendering is not None:
        sections.append(_photo_section(person, body, rendering))
    return (*sections, *avatar_sections(avatar), *(_imagined_section(views) for views in imagined))


def avatar_sections(avatar: Avatar) -> tuple[Section, ...]:
    """The avatar alone: all sides, the face, and what is seen."""
    sections = []
    pose = standing(avatar.rig)
    shots = [Shot(TALL * 9 // 16, TALL, azimuth=azimuth, elevation=4.0) for azimuth, _ in SIDES]
    sides = tuple(
        _jpeg(picture(avatar, shot, pose)[..., :3], name) for shot, (_, name) in zip(shots, SIDES, strict=True)
    )
    sections.append(Section("From all sides", "In a relaxed stand.", sides))
    faces = tuple(
        _jpeg(picture(avatar, Shot(FACE, FACE, azimuth=a, elevation=0.0, closeup="face"), pose)[..., :3], name)
        for a, name in ((0.0, "face"), (40.0, "from the left"), (-40.0, "from the right"))
    )
    sections.append(Section("Close", "", faces))
    colored = trust_colored(avatar)
    trust = tuple(_jpeg(picture(colored, shots[i], pose)[..., :3], SIDES[i][1]) for i in (0, 1, 2))
    words = "Turquoise is what the photo shows, orange is guessed."
    sections.append(Section("What is seen, what is guessed", words, trust))
    return tuple(sections)


def _imagined_section(views: Views) -> Section:
    """Some of the views that a generator made."""
    count = len(views.images)
    chosen = range(0, count, max(count // IMAGINED_SHOWN, 1))
    panels = []
    for number in list(chosen)[:IMAGINED_SHOWN]:
        alpha = views.alphas[number, ..., None]
        shown = views.images[number] * alpha + 1 - alpha
        panels.append(_jpeg(shown.clamp(0, 1), f"{number + 1} of {count}"))
    words = "Made by a generator; colours are taken from them where the photo shows nothing."
    return Section("Imagined views", words, tuple(panels))


def _photo_section(person: Person, body: Body | None, rendering: Rendering) -> Section:
    height, width = person.alpha.shape
    points = _jpeg(_reduced(person.image), "points found")
    points = Panel(points.caption, points.content, points.kind, (width, height), keypoint_svg(person))
    panels = [points, _jpeg(_reduced(cutout(person)), "cut out")]
    if body is not None:
        panels.append(_jpeg(_reduced(body_overlay(person, body)), "body fitted"))
    alpha = rendering.alpha[0, ..., None]
    again = rendering.color[0, ..., :3] + (1 - alpha) * (0.3 * person.image + 0.7)
    panels.append(_jpeg(_reduced(again.clamp(0, 1)), "avatar in the photo's view"))
    words = "Left is the person's own left (orange), right is blue; faint points are doubtful."
    return Section("In the photo", words, tuple(panels))


def _reduced(image: Float[Tensor, "height width channels"]) -> Float[Tensor, "new_height new_width channels"]:
    height, width = image.shape[:2]
    scale = min(1.0, TALL / height)
    if scale == 1.0:
        return image
    size = (TALL, max(1, round(width * scale)))
    image_nchw = image.permute(2, 0, 1)[None]
    smaller = torch.nn.functional.interpolate(image_nchw, size, mode="bilinear", antialias=True)
    return smaller[0].permute(1, 2, 0)


def _jpeg(image: Float[Tensor, "height width 3"], caption: str) -> Panel:
    return Panel(caption, encode_image(image, "jpeg", 86), "jpeg", (image.shape[1], image.shape[0]))
