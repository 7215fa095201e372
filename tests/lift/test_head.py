"""Hair, hats and ears where the photo does not show them."""

from dataclasses import replace

import numpy as np
import pytest
from tests.lift.synthetic import HAIR, SKIN, Truth

from vivant.lift.evidence import Evidence, gather
from vivant.lift.head import Cut, comb, find_cut, guess_head, hair_zone
from vivant.lift.posed import carry, photo_lens
from vivant.lift.regions import HEAD, Regions, find_regions
from vivant.lift.sight import Picture, prepare_picture
from vivant.lift.surface import Skin, fine_skin

EVIDENCE = Evidence(
    skin=np.array(SKIN), hair=np.array(HAIR), shod=True, gloved=False, hand=np.array(SKIN), dressed=True
)


@pytest.fixture(scope="module")
def skin(truth: Truth) -> Skin:
    return fine_skin(truth.body)


@pytest.fixture(scope="module")
def regions(truth: Truth, skin: Skin) -> Regions:
    return find_regions(skin, truth.body.rig)


def cut_of(truth: Truth, skin: Skin, regions: Regions, picture: Picture) -> Cut:
    lens = photo_lens(truth.body)
    return find_cut(skin, regions, lens, lens.blend(skin.weights), picture, EVIDENCE)


def with_hair_beside_the_neck(truth: Truth, skin: Skin, regions: Regions, low: float) -> Picture:
    """The photo, with strands painted beside the face down to `low` head heights below the eyes."""
    picture = prepare_picture(truth.person)
    lens = photo_lens(truth.body)
    side = np.linspace(0.22, 0.48, 60) * regions.unit
    rows = np.linspace(regions.eyes + 0.03, regions.eyes - low * regions.unit, 300)
    places = np.stack(np.meshgrid(np.concatenate([side, -side]), rows), -1).reshape(-1, 2)
    places = np.concatenate([places, np.full((len(places), 1), regions.front - 0.4 * regions.unit)], 1)
    head = lens.blend(skin.weights)[(regions.part == HEAD) & (regions.share[:, HEAD] > 0.99)][0]
    pixels = lens.pixels(carry(np.broadcast_to(head, (len(places), 3, 4)), places))
    column, row = np.floor(pixels).astype(int).T
    smooth, alpha = picture.smooth.copy(), picture.alpha.copy()
    smooth[row, column], alpha[row, column] = HAIR, 1.0
    return replace(picture, smooth=smooth, alpha=alpha)


def test_short_hair_is_not_taken_for_long_hair(truth: Truth, skin: Skin, regions: Regions) -> None:
    cut = cut_of(truth, skin, regions, prepare_picture(truth.person))
    assert not cut.over_ears
    assert cut.low == regions.nape


@pytest.mark.parametrize("low", [0.35, 0.6])
def test_hair_beside_the_neck_is_followed_down_to_its_end(
    truth: Truth, skin: Skin, regions: Regions, low: float
) -> None:
    cut = cut_of(truth, skin, regions, with_hair_beside_the_neck(truth, skin, regions, low))
    assert cut.over_ears
    assert cut.low == pytest.approx(regions.eyes - low * regions.unit, abs=0.03)


def test_long_hair_covers_ears_and_nape_and_hangs_straight(skin: Skin, regions: Regions) -> None:
    cut = Cut(regions.eyes - 0.6 * regions.unit, over_ears=True)
    combed = comb(skin, regions, cut)
    height = (skin.verts[:, 1] - regions.eyes) / regions.unit
    head = regions.part == HEAD
    ears = head & (height > -0.3)
    assert np.abs(combed[ears, 0]).max() < 0.35 * regions.unit < np.abs(skin.verts[ears, 0]).max()
    nape = head & (np.abs(height + 0.4) < 0.05) & (np.abs(skin.verts[:, 0]) < 0.02)
    assert combed[nape, 2].min() < skin.verts[nape, 2].min() - 0.01
    face = regions.face == 1
    np.testing.assert_array_equal(combed[face], skin.verts[face])
    zone = hair_zone(skin.verts, regions.scalp, regions, cut)
    back = nape & (skin.verts[:, 2] < regions.front - 0.55 * regions.unit)
    assert zone[back].min() > 0.9
    assert regions.scalp[back].max() < 0.5


def test_short_hair_leaves_the_head_as_it_is(skin: Skin, regions: Regions) -> None:
    np.testing.assert_array_equal(comb(skin, regions, Cut(regions.nape, over_ears=False)), skin.verts)


def striped(height: np.ndarray) -> np.ndarray:
    return np.where((np.floor(height / 0.02) % 2 == 0)[:, None], 0.9, 0.1) * np.ones(3)


@pytest.mark.parametrize("pattern", ["stripes", "plain"])
def test_a_hats_stripes_go_on_at_the_back(skin: Skin, regions: Regions, pattern: str) -> None:
    rest, on_head = skin.verts, regions.part == HEAD
    color = np.tile(np.array(SKIN), (len(rest), 1))
    hat = regions.scalp > 0.5
    color[hat] = striped(rest[hat, 1]) if pattern == "stripes" else 0.1
    brow = on_head & (regions.face > 0.5) & (rest[:, 1] > regions.eyes + 0.25 * regions.unit)
    color[brow] = striped(rest[brow, 1]) if pattern == "stripes" else 0.1
    shown = on_head & (rest[:, 2] > regions.front - 0.42 * regions.unit)
    guess = np.zeros_like(rest)
    evidence = replace(EVIDENCE, hair=np.full(3, 0.5 if pattern == "stripes" else 0.1))
    found = guess_head(guess, rest, on_head, regions.face, regions.scalp, color, shown.astype(float), evidence)
    assert found == (pattern == "stripes")
    back = hat & (rest[:, 2] < regions.front - 0.6 * regions.unit) & (rest[:, 1] > regions.eyes + 0.05)
    if pattern == "stripes":
        # Rings of 2 cm on a mesh with edges of 1 to 2 cm: most of them come through.
        alike = np.corrcoef(guess[back, 0], striped(rest[back, 1])[:, 0])[0, 1]
        assert alike > 0.5
        assert guess[back].std() > 0.15
    else:
        np.testing.assert_allclose(guess[back], 0.1, atol=0.02)


def test_feet_are_told_together(truth: Truth, skin: Skin, regions: Regions) -> None:
    """A shoe that mirrors a brown floor is a shoe: nobody wears one."""
    from vivant.lift.regions import LEFT_FOOT, RIGHT_FOOT
    from vivant.lift.sight import Sight

    color = np.tile(np.array(SKIN), (len(skin.verts), 1))
    color[regions.part == RIGHT_FOOT] = 0.1
    ones = np.ones(len(color))
    sight = Sight(color, 0 * ones, ones, ones)
    assert gather(sight, regions, skin.verts[:, 1]).shod
    color[regions.part == RIGHT_FOOT] = SKIN
    assert not gather(sight, regions, skin.verts[:, 1]).shod
    assert int((regions.part == LEFT_FOOT).sum()) > 100


@pytest.mark.parametrize("hair_shows", [True, False])
def test_glasses_below_a_patterned_hat_are_not_turned_round_with_it(
    skin: Skin, regions: Regions, hair_shows: bool
) -> None:
    rest, on_head = skin.verts, regions.part == HEAD
    blue = np.array([0.1, 0.1, 0.9])
    hair = np.array([0.30, 0.18, 0.10]) if hair_shows else np.array(SKIN)
    color = np.tile(np.array(SKIN), (len(rest), 1))
    brim = np.median(rest[regions.face > 0.5, 1]) + 0.06
    color[on_head & (rest[:, 1] > brim)] = striped(rest[on_head & (rest[:, 1] > brim), 1])
    color[on_head & (rest[:, 1] <= brim) & (regions.face < 0.3)] = hair
    color[on_head & (np.abs(rest[:, 1] - regions.eyes) < 0.03) & (regions.face > 0.3)] = blue
    shown = on_head & (rest[:, 2] > regions.front - 0.42 * regions.unit)
    guess = np.zeros_like(rest)
    evidence = replace(EVIDENCE, hair=np.full(3, 0.5))
    assert guess_head(guess, rest, on_head, regions.face, regions.scalp, color, shown * 1.0, evidence)
    back = (regions.scalp > 0.5) & (rest[:, 2] < regions.front - 0.6 * regions.unit)
    assert (guess[back, 2] - guess[back, 0]).max() < 0.1
    below = back & (rest[:, 1] < brim - 0.03)
    assert below.sum() > 20
    np.testing.assert_allclose(guess[below], np.broadcast_to(hair, (below.sum(), 3)), atol=0.05)
