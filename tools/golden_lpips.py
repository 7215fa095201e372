"""Make tests/golden/lpips.npz: LPIPS of two pictures by the `lpips` package, with made-up weights.

Run it with a Python that has lpips beside vivant's dependencies; torchvision, of which lpips takes AlexNet's
layers only, is stood in for:

    python tools/golden_lpips.py tests/golden/lpips.npz
"""

import sys
import types
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn


def alexnet(**_: object) -> types.SimpleNamespace:
    """AlexNet's feature layers, in torchvision's order."""
    sizes = (
        (3, 64, 11, 4, 2),
        (64, 192, 5, 1, 2),
        (192, 384, 3, 1, 1),
        (384, 256, 3, 1, 1),
        (256, 256, 3, 1, 1),
    )
    layers: list[nn.Module] = []
    for number, (inside, outside, kernel, stride, padding) in enumerate(sizes):
        layers += [nn.Conv2d(inside, outside, kernel, stride, padding), nn.ReLU(inplace=True)]
        if number in (0, 1, 4):
            layers.append(nn.MaxPool2d(3, 2))
    return types.SimpleNamespace(features=nn.Sequential(*layers))


def made_up(name: str, shape: torch.Size) -> torch.Tensor:
    """Weights that a formula gives, so that no file needs to hold them."""
    count = shape.numel()
    turns = torch.arange(count, dtype=torch.double) * 0.7 + len(name)
    values = torch.sin(turns) * max(count / shape[0], 1) ** -0.5
    return (values.abs() if name.startswith("lin") else values).reshape(shape).float()


def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    """Two pictures 0 to 1 of 80 x 96 px."""
    y, x = torch.meshgrid(torch.arange(80) / 80, torch.arange(96) / 96, indexing="ij")
    a = torch.stack([(9 * x).sin(), (7 * y).cos(), (5 * x * y).sin()]) / 2 + 0.5
    return a[None], (0.8 * a + 0.1 * a.roll(5, 2))[None]


def main() -> None:
    """Measure and write."""
    stand_in = types.ModuleType("torchvision")
    stand_in.models = types.SimpleNamespace(alexnet=alexnet)  # pyright: ignore
    sys.modules["torchvision"] = stand_in
    import lpips

    network = lpips.LPIPS(net="alex", pnet_rand=True, pretrained=False, verbose=False).eval()
    state = network.state_dict()
    for name, value in state.items():
        if name.endswith(("weight", "bias")):
            # The heads stand in two places of the state.
            value.copy_(made_up(name.replace("lins.", "lin"), value.shape))
    network.load_state_dict(state)
    with torch.no_grad():
        found = network(*(2 * picture - 1 for picture in pictures()))
    shapes = {name: np.array(value.shape) for name, value in state.items()}
    np.savez_compressed(
        Path(sys.argv[1]), value=float(found), package=f"lpips {metadata.version('lpips')}", **shapes
    )
    print(float(found))


if __name__ == "__main__":
    main()
