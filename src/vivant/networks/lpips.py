"""LPIPS on AlexNet: a distance of pictures that follows human judgement. Users bring the weights."""

from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vivant.core.errors import BadFileError, BadInputError

STAGES = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1), (256, 256, 3, 1, 1))
"""Channels in and out, kernel, stride and padding of AlexNet's convolutions (Krizhevsky 2014)."""

POOLED = (1, 2)
"""Stages whose input is halved first."""

NAMES = ("slice1.0", "slice2.3", "slice3.6", "slice4.8", "slice5.10")
"""Of the convolutions in a file made from the `lpips` package."""

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
LEAST_SIDE = 32
"""Pixels; smaller pictures vanish on the way."""

HOW = (
    "A file made from the `lpips` package is needed: "
    'save_file({k: v.clone() for k, v in lpips.LPIPS(net="alex").state_dict().items()}, "lpips.safetensors"), '
    "with save_file from safetensors.torch."
)


class Lpips(nn.Module):
    """Learned perceptual image patch similarity (Zhang et al. 2018, arXiv 1801.03924), version 0.1."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Conv2d(inside, outside, kernel, stride, padding)
            for inside, outside, kernel, stride, padding in STAGES
        )
        self.heads = nn.ParameterList(torch.zeros(outside) for _, outside, *_ in STAGES)

    def forward(
        self, a: Float[Tensor, "batch 3 height width"], b: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, " batch"]:
        """Distance of pictures 0 to 1; 0 for equal ones.

        Raises:
            BadInputError: If they are too small.
        """
        if min(a.shape[2:]) < LEAST_SIDE:
            raise BadInputError(
                f"Pictures of {a.shape[3]} x {a.shape[2]} px; at least {LEAST_SIDE} px a side are needed."
            )
        total = a.new_zeros(len(a))
        for x, y, head in zip(self.features(a), self.features(b), self.heads, strict=True):
            total = total + ((x - y).square() * head[:, None, None]).sum(1).mean((1, 2))
        return total

    def features(self, pictures: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """What each stage makes of pictures 0 to 1, of unit length at each place."""
        shift, scale = (pictures.new_tensor(values)[:, None, None] for values in (SHIFT, SCALE))
        hidden, found = (2 * pictures - 1 - shift) / scale, []
        for number, stage in enumerate(self.stages):
            if number in POOLED:
                hidden = nn.functional.max_pool2d(hidden, 3, 2)
            hidden = nn.functional.relu(stage(hidden))
            found.append(hidden / (hidden.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found


def load_lpips(path: Path) -> Lpips:
    """Read the user's weights.

    Raises:
        BadFileError: If the file is missing, damaged, or of something else.
    """
    if not path.is_file():
        raise BadFileError(f"{path} does not exist. {HOW}")
    try:
        tensors = load_file(path)
        state = {}
        for number, name in enumerate(NAMES):
            for part in ("weight", "bias"):
                state[f"stages.{number}.{part}"] = tensors[f"net.{name}.{part}"].float()
            state[f"heads.{number}"] = tensors[f"lin{number}.model.1.weight"].float().flatten()
        network = Lpips()
        network.load_state_dict(state)
    except (SafetensorError, OSError, KeyError, RuntimeError) as error:
        raise BadFileError(
            f"{path} holds no LPIPS on AlexNet ({type(error).__name__}: {str(error)[:150]}). {HOW}"
        ) from error
    return network.eval().requires_grad_(False)
