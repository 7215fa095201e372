"""Faces in the page's columns, before any browser."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import fakes

from vivant.animate import Expressions, builtin_motion
from vivant.animate.face_inside import Lid
from vivant.viewer.columns import Columns
from vivant.viewer.faces import MIDDLE, actions_of, add_face, weights_of


class Kept(Columns):
    """Keeps what is added as it was."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, np.ndarray] = {}

    def add(self, name: str, values: np.ndarray, bits: int) -> None:
        super().add(name, values, bits)
        self.values[name] = values


def expressions() -> Expressions:
    """A jaw that moves splats 2 and 5, a blink that moves 7 and covers 7 and 9, and one that moves nothing."""
    offsets = torch.zeros(3, 3, 3)
    offsets[0, 0], offsets[0, 1], offsets[1, 2] = (
        torch.tensor([0.0, -0.03, 0.01]),
        torch.tensor([0.001, -0.02, 0.0]),
        torch.tensor([0.0, -0.01, 0.0]),
    )
    lid = Lid(torch.tensor([7, 9]), torch.tensor([[0.8, 0.7, 0.6], [0.5, 0.4, 0.3]]), torch.tensor([0.0, 0.5]))
    return Expressions(torch.tensor([2, 5, 7]), offsets, torch.tensor([0.1, 0.0, 0.0]), ((1, lid),))


def test_offsets_and_lids_come_back_in_the_pages_order() -> None:
    columns, chosen = Kept(), np.array([9, 7, 1, 5, 2])
    told = add_face(columns, expressions(), ("jawOpen", "eyeBlinkLeft", "browInnerUp"), chosen, 2.0)
    assert told is not None
    assert (told.names, told.count, told.at_rest) == (["jawOpen", "eyeBlinkLeft"], 4, [0.1, 0.0])
    found = columns.values
    assert found["face"].tolist() == [1, 1, 0, 1, 1]
    jaw = np.stack([found[f"face0_{axis}"] for axis in "xyz"], 1).astype(float) - MIDDLE
    expected = [[0, 0, 0], [0, 0, 0], [0.001, -0.02, 0], [0, -0.03, 0.01]]
    np.testing.assert_allclose(jaw / MIDDLE * told.largest[0], expected, atol=0.03 / MIDDLE / 2 + 1e-9)
    assert found["lid"].tolist() == [2, 2, 0, 0]
    assert found["lid_begins"].tolist() == [128, 0, 0, 0]
    # Twice as bright as white is the largest byte.
    assert found["lid_red"].tolist() == [64, 102, 0, 0]


@pytest.mark.parametrize("chosen", [[1, 3], [4]])
def test_a_page_whose_splats_are_all_off_the_face_has_none(chosen: list[int]) -> None:
    columns = Kept()
    assert (
        add_face(columns, expressions(), ("jawOpen", "eyeBlinkLeft", "browInnerUp"), np.array(chosen), 1.0)
        is None
    )
    assert not columns.values
    assert add_face(columns, None, (), np.array(chosen), 1.0) is None


def test_only_actions_that_are_made_are_asked_for() -> None:
    idle, talk = (builtin_motion(name, fakes.rig(), fps=10.0) for name in ("idle", "talk"))
    assert idle.actions is not None
    asleep = replace(idle, actions=0 * idle.actions)
    assert actions_of([asleep]) == ()
    assert actions_of([asleep, idle]) == idle.action_names
    assert set(actions_of([talk, idle])) == set(talk.action_names)
    weights = weights_of(idle, ("jawOpen", "eyeBlinkRight"))
    assert float(weights[:, 0].max()) == 0 and torch.equal(weights[:, 1], idle.actions[:, 1])
