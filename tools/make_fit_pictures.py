"""Pictures for docs/reconstruct.md: an avatar before and after the fit to its photo, and the ways of skinning.

python tools/make_fit_pictures.py photo.jpg ... --out docs/images
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from vivant.animate import pose_avatar
from vivant.body import forward_kinematics
from vivant.core.cameras import Cameras, orbit
from vivant.core.images import write_image
from vivant.core.rotations import quats_from_rotvecs
from vivant.core.run import Context, Run
from vivant.fit import FitConfig, fit_body
from vivant.lift import LiftConfig, lift
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.reconstruct import PHOTO_REFIT, refine_photo
from vivant.records import Avatar, Pose, Splats
from vivant.splat import pose_splats, rasterize

HEIGHT = 420


def main() -> None:
    """Make one picture a photo, and the skinning's of the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for number, path in enumerate(arguments.photos):
        run = Run(None, Context())
        person = run(perceive, read_photo(path), PerceiveConfig())
        body = run(fit_body, person, FitConfig())
        before = run(lift, person, body, LiftConfig())
        after = run(refine_photo, before, person, PHOTO_REFIT)
        photo = person.foreground * person.alpha[..., None] + 1 - person.alpha[..., None]
        rows = [torch.cat([_in_photo(avatar, photo), *_around(avatar)], dim=1) for avatar in (before, after)]
        write_image(torch.cat(rows), arguments.out / f"refit_{path.stem}.jpg", quality=86)
        if number == 0:
            write_image(skinning(after), arguments.out / "skinning.jpg", quality=88)


def _in_photo(avatar: Avatar, photo: Tensor) -> Tensor:
    """The photo's person, and the avatar from the photo's camera."""
    posed = pose_avatar(avatar, avatar.photo_pose)
    width = round(HEIGHT * photo.shape[1] / photo.shape[0])
    camera = avatar.photo_camera.resized(width, HEIGHT)
    shrunk = torch.nn.functional.interpolate(
        photo.permute(2, 0, 1)[None], (HEIGHT, width), mode="bilinear", antialias=True
    )[0].permute(1, 2, 0)
    return torch.cat([shrunk.clamp(0, 1), _draw(posed, camera, True)[0]], dim=1)


def _around(avatar: Avatar) -> list[Tensor]:
    """Whole figure from three sides, and the head from two, at rest."""
    top = float(avatar.rig.verts[:, 1].max())
    head = avatar.rig.joints_world[avatar.rig.joint_names.index("head")] + torch.tensor([0, 0.06, 0])
    middle = torch.tensor([0, top / 2, 0])
    figure = orbit(middle, [40, 90, 180], extent=1.02 * top, height=HEIGHT, width=round(0.7 * HEIGHT))
    close = orbit(head, [0, 60], extent=0.42, height=HEIGHT, width=round(0.7 * HEIGHT))
    return [*_draw(avatar.splats, figure), *_draw(avatar.splats, close)]


def _draw(splats: Splats, cameras: Cameras, antialiased: bool = False) -> Tensor:
    drawn = rasterize(splats, cameras, background=torch.ones(3), normals=False, antialiased=antialiased)
    return drawn.color.clamp(0, 1)


def skinning(avatar: Avatar) -> Tensor:
    """A wrist turned by 150 degrees, an upper arm by 120: linear above, dual quaternions below."""
    rig = avatar.rig
    # Degrees, and the two joints that the axis of the turn goes through.
    turns = {
        "wrist.L": (150.0, "lowerarm02.L", "wrist.L"),
        "upperarm01.L": (120.0, "upperarm01.L", "upperarm02.L"),
    }
    rows = []
    for blend in ("linear", "dual_quaternion"):
        cells = []
        for name, (degrees, first, second) in turns.items():
            joint, low, high = (rig.joint_names.index(of) for of in (name, first, second))
            along = torch.nn.functional.normalize(rig.joints_world[high] - rig.joints_world[low], dim=0)
            quats = avatar.photo_pose.local_quats.clone().zero_()
            quats[:, 0] = 1
            quats[joint] = quats_from_rotvecs(along * torch.deg2rad(torch.tensor(degrees)))
            transforms = forward_kinematics(rig.joint_parents, rig.joints_world, Pose(quats, torch.zeros(3)))
            posed = pose_splats(avatar.splats, avatar.binding, transforms, blend=blend)
            around = orbit(rig.joints_world[joint], [0, 60], extent=0.4, height=360, width=360)
            cells += list(_draw(posed, around))
        rows.append(torch.cat(cells, dim=1))
    return torch.cat(rows)


if __name__ == "__main__":
    main()
