"""Places on the body's surface: what lies near them, and what splats there are like in the mean."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.spatial import cKDTree
from torch import Tensor

from vivant.mesh import normals_at, vertex_normals
from vivant.records import Avatar

REACH = 0.06
"""Metres (standard deviation) over which neighbouring places are mixed, unless told otherwise."""

TURNED = 0.08
"""Metres that opposite normals of length 1 count as half as far apart: front and back are told apart."""

SHARED = 12
"""Places that each point has a share in at most."""


@dataclass(frozen=True)
class Mix:
    """Points' shares in the places round them."""

    index: Int[ndarray, "points shared"]
    share: Float[ndarray, "points shared"]
    places: int
    """How many there are."""

    def __call__(self, numbers: Float[ndarray, " places"]) -> Float[ndarray, " points"]:
        """The points' numbers from those of the places."""
        return (self.share * numbers[self.index]).sum(1)

    def gathered(self, numbers: Float[ndarray, " points"]) -> Float[ndarray, " places"]:
        """The places' means of the points' numbers; 0 where no point has a share."""
        shares = np.bincount(self.index.ravel(), self.share.ravel(), self.places)
        sums = np.bincount(self.index.ravel(), (self.share * numbers[:, None]).ravel(), self.places)
        return sums / np.maximum(shares, 1e-3)


def mix_over(
    points: Float[ndarray, "points 6"], places: Float[ndarray, "places 6"], reach: float = REACH
) -> Mix:
    """How points share in the places round them; shares sum to 1.

    Args:
        points: Where they are and which way they face (times `TURNED`).
        places: The same of the places.
        reach: Metres (standard deviation) over which neighbours are mixed.
    """
    nearest = range(1, min(SHARED, len(places)) + 1)
    distance, index = cKDTree(places).query(points, k=nearest)
    share = np.exp(-0.5 * (distance / reach) ** 2) + 1e-12
    return Mix(index, share / share.sum(1, keepdims=True), len(places))


def ways_of(avatar: Avatar) -> Float[Tensor, "splats 3"]:
    """The body's normal under each splat, at rest."""
    rig, binding = avatar.rig, avatar.binding
    return normals_at(rig.verts, rig.faces, binding.face, binding.barycentric)


def splats_where(avatar: Avatar) -> Float[Tensor, "splats 6"]:
    """Where splats are at rest, and which way the body under them faces (times `TURNED`)."""
    return torch.cat([avatar.splats.means, TURNED * ways_of(avatar)], dim=1)


def verts_where(avatar: Avatar) -> Float[ndarray, "verts 6"]:
    """Where the body's vertices are at rest, and which way they face (times `TURNED`)."""
    rig = avatar.rig
    return torch.cat([rig.verts, TURNED * vertex_normals(rig.verts, rig.faces)], dim=1).double().numpy()


def means_at(
    avatar: Avatar, places: Int[Tensor, " places"], *numbers: Float[Tensor, " splats"]
) -> list[Float[Tensor, " places"]]:
    """What splats are like in the mean about each of some vertices; 0 where there are none.

    Args:
        avatar: Whose splats.
        places: Vertices of the body.
        numbers: Of the splats, one or more.
    """
    mix = mix_over(splats_where(avatar).double().numpy(), verts_where(avatar)[places.numpy()])
    return [torch.from_numpy(mix.gathered(some.double().numpy())).float() for some in numbers]
