"""The stage, on the sample, on what can be made of it, and on real photos."""

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from tests.perceive.figures import listening, overlap, perceive_pixels, photo_of

from vivant.core.errors import BadInputError, ManyPersonsError, NoPersonError
from vivant.core.images import resize_pixels, to_bytes
from vivant.core.run import Context
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.records import BODY_POINTS, Person, Photo

SLATE = torch.tensor([0.3, 0.35, 0.4])

WHOLE = {
    "head", "torso", "left_arm", "right_arm", "left_hand", "right_hand",
    "left_leg", "right_leg", "left_foot", "right_foot",
}  # fmt: skip


@pytest.mark.parametrize(
    "wrong", [{"margin": float("nan")}, {"margin": -3.0}, {"min_height": 0}, {"max_height": 50}]
)
def test_what_cannot_be_cut_out_is_told_before_the_work(wrong: dict) -> None:
    with pytest.raises(BadInputError, match=str(next(iter(wrong.values())))):
        PerceiveConfig(**wrong)


def in_photo(person: Person, points: torch.Tensor) -> torch.Tensor:
    return points @ person.photo_from_image[:2, :2].T + person.photo_from_image[:2, 2]


def point(person: Person, name: str) -> torch.Tensor:
    return person.keypoints[BODY_POINTS.index(name)]


def test_the_whole_person_is_measured(sample_person: Person) -> None:
    person = sample_person
    assert set(person.visible_parts) == WHOLE
    assert person.face is not None and person.left_hand is not None and person.right_hand is not None
    assert person.confidence.min() > 0.5
    assert person.notes == ()
    # From the eyes to the toes, in a photo of 640 px.
    assert 480 < person.height_px < 600
    assert point(person, "left_wrist")[0] > point(person, "right_wrist")[0]
    assert abs(float(person.keypoints_world[[23, 24]].mean(0).norm())) < 0.02


def test_the_mask_holds_the_person_and_not_the_wall(sample_person: Person) -> None:
    alpha = sample_person.alpha.numpy()
    columns, rows = sample_person.keypoints[[0, 11, 12, 13, 14, 23, 24, 25, 26, 27, 28]].long().T.numpy()
    assert alpha[rows, columns].min() > 0.95
    assert alpha[:, :5].max() < 0.02 and alpha[:5].max() < 0.02
    # Between the legs there is floor.
    knees = (point(sample_person, "left_knee") + point(sample_person, "right_knee")) / 2
    assert alpha[int(knees[1]) + 20, int(knees[0])] < 0.05


def test_points_lie_in_the_photo_where_the_photo_has_them(sample_person: Person) -> None:
    # Her nose is at about (489, 188) of the full sample of 960 x 1280.
    nose = in_photo(sample_person, point(sample_person, "nose")[None])[0] * 2
    assert torch.allclose(nose, torch.tensor([489.0, 188.0]), atol=12)


def test_the_crop_is_the_photo_itself(sample_person: Person, sample_photo: Photo) -> None:
    left, top = sample_person.photo_from_image[:2, 2].long().tolist()
    height, width = sample_person.alpha.shape
    assert sample_person.photo_from_image[0, 0] == 1
    crop = sample_photo.image[top : top + height, left : left + width]
    torch.testing.assert_close(sample_person.image, crop, atol=1e-6, rtol=0)


def test_the_camera_is_that_of_the_whole_photo(sample_person: Person, sample_photo: Photo) -> None:
    assert sample_person.intrinsics[0, 0] == pytest.approx(1.2 * 640)
    center = in_photo(sample_person, sample_person.intrinsics[:2, 2][None])[0]
    assert torch.allclose(center, torch.tensor([240.0, 320.0]))
    told = photo_of(to_bytes(sample_photo.image), focal_px=1000.0)
    reduced = perceive(Context(), told, PerceiveConfig(max_height=280))
    scale = float(reduced.photo_from_image[0, 0])
    assert scale > 1.9
    assert reduced.intrinsics[0, 0] == pytest.approx(1000 / scale)
    center = in_photo(reduced, reduced.intrinsics[:2, 2][None])[0]
    assert torch.allclose(center, torch.tensor([240.0, 320.0]), atol=1e-3)


def test_the_same_photo_gives_the_same_person(sample_person: Person, sample_photo: Photo) -> None:
    again = perceive(Context(), sample_photo, PerceiveConfig())
    for field in fields(Person):
        one, other = getattr(sample_person, field.name), getattr(again, field.name)
        if isinstance(one, torch.Tensor):
            assert torch.equal(one, other), field.name
        elif field.name.endswith("hand"):
            assert torch.equal(one.points, other.points)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_photo_on_its_side_or_head_is_turned(
    sample: np.ndarray, sample_person: Person, quarters: int
) -> None:
    context, notes = listening()
    turned = photo_of(np.rot90(sample, quarters))
    person = perceive(context, turned, PerceiveConfig())
    assert any("turned" in note for note in notes)
    assert tuple(notes) == person.notes
    assert point(person, "nose")[1] < point(person, "left_ankle")[1] - 300
    assert torch.median((person.keypoints - sample_person.keypoints).norm(dim=-1)) < 12
    # The nose is where the turned photo has it, which lies where the sample has it.
    x, y = in_photo(person, point(person, "nose")[None])[0].tolist()
    height, width = turned.image.shape[:2]
    in_sample = {1: (height - y, x), 2: (width - x, height - y), 3: (y, width - x)}[quarters]
    original = in_photo(sample_person, point(sample_person, "nose")[None])[0].tolist()
    assert in_sample == pytest.approx(original, abs=10)


def test_a_half_body_is_taken_and_the_rest_is_told(sample: np.ndarray) -> None:
    context, notes = listening()
    person = perceive(context, photo_of(sample[:330]), PerceiveConfig())
    assert {"head", "torso"} <= set(person.visible_parts)
    assert not {"left_leg", "right_leg", "left_foot", "right_foot"} & set(person.visible_parts)
    assert any("legs" in note and "guessed" in note for note in notes)
    assert person.confidence[BODY_POINTS.index("left_ankle")] == 0
    assert person.keypoints[BODY_POINTS.index("left_ankle"), 1] > person.alpha.shape[0]


def test_two_people_need_a_choice(sample: np.ndarray) -> None:
    pixels = np.concatenate([sample, sample[:, ::-1]], 1)
    with pytest.raises(ManyPersonsError, match="2 people"):
        perceive_pixels(pixels)
    left, right = (perceive_pixels(pixels, person=number) for number in (1, 2))
    assert float(in_photo(left, point(left, "nose")[None])[0, 0]) == pytest.approx(238, abs=10)
    assert float(in_photo(right, point(right, "nose")[None])[0, 0]) == pytest.approx(960 - 238, abs=10)
    assert left.alpha.mean() == pytest.approx(float(right.alpha.mean()), rel=0.1)


def test_a_neighbour_is_not_in_the_mask(sample: np.ndarray, sample_person: Person) -> None:
    # Her double stands beside her, sleeve to sleeve.
    left, top = sample_person.photo_from_image[:2, 2].long().tolist()
    alpha = sample_person.alpha.numpy()
    height, width = alpha.shape
    pixels = np.concatenate([sample, sample[:, :240]], 1)
    place = pixels[top : top + height, left + 205 : left + 205 + width]
    place[:] = place * (1 - alpha[..., None]) + to_bytes(sample_person.foreground) * alpha[..., None]
    person = perceive_pixels(pixels, person=2)
    assert float(in_photo(person, point(person, "nose")[None])[0, 0]) == pytest.approx(244 + 205, abs=10)
    assert float(person.alpha.sum()) == pytest.approx(float(alpha.sum()), rel=0.05)


def test_a_small_second_person_is_left_out_with_a_note(sample: np.ndarray) -> None:
    pixels = np.concatenate([sample, np.full((640, 300, 3), 150, np.uint8)], 1)
    small = resize_pixels(sample, (150, 200))
    pixels[300:500, 560:710] = small
    person = perceive_pixels(pixels)
    assert any("smaller person" in note for note in person.notes)
    assert float(in_photo(person, point(person, "nose")[None])[0, 0]) == pytest.approx(238, abs=10)


@pytest.mark.parametrize(
    ("box", "told"),
    [
        ((220, 55, 272, 125), "Only a face"),
        ((170, 30, 310, 160), "Only the head and shoulders"),
        ((295, 290, 350, 365), "Only a hand"),
        ((0, 0, 150, 250), "No person"),
    ],
    ids=["face", "shoulders", "hand", "wall"],
)
def test_too_little_of_a_person_is_refused(sample: np.ndarray, box: tuple[int, ...], told: str) -> None:
    left, top, right, bottom = box
    crop = resize_pixels(
        np.ascontiguousarray(sample[top:bottom, left:right]), ((right - left) * 4, (bottom - top) * 4)
    )
    with pytest.raises(NoPersonError, match=told):
        perceive_pixels(crop)


def test_a_person_too_small_is_refused(sample: np.ndarray) -> None:
    small = resize_pixels(sample, (75, 100))
    pixels = np.full((300, 300, 3), 150, np.uint8)
    pixels[100:200, 100:175] = small
    with pytest.raises(NoPersonError, match=r"\d+ px tall; at least 96"):
        perceive_pixels(pixels)
    assert perceive_pixels(pixels, min_height=60).height_px < 96


def test_a_drawing_is_taken(sample: np.ndarray) -> None:
    gradient = np.hypot(*(ndimage.sobel(sample.mean(-1), axis) for axis in (0, 1)))
    drawing = (255 - gradient.clip(0, 255)).astype(np.uint8)[..., None].repeat(3, -1)
    person = perceive_pixels(drawing)
    assert set(person.visible_parts) >= {"head", "torso", "left_leg", "right_leg"}


def test_a_mannequin_is_taken() -> None:
    from vivant.body import load_anny
    from vivant.core.cameras import orbit
    from vivant.mesh import interpolate, rasterize_mesh, vertex_normals

    model = load_anny()
    rig = model.rig(model.default_shape())
    cameras = orbit(torch.tensor([0.0, 0.8, 0.0]), [10.0], extent=1.9, width=450, height=600)
    seen = rasterize_mesh(rig.verts, rig.faces, cameras)
    normals = interpolate(seen, rig.faces, vertex_normals(rig.verts, rig.faces))[0]
    light = 0.35 + 0.6 * (normals @ torch.tensor([-0.4, 0.5, 0.77])).clamp(0)
    hit = seen.face[0] >= 0
    pixels = torch.where(hit[..., None], light[..., None] * torch.tensor([0.8, 0.78, 0.75]), SLATE)
    person = perceive_pixels(to_bytes(pixels))
    assert set(person.visible_parts) >= {"head", "torso", "left_leg", "right_leg"}
    left, top = person.photo_from_image[:2, 2].long().tolist()
    height, width = person.alpha.shape
    truth = hit.numpy()[top : top + height, left : left + width]
    assert overlap(person.alpha.numpy() > 0.5, truth) > 0.97


def test_a_files_own_cut_out_is_the_mask(sample: np.ndarray, sample_person: Person) -> None:
    left, top = sample_person.photo_from_image[:2, 2].long().tolist()
    height, width = sample_person.alpha.shape
    alpha = np.zeros(sample.shape[:2], np.float32)
    alpha[top : top + height, left : left + width] = sample_person.alpha.numpy()
    # What a file hides is anything: here it is red.
    pixels = np.where(alpha[..., None] > 0, sample, np.array([255, 0, 0], np.uint8))
    person = perceive(Context(), photo_of(pixels, alpha), PerceiveConfig())
    left, top = person.photo_from_image[:2, 2].long().tolist()
    height, width = person.alpha.shape
    expected = torch.from_numpy(alpha[top : top + height, left : left + width])
    assert (person.alpha - expected).abs().max() < 0.005
    assert person.image[person.alpha == 0].sub(0.5).abs().max() < 0.01
    assert set(person.visible_parts) == WHOLE


def test_round_corners_are_no_cut_out(sample: np.ndarray, sample_person: Person) -> None:
    alpha = np.ones(sample.shape[:2], np.float32)
    alpha[:40, :40] = 0
    person = perceive(Context(), photo_of(sample, alpha), PerceiveConfig())
    assert float(person.alpha.mean()) == pytest.approx(float(sample_person.alpha.mean()), rel=0.05)


@pytest.mark.parametrize("name", ["suit_waterfall", "polo_street", "skier", "yoga_lunge"])
def test_real_people_are_found_whole(shared: Path, name: str) -> None:
    person = perceive(Context(), read_photo(shared / "photos" / f"{name}.jpg"), PerceiveConfig())
    assert set(person.visible_parts) == WHOLE
    assert person.face is not None
    assert person.confidence.mean() > 0.85
    alpha = person.alpha.numpy()
    columns, rows = person.keypoints[[0, 11, 12, 13, 14, 23, 24, 25, 26]].long().T.numpy()
    assert alpha[rows, columns].min() > 0.95
    pieces, _ = ndimage.label(alpha > 0.5)
    areas = np.bincount(pieces.ravel())[1:]
    assert areas.max() > 0.97 * areas.sum()


def test_a_person_half_hidden_by_a_dog_is_taken_honestly(shared: Path) -> None:
    person = perceive(Context(), read_photo(shared / "photos" / "occluded_by_dog.jpg"), PerceiveConfig())
    assert "left_arm" not in person.visible_parts and "right_arm" in person.visible_parts
    assert any("left arm" in note for note in person.notes)
    # The girl's own hand, before the dog's coat, is in the mask; the dog's head is not.
    assert person.right_hand is not None
    columns, rows = person.right_hand.points[[0, 5, 9, 17]].long().T.numpy()
    assert person.alpha.numpy()[rows, columns].min() > 0.9
    assert person.alpha.mean() < 0.35
