"""Dress people as the data set does, and write them into one small file for `vivant train --wearers`.

    python tools/bake_wearers.py ../shared/data wearers.safetensors --train 60 --validation 8

The data set's renderer stays the measure; this file is what a machine without the data trains on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vivant.body import forward_kinematics, unpose_points
from vivant.dataset import PeopleConfig
from vivant.dataset.figure import ANNY_FROM_MIXAMO, Figure, short_name
from vivant.dataset.samples import random_figure
from vivant.training import Wearer
from vivant.training.wearer_files import write_wearers


def main() -> None:
    """Bake and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with people/ and makehuman/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--train", type=int, default=60)
    parser.add_argument("--validation", type=int, default=8)
    told = parser.parse_args()
    wearers, licences = [], set()
    for split, count in (("train", told.train), ("validation", told.validation)):
        config = PeopleConfig(told.data / "people", told.data / "makehuman", split=split)
        for number in range(count):
            figure = random_figure(config, np.random.default_rng([17, number]))
            wearers.append(wearer_from_figure(figure))
            licences.add(figure.licence)
            print(split, number, figure.name, len(wearers[-1].verts), flush=True)
    description = "dressed people of the VALID library and of MakeHuman's wardrobe, split by identity"
    write_wearers(wearers, told.out, description=description, licence="; ".join(sorted(licences)))
    print(told.out, f"{told.out.stat().st_size / 1e6:.1f} MB")


def wearer_from_figure(figure: Figure) -> Wearer:
    """Take a figure to the anny body's rest and joints, with one colour a vertex."""
    joints = torch.tensor(_anny_joints(figure))[figure.rig.skin_joints]
    verts, weights = figure.rig.verts, figure.rig.skin_weights
    if figure.rig.joint_names != figure.body.joint_names:
        begin = forward_kinematics(figure.body.joint_parents, figure.body.joints_world, figure.start)
        verts = unpose_points(verts, joints, weights, begin)
    colors, opaque = _vertex_colors(figure)
    faces = figure.mesh.faces
    solid = opaque[faces].float().mean(1) > 0.5
    used, compact = faces[solid].unique(return_inverse=True)
    strongest, order = weights[used].topk(min(4, weights.shape[1]), dim=1)
    return Wearer(
        verts=verts[used],
        faces=compact,
        skin_joints=joints[used].gather(1, order),
        skin_weights=strongest / strongest.sum(1, keepdim=True),
        colors=colors[used],
        body_verts=figure.body.verts,
        joints_rest=figure.body.joints_world,
    )


def _anny_joints(figure: Figure) -> list[int]:
    """The anny joint that each of the figure's joints follows."""
    if figure.rig.joint_names == figure.body.joint_names:
        return list(range(len(figure.body.joint_names)))
    found: list[int] = []
    for name, parent in zip(figure.rig.joint_names, figure.rig.joint_parents, strict=True):
        theirs = ANNY_FROM_MIXAMO.get(short_name(name))
        found.append(figure.body.joint(theirs) if theirs else found[parent] if parent >= 0 else 0)
    return found


def _vertex_colors(figure: Figure) -> tuple[Tensor, Tensor]:
    """Colour and opacity of each vertex, read where any of its triangles has it in the texture."""
    mesh = figure.mesh
    corner = mesh.faces.flatten()
    face, place = torch.zeros(len(mesh.weld), dtype=torch.long), torch.zeros(len(mesh.weld), dtype=torch.long)
    face[corner] = torch.arange(len(corner)) // 3
    place[corner] = mesh.uv_faces.flatten()
    texture, uv = mesh.face_texture[face], mesh.uv[place]
    read = torch.zeros(len(mesh.weld), 4)
    for number, pyramid in enumerate(mesh.textures):
        level = pyramid.levels[min(1, len(pyramid.levels) - 1)]
        here = (texture == number).nonzero()[:, 0]
        size = torch.tensor([level.shape[1], level.shape[0]])
        at = ((uv[here] % 1.0) * size).long().minimum(size - 1)
        read[here] = level[size[1] - 1 - at[:, 1], at[:, 0]].float() / 255
    return read[:, :3], read[:, 3] > 0.5


if __name__ == "__main__":
    main()
