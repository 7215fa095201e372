"""The picture for docs/benchmark.md: `quick`, `refine` and `gas` of some photos, from four sides.

python tools/make_imagined_picture.py photo.jpg ... --out docs/images/imagined.jpg
"""

import argparse
from pathlib import Path

import torch

from vivant.core.cameras import orbit
from vivant.core.images import write_image
from vivant.core.run import Context, Run
from vivant.perceive import read_photo
from vivant.recipes import load_recipe
from vivant.splat import rasterize

RECIPES = ("quick", "refine", "gas")
AZIMUTHS = (45.0, 90.0, 180.0, 270.0)
SIZE = (240, 440)
"""Width and height of one figure."""


def main() -> None:
    """One row a photo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    told = parser.parse_args()
    rows = []
    for path in told.photos:
        figures = []
        for name in RECIPES:
            recipe = load_recipe(name)
            avatar = recipe.build(Run(None, Context()), read_photo(path), recipe.Config())
            top = float(avatar.rig.verts[:, 1].max())
            width, height = SIZE
            cameras = orbit(
                torch.tensor([0, top / 2, 0]), list(AZIMUTHS), extent=1.02 * top, width=width, height=height
            )
            white = torch.ones(3)
            figures.append(rasterize(avatar.splats, cameras, background=white, normals=False).color.clamp(0, 1))
        rows.append(torch.cat([figure[view] for view in range(len(AZIMUTHS)) for figure in figures], dim=1))
    write_image(torch.cat(rows), told.out, quality=86)


if __name__ == "__main__":
    main()
