"""Dressed people as one small file (0.7 MB each), to be carried to where the training runs."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from vivant.core.errors import BadFileError, BadInputError
from vivant.core.store import save_tensors
from vivant.training.wearers import Crowd, Wearer

HEADER = "vivant"
MOST_VERTS = 65_536


def write_wearers(wearers: Sequence[Wearer], path: Path, *, description: str, licence: str) -> None:
    """Write people; places to half a millimetre, colours in bytes.

    Raises:
        BadInputError: If somebody has more than 65,536 vertices.
        OutputError: If the file cannot be written.
    """
    tensors: dict[str, Tensor] = {}
    for number, wearer in enumerate(wearers):
        if len(wearer.verts) > MOST_VERTS:
            raise BadInputError(f"Somebody has {len(wearer.verts)} vertices; {MOST_VERTS} are the most.")
        packed = {
            "verts": wearer.verts.half(),
            "faces": wearer.faces.to(torch.uint16),
            "skin_joints": wearer.skin_joints.to(torch.uint8),
            "skin_weights": (wearer.skin_weights * 255).round().to(torch.uint8),
            "colors": (wearer.colors.clamp(0, 1) * 255).round().to(torch.uint8),
            "body_verts": wearer.body_verts.half(),
            "joints_rest": wearer.joints_rest,
        }
        tensors |= {f"{number}.{name}": value.contiguous() for name, value in packed.items()}
    header = {"people": len(wearers), "description": description, "licence": licence}
    save_tensors(tensors, {HEADER: json.dumps(header)}, path)


def read_wearers(path: Path) -> Crowd:
    """Read people.

    Raises:
        BadFileError: If the file is missing or damaged.
    """
    if not path.is_file():
        raise BadFileError(f"{path} does not exist. Make it with tools/bake_wearers.py.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            people = [_unpacked(file, number) for number in range(int(header["people"]))]
            return Crowd(tuple(people), str(header["description"]), str(header["licence"]))
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise BadFileError(f"{path} is damaged or holds no people ({error}). Make it again.") from error


def _unpacked(file: safe_open, number: int) -> Wearer:
    def get(name: str) -> Tensor:
        return file.get_tensor(f"{number}.{name}")

    weights = get("skin_weights").float()
    wearer = Wearer(
        verts=get("verts").float(),
        faces=get("faces").to(torch.int32).long(),
        skin_joints=get("skin_joints").long(),
        skin_weights=weights / weights.sum(1, keepdim=True).clamp(min=1),
        colors=get("colors").float() / 255,
        body_verts=get("body_verts").float(),
        joints_rest=get("joints_rest"),
    )
    if int(wearer.faces.max()) >= len(wearer.verts) or int(wearer.skin_joints.max()) >= len(wearer.joints_rest):
        raise ValueError(f"person {number} names vertices or joints that do not exist")
    return wearer
