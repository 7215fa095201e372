"""Reading a photo."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from vivant.core.errors import BadPhotoError
from vivant.perceive import read_photo


def test_a_photo_keeps_its_name_size_and_digest(tmp_path: Path) -> None:
    path = tmp_path / "aunt mary.final.jpg"
    Image.new("RGB", (300, 200), (128, 64, 32)).save(path, quality=95)
    photo = read_photo(str(path), max_side=150)
    assert photo.name == "aunt mary.final"
    assert photo.original_size == (300, 200)
    assert photo.image.shape == (100, 150, 3)
    assert photo.image.dtype == torch.float32
    assert photo.alpha is None and photo.focal_px is None
    assert len(photo.digest) == 64
    assert (photo.image.mean((0, 1)) - torch.tensor([128, 64, 32]) / 255).abs().max() < 0.01


def test_a_cut_out_keeps_its_alpha(tmp_path: Path) -> None:
    image = Image.effect_noise((64, 64), 50).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))
    image.save(tmp_path / "cut.png")
    photo = read_photo(tmp_path / "cut.png")
    assert photo.alpha is not None
    assert photo.alpha[:, :32].max() == 0 and photo.alpha[:, 32:].min() == 1


def test_a_photo_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_text("not a photo")
    with pytest.raises(BadPhotoError):
        read_photo(tmp_path / "photo.jpg")
