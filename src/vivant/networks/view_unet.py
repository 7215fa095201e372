"""One generator of views and of their normals, for new cameras, new poses and the canonical pose.

A convolutional UNet on pixels. All views of a person are made together: tokens of one picture row attend to
that row in all views; colours and normals are two streams that see each other (AniGS, arXiv 2412.02684, section
3.1). One model serves several tasks by a switcher beside the time (GAS, arXiv 2502.06957, section 3.3).
"""

from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from vivant.networks.flow import DATA_SPREAD, scalings
from vivant.networks.layers import attend, embed_scalars, group_norm, in_parts, zeroed
from vivant.networks.view_conditions import KINDS, STREAMS, TASKS, ViewConditions

CHANNELS = 4
"""Of a generated picture: three of colour or normal, -1 to 1, and the mask, -1 to 1."""

GUIDED_SPREAD = 0.1
"""Standard deviation of the truth about a guide; without a guide it is `DATA_SPREAD` about nothing."""

CONDITION_CHANNELS = {"reference": 7, "guide": 4, "normals": 3, "skeleton": 3, "rays": 6}


@dataclass(frozen=True)
class ViewUNetConfig:
    """Size of the generator."""

    size: int = 256
    """Pixels a side."""

    patch: int = 4
    """Pixels a side that make one place of the first map."""

    channels: tuple[int, ...] = (48, 96, 128, 128)
    """One entry a level; each level has half the side of the one before."""

    heads: int = 2
    """Of attention; few, for the cost on a processor grows with them."""

    reference_side: int = 16
    """Places a side of the reference that tokens look at, at most."""

    lean: bool = False
    """Whether less is done on large maps, as in Imagen's Efficient U-Net (arXiv 2205.11487, appendix B.1): they
    are narrowed before they are enlarged, the first level has one block on the way up, on the way down only the
    third level attends, on the way up only the last block of each. A third less to work out."""

    def attending_up(self, level: int) -> tuple[bool, ...]:
        """Whether each block of a level on the way up attends."""
        if self.lean:
            return (False, True) if level else (False,)
        return (level > 0, level > 0)

    def attends_down(self, level: int) -> bool:
        """Whether the block of a level on the way down attends."""
        if self.lean:
            # On the second level it costs most; on the last the middle block, right after it, attends.
            return 1 < level < len(self.channels) - 1
        return level > 0


@dataclass(frozen=True)
class Encoded:
    """Conditions, worked out once for all steps of a sampling."""

    features: Float[Tensor, "people views channels rows columns"]
    reference: tuple[Tensor, ...]
    """Tokens of the reference, one table a level (people, tokens, channels)."""

    switch: Float[Tensor, "people streams kinds"]

    expected: Float[Tensor, "people streams views 4 height width"]
    """What the guide and the body alone say the views are; 0 where they are not told."""

    spread: Float[Tensor, "people 1 1 1 1 1"]
    """Standard deviation of the truth about that."""

    def at_views(self, index: Int[Tensor, " some"]) -> "Encoded":
        """Same for some of the views."""
        expected = self.expected[:, :, index]
        return Encoded(self.features[:, index], self.reference, self.switch, expected, self.spread)


class ViewUNet(nn.Module):
    """Estimates clean views from noisy ones."""

    def __init__(self, config: ViewUNetConfig) -> None:
        super().__init__()
        self.config = config
        first, width = config.channels[0], 4 * config.channels[0]
        pixels = config.patch**2
        self.enter = nn.Conv2d(CHANNELS * pixels, first, 3, padding=1)
        self.conditions = ConditionEncoder(config)
        self.reference = ReferenceEncoder(config)
        switches = len(TASKS) + len(STREAMS)
        self.time = nn.Sequential(
            nn.Linear(first + switches, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU()
        )
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.grow = nn.ModuleList(), nn.ModuleList()
        below, skips, deepest = first, [] if config.lean else [first], len(config.channels) - 1
        for level, channels in enumerate(config.channels):
            attends = config.attends_down(level)
            self.down.append(Block(below, channels, width, config, level, deepest, attends=attends))
            skips.append(channels)
            below = channels
            if level < deepest:
                self.shrink.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1))
                skips.append(channels)
        self.middle = Block(below, below, width, config, deepest, deepest, attends=deepest > 0)
        for level in range(deepest, -1, -1):
            channels = config.channels[level]
            for attends in config.attending_up(level):
                inside = below + skips.pop()
                self.up.append(Block(inside, channels, width, config, level, deepest, attends=attends))
                below = channels
            if level > 0:
                below = config.channels[level - 1] if config.lean else channels
                self.grow.append(nn.Conv2d(channels, below, 3, padding=1))
        self.leave = nn.Sequential(
            group_norm(first), nn.SiLU(), zeroed(nn.Conv2d(first, CHANNELS * pixels, 3, padding=1))
        )

    def encode(self, conditions: ViewConditions) -> Encoded:
        """Work out what does not change with the noise."""
        expected, spread = expected_views(conditions), spread_about_expected(conditions)
        conditions = conditions.to(self.enter.weight.dtype)
        kept = conditions.keep[:, KINDS.index("task"), None]
        task = nn.functional.one_hot(conditions.task, len(TASKS)).to(kept) * kept
        stream = torch.eye(len(STREAMS)).to(kept)
        rows = [torch.cat([task, row.expand(len(task), -1)], dim=-1) for row in stream]
        return Encoded(
            self.conditions(conditions),
            self.reference(conditions),
            torch.stack(rows, dim=1),
            expected,
            spread,
        )

    def forward(
        self,
        noisy: Float[Tensor, "people streams views 4 height width"],
        sigma: Float[Tensor, " people"],
        told: Encoded | ViewConditions,
    ) -> Float[Tensor, "people streams views 4 height width"]:
        """Estimate the clean views from noisy ones at level `sigma` (0 clean, 1 noise).

        What is estimated is how they differ from what the guide says; an untrained network gives the guide.

        Args:
            noisy: Colours, and perhaps normals.
            sigma: Noise levels.
            told: Conditions; for many steps encode them once.
        """
        encoded = self.encode(told) if isinstance(told, ViewConditions) else told
        streams, views = noisy.shape[1:3]
        group = (len(noisy), streams, views)
        work = self.enter.weight.dtype
        level = sigma.float()[:, None, None, None, None, None]
        scale = scalings(level, encoded.spread)
        expected = encoded.expected[:, :streams].to(noisy).flatten(0, 2)
        level, skip, out, into = (
            each.expand(*group, 1, 1, 1).flatten(0, 2) for each in (level, scale.skip, scale.out, scale.into)
        )
        hidden = in_parts(self._entered, noisy.flatten(0, 2), expected, level, into)
        hidden = (hidden.unflatten(0, group) + encoded.features[:, None]).flatten(0, 2)
        times = embed_scalars(sigma.float(), self.config.channels[0]).to(work)
        times = torch.cat([times[:, None].expand(-1, streams, -1), encoded.switch[:, :streams]], dim=-1)
        times = self.time(times)[:, :, None].expand(-1, -1, views, -1).flatten(0, 2)
        hidden = self._through(hidden, times, encoded.reference, group)
        made = in_parts(self._left, noisy.flatten(0, 2), expected, level, skip, out, hidden)
        return made.unflatten(0, group)

    def _entered(self, noisy: Tensor, expected: Tensor, level: Tensor, into: Tensor) -> Tensor:
        away = torch.addcmul(noisy, level - 1, expected)
        pixels = nn.functional.pixel_unshuffle((away * into).to(self.enter.weight.dtype), self.config.patch)
        return self.enter(pixels.contiguous(memory_format=torch.channels_last))

    def _left(
        self, noisy: Tensor, expected: Tensor, level: Tensor, skip: Tensor, out: Tensor, hidden: Tensor
    ) -> Tensor:
        estimate = nn.functional.pixel_shuffle(self.leave(hidden), self.config.patch).to(noisy)
        away = torch.addcmul(noisy, level - 1, expected)
        return torch.addcmul(expected, skip, away).addcmul_(out, estimate)

    def _through(
        self, hidden: Tensor, times: Tensor, reference: tuple[Tensor, ...], group: tuple[int, int, int]
    ) -> Tensor:
        deepest, skips = len(self.config.channels) - 1, [] if self.config.lean else [hidden]
        for level, block in enumerate(self.down):
            hidden = block(hidden, times, reference[level], group)
            skips.append(hidden)
            if level < deepest:
                hidden = self.shrink[level](hidden)
                skips.append(hidden)
        hidden = self.middle(hidden, times, reference[deepest], group)
        blocks = iter(self.up)
        for level in range(deepest, -1, -1):
            for _ in self.config.attending_up(level):
                hidden = next(blocks)(hidden, times, reference[level], group, beside=skips.pop())
            if level > 0:
                hidden = in_parts(partial(self._enlarged, self.grow[deepest - level]), hidden)
        return hidden

    def _enlarged(self, convolution: nn.Module, hidden: Tensor) -> Tensor:
        if self.config.lean:
            return nn.functional.interpolate(convolution(hidden), scale_factor=2.0)
        return convolution(nn.functional.interpolate(hidden, scale_factor=2.0))


def expected_views(conditions: ViewConditions) -> Float[Tensor, "people 2 views 4 height width"]:
    """The guide as colours with mask, the body's normals with the same mask; 0 where the guide is left out."""
    kept = conditions.keep[:, KINDS.index("guide"), None, None, None, None]
    color, mask = conditions.guide.split([3, 1], dim=2)
    known = conditions.keep[:, KINDS.index("normals"), None, None, None, None]
    rgb = torch.cat([color, 2 * mask - 1], dim=2) * kept
    normal = torch.cat([conditions.normals * known, (2 * mask - 1) * kept], dim=2)
    return torch.stack([rgb, normal], dim=1)


def spread_about_expected(conditions: ViewConditions) -> Float[Tensor, "people 1 1 1 1 1"]:
    """How far the truth lies from `expected_views`, as a standard deviation."""
    kept = conditions.keep[:, KINDS.index("guide"), None, None, None, None, None].float()
    return DATA_SPREAD + kept * (GUIDED_SPREAD - DATA_SPREAD)


class Block(nn.Module):
    """A residual convolution, and below the first level attention across rows, views and the reference."""

    def __init__(
        self,
        inside: int,
        outside: int,
        width: int,
        config: ViewUNetConfig,
        level: int,
        deepest: int,
        *,
        attends: bool,
    ) -> None:
        super().__init__()
        self.first = nn.Sequential(group_norm(inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1))
        self.modulate = nn.Linear(width, 2 * outside)
        self.norm = group_norm(outside)
        self.second = zeroed(nn.Conv2d(outside, outside, 3, padding=1))
        self.past = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()
        self.attention = None
        if attends:
            self.attention = ViewAttention(outside, config.heads, joint=level > 1, whole=level == deepest)

    def forward(
        self,
        hidden: Float[Tensor, "batch inside rows columns"],
        times: Float[Tensor, "batch width"],
        reference: Float[Tensor, "people tokens outside"],
        group: tuple[int, int, int],
        beside: Tensor | None = None,
    ) -> Float[Tensor, "batch outside rows columns"]:
        """Group: how many people, streams of each, views of each stream; beside: further channels."""
        told = (hidden, times) if beside is None else (hidden, times, beside)
        hidden = in_parts(self._convolve, *told)
        return hidden if self.attention is None else self.attention(hidden, reference, group)

    def _convolve(self, hidden: Tensor, times: Tensor, beside: Tensor | None = None) -> Tensor:
        hidden = hidden if beside is None else torch.cat([hidden, beside], dim=1)
        gain, shift = self.modulate(times)[:, :, None, None].chunk(2, dim=1)
        inner = torch.addcmul(shift, self.norm(self.first(hidden)), 1 + gain)
        return self.past(hidden) + self.second(nn.functional.silu(inner))


class ViewAttention(nn.Module):
    """Tokens look at the same row of all views, at their twin in the other stream, then at the reference."""

    def __init__(self, channels: int, heads: int, *, joint: bool, whole: bool) -> None:
        """Joint: rows of both streams together; whole: all rows of both. Both cost too much on large maps."""
        super().__init__()
        self.heads, self.joint, self.whole = heads, joint or whole, whole
        self.norm = nn.LayerNorm(channels)
        self.queries_keys_values = nn.Linear(channels, 3 * channels)
        self.mix = zeroed(nn.Linear(channels, channels))
        self.twin = zeroed(nn.Linear(channels, channels, bias=False))
        self.norm_reference = nn.LayerNorm(channels)
        self.ask = nn.Linear(channels, channels)
        self.answer = nn.Linear(channels, 2 * channels)
        self.mix_reference = zeroed(nn.Linear(channels, channels))
        self.think = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, 2 * channels),
            nn.GELU(approximate="tanh"),
            zeroed(nn.Linear(2 * channels, channels)),
        )

    def forward(
        self,
        hidden: Float[Tensor, "batch channels rows columns"],
        reference: Float[Tensor, "people tokens channels"],
        group: tuple[int, int, int],
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Attend within each person."""
        people, streams, views = group
        pictures, (channels, rows, columns) = streams * views, hidden.shape[1:]
        # Rows first: a row of all pictures lies together.
        tokens = hidden.permute(0, 2, 3, 1).unflatten(0, (people, pictures)).transpose(1, 2)
        runs = people if self.whole else people * rows
        told = self.answer(reference)[:, None].expand(-1, runs // people, -1, -1).flatten(0, 1)
        tokens = in_parts(
            partial(self._attended, streams, views * columns), tokens.reshape(runs, -1, channels), told
        )
        tokens = tokens.reshape(people, rows, pictures, columns, channels).transpose(1, 2)
        # Laid out anew (channels last): else all that follows goes through slow copies.
        return tokens.reshape(-1, rows, columns, channels).contiguous().permute(0, 3, 1, 2)

    def _attended(self, streams: int, row: int, tokens: Tensor, told: Tensor) -> Tensor:
        known = self.norm(tokens)
        parts = self.queries_keys_values(known)
        parts = parts if self.joint else parts.unflatten(1, (streams, row)).flatten(0, 1)
        queries, keys, values = parts.chunk(3, dim=-1)
        tokens = tokens + self.mix(attend(queries, keys, values, self.heads)).reshape(tokens.shape)
        if streams > 1:
            other = known.unflatten(1, (-1, streams, row)).flip(2)
            tokens = tokens + self.twin(other.reshape(tokens.shape))
        keys, values = told.chunk(2, dim=-1)
        seen = attend(self.ask(self.norm_reference(tokens)), keys, values, self.heads)
        tokens = tokens + self.mix_reference(seen)
        return tokens + self.think(tokens)


class ConditionEncoder(nn.Module):
    """Maps that say what to draw, added to the first features (as GAS adds its NeRF and its normals)."""

    def __init__(self, config: ViewUNetConfig) -> None:
        super().__init__()
        first, self.patch = config.channels[0], config.patch
        self.maps = nn.ModuleDict()
        for kind, channels in CONDITION_CHANNELS.items():
            pixels = 1 if kind == "rays" else config.patch**2
            self.maps[kind] = nn.Conv2d(channels * pixels, first, 3, padding=1)
        self.absent = nn.Parameter(torch.zeros(len(CONDITION_CHANNELS), first))
        self.leave = nn.Sequential(group_norm(first), nn.SiLU(), nn.Conv2d(first, first, 3, padding=1))

    def forward(self, conditions: ViewConditions) -> Float[Tensor, "people views channels rows columns"]:
        """Sum what each kind says; a dropped kind says the same word everywhere."""
        people, views = conditions.normals.shape[:2]
        total = None
        for index, (kind, convolution) in enumerate(self.maps.items()):
            maps = getattr(conditions, kind)
            maps = maps[:, None] if kind == "reference" else maps
            pixels = maps.flatten(0, 1)
            if kind != "rays":
                pixels = nn.functional.pixel_unshuffle(pixels, self.patch)
            said = convolution(pixels.contiguous(memory_format=torch.channels_last)).unflatten(0, (people, -1))
            kept = conditions.keep[:, KINDS.index(kind), None, None, None, None]
            said = said * kept + self.absent[index][:, None, None] * (1 - kept)
            total = said if total is None else total + said
        assert total is not None
        return self.leave(total.expand(-1, views, -1, -1, -1).flatten(0, 1)).unflatten(0, (people, views))


class ReferenceEncoder(nn.Module):
    """Features of the one real photo at every level, as tokens to look at (reference attention)."""

    def __init__(self, config: ViewUNetConfig) -> None:
        super().__init__()
        self.patch, self.side = config.patch, config.reference_side
        below = CONDITION_CHANNELS["reference"] * config.patch**2
        self.levels = nn.ModuleList()
        for level, channels in enumerate(config.channels):
            self.levels.append(
                nn.Sequential(
                    nn.Conv2d(below, channels, 3, stride=2 if level else 1, padding=1),
                    group_norm(channels),
                    nn.SiLU(),
                    nn.Conv2d(channels, channels, 3, padding=1),
                    nn.SiLU(),
                )
            )
            below = channels

    def forward(self, conditions: ViewConditions) -> tuple[Tensor, ...]:
        """Tokens a level; zeros where the reference is dropped."""
        hidden = nn.functional.pixel_unshuffle(conditions.reference, self.patch)
        kept = conditions.keep[:, KINDS.index("reference"), None, None]
        tables = []
        for level in self.levels:
            hidden = level(hidden)
            shrunk = nn.functional.adaptive_avg_pool2d(hidden, min(self.side, hidden.shape[-1]))
            tables.append(shrunk.flatten(2).transpose(1, 2) * kept)
        return tuple(tables)
