"""Build glTF 2.0 documents: accessors, skeleton, clips, texture."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy import ndarray

import vivant
from vivant.core.images import encode_image
from vivant.export.face import Face
from vivant.export.figure import Figure, closed, continuous_quats
from vivant.records import Motion

ARRAY, INDICES = 34962, 34963
"""What a buffer view is for: attributes of corners, numbers of corners."""

_COMPONENTS = {"float32": 5126, "uint8": 5121, "uint16": 5123, "uint32": 5125, "int8": 5120, "int16": 5122}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}

STILL = 1e-6
"""A joint whose turns all differ less from none is left out of a clip."""


class Builder:
    """Collects a document and its bytes; everything is added once and named by its number."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {
            "asset": {"version": "2.0", "generator": f"vivant {vivant.__version__}"}
        }
        self.binary = bytearray()

    def add(self, kind: str, item: dict[str, Any]) -> int:
        """Append an object to one of the document's lists."""
        items = self.document.setdefault(kind, [])
        items.append(item)
        return len(items) - 1

    def view(self, content: bytes, target: int | None = None) -> int:
        """Append bytes."""
        self.binary += b"\0" * (-len(self.binary) % 4)
        view: dict[str, Any] = {"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(content)}
        if target is not None:
            view["target"] = target
        self.binary += content
        return self.add("bufferViews", view)

    def accessor(
        self,
        values: Shaped[ndarray, "count *components"],
        target: int | None = None,
        *,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Append numbers, one element a row; rows of attributes must fill whole groups of four bytes."""
        flat = np.ascontiguousarray(values.reshape(len(values), -1))
        accessor: dict[str, Any] = {
            "bufferView": self.view(flat.tobytes(), target),
            "componentType": _COMPONENTS[flat.dtype.name],
            "count": len(flat),
            "type": _TYPES[flat.shape[1]],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            accessor["min"], accessor["max"] = flat.min(0).tolist(), flat.max(0).tolist()
        return self.add("accessors", accessor)

    def morph(self, offsets: Float[ndarray, "corners 3"]) -> int:
        """Append a morph target that moves few corners: only those are stored."""
        moved = np.flatnonzero(np.abs(offsets).sum(1))
        accessor: dict[str, Any] = {"componentType": 5126, "count": len(offsets), "type": "VEC3"}
        accessor["min"], accessor["max"] = offsets.min(0).tolist(), offsets.max(0).tolist()
        if len(moved):
            wide = np.uint16 if len(offsets) < 65535 else np.uint32
            accessor["sparse"] = {
                "count": len(moved),
                "indices": {
                    "bufferView": self.view(moved.astype(wide).tobytes()),
                    "componentType": _COMPONENTS[np.dtype(wide).name],
                },
                "values": {"bufferView": self.view(np.ascontiguousarray(offsets[moved]).tobytes())},
            }
        return self.add("accessors", accessor)

    def skeleton(self, names: tuple[str, ...], parents: tuple[int, ...], joints_world: torch.Tensor) -> int:
        """Append joints as the first nodes, turned as the world is, and a skin of them all."""
        places = joints_world.double().numpy()
        for joint, (name, parent) in enumerate(zip(names, parents, strict=True)):
            shift = places[joint] - (places[parent] if parent >= 0 else 0.0)
            node: dict[str, Any] = {"name": name, "translation": shift.tolist()}
            children = [child for child, other in enumerate(parents) if other == joint]
            if children:
                node["children"] = children
            assert self.add("nodes", node) == joint, "joints come first"
        inverse = np.tile(np.eye(4, dtype=np.float32), (len(names), 1, 1))
        # Matrices are stored column by column.
        inverse[:, 3, :3] = -places
        skin = {"joints": list(range(len(names))), "inverseBindMatrices": self.accessor(inverse)}
        return self.add("skins", {"name": "skeleton", **skin})

    def clip(
        self, motion: Motion, parents: tuple[int, ...], joints_world: torch.Tensor, face: Face | None = None
    ) -> None:
        """Append an animation: a turn a joint, the root's place, and the face, whose node follows joints."""
        motion = closed(motion)
        quats = continuous_quats(motion.pose.local_quats)
        times = self.accessor(np.arange(len(motion), dtype=np.float32) / np.float32(motion.fps), bounds=True)
        samplers: list[dict[str, Any]] = []
        channels: list[dict[str, Any]] = []

        def channel(node: int, path: str, values: torch.Tensor) -> None:
            samplers.append({"input": times, "output": self.accessor(values.float().numpy())})
            channels.append({"sampler": len(samplers) - 1, "target": {"node": node, "path": path}})

        for joint in range(len(parents)):
            if float(quats[:, joint, 1:].abs().max()) > STILL:
                # glTF's quaternions are xyzw.
                channel(
                    joint, "rotation", torch.nn.functional.normalize(quats[:, joint], dim=-1)[:, [1, 2, 3, 0]]
                )
        for root in (joint for joint, parent in enumerate(parents) if parent < 0):
            channel(root, "translation", motion.pose.root + joints_world[root])
        weights = None if face is None else face.weights(motion)
        if weights is not None:
            channel(len(parents), "weights", weights.flatten())
        self.add("animations", {"name": motion.name, "samplers": samplers, "channels": channels})

    def picture(self, image: torch.Tensor, quality: int) -> int:
        """Append a picture as JPEG."""
        view = self.view(encode_image(image, "jpeg", quality))
        return self.add("images", {"mimeType": "image/jpeg", "bufferView": view})


def build_figure(figure: Figure, *, unlit: bool, quality: int) -> Builder:
    """Make a document of a figure: joints first, then the mesh, all of them in one scene."""
    builder = Builder()
    names, parents, joints = figure.joint_names, figure.joint_parents, figure.joints_world
    skin = builder.skeleton(names, parents, joints)
    mesh = figure.mesh
    narrow = np.uint8 if len(names) <= 256 else np.uint16
    attributes = {
        "POSITION": builder.accessor(mesh.verts.numpy(), ARRAY, bounds=True),
        "NORMAL": builder.accessor(mesh.normals.numpy(), ARRAY),
        # glTF's v runs down.
        "TEXCOORD_0": builder.accessor(torch.stack([mesh.uv[:, 0], 1 - mesh.uv[:, 1]], 1).numpy(), ARRAY),
        "JOINTS_0": builder.accessor(mesh.skin_joints.numpy().astype(narrow), ARRAY),
        "WEIGHTS_0": builder.accessor(mesh.skin_weights.numpy(), ARRAY),
    }
    # The largest number of a type is kept for other ends.
    short = np.uint16 if len(mesh.verts) < 65535 else np.uint32
    primitive: dict[str, Any] = {
        "attributes": attributes,
        "indices": builder.accessor(mesh.faces.flatten().numpy().astype(short), INDICES),
        "material": _material(builder, figure.texture, unlit, quality),
    }
    body: dict[str, Any] = {"name": "body", "primitives": [primitive]}
    face = figure.face
    if face is not None:
        primitive["targets"] = [{"POSITION": builder.morph(offsets.numpy())} for offsets in face.offsets]
        body["weights"] = [0] * len(face.action_names)
        body["extras"] = {"targetNames": list(face.action_names)}
    shape = builder.add("meshes", body)
    node = builder.add("nodes", {"name": "body", "mesh": shape, "skin": skin})
    roots = [joint for joint, parent in enumerate(parents) if parent < 0]
    builder.add("scenes", {"nodes": [*roots, node]})
    builder.document["scene"] = 0
    for motion in figure.motions:
        builder.clip(motion, parents, joints, face)
    return builder


def _material(builder: Builder, texture: torch.Tensor, unlit: bool, quality: int) -> int:
    # Repeating edges, for the texture is no pattern; smooth at every size.
    sampler = builder.add("samplers", {"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071})
    index = builder.add("textures", {"source": builder.picture(texture, quality), "sampler": sampler})
    material: dict[str, Any] = {
        "name": "body",
        "doubleSided": True,
        "pbrMetallicRoughness": {
            "baseColorTexture": {"index": index},
            "metallicFactor": 0,
            "roughnessFactor": 0.9,
        },
    }
    if unlit:
        # The photo's light is in the colours already.
        material["extensions"] = {"KHR_materials_unlit": {}}
        builder.document.setdefault("extensionsUsed", []).append("KHR_materials_unlit")
    return builder.add("materials", material)
