"""What a network is trained for, and how it is judged: one protocol, three objectives in files beside this."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vivant.body import load_anny
from vivant.networks import Photographed, flat_colors, working_dtype
from vivant.training.batch import TrainBatch


@dataclass(frozen=True)
class Judged:
    """How well a network did on some people it has not seen."""

    score: float
    """Higher is better."""

    baseline: float
    """The same score of what the package does without this network."""

    picture: Float[Tensor, "height width 3"]
    """Rows of people: what was given, made, and true."""


@runtime_checkable
class Objective(Protocol):
    """One network's training."""

    name: str
    score_name: str
    config: Any
    """Of the network: a frozen dataclass."""

    def build(self) -> nn.Module:
        """Make the network, untrained."""
        ...

    def loss(
        self, network: nn.Module, batch: TrainBatch, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, float]]:
        """What is made smaller, and its parts for the log."""
        ...

    def judge(self, network: nn.Module, batch: TrainBatch) -> Judged:
        """Measure on people held back."""
        ...


def ask(network: nn.Module, *told: Any) -> Any:
    """Ask a network in mixed precision where the device gains by it; its weights stay in single precision."""
    device = next(network.parameters()).device
    with torch.autocast(device.type, torch.bfloat16, enabled=working_dtype(device) == torch.bfloat16):
        return network(*told)


def photographed(batch: TrainBatch) -> Photographed:
    """A batch's people in their photos."""
    return Photographed(
        photo=flat_colors(batch.photo),
        cam_from_world=batch.photo_cam_from_world,
        intrinsics=batch.photo_intrinsics,
        joints=batch.photo_joints,
        body_verts=batch.body_verts,
        faces=load_anny().faces.to(batch.photo.device),
    )


def psnr_inside(
    made: Float[Tensor, "pictures 3 height width"],
    true: Float[Tensor, "pictures 3 height width"],
    mask: Float[Tensor, "pictures 1 height width"],
) -> float:
    """PSNR in dB of colours 0 to 1 inside the union of two masks, all pictures together."""
    inside = (mask > 0.02).float()
    error = ((made.clamp(0, 1) - true).square() * inside).sum() / (3 * inside.sum()).clamp(min=1)
    return float(-10 * torch.log10(error.clamp(min=1e-9)))


def structural_likeness(
    a: Float[Tensor, "pictures channels height width"], b: Float[Tensor, "pictures channels height width"]
) -> Float[Tensor, ""]:
    """SSIM (Wang et al. 2004) with a 7 px box, mean over everything; differentiable."""

    def mean(x: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(x, 7, 1)

    mean_a, mean_b = mean(a), mean(b)
    spread = mean(a * a) - mean_a.square() + mean(b * b) - mean_b.square()
    common = mean(a * b) - mean_a * mean_b
    like = (2 * mean_a * mean_b + 1e-4) * (2 * common + 9e-4)
    return (like / ((mean_a.square() + mean_b.square() + 1e-4) * (spread + 9e-4))).mean()


def grid(rows: list[list[Float[Tensor, "3 height width"]]]) -> Float[Tensor, "tall wide 3"]:
    """Pictures in rows and columns."""
    return torch.cat([torch.cat(row, dim=2) for row in rows], dim=1).permute(1, 2, 0).clamp(0, 1).cpu()
