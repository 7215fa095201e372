import torch

from vivant.body import forward_kinematics, load_anny
from vivant.core.cameras import orbit, project
from vivant.networks import draw_lines, draw_skeleton
from vivant.networks.skeleton import BONES, bone_colors
from vivant.records import Pose


def test_lines_go_from_end_to_end() -> None:
    start, end = torch.tensor([[[8.5, 8.5]]]), torch.tensor([[[24.5, 8.5]]])
    picture = draw_lines(start, end, torch.tensor([[1.0, 0.5, 0.0]]), 32)[0]
    torch.testing.assert_close(picture[:, 8, 16], torch.tensor([1.0, 0.5, 0.0]))
    assert float(picture[:, 8, 28].max()) == 0
    assert float(picture[:, 14, 16].max()) == 0


def test_a_bone_lies_between_its_joints_in_its_own_colour() -> None:
    model = load_anny()
    rig = model.rig(model.default_shape())
    pose = Pose(
        torch.tensor([1.0, 0, 0, 0]).expand(1, len(rig.joint_names), 4), torch.tensor([[0.1, 0.0, 0.0]])
    )
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    cameras = orbit(torch.tensor([0, 0.9, 0.0]), [0.0], extent=2.0, width=128, height=128)
    drawn = draw_skeleton(
        rig.joint_names, rig.joints_world, transforms, cameras.cam_from_world, cameras.intrinsics, 128
    )[0]
    number = BONES.index(("lowerleg01.L", "foot.L"))
    ends = torch.stack([rig.joints_world[rig.joint(name)] for name in BONES[number]]) + pose.root
    x, y = project(ends.mean(0), cameras)[0].long().tolist()
    torch.testing.assert_close(drawn[:, y, x], bone_colors()[number], atol=0.02, rtol=0)
