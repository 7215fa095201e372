"""Scores that need somebody's trained network: LPIPS, CLIP, FID, FVD. Users bring the files.

LPIPS is our own code with weights from a `.safetensors` file. The others are networks saved by
`torch.export.save` (`.pt2`): pictures 0 to 1 in, one row of features out, all scaling inside.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.errors import BadFileError
from vivant.evaluate.benchmark import SETS
from vivant.evaluate.perception import frechet_distance
from vivant.networks.lpips import Lpips, load_lpips

SIZES = {"clip": 224, "fid": 299, "fvd": 224}
"""Pixels a side that the networks are given."""

CLIP_FRAMES = 16
"""Pictures of a turn that FVD's network is given together."""

Network = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class BackboneFiles:
    """The networks that a user has."""

    lpips: Path | None = None
    """`.safetensors` of the lpips package's state."""

    clip: Path | None = None
    """`.pt2` from (1, 3, 224, 224) to (1, features): a CLIP image encoder with its scaling."""

    fid: Path | None = None
    """`.pt2` from (1, 3, 299, 299) to (1, features): an Inception network with its scaling."""

    fvd: Path | None = None
    """`.pt2` from (1, 3, 16, 224, 224) to (1, features): a video network with its scaling."""


@dataclass(frozen=True)
class Backbones:
    """The same, loaded."""

    lpips: Lpips | None = None
    clip: Network | None = None
    fid: Network | None = None
    fvd: Network | None = None

    def score(
        self, truth: Float[Tensor, "height width 3"], ours: Float[Tensor, "height width 3"]
    ) -> dict[str, float]:
        """LPIPS, and the cosine of CLIP's features, of one pair of pictures; those whose network is there."""
        found = {}
        if self.lpips is not None and min(truth.shape[:2]) >= 32:
            pair = (image.permute(2, 0, 1)[None] for image in (truth, ours))
            with torch.no_grad():
                found["lpips"] = float(self.lpips(*pair))
        if self.clip is not None:
            x, y = (picture_features(self.clip, image, SIZES["clip"]) for image in (truth, ours))
            found["clip"] = float(torch.nn.functional.cosine_similarity(x, y, dim=0))
        return found


def load_backbones(files: BackboneFiles) -> Backbones:
    """Read the networks, and try each once.

    Raises:
        BadFileError: If a file is missing, damaged, or its network takes or gives something else.
    """
    return Backbones(
        lpips=None if files.lpips is None else load_lpips(files.lpips),
        clip=_load(files.clip, (1, 3, SIZES["clip"], SIZES["clip"])),
        fid=_load(files.fid, (1, 3, SIZES["fid"], SIZES["fid"])),
        fvd=_load(files.fvd, (1, 3, CLIP_FRAMES, SIZES["fvd"], SIZES["fvd"])),
    )


def _load(path: Path | None, shape: tuple[int, ...]) -> Network | None:
    if path is None:
        return None
    if not path.is_file():
        raise BadFileError(f"{path} does not exist. A network saved by torch.export.save is needed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            network: Network = torch.export.load(path).module()
        with torch.no_grad():
            features = network(torch.full(shape, 0.5))
    # Whatever a foreign file breaks: torch tells it in a dozen kinds of errors.
    except Exception as error:
        raise BadFileError(
            f"{path} cannot be used ({type(error).__name__}: {str(error)[:150]}). A network saved by "
            f"torch.export.save that takes {shape} is needed."
        ) from error
    if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != 1:
        raise BadFileError(f"{path} gives {_told(features)} for a picture; (1, features) is needed.")
    return network


def _told(thing: object) -> str:
    return str(tuple(thing.shape)) if isinstance(thing, Tensor) else type(thing).__name__


def picture_features(
    network: Network, image: Float[Tensor, "height width 3"], size: int
) -> Float[Tensor, " features"]:
    """Features of one picture, brought to `size` pixels a side (bicubic, antialiased)."""
    scaled = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None], (size, size), mode="bicubic", antialias=True
    )
    with torch.no_grad():
        return network(scaled.clamp(0, 1))[0].float()


def clip_features(
    network: Network, images: Float[Tensor, "frames height width 3"], size: int
) -> Float[Tensor, " features"]:
    """Features of one clip, brought to `size` pixels a side (bicubic, antialiased)."""
    scaled = torch.nn.functional.interpolate(
        images.permute(0, 3, 1, 2), (size, size), mode="bicubic", antialias=True
    )
    with torch.no_grad():
        return network(scaled.clamp(0, 1).transpose(0, 1)[None])[0].float()


@dataclass(frozen=True)
class Counterparts:
    """Features of one picture, or of one turn, of both sides."""

    metric: str
    """`fid` or `fvd`."""

    truth: Float[Tensor, " features"]
    ours: Float[Tensor, " features"]


def set_distances(pairs: Sequence[Counterparts]) -> dict[str, float]:
    """FID and FVD; left out where there are fewer than two of a kind."""
    found = {}
    for metric in SETS:
        some = [pair for pair in pairs if pair.metric == metric]
        if len(some) > 1:
            truth, ours = (torch.stack(side) for side in ([p.truth for p in some], [p.ours for p in some]))
            found[metric] = frechet_distance(truth, ours)
    return found
