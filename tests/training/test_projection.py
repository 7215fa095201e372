import torch

from vivant.training.projection import seen_vertices


def wall() -> tuple[torch.Tensor, torch.Tensor]:
    """Two points before each other, one beside them, all facing +z."""
    verts = torch.tensor([[0.0, 0.0, 0.5], [0.0, 0.0, 0.0], [0.5, 0.0, 0.0]])
    return verts, torch.tensor([[0.0, 0.0, 1.0]]).expand(3, 3).clone()


def camera() -> tuple[torch.Tensor, torch.Tensor]:
    """At z = 2, looking along -z; a metre is 10 px at two metres' depth."""
    pose = torch.eye(4)
    pose[1, 1] = pose[2, 2] = -1.0
    pose[2, 3] = 2.0
    return pose, torch.tensor([[20.0, 0, 16], [0, 20.0, 16], [0, 0, 1]])


def test_only_the_nearest_that_faces_the_camera_is_seen() -> None:
    verts, normals = wall()
    depth = torch.full((32, 32), 2.0)
    depth[:, 14:18] = 1.5
    assert seen_vertices(verts, normals, depth, *camera()).tolist() == [True, False, True]
    normals[2] = torch.tensor([1.0, 0.0, 0.0])
    assert seen_vertices(verts, normals, depth, *camera()).tolist() == [True, False, False]


def test_what_lies_off_the_picture_is_not_seen() -> None:
    verts, normals = wall()
    assert not seen_vertices(verts + 100, normals, torch.full((32, 32), 2.0), *camera()).any()
