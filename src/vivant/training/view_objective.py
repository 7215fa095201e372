"""Training the view generator: flow matching, told coarse guides, body normals, skeletons and cameras."""

import dataclasses

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vivant.core.cameras import Cameras
from vivant.imagine import SamplerConfig, sample
from vivant.networks import (
    KINDS,
    ViewConditions,
    ViewUNet,
    ViewUNetConfig,
    flat_colors,
    plucker_rays,
    spread_about_expected,
)
from vivant.networks.flow import add_noise, draw_sigmas, scalings
from vivant.training.batch import TrainBatch
from vivant.training.objectives import Judged, ask, grid, psnr_inside

DROP = 0.1
"""Chance of each condition to be left out."""

MIDDLE = (0.0, 0.9, 0.0)
"""The world's point that rays are told about: a person's middle."""


class ViewObjective:
    """One network for views and normals (GAS, arXiv 2502.06957; AniGS, arXiv 2412.02684)."""

    name = "view"
    score_name = (
        "PSNR in dB inside the masks, colours of views estimated in one step from noise; baseline: the guides"
    )

    def __init__(self, config: ViewUNetConfig, noise: float = 0.4) -> None:
        """Noise: mean of the noise levels' logits in training."""
        self.config, self.noise = config, noise

    def build(self) -> ViewUNet:
        """Make the network, untrained."""
        return ViewUNet(self.config)

    def loss(
        self, network: nn.Module, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Squared error of the clean estimate, weighted so that all noise levels count alike (EDM)."""
        clean = clean_views(batch)
        conditions = conditions_of(batch, self.config)
        spoilt = coarse_guides(conditions.guide, generator)
        guide = torch.where(batch.baked[:, None, None, None, None], conditions.guide, spoilt)
        conditions = dataclasses.replace(conditions, guide=guide).dropped(DROP, generator)
        sigma = draw_sigmas(len(clean), generator, mean=self.noise).to(clean)
        noise = torch.randn(clean.shape, generator=generator, device=generator.device).to(clean)
        noisy = add_noise(clean, noise, sigma)
        estimate = ask(network, noisy, sigma, conditions)
        spread = spread_about_expected(conditions).flatten()
        weight = 1 / scalings(sigma, spread).out.clamp(min=0.1).square()
        error = (estimate - clean).square().mean(dim=(2, 3, 4, 5))
        parts = error.mean(0).detach()
        return (error.mean(1) * weight).mean(), {"rgb": float(parts[0]), "normal": float(parts[1])}

    @torch.no_grad()
    def judge(self, network: nn.Module, batch: TrainBatch) -> Judged:
        """Estimate views from noise and compare their colours.

        In one step, so that the estimate is the mean of all views that fit what is told: one of them, as more
        steps would draw it, lies further from the truth than a guide that shows no detail.
        """
        device, unet = batch.photo.device, network
        assert isinstance(unet, ViewUNet)
        conditions = conditions_of(batch, self.config)
        encoded = unet.encode(conditions)
        clean = clean_views(batch)

        def denoise(noisy: Tensor, sigma: float, views: Tensor, guided: bool) -> Tensor:
            return ask(unet, noisy, torch.full((len(noisy),), sigma, device=device), encoded)

        config = SamplerConfig(steps=1, window=batch.images.shape[1], overlap=0)
        made = sample(denoise, tuple(clean.shape), config, torch.Generator().manual_seed(0), device=device)
        shown, true, guide = (seen_colors(views) for views in (made[:, 0], clean[:, 0], conditions.guide))
        mask = torch.maximum(batch.images[:, :, 3:], batch.guides[:, :, 3:]).flatten(0, 1)
        rows = []
        for person in range(min(len(clean), 4)):
            photo = batch.photo[person, :3]
            normals = [n[:3] * 0.5 + 0.5 for n in made[person, 1, :2]]
            pictures = [*guide[person, :4], *shown[person, :4], *true[person, :4]]
            rows.append([photo, *pictures, *normals])
        return Judged(
            psnr_inside(shown.flatten(0, 1), true.flatten(0, 1), mask),
            psnr_inside(guide.flatten(0, 1), true.flatten(0, 1), mask),
            grid(rows),
        )


def clean_views(batch: TrainBatch) -> Float[Tensor, "people 2 views 4 size size"]:
    """The truth as the generator makes it: colours and normals -1 to 1, each with its mask."""
    rgba = flat_colors(batch.images)
    mask = 2 * rgba[:, :, 3:] - 1
    return torch.stack([torch.cat([rgba[:, :, :3], mask], 2), torch.cat([batch.normals, mask], 2)], dim=1)


def seen_colors(views: Float[Tensor, "people views 4 size size"]) -> Float[Tensor, "people views 3 size size"]:
    """Colours 0 to 1 on grey."""
    return ((views[:, :, :3] + 1) / 2).clamp(0, 1)


def conditions_of(batch: TrainBatch, config: ViewUNetConfig) -> ViewConditions:
    """All conditions."""
    people, views, _, size, _ = batch.images.shape
    cameras = Cameras(batch.cam_from_world.flatten(0, 1), batch.intrinsics.flatten(0, 1), size, size)
    places = size // config.patch
    rays = plucker_rays(cameras, places, places, batch.images.new_tensor(MIDDLE)).unflatten(0, (people, views))
    return ViewConditions(
        reference=torch.cat([flat_colors(batch.photo), batch.photo_normals], dim=1),
        guide=flat_colors(batch.guides),
        normals=batch.body_normals,
        skeleton=2 * batch.skeleton - 1,
        rays=rays,
        keep=batch.images.new_ones(people, len(KINDS)),
        task=batch.task,
    )


def coarse_guides(
    guides: Float[Tensor, "people views 4 size size"], generator: torch.Generator
) -> Float[Tensor, "people views 4 size size"]:
    """Spoil guides as NeRFs and badly fitted splats do: blurred, off in colour, with patches missing.

    People differ in how much, and half of the guides stay as sharp as they were: one network serves all.
    """
    people, count = guides.shape[:2]

    def draw(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, device=generator.device).to(guides)

    made = []
    for person in guides:
        size = person.shape[-1]
        smaller = int(max(1.0, (2 * float(draw(1)) - 1) * size / 16))
        blurred = nn.functional.avg_pool2d(person, smaller, ceil_mode=True)
        made.append(nn.functional.interpolate(blurred, person.shape[-2:], mode="bilinear", align_corners=False))
    guide = torch.stack(made)
    gain = 1 + 0.1 * (draw(people, count, 3, 1, 1) - 0.5)
    holes = nn.functional.interpolate(draw(people * count, 1, 8, 8), guide.shape[-2:], mode="bilinear")
    rare = (draw(people, 1, 1, 1, 1) - 0.6).clamp(min=0) / 2
    solid = (holes.unflatten(0, (people, count)) > rare).to(guide)
    return torch.cat([(guide[:, :, :3] * gain * solid).clamp(-1, 1), guide[:, :, 3:]], dim=2)
