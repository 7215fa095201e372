"""pyrender on OSMesa, as a peer for `bench_people.py --peer PYTHON`.

    apt install libosmesa6
    python -m venv peers && peers/bin/pip install pyrender && peers/bin/pip install --no-deps "PyOpenGL>=3.1.7"
    python benchmarks/bench_people.py people --peer peers/bin/python

It has an environment of its own, without vivant: it reads a scene from a file and says how long pictures took.
Mesa's rasteriser draws on all processors. pyrender is given as little as its interface allows: a mesh that does
not move, colour and depth without normals, a directional light with or without a shadow of hard rims.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ["PYOPENGL_PLATFORM"] = "osmesa"


def main(path: str, picture: str) -> None:
    """Draw all cameras of a scene, and print seconds a picture as JSON; keep the first picture as an array."""
    import numpy as np
    import pyrender

    held = np.load(path)
    primitives = [
        pyrender.Primitive(
            positions=held[f"places_{k}"],
            normals=held[f"normals_{k}"],
            texcoord_0=held[f"uv_{k}"],
            material=pyrender.MetallicRoughnessMaterial(
                baseColorTexture=pyrender.Texture(
                    source=np.ascontiguousarray(held[f"texture_{k}"][..., :3]), source_channels="RGB"
                ),
                metallicFactor=0.0,
                roughnessFactor=1.0,
                doubleSided=True,
            ),
        )
        for k in range(int(held["parts"]))
    ]
    scene = pyrender.Scene(bg_color=[1.0, 1.0, 1.0, 0.0], ambient_light=[0.4, 0.4, 0.4])
    scene.add(pyrender.Mesh(primitives))
    scene.add(pyrender.DirectionalLight(intensity=3.0), pose=held["light"])
    size = int(held["size"])
    camera = pyrender.PerspectiveCamera(float(held["fov"]), znear=0.05, zfar=20.0, aspectRatio=1.0)
    node = scene.add(camera, pose=held["world_from_camera"][0])
    renderer = pyrender.OffscreenRenderer(size, size)
    told = {}
    for name, flags in {
        "without shadows": pyrender.RenderFlags.RGBA,
        "with shadows": pyrender.RenderFlags.RGBA | pyrender.RenderFlags.SHADOWS_DIRECTIONAL,
    }.items():
        scene.set_pose(node, held["world_from_camera"][0])
        color, _ = renderer.render(scene, flags=flags)
        np.save(Path(picture).with_suffix(f".{name.split()[0]}.npy"), color)
        clock, cpu = time.perf_counter(), time.process_time()
        for pose in held["world_from_camera"]:
            scene.set_pose(node, pose)
            renderer.render(scene, flags=flags)
        count = len(held["world_from_camera"])
        told[name] = ((time.perf_counter() - clock) / count, (time.process_time() - cpu) / count)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:3])
