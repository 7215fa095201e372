"""Training the human NeRF: it draws one random view of each person."""

import torch
from torch import Tensor, nn

from vivant.networks import Drawn, HumanNerf, NerfConfig, anny_anchors, nerf_scene
from vivant.training.batch import TrainBatch
from vivant.training.objectives import Judged, ask, grid, photographed, psnr_inside, structural_likeness

POINTS = 2048
"""Points of the body that samples follow."""


class NerfObjective:
    """Colour and mask, small and enlarged (GAS, arXiv 2502.06957, section 3.2)."""

    name = "nerf"
    score_name = (
        "PSNR in dB inside the masks, one view a person; baseline: the photo's mean colour in the true mask"
    )

    def __init__(self, config: NerfConfig, points: int = POINTS) -> None:
        self.config, self.points = config, points

    def build(self) -> HumanNerf:
        """Make the network, untrained."""
        return HumanNerf(self.config)

    def loss(
        self, network: nn.Module, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Absolute errors of both sizes, and structure of the larger."""
        views = torch.randint(
            batch.images.shape[1], (len(batch.photo),), generator=generator, device=generator.device
        ).to(batch.photo.device)
        drawn, true = self.draw(network, batch, views, generator)
        small = nn.functional.adaptive_avg_pool2d(true, self.config.side)
        parts = {
            "small": (drawn.small - small).abs().mean(),
            "large": (drawn.large - true).abs().mean(),
            "structure": 0.2 * (1 - structural_likeness(drawn.large, true)),
        }
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def judge(self, network: nn.Module, batch: TrainBatch) -> Judged:
        """Draw the view that lies opposite the first half of the circle, of each person."""
        views = torch.arange(len(batch.photo), device=batch.photo.device) % batch.images.shape[1]
        drawn, true = self.draw(network, batch, views, None)
        mask = true[:, 3:]
        photo_mask = batch.photo[:, 3:]
        mean = batch.photo[:, :3].sum((2, 3)) / photo_mask.sum((2, 3)).clamp(min=1)
        plain = mean[:, :, None, None] * mask
        photos = nn.functional.interpolate(batch.photo[:, :3], true.shape[-2:], mode="area")
        rows = [
            [photos[person], drawn.large[person, :3], true[person, :3]] for person in range(min(len(true), 4))
        ]
        return Judged(
            psnr_inside(drawn.large[:, :3], true[:, :3], mask),
            psnr_inside(plain, true[:, :3], mask),
            grid(rows),
        )

    def draw(
        self, network: nn.Module, batch: TrainBatch, views: Tensor, generator: torch.Generator | None
    ) -> tuple[Drawn, Tensor]:
        """One view of each person, drawn and true, at the enlarged size."""
        device = batch.photo.device
        person = torch.arange(len(views), device=device)
        anchors = anny_anchors(self.points, 4).to(device)
        scene = nerf_scene(photographed(batch), batch.joints[person, views], anchors)
        scale = self.config.side / batch.images.shape[-1]
        shrink = torch.diag(torch.tensor([scale, scale, 1.0])).to(device)
        drawn = ask(
            network,
            scene,
            batch.cam_from_world[person, views],
            shrink @ batch.intrinsics[person, views],
            generator,
        )
        true = nn.functional.adaptive_avg_pool2d(batch.images[person, views], 2 * self.config.side)
        return drawn, true
