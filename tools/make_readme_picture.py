"""Make the README's picture: the sample photo, and what `vivant create` makes of it.

python tools/make_readme_picture.py docs/images/sample.jpg
"""

import sys
from pathlib import Path

import torch

import vivant
from vivant.animate import Shot, picture
from vivant.core.images import read_picture, sample_box, to_float, write_image
from vivant.recipes import sample_photo
from vivant.records import Pose

HEIGHT, WIDTH = 560, 330
AZIMUTHS = (-35.0, 90.0, 180.0)
MOMENTS = (0.36, 0.52)
"""When the wave is drawn, 0 to 1."""


def main() -> None:
    """Draw one row: photo, three sides, two moments of the wave."""
    pixels = read_picture(sample_photo(), 4096).pixels
    height, width = pixels.shape[:2]
    left = (width - height * WIDTH / HEIGHT) / 2
    photo = to_float(sample_box(pixels, (left, 0.0, width - left, float(height)), (WIDTH, HEIGHT)))
    avatar = vivant.create(sample_photo())
    row = [photo]
    row += [picture(avatar, Shot(WIDTH, HEIGHT, azimuth=azimuth))[..., :3] for azimuth in AZIMUTHS]
    wave = vivant.builtin_motion("wave", avatar.rig)
    for moment in MOMENTS:
        frame = round(moment * (len(wave) - 1))
        pose = Pose(wave.pose.local_quats[frame], wave.pose.root[frame])
        row.append(picture(avatar, Shot(WIDTH, HEIGHT, azimuth=12.0), pose)[..., :3])
    write_image(torch.cat(row, dim=1), Path(sys.argv[1]), quality=88)


if __name__ == "__main__":
    main()
