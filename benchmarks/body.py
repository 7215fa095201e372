"""What the body costs: asset size, load time, shaping and posing (one thread)."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

import vivant.body
from vivant.body import (
    forward_kinematics,
    interpolate_skin,
    joint_limits,
    load_anny,
    part_labels,
    pose_verts,
    rest_pose,
    skin_points,
    skin_quats,
    surface_points,
)

LOAD = "import time, vivant.body as b; t = time.perf_counter(); b.load_anny(); print(time.perf_counter() - t)"


def main() -> None:
    """Print a table."""
    torch.set_num_threads(1)
    asset = Path(vivant.body.__file__).parent / "assets" / "body.npz"
    print(f"asset                      {asset.stat().st_size / 1e6:8.2f} MB")
    loads = [float(subprocess.run([sys.executable, "-c", LOAD], capture_output=True).stdout) for _ in range(3)]
    print(f"load, first in a process   {1e3 * min(loads):8.1f} ms (up to {1e3 * max(loads):.0f})")

    model = load_anny()
    shape = model.default_shape()
    rig, pose = model.rig(shape), rest_pose(len(model.joint_names))
    subset = model.subset(torch.arange(0, len(rig.verts), 7))
    points = surface_points(rig.verts, rig.faces, 60_000, density=model.external_faces.float())
    joints, weights = interpolate_skin(points, rig.faces, rig.skin_joints, rig.skin_weights)
    places, quats = points.interpolate(rig.faces, rig.verts), torch.rand(60_000, 4)
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, pose)
    measure("rig from a shape", lambda: model.rig(shape))
    measure("2,000 verts of a shape", lambda: model.subset_verts(subset, shape.coefficients, shape.actions))
    measure("forward kinematics", lambda: forward_kinematics(rig.joint_parents, rig.joints_world, pose))
    measure("pose the whole body", lambda: pose_verts(rig, pose))
    measure("skin 60,000 points", lambda: skin_points(places, joints, weights, transforms))
    measure("turn 60,000 frames", lambda: skin_quats(quats, joints, weights, transforms))
    measure("spread 60,000 points", lambda: surface_points(rig.verts, rig.faces, 60_000))
    measure("part labels", lambda: part_labels(rig))
    measure("joint limits", lambda: joint_limits(rig))


def measure(name: str, work: Callable[[], object], times: int = 20) -> None:
    """Time one thing: least and median."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - start))
    print(f"{name:26} {min(took):8.1f} ms (median {statistics.median(took):.1f})")


if __name__ == "__main__":
    main()
