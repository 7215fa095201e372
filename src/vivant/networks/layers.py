"""Small layers that all networks share. Plain torch."""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn


def group_norm(channels: int) -> nn.GroupNorm:
    """Normalise in groups of 16, or in fewer where the channels do not divide."""
    return nn.GroupNorm(math.gcd(16, channels), channels)


def attend(
    queries: Float[Tensor, "batch tokens width"],
    keys: Float[Tensor, "batch others width"],
    values: Float[Tensor, "batch others width"],
    heads: int,
) -> Float[Tensor, "batch tokens width"]:
    """Scaled dot-product attention in several heads."""
    q, k, v = (part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in (queries, keys, values))
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16 and not torch.is_grad_enabled():
        mixed = torch.empty_like(queries)
        _attend_in_parts(q, k, v, mixed.unflatten(-1, (heads, -1)).transpose(1, 2))
        return mixed
    return nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)


SCORES = 2**20
"""Of attention, worked out at once on a processor: as many as stay in its cache."""


def _attend_in_parts(queries: Tensor, keys: Tensor, values: Tensor, mixed: Tensor) -> None:
    """Where bfloat16 is multiplied by a processor this takes half the time of torch's own."""
    _, heads, tokens, width = queries.shape
    others = keys.shape[2]
    together, some = max(1, SCORES // (heads * tokens * others)), max(1, SCORES // (heads * others))
    scaled = queries * width**-0.5
    for begin in range(0, len(queries), together):
        span = slice(begin, begin + together)
        turned, told = keys[span].transpose(-1, -2), values[span]
        for first in range(0, tokens, some):
            asked = scaled[span, :, first : first + some]
            mixed[span, :, first : first + some] = (asked @ turned).softmax(dim=-1) @ told


NUMBERS = 2**20
"""Of the first map, worked on at once on a processor."""


def in_parts(
    work: Callable[..., Float[Tensor, "batch *made"]], *maps: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch *made"]:
    """What `work` makes of maps that do not know each other, on a processor a few at a time.

    What lies between its steps then stays in the cache and in memory that is already mapped. With gradients, or
    on a GPU, all at once.
    """
    count, some = len(maps[0]), max(1, NUMBERS // maps[0][0].numel())
    if maps[0].device.type != "cpu" or torch.is_grad_enabled() or some >= count:
        return work(*maps)
    made = None
    for begin in range(0, count, some):
        part = work(*(each[begin : begin + some] for each in maps))
        if made is None:
            layout = torch.contiguous_format if part.is_contiguous() else torch.channels_last
            made = torch.empty((count, *part.shape[1:]), dtype=part.dtype, memory_format=layout)
        made[begin : begin + some] = part
    assert made is not None
    return made


def embed_scalars(values: Float[Tensor, "*batch"], width: int) -> Float[Tensor, "*batch width"]:
    """Cosines and sines of a number from 0 to 1 at frequencies from 1 to 1000 (DDPM's embedding of times)."""
    octaves = torch.linspace(0, math.log(1000), width // 2, device=values.device, dtype=values.dtype)
    angles = values[..., None] * octaves.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def embed_points(points: Float[Tensor, "*batch axes"], octaves: int) -> Float[Tensor, "*batch channels"]:
    """A point, then sines and cosines of it at doubling frequencies (NeRF, arXiv 2003.08934, equation 4)."""
    scale = math.pi * 2.0 ** torch.arange(octaves, device=points.device, dtype=points.dtype)
    angles = (points[..., None] * scale).flatten(-2)
    return torch.cat([points, angles.sin(), angles.cos()], dim=-1)


def zeroed(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """A layer that begins with saying nothing, so that a residual branch begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def sample_map(
    features: Float[Tensor, "batch channels height width"], places: Float[Tensor, "batch points 2"]
) -> Float[Tensor, "batch points channels"]:
    """Read a map at places from -1 to 1 (x right, y down): from rim to rim, not from pixel centres."""
    # In single precision whatever the map's: half precision would move places by pixels.
    read = nn.functional.grid_sample(
        features.float(), places[:, :, None].float(), align_corners=False, padding_mode="border"
    )
    return read[..., 0].transpose(1, 2).to(features.dtype)


def count_parameters(network: nn.Module) -> int:
    """How many numbers a network has learned."""
    return sum(parameter.numel() for parameter in network.parameters())
