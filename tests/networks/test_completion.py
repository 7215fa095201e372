import torch

from vivant.networks import completed_colors


def test_a_back_takes_its_front_and_a_hidden_side_the_other_one() -> None:
    front, back = torch.tensor([0.1, 1.0, 0.1]), torch.tensor([0.1, 1.0, -0.1])
    left, right = torch.tensor([0.4, 1.2, 0.0]), torch.tensor([-0.4, 1.2, 0.0])
    verts = torch.stack([front, back, left, right])
    colors = torch.tensor([[1.0, 0, 0], [0, 0, 0], [0, 1.0, 0], [0, 0, 0]])
    made = completed_colors(verts, colors, torch.tensor([True, False, True, False]), head_height=1.5)
    torch.testing.assert_close(made[1], colors[0])
    torch.testing.assert_close(made[3], colors[2])


def test_the_back_of_a_head_takes_hair_and_no_face() -> None:
    face, hair, nape = (
        torch.tensor([0.0, 1.6, 0.1]),
        torch.tensor([0.0, 1.75, 0.0]),
        torch.tensor([0.0, 1.65, -0.1]),
    )
    colors = torch.tensor([[1.0, 0.7, 0.6], [0.2, 0.1, 0.0], [0, 0, 0]])
    made = completed_colors(torch.stack([face, hair, nape]), colors, torch.tensor([True, True, False]), 1.5)
    torch.testing.assert_close(made[2], colors[1])


def test_nobody_seen_changes_nothing() -> None:
    colors = torch.rand(3, 3)
    assert torch.equal(
        completed_colors(torch.rand(3, 3), colors, torch.zeros(3, dtype=torch.bool), 1.0), colors
    )
