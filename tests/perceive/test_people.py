"""Everybody is found, and nothing else."""

import dataclasses

import numpy as np
import pytest

from vivant.engines.jobs import PoseSeen, Region, VisionEngine
from vivant.perceive.people import Crowd, find_people, paint_over
from vivant.perceive.points import look_at_body
from vivant.records import BODY_POINTS, MIRRORED_POINTS


def places(crowd: Crowd) -> list[int]:
    return [round(person.region.center[0]) for person in crowd.people if person.is_sure]


def test_one_person_is_found_once(engine: VisionEngine, sample: np.ndarray) -> None:
    crowd = find_people(engine, sample)
    (person,) = crowd.people
    assert person.is_sure and person.has_face
    assert person.torso_shown == 1
    assert abs(person.region.center[0] - 237) < 12
    assert person.mask.shape == (crowd.frame.height, crowd.frame.width)


class OftenMistaken:
    """Takes front for back in every second look."""

    def __init__(self, engine: VisionEngine) -> None:
        self.engine, self.looks = engine, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.engine, name)

    def see_pose(self, pixels: np.ndarray, region: Region) -> PoseSeen | None:
        look = self.engine.see_pose(pixels, region)
        self.looks += 1
        if look is None or self.looks % 2:
            return look
        order = list(MIRRORED_POINTS)
        return dataclasses.replace(look, points=look.points[order], visibility=look.visibility[order])


def test_a_face_taken_for_the_back_of_the_head_in_some_looks_hides_nobody(
    engine: VisionEngine, sample: np.ndarray
) -> None:
    mistaken = OftenMistaken(engine)
    (person,) = find_people(mistaken, sample).people
    assert person.is_sure
    body = look_at_body(mistaken, sample, person.region)
    alone = look_at_body(engine, sample, person.region)
    assert body is not None and alone is not None
    left, right = (BODY_POINTS.index(f"{side}_shoulder") for side in ("left", "right"))
    assert body.points[left, 0] > body.points[right, 0] + 30
    assert np.abs(body.points - alone.points).max() < 0.05 * body.size


def test_two_people_side_by_side_are_told_from_left_to_right(engine: VisionEngine, sample: np.ndarray) -> None:
    pixels = np.concatenate([sample, sample[:, ::-1]], 1)
    assert places(find_people(engine, pixels)) == pytest.approx([237, 480 + 480 - 237], abs=15)


def test_people_of_different_sizes_are_all_found(engine: VisionEngine, sample: np.ndarray) -> None:
    small = sample[::3, ::3]
    pixels = np.concatenate([sample, np.full((640, 320, 3), 150, np.uint8)], 1)
    pixels[300 : 300 + len(small), 560 : 560 + small.shape[1]] = small
    crowd = find_people(engine, pixels)
    assert places(crowd) == pytest.approx([237, 560 + 79], abs=15)
    sizes = [person.size for person in crowd.people if person.is_sure]
    assert sizes[1] / sizes[0] == pytest.approx(1 / 3, rel=0.15)


def test_someone_small_in_a_large_photo_is_found(engine: VisionEngine, sample: np.ndarray) -> None:
    pixels = np.full((1400, 2000, 3), 140, np.uint8)
    small = sample[::2, ::2]
    pixels[600 : 600 + len(small), 1500 : 1500 + small.shape[1]] = small
    assert places(find_people(engine, pixels)) == pytest.approx([1500 + 118], abs=15)


@pytest.mark.parametrize("kind", ["grey", "noise", "stripes"])
def test_nobody_is_found_where_nobody_is(engine: VisionEngine, kind: str) -> None:
    pixels = np.full((400, 500, 3), 120, np.uint8)
    if kind == "noise":
        pixels = np.random.default_rng(0).integers(0, 255, pixels.shape, np.uint8)
    elif kind == "stripes":
        pixels[:, ::20] = 255
    assert not any(person.is_likely for person in find_people(engine, pixels).people)


def test_whoever_is_painted_over_is_not_found_again(engine: VisionEngine, sample: np.ndarray) -> None:
    crowd = find_people(engine, sample)
    picture = crowd.frame.cut(sample)
    painted = paint_over(picture, [person.mask for person in crowd.people])
    assert not find_people(engine, painted).people
    assert (painted != picture).any() and paint_over(picture, []) is picture


def test_a_dog_is_no_person(engine: VisionEngine, shared: object) -> None:
    from vivant.core.images import to_bytes
    from vivant.perceive import read_photo

    photo = read_photo(shared / "photos" / "occluded_by_dog.jpg")
    crowd = find_people(engine, to_bytes(photo.image))
    assert places(crowd) == pytest.approx([188], abs=20)
