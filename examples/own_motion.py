"""A motion of your own, from joint turns: python examples/own_motion.py photo.avatar.

A pose turns each joint against its parent, in world axes at rest (x to the person's left, y up, z ahead).
"""

import sys

import torch

import vivant
from vivant.core.rotations import multiply_quats, quats_from_rotvecs
from vivant.records import Motion, Pose

avatar = vivant.load_avatar(sys.argv[1])
idle = vivant.builtin_motion("idle", avatar.rig, seconds=3.0, fps=20.0)

quats = idle.pose.local_quats.clone()
shake = torch.zeros(len(idle), 3)
shake[:, 1] = 0.5 * torch.sin(torch.linspace(0, 4 * torch.pi, len(idle)))
head = avatar.rig.joint("head")
quats[:, head] = multiply_quats(quats_from_rotvecs(shake), quats[:, head])

no = Motion("no", Pose(quats, idle.pose.root), idle.fps, loops=True)
vivant.write_frames(vivant.play(avatar, no), "no.mp4", fps=no.fps)
