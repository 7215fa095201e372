"""`PeopleFolder`: rigged, dressed people in files of plain arrays, as the VALID library's were decoded.

One `NAME.npz` a person and outfit: `verts_u16` with `verts_range`, `uv_u16` (v down), `faces`, `skin_joints`,
`skin_weights_u8`, `world_from_joint`, `joint_parents`, `joint_names` (Mixamo / HumanIK), and parts:
`part_names`, `part_face_start`, `part_texture` (k of `NAME_k.webp`, -1 for `part_color`), `part_color`.
"""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vivant.core.errors import BadFileError
from vivant.core.images import read_picture
from vivant.dataset.figure import MAX_FACES, MAX_VERTS, Figure, short_name, weld_verts
from vivant.dataset.fitted import Fitted, fitted_body
from vivant.mesh import Texture, TexturedMesh
from vivant.records import Rig

MAX_FILE_BYTES = 256 * 1024**2
"""Larger files are no person."""

MAX_TEXTURE = 2048
"""Pixels a side: larger textures are reduced."""

OUTFITS = ("Busi", "Casual", "Default", "Medi", "Milit", "Util")
"""How names end: the garment class. Within a class atlases can be swapped."""

SAME_SKELETON_M = 0.03
"""Joints of an identity's outfits lie within this: shoes lift them."""

LICENCE = "VALID avatar library, MIT (Do et al. 2023, 10.3389/frvir.2023.1248915)"


@dataclass(frozen=True)
class PeopleFolder:
    """All people of a folder."""

    folder: Path

    def names(self) -> tuple[str, ...]:
        """Names of all people, in order.

        Raises:
            BadFileError: If there are none.
        """
        names = tuple(sorted(path.stem for path in self.folder.glob("*.npz")))
        if not names:
            raise BadFileError(f"{self.folder} holds no people (.npz). Give the right --people-folder.")
        return names

    def figure(self, name: str, *, atlas_of: str | None = None) -> Figure:
        """Read a person.

        Args:
            name: Of the file.
            atlas_of: Take the textures of this other person; sensible within a garment class.

        Raises:
            BadFileError: If a file is missing, damaged or hostile.
        """
        rig, parts, part_texture, part_color = read_person(self.folder / f"{name}.npz")
        mesh = textured(rig, parts, part_texture, part_color, self.folder, name, atlas_of)
        fitted = self._fitted(name, rig)
        return Figure(
            name=name,
            identity=identity_of(name),
            rig=rig,
            mesh=mesh,
            body=fitted.rig,
            shape=fitted.shape,
            start=fitted.pose,
            exact=False,
            fit_error_mm=fitted.error_mm,
            licence=LICENCE,
            parts=(outfit_of(name), *((f"atlas of {atlas_of}",) if atlas_of else ())),
        )

    def num_pictures(self, name: str) -> int:
        """How many pictures a person's parts share."""
        count = 0
        while (self.folder / f"{name}_{count}.webp").is_file():
            count += 1
        return count

    def _fitted(self, name: str, rig: Rig) -> Fitted:
        """Give the body of an identity: found in its plainest clothes; all its outfits have one skeleton."""
        identity = identity_of(name)
        order = ("Default", "Casual", "Util", "Medi", "Busi", "Milit")
        plainest = next((o for o in order if (self.folder / f"{identity}_{o}.npz").is_file()), "")
        if plainest and plainest != outfit_of(name):
            other, *_ = read_person(self.folder / f"{identity}_{plainest}.npz")
            same = other.joint_names == rig.joint_names
            if same and float((other.joints_world - rig.joints_world).norm(dim=1).max()) < SAME_SKELETON_M:
                rig = other
        return fitted_body(rig, gender_of(name))


def gender_of(name: str) -> float | None:
    """0 male, 1 female, if the name says so."""
    parts = name.split("_")
    return 0.0 if "M" in parts else 1.0 if "F" in parts else None


def identity_of(name: str) -> str:
    """The person, whatever the outfit."""
    stem, _, outfit = name.rpartition("_")
    return stem if outfit in OUTFITS else name


def outfit_of(name: str) -> str:
    """The garment class; empty if the name tells none."""
    outfit = name.rpartition("_")[2]
    return outfit if outfit in OUTFITS else ""


def read_person(path: Path) -> tuple[Rig, torch.Tensor, np.ndarray, np.ndarray]:
    """Read a person's rig, the part of each triangle, and each part's texture and colour.

    Raises:
        BadFileError: If the file is missing, damaged or hostile.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise BadFileError(
                f"{path} has {path.stat().st_size} bytes; a person has fewer than {MAX_FILE_BYTES}."
            )
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > 4 * MAX_FILE_BYTES:
                raise BadFileError(
                    f"{path} unpacks to {unpacked} bytes; a person has fewer than {4 * MAX_FILE_BYTES}."
                )
        with np.load(path, allow_pickle=False) as data:
            return _person(path, {name: data[name] for name in data.files})
    except (OSError, ValueError, KeyError, EOFError, IndexError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFileError(f"{path} cannot be read as a person: {error!r}. Copy it anew.") from error


def _person(path: Path, data: dict[str, np.ndarray]) -> tuple[Rig, torch.Tensor, np.ndarray, np.ndarray]:
    low, high = data["verts_range"].astype(np.float64)
    verts = data["verts_u16"] / 65535 * (high - low) + low
    faces = data["faces"].astype(np.int64)
    weights = data["skin_weights_u8"].astype(np.float64)
    joints, parents = data["skin_joints"].astype(np.int64), data["joint_parents"].astype(np.int64)
    starts = data["part_face_start"].astype(np.int64)
    told = {
        "vertices": len(verts) <= MAX_VERTS and verts.shape[1:] == (3,) and bool(np.isfinite(verts).all()),
        "faces": 0 < len(faces) <= MAX_FACES and faces.shape[1:] == (3,) and _within(faces, len(verts)),
        "skin": joints.shape == weights.shape == (len(verts), 4) and _within(joints, len(parents)),
        "joint parents": bool(((parents >= -1) & (parents < np.arange(len(parents)))).all()),
        "joint frames": data["world_from_joint"].shape == (len(parents), 4, 4),
        "texture coordinates": data["uv_u16"].shape == (len(verts), 2),
        "parts": starts[0] == 0 and starts[-1] == len(faces) and bool((np.diff(starts) >= 0).all()),
    }  # fmt: skip
    wrong = [name for name, right in told.items() if not right]
    names = tuple(map(str, data["joint_names"]))
    missing = {"Hips", "Head", "LeftHand", "RightFoot"} - {short_name(name) for name in names}
    if wrong or missing:
        raise BadFileError(f"{path} is damaged: {', '.join(wrong) or f'joints {sorted(missing)} are missing'}.")
    floor = verts[:, 1].min()
    verts[:, 1] -= floor
    frames = torch.from_numpy(data["world_from_joint"]).float()
    frames[:, 1, 3] -= floor
    uv = data["uv_u16"] / 65535
    uv[:, 1] = 1 - uv[:, 1]
    tensor = torch.from_numpy
    rig = Rig(
        verts=tensor(verts).float(),
        faces=tensor(faces),
        joint_names=names,
        joint_parents=tuple(parents.tolist()),
        world_from_joint=frames,
        skin_joints=tensor(joints),
        skin_weights=tensor(weights / weights.sum(1, keepdims=True).clip(1)).float(),
        uv=tensor(uv).float(),
        uv_faces=tensor(faces),
    )
    parts = tensor(np.repeat(np.arange(len(starts) - 1), np.diff(starts)))
    return rig, parts, data["part_texture"].astype(np.int64), data["part_color"].astype(np.float64)


def _within(index: np.ndarray, count: int) -> bool:
    return bool(0 <= index.min() and index.max() < count)


def textured(
    rig: Rig, parts: torch.Tensor, part_texture: np.ndarray, part_color: np.ndarray, folder: Path, name: str,
    atlas_of: str | None,
) -> TexturedMesh:  # fmt: skip
    """Lay a person's pictures on the triangles.

    Raises:
        BadFileError: If a picture is missing.
    """
    textures: list[Texture] = []
    number: dict[object, int] = {}
    of_part = []
    for texture, color in zip(part_texture.tolist(), part_color[:, :3].tolist(), strict=True):
        key = texture if texture >= 0 else tuple(color)
        if key not in number:
            number[key] = len(textures)
            # The first picture is body and clothes; eyes and hair belong to the head and stay.
            owner = atlas_of if atlas_of and texture == 0 else name
            textures.append(
                _texture(folder / f"{owner}_{texture}.webp") if texture >= 0 else Texture.plain(tuple(color))
            )
        of_part.append(number[key])
    face_texture = torch.tensor(of_part)[parts]
    return TexturedMesh(
        faces=rig.faces,
        uv=rig.uv,
        uv_faces=rig.uv_faces,
        face_texture=face_texture,
        textures=tuple(textures),
        face_blended=torch.zeros(len(rig.faces), dtype=torch.bool),
        weld=weld_verts(rig.verts),
    )


def _texture(path: Path) -> Texture:
    return Texture.build(read_picture(path, MAX_TEXTURE, texture=True).pixels)
