"""One sample after another, each made of the seed and its number alone."""

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8

from vivant.body import load_anny
from vivant.core.errors import BadInputError
from vivant.dataset.figure import Figure
from vivant.dataset.people import PeopleFolder, gender_of, identity_of, outfit_of
from vivant.dataset.poses import PoseSource
from vivant.dataset.scenes import photograph, random_background, random_camera, random_taking
from vivant.dataset.splits import VALIDATION_WARDROBE, is_validation
from vivant.dataset.truth import canonical_colors, observe, sample_files
from vivant.dataset.wardrobe import Wardrobe
from vivant.mesh import random_lighting
from vivant.records import Rig


@dataclass(frozen=True)
class PeopleConfig:
    """What a data set of people consists of."""

    people_folder: Path | None = None
    """Folder of rigged people (NAME.npz with NAME_k.webp), as the VALID library was decoded."""

    wardrobe_folder: Path | None = None
    """Folder of MakeHuman's assets (geo.zip and pictures)."""

    motion_folder: Path | None = None
    """Folder of motion clips (.glb, .bvh). Without one, the motions that come with vivant."""

    split: str = "train"
    """train or validation: identities are never in both."""

    size: int = 512
    """Pixels a side."""

    views: int = 8
    """Pictures of each figure, in different poses and from all sides."""

    wardrobe_share: float = 0.5
    """Part of the figures that are dressed from the wardrobe, if both folders are given."""

    def __post_init__(self) -> None:
        """Check that there is somebody to show.

        Raises:
            BadInputError: If no folder is given, or a number is out of range.
        """
        if self.people_folder is None and self.wardrobe_folder is None:
            raise BadInputError("Nobody to show: give --people-folder, --wardrobe-folder, or both.")
        if self.split not in ("train", "validation"):
            raise BadInputError(f"There is no split {self.split!r}; there are train and validation.")
        if not (64 <= self.size <= 4096 and 1 <= self.views <= 1000 and 0 <= self.wardrobe_share <= 1):
            raise BadInputError(
                f"size {self.size} (64 to 4096), views {self.views} (1 to 1000) or wardrobe share "
                f"{self.wardrobe_share} (0 to 1) is out of range."
            )


def make_sample(config: PeopleConfig, seed: int, number: int) -> dict[str, bytes]:
    """Make one sample's files, by suffix; the same bytes whenever and wherever it is made.

    Raises:
        BadFileError: If a file of people, clothes or motions is damaged.
    """
    # Kernels on one thread: workers share the machine, and each sample shall cost the same everywhere.
    figure, canonical = _figure(config, seed, number // config.views)
    random = np.random.default_rng([seed, 1, number])
    clip, pose = PoseSource(config.motion_folder).random(random, figure.body)
    from vivant.dataset.figure import pose_figure

    verts = pose_figure(figure, pose)
    azimuth = float(random.uniform(-180, 180))
    cameras = random_camera(random, verts, config.size, config.size, azimuth)
    lighting = random_lighting(random)
    truth = observe(figure, pose, cameras, lighting, threads=1)
    background, taking = random_background(random, config.size, config.size), random_taking(random)
    photo = photograph(truth.pictures, 0, background, taking, random)
    told = {
        "number": number,
        "seed": seed,
        "split": config.split,
        "motion": Path(clip).name if ":" not in clip else clip.rpartition("/")[2],
        "azimuth_deg": round(azimuth, 4),
        "blur_px": round(taking.blur_px, 4),
        "noise": round(taking.noise, 5),
        "jpeg": taking.jpeg,
    }
    return sample_files(figure, pose, truth, cameras, lighting, told, photo, canonical)


@lru_cache(maxsize=2)
def _figure(config: PeopleConfig, seed: int, number: int) -> tuple[Figure, UInt8[np.ndarray, "verts 3"]]:
    figure = random_figure(config, np.random.default_rng([seed, 0, number]))
    return figure, canonical_colors(figure)


def random_figure(config: PeopleConfig, random: np.random.Generator) -> Figure:
    """Somebody of the split: from the folder, with atlas and shape varied, or from the wardrobe."""
    from_wardrobe = config.people_folder is None or (
        config.wardrobe_folder is not None and random.random() < config.wardrobe_share
    )
    if from_wardrobe:
        assert config.wardrobe_folder is not None
        validation = config.split == "validation"
        low, high = (VALIDATION_WARDROBE.start, VALIDATION_WARDROBE.stop) if validation else (0, 1_000_000)
        return Wardrobe(config.wardrobe_folder).figure(int(random.integers(low, high)))
    assert config.people_folder is not None
    people = PeopleFolder(config.people_folder)
    names = [n for n in people.names() if is_validation(identity_of(n)) == (config.split == "validation")]
    if not names:
        raise BadInputError(f"{config.people_folder} holds nobody of the split {config.split!r}.")
    name = names[int(random.integers(len(names)))]
    same_class = [n for n in names if outfit_of(n) == outfit_of(name) and gender_of(n) == gender_of(name)]
    swap = config.split == "train" and random.random() < 0.4
    # Hair is painted into the atlas, or a part with its own picture on a head that the atlas paints bald.
    alike = [n for n in same_class if people.num_pictures(n) == people.num_pictures(name)]
    atlas = alike[int(random.integers(len(alike)))] if swap else None
    figure = people.figure(name, atlas_of=atlas if atlas != name else None)
    if config.split == "train" and random.random() < 0.6:
        others = [n for n in same_class if n != name]
        other = others[int(random.integers(len(others)))] if others else name
        figure = blended(figure, people, other, float(random.uniform(0.15, 0.6)))
    return figure


def blended(figure: Figure, people: PeopleFolder, other: str, share: float) -> Figure:
    """Mix somebody's shape into a figure of the same topology; else the figure itself.

    The joints and the body inside are mixed alike; a mixed body is known less exactly than a fitted one.
    """
    mixed = people.figure(other)
    a, b = figure.rig, mixed.rig
    same = (
        len(a.verts) == len(b.verts) and bool((a.faces == b.faces).all())
        if len(a.faces) == len(b.faces)
        else False
    )
    if not same or a.joint_names != b.joint_names:
        return figure
    frames = a.world_from_joint.clone()
    frames[:, :3, 3] += share * (b.joints_world - a.joints_world)
    rig = replace(a, verts=a.verts + share * (b.verts - a.verts), world_from_joint=frames)
    shape = replace(
        figure.shape,
        coefficients=figure.shape.coefficients + share * (mixed.shape.coefficients - figure.shape.coefficients),
    )
    body: Rig = load_anny().rig(shape)
    return replace(
        figure,
        rig=rig,
        shape=shape,
        body=body,
        identity=f"{figure.identity}+{mixed.identity}",
        fit_error_mm=max(figure.fit_error_mm, mixed.fit_error_mm),
        parts=(*figure.parts, f"{share:.2f} of the shape of {other}"),
    )


def preview(config: PeopleConfig, seed: int, numbers: list[int]) -> torch.Tensor:
    """A contact sheet: the photos of some samples.

    Raises:
        BadFileError: If a file of people, clothes or motions is damaged.
    """
    import math
    import tempfile

    from vivant.core.images import read_picture, to_float

    tiles = []
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            path = Path(folder) / "photo.jpg"
            path.write_bytes(make_sample(config, seed, number)["photo.jpg"])
            tiles.append(to_float(read_picture(path, min(config.size, 320)).pixels))
    columns = math.ceil(math.sqrt(len(tiles)))
    tiles += [torch.ones_like(tiles[0])] * (-len(tiles) % columns)
    rows = [torch.cat(tiles[i : i + columns], 1) for i in range(0, len(tiles), columns)]
    return torch.cat(rows, 0)
