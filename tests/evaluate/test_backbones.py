import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from vivant.core.errors import BadFileError
from vivant.evaluate import BackboneFiles, Backbones, Counterparts, Seen, load_backbones, score_pictures
from vivant.evaluate.backbones import SIZES, clip_features, picture_features, set_distances


class Means(nn.Module):
    """Stands for a trained network: mean and spread of each colour."""

    def forward(self, pictures: Tensor) -> Tensor:
        flat = pictures.flatten(2)
        return torch.cat([flat.mean(2), flat.std(2)], dim=1)


class Upright(nn.Module):
    """Gives pictures back, not features."""

    def forward(self, pictures: Tensor) -> Tensor:
        return pictures + 1


def saved(path: Path, network: nn.Module, shape: tuple[int, ...]) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.export.save(torch.export.export(network, (torch.rand(shape),)), path)
    return path


@pytest.fixture(scope="module")
def backbones(tmp_path_factory: pytest.TempPathFactory) -> Backbones:
    folder = tmp_path_factory.mktemp("backbones")
    picture = {name: (1, 3, SIZES[name], SIZES[name]) for name in ("clip", "fid")}
    files = BackboneFiles(
        clip=saved(folder / "clip.pt2", Means(), picture["clip"]),
        fid=saved(folder / "fid.pt2", Means(), picture["fid"]),
        fvd=saved(folder / "fvd.pt2", Means(), (1, 3, 16, 224, 224)),
    )
    return load_backbones(files)


def seen(image: Tensor) -> Seen:
    flat = torch.ones(image.shape[:2])
    return Seen(image, flat, flat, torch.zeros_like(image))


def test_a_users_network_measures_frame_and_crop(backbones: Backbones) -> None:
    image = torch.rand(64, 48, 3, generator=torch.Generator().manual_seed(0))
    same = score_pictures(seen(image), seen(image), backbones=backbones)
    other = score_pictures(seen(image), seen(image * torch.tensor([1.0, 0.2, 0.2])), backbones=backbones)
    assert same["frame", "clip"] == pytest.approx(1, abs=1e-5)
    assert other["frame", "clip"] < 0.99 and other["crop", "clip"] < 0.99
    assert ("frame", "lpips") not in same, "its file was not given"


def test_sets_that_are_alike_have_less_distance(backbones: Backbones) -> None:
    generator = torch.Generator().manual_seed(0)
    assert backbones.fid is not None
    images = [torch.rand(40, 40, 3, generator=generator) * k / 9 for k in range(2, 10)]
    features = [picture_features(backbones.fid, image, SIZES["fid"]) for image in images]
    darker = [picture_features(backbones.fid, image / 2, SIZES["fid"]) for image in images]
    same = set_distances([Counterparts("fid", a, a) for a in features])
    apart = set_distances([Counterparts("fid", a, b) for a, b in zip(features, darker, strict=True)])
    assert same["fid"] == pytest.approx(0, abs=1e-6)
    assert apart["fid"] > 0.01
    assert set_distances([Counterparts("fvd", features[0], features[0])]) == {}, "one is no set"


def test_a_clip_is_seen_whole(backbones: Backbones) -> None:
    assert backbones.fvd is not None
    frames = torch.linspace(0, 1, 16)[:, None, None, None].expand(-1, 32, 32, 3)
    mean = clip_features(backbones.fvd, frames, SIZES["fvd"])[:3]
    assert mean.tolist() == pytest.approx([0.5] * 3, abs=1e-3)


def test_files_that_are_no_such_network_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match=r"clip\.pt2 does not exist"):
        load_backbones(BackboneFiles(clip=tmp_path / "clip.pt2"))
    (tmp_path / "clip.pt2").write_bytes(b"no network")
    with pytest.raises(BadFileError, match="cannot be used"):
        load_backbones(BackboneFiles(clip=tmp_path / "clip.pt2"))
    small = saved(tmp_path / "small.pt2", Means(), (1, 3, 8, 8))
    with pytest.raises(BadFileError, match=r"takes \(1, 3, 299, 299\)"):
        load_backbones(BackboneFiles(fid=small))
    pictures = saved(tmp_path / "pictures.pt2", Upright(), (1, 3, 299, 299))
    with pytest.raises(BadFileError, match=r"gives \(1, 3, 299, 299\)"):
        load_backbones(BackboneFiles(fid=pictures))
