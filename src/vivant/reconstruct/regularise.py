"""What keeps splats a person where views say little: neighbours move together, nothing becomes a needle."""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_matrix, csr_matrix
from scipy.spatial import KDTree
from torch import Tensor

from vivant.body import tangent_frames
from vivant.core.checks import ABOVE_ZERO, expect_within
from vivant.core.errors import BadInputError
from vivant.core.threads import thread_count
from vivant.reconstruct.cloud import FIELDS
from vivant.records import Binding, Rig, Splats

RegulariseBackend = Literal["auto", "reference", "numba"]


@dataclass(frozen=True)
class RegulariseConfig:
    """How strongly the splats are kept in order; each weight is beside the picture's loss of about 0.05."""

    smooth: float = 0.02
    """Neighbours on the surface move alike: squared difference of shifts, in units of the splats' spacing."""

    size: float = 1.0
    """Splats stay smaller than `size_limit`: square of the logarithm above it."""

    size_limit: float = 3.0
    """Standard deviation in units of the spacing; a splat that starts larger may stay so."""

    needle: float = 0.05
    """Splats stay discs or blobs: square of the logarithm above `needle_limit`."""

    needle_limit: float = 4.0
    """Longest axis by the middle one."""

    entropy: float = 0.0
    """Opacities go to 0 or 1."""

    hold: float = 0.0
    """Splats stay near their start in place (units of the spacing), log scale, opacity logit and harmonics."""

    neighbors: int = 6
    """How many each splat is tied to."""

    def __post_init__(self) -> None:
        """Check before long work what can be done.

        Raises:
            BadInputError: If a number is out of range.
        """
        weight = (0, math.inf)
        expect_within(self, smooth=weight, size=weight, needle=weight, entropy=weight, hold=weight)
        expect_within(self, size_limit=(ABOVE_ZERO, math.inf), needle_limit=(1, math.inf), neighbors=(0, 100))


@dataclass(frozen=True)
class Neighborhood:
    """Where splats started, and who is whose neighbour."""

    start: Splats
    first_link: Int[Tensor, " splats_and_one"]
    """Row i's neighbours are `link[first_link[i] : first_link[i + 1]]`; the relation is symmetric."""

    link: Int[Tensor, " links"]
    spacing: float
    """Median distance to the nearest neighbours, in metres."""

    log_size_limit: Float[Tensor, " splats"]
    hold: Float[Tensor, " splats"]
    """Factor on the config's hold."""


def build_neighborhood(
    splats: Splats,
    binding: Binding,
    rig: Rig,
    config: RegulariseConfig,
    hold: Float[Tensor, " splats"] | None = None,
    threads: int | None = None,
) -> Neighborhood:
    """Tie each splat to the nearest ones that ride on skin facing the same way, by the same bones.

    An arm beside the trunk, or the upper beside the lower lip, is near but no neighbour.
    """
    start = Splats(*(getattr(splats, name).detach().clone() for name in FIELDS))
    count, wanted = len(splats), min(config.neighbors, max(len(splats) - 1, 0))
    if wanted < 1:
        links = csr_matrix((count, count))
        spacing = 0.01
    else:
        places = start.means.numpy()
        distance, nearest = map(
            np.asarray, KDTree(places).query(places, k=wanted + 1, workers=threads or thread_count())
        )
        others = torch.from_numpy(nearest[:, 1:].copy())
        spacing = max(float(np.median(distance[:, 1:])), 1e-5)
        kept = _alike(binding, rig, others, threads) & (torch.from_numpy(distance[:, 1:]) < 6 * spacing)
        rows = torch.arange(count)[:, None].expand_as(others)[kept].numpy()
        ones = np.ones(len(rows), np.float32)
        one_way = coo_matrix((ones, (rows, others[kept].numpy())), shape=(count, count))
        links = csr_matrix(one_way + one_way.T)
    limit = math.log(config.size_limit * spacing)
    return Neighborhood(
        start=start,
        first_link=torch.from_numpy(links.indptr.astype(np.int64)),
        link=torch.from_numpy(links.indices.astype(np.int64)),
        spacing=spacing,
        log_size_limit=start.log_scales.amax(1).clamp(min=limit),
        hold=torch.ones(count) if hold is None else hold,
    )


def _alike(
    binding: Binding, rig: Rig, others: Int[Tensor, "splats neighbors"], threads: int | None
) -> Bool[Tensor, "splats neighbors"]:
    from vivant.reconstruct import _neighbors_numba

    normals = tangent_frames(rig.verts, rig.faces)[binding.face][:, :, 2]
    facing = (normals[:, None] * normals[others]).sum(-1) > 0.3
    return facing & (_neighbors_numba.shared_weights(binding, others, threads) > 0.3)


def regularity(
    splats: Splats,
    neighborhood: Neighborhood,
    config: RegulariseConfig,
    *,
    backend: RegulariseBackend = "auto",
    threads: int | None = None,
) -> Float[Tensor, ""]:
    """What disorder costs, as a mean over splats; differentiable in all tables but the quaternions.

    Raises:
        BadInputError: If the backend cannot take these tensors.
    """
    compiled = splats.means.device.type == "cpu" and splats.means.dtype == torch.float32
    if backend == "auto":
        backend = "numba" if compiled else "reference"
    if backend == "reference":
        return _reference(splats, neighborhood, config)
    if not compiled:
        raise BadInputError(
            f"The numba backend needs float32 on the CPU, got {splats.means.dtype} on {splats.means.device}."
        )
    from vivant.reconstruct import _regularise_numba

    return _regularise_numba.regularity(splats, neighborhood, config, threads)


def pull_together(
    splats: Splats, neighborhood: Neighborhood, config: RegulariseConfig, *, threads: int | None = None
) -> None:
    """Add the gradient of `regularity` to those that the tables, leaf tensors, have already.

    As `regularity(...).backward()` does, but without tables of gradients to be added and thrown away.
    """
    if splats.means.device.type != "cpu" or splats.means.dtype != torch.float32:
        regularity(splats, neighborhood, config, threads=threads).backward()
        return
    from vivant.reconstruct import _regularise_numba

    _regularise_numba.pull_together(splats, neighborhood, config, threads)


def _reference(splats: Splats, neighborhood: Neighborhood, config: RegulariseConfig) -> Float[Tensor, ""]:
    start = neighborhood.start
    shift = (splats.means - start.means.to(splats.means)) / neighborhood.spacing
    degree = neighborhood.first_link.diff()
    row = torch.arange(len(degree)).repeat_interleave(degree)
    # Each link stands twice, once for each end.
    smooth = (shift[row] - shift[neighborhood.link]).square().sum() / 2

    smallest, middle, largest = splats.log_scales.sort(dim=1).values.unbind(1)
    size = (largest - neighborhood.log_size_limit).clamp(min=0).square().sum()
    needle = (largest - middle - math.log(config.needle_limit)).clamp(min=0).square().sum()

    opacity = splats.opacities
    log_opacity = torch.nn.functional.logsigmoid(splats.opacity_logits)
    log_rest = torch.nn.functional.logsigmoid(-splats.opacity_logits)
    entropy = -(opacity * log_opacity + (1 - opacity) * log_rest).sum()

    away = shift.square().sum(1) + (splats.opacity_logits - start.opacity_logits).square()
    away = away + (splats.log_scales - start.log_scales).square().sum(1)
    away = away + (splats.sh - start.sh).square().flatten(1).sum(1)
    hold = (neighborhood.hold.to(away) * away).sum()
    total = config.smooth * smooth + config.size * size + config.needle * needle
    total = total + config.entropy * entropy + config.hold * hold
    return total / max(len(splats), 1)


def without_links(neighborhood: Neighborhood) -> Neighborhood:
    """The same start, but nobody is tied to anybody."""
    nobody = torch.zeros_like(neighborhood.first_link)
    return replace(neighborhood, first_link=nobody, link=neighborhood.link[:0])
