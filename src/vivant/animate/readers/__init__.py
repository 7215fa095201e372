"""Motion files of other programs, read as clips; and our own."""

from pathlib import Path

from vivant.animate.readers.bvh import read_bvh
from vivant.animate.readers.clip import Clip
from vivant.animate.readers.gltf import clip_names, read_gltf
from vivant.animate.readers.own import clip_of, load_motion, save_motion
from vivant.animate.readers.smpl import read_smpl
from vivant.core.errors import BadFileError
from vivant.core.store import expect_file

FILES = (".bvh", ".glb", ".vrm", ".npz", ".motion")
"""Suffixes of motion files that are read."""

__all__ = ["FILES", "Clip", "clip_names", "clip_of", "load_motion", "read_bvh", "read_clip", "read_gltf",
           "read_smpl", "save_motion"]  # fmt: skip


def read_clip(path: Path | str, clip: str | None = None) -> Clip:
    """Read a motion file of another program.

    Args:
        path: .bvh, .glb, .vrm, or .npz of AMASS, SMPL, SMPL-H or SMPL-X.
        clip: Which of several; only .glb has several.

    Raises:
        BadFileError: If the file is missing, damaged, too large, of another kind, or has no such clip.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind == ".fbx":
        raise BadFileError(
            f"{path} is FBX, which is not read. Open it in Blender (File > Import > FBX) and save it with "
            "File > Export > glTF 2.0 as .glb, or run FBX2glTF on it; then give the .glb."
        )
    if kind == ".gltf":
        raise BadFileError(f"{path} is glTF in several files. Export it as one .glb (glTF Binary).")
    if kind not in FILES or kind == ".motion":
        raise BadFileError(f"{path} has the suffix {path.suffix!r}; motions are {', '.join(FILES)}.")
    expect_file(path)
    if kind in (".glb", ".vrm"):
        return read_gltf(path, clip)
    if clip is not None:
        raise BadFileError(f"{path} holds one motion; leave out `:{clip}`.")
    return read_bvh(path) if kind == ".bvh" else read_smpl(path)
