import re
from dataclasses import replace

import torch
from tests import fakes

from vivant.evaluate import body_overlay, cutout, keypoint_svg, trust_colored
from vivant.evaluate.overlays import GUESSED, SEEN
from vivant.records import Hand
from vivant.splat import colors_from_sh


def test_every_point_is_drawn_where_it_is() -> None:
    person = fakes.person()
    places = re.findall(r'cx="(-?[\d.]+)" cy="(-?[\d.]+)"', keypoint_svg(person))
    drawn = torch.tensor([[float(x), float(y)] for x, y in places])
    torch.testing.assert_close(drawn, person.keypoints, atol=0.06, rtol=0)


def test_hands_and_face_are_drawn_when_they_were_found() -> None:
    hand = Hand(torch.rand(21, 2) * 50, torch.zeros(21, 3), 0.9)
    person = replace(fakes.person(), left_hand=hand, face=torch.rand(478, 3))
    assert keypoint_svg(person).count("<circle") == 33 + 21 + 478


def test_a_doubtful_point_is_faint_but_there() -> None:
    person = replace(fakes.person(), confidence=torch.zeros(33))
    assert set(re.findall(r'opacity="([\d.]+)"', keypoint_svg(person))) == {"0.12"}


def test_the_cutout_shows_the_person_and_a_board() -> None:
    person = fakes.person()
    image = cutout(person)
    inside = person.alpha > 0.5
    assert torch.equal(image[inside], person.foreground[inside])
    assert set(image[~inside].mean(-1).mul(100).round().unique().tolist()) == {80.0, 93.0}


def test_the_overlay_is_blue_where_the_body_is_and_the_faded_photo_elsewhere() -> None:
    image = body_overlay(fakes.person(), fakes.body())
    assert float(image[60, 48, 2]) > float(image[60, 48, 0]) + 0.1
    torch.testing.assert_close(image[2, 2], torch.full((3,), 0.5 * 0.75 + 0.25))


def test_trust_has_two_colours() -> None:
    avatar = trust_colored(fakes.avatar())
    colors = colors_from_sh(avatar.splats.sh, avatar.splats.means)
    for seen, target in ((True, SEEN), (False, GUESSED)):
        mean = colors[(avatar.trust > 0.5) == seen].mean(0)
        hue = mean / mean.norm()
        expected = torch.tensor(target) / torch.tensor(target).norm()
        assert float((hue * expected).sum()) > 0.995
