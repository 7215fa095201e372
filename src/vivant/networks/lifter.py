"""One photo in, splats on the whole body out, in one pass: the idea of LHM (arXiv 2503.10625), much smaller.

Tokens of the photo, of its head crop and of anchors on the body attend to each other in joint blocks; each
anchor then tells the splats around it. Where the photo shows a splat, its colour is the photo's and the network
may only correct it a little, so evidence is never washed out; elsewhere it begins with a guess by rules.
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vivant.core.rotations import multiply_quats, quats_from_matrices
from vivant.networks.layers import attend, embed_points, group_norm, sample_map, zeroed

OCTAVES = 6
REACH = 0.2
"""Metres that a splat may leave the skin: hair, coats and skirts."""

CORRECTION = 0.1
"""How far a seen colour may be moved."""

FIRST_SCALES = (0.006, 0.006, 0.003)
"""Metres; 32,768 splats lie about 8 mm apart, and fewer are larger."""

DENSE = 32768

RAW = 3 + 3 + 4 + 1 + 3 + 1
"""Numbers a splat: offset, scale, rotation, opacity, colour, trust."""


@dataclass(frozen=True)
class LifterConfig:
    """Size of the lifter."""

    width: int = 192
    layers: int = 5
    heads: int = 6
    anchors: int = 2048
    splats: int = 16
    """Splats an anchor."""

    channels: tuple[int, int] = (48, 96)
    """Of the photo's finer maps, at a quarter and an eighth of its side."""

    detail: int = 32
    """Numbers that an anchor hands to each of its splats."""


@dataclass(frozen=True)
class LifterInput:
    """What the lifter sees of some people. Colours -1 to 1 (0 outside the person), masks 0 to 1."""

    photo: Float[Tensor, "people 4 height width"]
    head: Float[Tensor, "people 4 head_height head_width"]
    rest: Float[Tensor, "people anchors splats 3"]
    """Points on the skin at rest, metres."""

    frames: Float[Tensor, "people anchors splats 3 3"]
    """Axes of their triangles at rest, as columns."""

    places: Float[Tensor, "people anchors splats 2"]
    """Where the points are in the photo, -1 to 1."""

    head_places: Float[Tensor, "people anchors splats 2"]
    """Where they are in the head crop; outside -1 to 1 they are not in it."""

    visible: Float[Tensor, "people anchors splats"]
    """0 to 1: how well the photo shows the point."""

    guess: Float[Tensor, "people anchors splats 3"]
    """Colours, 0 to 1, that rules make of what the photo shows; only hidden points' count."""


@dataclass(frozen=True)
class LiftedSplats:
    """Splats of some people at rest, in world axes."""

    means: Float[Tensor, "people points 3"]
    quats: Float[Tensor, "people points 4"]
    log_scales: Float[Tensor, "people points 3"]
    opacity_logits: Float[Tensor, "people points"]
    colors: Float[Tensor, "people points 3"]
    """sRGB."""

    trust: Float[Tensor, "people points"]
    """0 to 1: how right the network believes the colour to be."""

    offsets: Float[Tensor, "people points 3"]
    """From the skin, metres, in the triangle's frame."""


class Lifter(nn.Module):
    """Predicts splats from one photo and the body fitted to it."""

    def __init__(self, config: LifterConfig) -> None:
        super().__init__()
        self.config = config
        width, (fine, middle) = config.width, config.channels
        self.fine = _stage(4, fine, 4)
        self.middle = _stage(fine, middle, 2)
        self.coarse = _stage(middle, width, 2)
        self.place = nn.Linear(2 + 4 * OCTAVES, width)
        self.is_head = nn.Parameter(torch.zeros(width))
        features = fine + middle + width
        self.anchor = nn.Linear(3 + 6 * OCTAVES + 3 + 2 + 3 + 2 * features, width)
        self.summary = nn.Sequential(nn.Linear(2 * width, width), nn.SiLU(), nn.Linear(width, 6 * width))
        self.blocks = nn.ModuleList(JointBlock(width, config.heads) for _ in range(config.layers))
        self.tell = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, config.splats * config.detail))
        self.decode = nn.Sequential(
            nn.Linear(config.detail + 2 * fine + 3 + 2, 96), nn.SiLU(), zeroed(nn.Linear(96, RAW))
        )

    def forward(self, told: LifterInput) -> LiftedSplats:
        """Predict all splats."""
        photo, head = self._maps(told.photo), self._maps(told.head)
        in_head = (told.head_places.abs() <= 1).all(-1).to(told.photo) * told.visible
        anchors = self._anchor_tokens(told, photo, head, in_head)
        images = torch.cat([self._image_tokens(photo[2]), self._image_tokens(head[2]) + self.is_head], dim=1)
        words = self.summary(torch.cat([images.mean(1), anchors.mean(1)], dim=-1)).unflatten(-1, (6, -1))
        for block in self.blocks:
            anchors, images = block(anchors, images, words)
        details = self.tell(anchors).reshape(len(anchors), -1, self.config.detail)
        return self._splats(told, details, photo[0], head[0], in_head)

    def _maps(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        fine = self.fine(picture)
        middle = self.middle(fine)
        return fine, middle, self.coarse(middle)

    def _image_tokens(self, features: Float[Tensor, "people width rows columns"]) -> Tensor:
        rows, columns = features.shape[2:]
        y = (torch.arange(rows).to(features) + 0.5) / rows * 2 - 1
        x = (torch.arange(columns).to(features) + 0.5) / columns * 2 - 1
        places = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        return features.flatten(2).transpose(1, 2) + self.place(embed_points(places, OCTAVES))

    def _anchor_tokens(self, told: LifterInput, photo: tuple, head: tuple, in_head: Tensor) -> Tensor:
        """Place and direction of each anchor, and what the pictures show there."""
        seen, close = told.visible.mean(2, keepdim=True), in_head.mean(2, keepdim=True)
        guess = told.guess.mean(2)
        places = [told.places.mean(2), told.head_places.mean(2)]
        read = [torch.cat([sample_map(m, places[0]) for m in photo], dim=-1) * seen]
        read += [torch.cat([sample_map(m, places[1]) for m in head], dim=-1) * close]
        normal = nn.functional.normalize(told.frames[..., 2].mean(2), dim=-1)
        return self.anchor(
            torch.cat([embed_points(told.rest.mean(2), OCTAVES), normal, seen, close, guess, *read], dim=-1)
        )

    def _splats(
        self, told: LifterInput, details: Tensor, photo: Tensor, head: Tensor, in_head: Tensor
    ) -> LiftedSplats:
        visible, close = told.visible.flatten(1), in_head.flatten(1)
        places, head_places = told.places.flatten(1, 2), told.head_places.flatten(1, 2)
        shown = (sample_map(told.photo[:, :3], places) + 1) / 2
        read = [
            sample_map(photo, places) * visible[..., None],
            sample_map(head, head_places) * close[..., None],
        ]
        seen, guess = visible[..., None], told.guess.flatten(1, 2)
        base = seen * shown + (1 - seen) * guess
        flags = torch.stack([visible, close], dim=-1)
        raw = self.decode(torch.cat([details, *read, base, flags], dim=-1)).float()
        offset, scale, turn, opacity, color, trust = raw.split([3, 3, 4, 1, 3, 1], dim=-1)
        offsets = REACH * torch.tanh(offset)
        frames = told.frames.flatten(1, 2)
        upright = turn + turn.new_tensor([1.0, 0, 0, 0])
        corrected = shown + CORRECTION * torch.tanh(color)
        # In odds, so that any colour can become any other, and none leaves the range.
        guessed = torch.sigmoid(torch.logit(guess.float().clamp(0.02, 0.98)) + color)
        scales = scale.new_tensor(FIRST_SCALES) * math.sqrt(DENSE / scale.shape[1])
        return LiftedSplats(
            means=told.rest.flatten(1, 2) + (frames * offsets[..., None, :]).sum(-1),
            quats=multiply_quats(quats_from_matrices(frames), nn.functional.normalize(upright, dim=-1)),
            log_scales=scales.log() + 2 * torch.tanh(scale / 2),
            opacity_logits=2.0 + opacity[..., 0],
            colors=seen * corrected + (1 - seen) * guessed,
            trust=torch.sigmoid(trust[..., 0] + 2 * visible - 1),
            offsets=offsets,
        )


class JointBlock(nn.Module):
    """Two kinds of tokens with weights of their own in one attention (MM-DiT, arXiv 2403.03206, figure 2).

    One word about body and photo scales and shifts all layers alike, each layer adding its own (PixArt,
    arXiv 2310.00426, section 2.3).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.anchors, self.images = Stream(width), Stream(width)

    def forward(
        self,
        anchors: Float[Tensor, "people anchors width"],
        images: Float[Tensor, "people places width"],
        words: Float[Tensor, "people 6 width"],
    ) -> tuple[Float[Tensor, "people anchors width"], Float[Tensor, "people places width"]]:
        """Let all look at all."""
        spoken = zip(self.anchors.speak(anchors, words), self.images.speak(images, words), strict=True)
        queries, keys, values = (torch.cat(pair, dim=1) for pair in spoken)
        heard = attend(queries, keys, values, self.heads)
        count = anchors.shape[1]
        anchors = self.anchors.hear(anchors, heard[:, :count], words)
        return anchors, self.images.hear(images, heard[:, count:], words)


class Stream(nn.Module):
    """One kind of token's weights in a joint block."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(6, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width, elementwise_affine=False) for _ in range(2))
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.mix = zeroed(nn.Linear(width, width))
        self.think = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), zeroed(nn.Linear(4 * width, width))
        )

    def speak(self, tokens: Tensor, words: Tensor) -> tuple[Tensor, ...]:
        """Queries, keys and values."""
        gain, shift = (words + self.table)[:, :2, None].unbind(1)
        return self.queries_keys_values(self.norms[0](tokens) * (1 + gain) + shift).chunk(3, dim=-1)

    def hear(self, tokens: Tensor, heard: Tensor, words: Tensor) -> Tensor:
        """Take in what attention brought, and think about it."""
        gate, gain, shift, gate_after = (words + self.table)[:, 2:, None].unbind(1)
        tokens = tokens + (1 + gate) * self.mix(heard)
        return tokens + (1 + gate_after) * self.think(self.norms[1](tokens) * (1 + gain) + shift)


def _stage(inside: int, outside: int, stride: int) -> nn.Sequential:
    """Make a map smaller by a stride, and look around in it."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, stride + 1 if stride == 2 else stride, stride, padding=int(stride == 2)),
        group_norm(outside),
        nn.SiLU(),
        nn.Conv2d(outside, outside, 3, padding=1),
        group_norm(outside),
        nn.SiLU(),
    )
