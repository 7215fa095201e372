"""Make tests/golden/metrics.npz: scores of two small pictures by the field's own packages.

Run it with a Python that has torchmetrics and flip-evaluator beside vivant's dependencies:

    python tools/golden_metrics.py tests/golden/metrics.npz
"""

import sys
from importlib import metadata
from pathlib import Path

import flip_evaluator
import numpy as np
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Waves and blocks in colour, and the same blurred, tinted and with noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:1:192j, 0:1:208j]
    waves = [0.5 + 0.4 * np.sin(2 * np.pi * (k * x + (5 - k) * y)) * np.cos(9 * k * x * y) for k in (2, 3, 4)]
    a = np.stack(waves, -1)
    a[40:90, 50:120] = [0.9, 0.2, 0.1]
    a[120:150, 20:60] = [0.05, 0.3, 0.8]
    b = (a + np.roll(a, 2, 1)) / 2 * [0.95, 1.0, 0.9] + random.normal(0, 0.03, a.shape)
    return tuple((part.clip(0, 1) * 255).round().astype(np.uint8) for part in (a, b))  # pyright: ignore


def main() -> None:
    """Measure and write."""
    bytes_a, bytes_b = pictures()
    a, b = (part.astype(np.float32) / 255 for part in (bytes_a, bytes_b))
    x, y = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in (a, b))
    ms_ssim = multiscale_structural_similarity_index_measure(x, y, data_range=1.0, normalize=None)
    _, flip_mean, _ = flip_evaluator.evaluate(a, b, "LDR", inputsRGB=True, applyMagma=False)
    values = {"ms_ssim": float(ms_ssim), "flip": float(flip_mean)}
    packages = [f"{name} {metadata.version(name)}" for name in ("torchmetrics", "flip-evaluator")]
    np.savez_compressed(
        Path(sys.argv[1]), a=bytes_a, b=bytes_b,
        names=np.array(list(values)), values=np.array(list(values.values())), packages=np.array(packages),
    )  # fmt: skip
    print(values, packages)


if __name__ == "__main__":
    main()
