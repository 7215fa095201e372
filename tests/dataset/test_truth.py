"""What is told about a picture is what is in it."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from vivant.core.cameras import Cameras, project
from vivant.dataset import Figure, PeopleConfig, make_sample, observe
from vivant.dataset.poses import PoseSource
from vivant.dataset.scenes import (
    Taking,
    framing_camera,
    photograph,
    random_background,
    random_camera,
)
from vivant.dataset.truth import canonical_colors, skeleton_map
from vivant.mesh import Lighting, random_lighting
from vivant.records import Pose


def test_camera_pose_and_shape_of_a_sample_give_its_joints_and_its_depth(config: PeopleConfig) -> None:
    files = make_sample(config, 5, 1)
    told = json.loads(files["json"])
    cameras = Cameras(
        torch.tensor([told["camera"]["cam_from_world"]]), torch.tensor([told["camera"]["intrinsics"]]), 64, 64
    )
    joints = torch.tensor(told["joints"]["world"])
    pixels, depth = project(joints, cameras)
    torch.testing.assert_close(pixels, torch.tensor(told["joints"]["pixels"]), atol=2e-3, rtol=0)
    with np.load(io.BytesIO(files["truth.npz"])) as truth:
        drawn = truth["depth_tenth_mm"] / 1e4
        assert truth["normal_127"].shape == (64, 64, 3)
        column, row = pixels[told["joints"]["names"].index("spine03")].long().tolist()
    # The surface lies a little before the spine.
    assert 0 < float(depth[told["joints"]["names"].index("spine03")]) - drawn[row, column] < 0.35


def test_all_of_somebody_is_in_the_picture_at_the_wanted_size(figure: Figure) -> None:
    random = np.random.default_rng(0)
    for azimuth in (0.0, 75.0, -160.0):
        cameras = framing_camera(figure.rig.verts, 200, 300, azimuth, 10.0, 35.0, 0.8)
        pixels, depth = project(figure.rig.verts, cameras)
        size = (pixels.amax(0) - pixels.amin(0)) / torch.tensor([200, 300])
        assert float(size.max()) == pytest.approx(0.8, abs=0.01)
        torch.testing.assert_close(
            (pixels.amax(0) + pixels.amin(0)) / 2, torch.tensor([100.0, 150.0]), atol=2.0, rtol=0
        )
        assert float(depth.min()) > 0.3
        free = random_camera(random, figure.rig.verts, 128, 128, azimuth)
        pixels, _ = project(figure.rig.verts, free)
        assert float(pixels.min()) >= 0
        assert float(pixels.max()) <= 128


def test_guide_normals_show_the_body_not_the_clothes(figure: Figure) -> None:
    cameras = framing_camera(figure.rig.verts, 96, 96, 0.0)
    truth = observe(figure, figure.start, cameras, Lighting.plain())
    seen = truth.guide_normals[0].norm(dim=-1) > 0.5
    dressed = truth.pictures.alpha[0] > 0.5
    assert 0.5 < float((seen & dressed).sum() / dressed.sum()) < 1
    # Towards the camera is -z.
    assert float(truth.guide_normals[0][seen][:, 2].mean()) < -0.3


def test_the_skeleton_is_drawn_where_the_joints_are(figure: Figure) -> None:
    cameras = framing_camera(figure.rig.verts, 128, 128, 20.0)
    truth = observe(figure, figure.start, cameras, Lighting.plain())
    image = skeleton_map(figure, truth.joints_world, cameras)
    pixels, _ = project(truth.joints_world, cameras)
    for name in ("wrist.L", "foot.R", "head"):
        column, row = pixels[figure.body.joint(name)].long().tolist()
        assert image[row, column].any()
    assert (image.any(-1)).mean() < 0.2


def test_canonical_colours_are_those_of_the_texture(figure: Figure) -> None:
    plain = figure.mesh.textures[1].levels[0][0, 0, :3].numpy()
    colors = canonical_colors(figure)
    assert colors.shape == (len(figure.body.verts), 3)
    # The legs come last in the file and are of one colour.
    foot = int(figure.body.verts[:, 1].argmin())
    assert (colors[foot] == plain).all()


def test_photos_are_the_same_for_the_same_random_numbers(figure: Figure) -> None:
    cameras = framing_camera(figure.rig.verts, 64, 64, 0.0)
    taken = []
    for _ in range(2):
        random = np.random.default_rng(4)
        truth = observe(figure, figure.start, cameras, random_lighting(random))
        background = random_background(random, 64, 64)
        taken.append(photograph(truth.pictures, 0, background, Taking(0.8, 0.02, 80), random))
    assert taken[0] == taken[1]
    noisier = photograph(truth.pictures, 0, background, Taking(0.0, 0.1, 95), np.random.default_rng(4))
    assert len(noisier) > len(taken[0])


def test_backgrounds_lie_between_black_and_white() -> None:
    random = np.random.default_rng(1)
    for _ in range(12):
        background = random_background(random, 40, 30)
        assert background.shape == (30, 40, 3)
        assert float(background.min()) >= 0
        assert float(background.max()) <= 1


def test_poses_stand_in_the_middle_and_grow_with_the_legs(figure: Figure) -> None:
    source = PoseSource()
    pose = source.pose("walk", 0.3, figure.body)
    assert float(pose.root[[0, 2]].abs().max()) == 0
    moved = replace(figure.body, world_from_joint=figure.body.world_from_joint * 1.0)
    assert isinstance(source.pose("walk", 0.3, moved), Pose)
    clip, _ = source.random(np.random.default_rng(0), figure.body)
    assert clip in source.clips()
