"""Training the lifter: its splats are posed and drawn, and shall look as the person does."""

from pathlib import Path

import torch
from torch import Tensor, nn

from vivant.body import skin_points, skin_quats
from vivant.core.cameras import Cameras
from vivant.networks import LiftedSplats, Lifter, LifterConfig, anny_anchors, lifter_input
from vivant.networks.lpips import Lpips, load_lpips
from vivant.records import Rendering, Splats
from vivant.splat import sh_from_colors
from vivant.training.batch import TrainBatch
from vivant.training.objectives import Judged, ask, grid, photographed, psnr_inside, structural_likeness
from vivant.training.splatting import draw_splats

PERCEPTUAL = 0.1
"""Weight of LPIPS, if there is any."""


class LifterObjective:
    """LHM's losses (arXiv 2503.10625, section 3.4) on our renders, and trust that follows the errors."""

    name = "lifter"
    score_name = (
        "PSNR in dB inside the masks over all views; baseline: an untrained lifter "
        "(photo projected, rest guessed by rules)"
    )

    def __init__(self, config: LifterConfig, side: int = 128, lpips: Path | None = None) -> None:
        """Keep the settings.

        Args:
            config: Of the network.
            side: Pixels at which pictures are compared, a multiple of 8.
            lpips: The user's weights of LPIPS: pictures are then compared by it, too.
        """
        self.config, self.side, self.lpips = config, side, lpips
        self._perceptual: Lpips | None = None

    def build(self) -> Lifter:
        """Make the network, untrained."""
        return Lifter(self.config)

    def loss(
        self, network: nn.Module, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """Colour, structure, mask, normals and trust of all views; offsets and sizes stay small."""
        lifted = self.lift(network, batch)
        color, mask, trust, normals = self.draw(lifted, batch)
        true, true_mask = self._truth(batch)
        error = (color - true).abs()
        wanted_trust = torch.exp(-8 * error.detach().mean(1, keepdim=True)) * true_mask
        parts = {
            "color": error.mean(),
            "structure": 0.2 * (1 - structural_likeness(color, true)),
            "mask": 0.5 * (mask - true_mask).abs().mean(),
            "normal": 0.05 * (normals - self._reduced(batch.normals)).abs().mean(),
            "trust": 0.1 * ((trust - wanted_trust) * true_mask).square().mean(),
            "near_skin": 2.0 * lifted.offsets.square().mean(),
            "small": 0.05 * (lifted.log_scales - torch.tensor(0.02).log().item()).clamp(min=0).mean(),
        }
        if self.lpips is not None:
            parts["perceptual"] = PERCEPTUAL * self._likeness(self.lpips, color, true)
        total = torch.stack(list(parts.values())).sum()
        return total, {name: float(value.detach()) for name, value in parts.items()}

    @torch.no_grad()
    def judge(self, network: nn.Module, batch: TrainBatch) -> Judged:
        """Draw all views of the people, and of what an untrained lifter makes of them."""
        color, mask, _, _ = self.draw(self.lift(network, batch), batch)
        plain = self.build().to(batch.photo.device).eval()
        before, mask_before, _, _ = self.draw(self.lift(plain, batch), batch)
        true, true_mask = self._truth(batch)
        views = batch.images.shape[1]
        rows = []
        for person in range(min(len(batch.photo), 4)):
            mine = slice(person * views, person * views + min(views, 4))
            photo = self._reduced(batch.photo[person : person + 1, None])[0, :3]
            rows.append([photo, *before[mine], *color[mine], *true[mine]])
        return Judged(
            psnr_inside(color, true, true_mask + mask),
            psnr_inside(before, true, true_mask + mask_before),
            grid(rows),
        )

    def lift(self, network: nn.Module, batch: TrainBatch) -> LiftedSplats:
        """Ask the network about the photos."""
        anchors = anny_anchors(self.config.anchors, self.config.splats).to(batch.photo.device)
        return ask(network, lifter_input(photographed(batch), batch.photo_depth, anchors))

    def draw(self, lifted: LiftedSplats, batch: TrainBatch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Colour, mask, trust and normals of all views of all people, pictures first."""
        anchors = anny_anchors(self.config.anchors, self.config.splats).to(batch.photo.device)
        skin = anchors.skin_joints.flatten(0, 1), anchors.skin_weights.flatten(0, 1)
        size, drawn = batch.images.shape[-1], list[Rendering]()
        for person in range(len(batch.photo)):
            means = skin_points(lifted.means[person].float(), *skin, batch.joints[person])
            quats = skin_quats(lifted.quats[person].float(), *skin, batch.joints[person])
            for view in range(batch.images.shape[1]):
                splats = Splats(
                    means[view],
                    quats[view],
                    lifted.log_scales[person],
                    lifted.opacity_logits[person],
                    sh_from_colors(lifted.colors[person].float()),
                )
                camera = Cameras(
                    batch.cam_from_world[person, view, None], batch.intrinsics[person, view, None], size, size
                ).resized(self.side, self.side)
                drawn.append(draw_splats(splats, lifted.trust[person][:, None], camera))
        color = torch.cat([one.color for one in drawn]).permute(0, 3, 1, 2)
        mask = torch.cat([one.alpha for one in drawn])[:, None]
        normals = torch.cat([one.normal for one in drawn]).permute(0, 3, 1, 2)
        return color[:, :3], mask, color[:, 3:], normals

    def _likeness(self, weights: Path, color: Tensor, true: Tensor) -> Tensor:
        if self._perceptual is None:
            self._perceptual = load_lpips(weights).to(color.device)
        return self._perceptual(color.float(), true.float()).mean()

    def _truth(self, batch: TrainBatch) -> tuple[Tensor, Tensor]:
        """Colours and masks of all views, pictures first, at the compared size."""
        color, mask = self._reduced(batch.images).split([3, 1], dim=1)
        return color, mask

    def _reduced(self, pictures: Tensor) -> Tensor:
        return nn.functional.adaptive_avg_pool2d(pictures.flatten(0, 1), self.side)
