"""What every training sees: some people, each with one photo and with views of the truth."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from vivant.core.errors import BadInputError


@dataclass(frozen=True)
class TrainBatch:
    """People that data was made of. Colours 0 to 1 and premultiplied, masks 0 to 1, normals in camera axes."""

    photo: Float[Tensor, "people 4 size size"]
    photo_normals: Float[Tensor, "people 3 size size"]
    """Of the body without clothes; 0 outside."""

    photo_depth: Float[Tensor, "people size size"]
    """Of the dressed surface, metres; 0 where nothing is."""

    photo_cam_from_world: Float[Tensor, "people 4 4"]
    photo_intrinsics: Float[Tensor, "people 3 3"]
    photo_joints: Float[Tensor, "people joints 4 4"]
    """How each joint carries points from rest into the photo's pose."""

    images: Float[Tensor, "people views 4 size size"]
    normals: Float[Tensor, "people views 3 size size"]
    """Of the dressed surface; 0 outside."""

    guides: Float[Tensor, "people views 4 size size"]
    """The same surface with what the photo tells of its colours: seen ones, and guesses elsewhere."""

    body_normals: Float[Tensor, "people views 3 size size"]
    skeleton: Float[Tensor, "people views 3 size size"]
    cam_from_world: Float[Tensor, "people views 4 4"]
    intrinsics: Float[Tensor, "people views 3 3"]
    joints: Float[Tensor, "people views joints 4 4"]
    body_verts: Float[Tensor, "people verts 3"]
    """Of the body at rest, metres."""

    task: Int[Tensor, " people"]
    """Number in `vivant.networks.TASKS`."""

    baked: Bool[Tensor, " people"]
    """Whether the guides are a real coarse avatar's, with its own faults; others are spoilt on purpose."""

    def to(self, device: torch.device | str) -> "TrainBatch":
        """Same batch on a device."""
        return TrainBatch(*(getattr(self, field.name).to(device) for field in dataclasses.fields(self)))

    def person(self, index: int) -> "TrainBatch":
        """One person alone."""
        picked = (getattr(self, field.name)[index : index + 1] for field in dataclasses.fields(self))
        return TrainBatch(*picked)


def joined(several: Sequence[TrainBatch]) -> TrainBatch:
    """People of several batches as one."""
    names = [field.name for field in dataclasses.fields(TrainBatch)]
    return TrainBatch(*(torch.cat([getattr(batch, name) for batch in several]) for name in names))


@runtime_checkable
class Source(Protocol):
    """Makes batches. A batch follows from its number alone, so a training can go on where it stopped."""

    description: str
    """What the data is, for the model card."""

    licence: str

    identity: str
    """Names all that batches follow from: with another one, a training cannot go on."""

    def batch(self, number: int) -> TrainBatch:
        """Make one batch; the same number gives the same batch."""
        ...

    def validation(self, number: int) -> TrainBatch:
        """Make a batch of people that no training batch shows."""
        ...


class Mixed:
    """Batches of two sources in turn; validation is the first one's."""

    def __init__(self, first: Source, second: Source, share: float) -> None:
        """Share: the first one's part of the batches, 0 to 1.

        Raises:
            BadInputError: If the share is out of range.
        """
        if not 0 <= share <= 1:
            raise BadInputError(f"A share of {share} is asked for; it must be from 0 to 1.")
        self.first, self.second, self.share = first, second, share
        self.description = f"{share:.0%} {first.description}; else {second.description}"
        self.identity = f"{share} {first.identity} {second.identity}"
        licences = [one for source in (first, second) for one in source.licence.split("; ")]
        self.licence = "; ".join(dict.fromkeys(licences))

    def batch(self, number: int) -> TrainBatch:
        """Make one batch; the same number gives the same batch."""
        turn = math.floor((number + 1) * self.share) > math.floor(number * self.share)
        return (self.first if turn else self.second).batch(number)

    def validation(self, number: int) -> TrainBatch:
        """Make a batch of people that no training batch shows."""
        return self.first.validation(number)


def batches(source: Source, start: int, stride: int = 1) -> Iterator[TrainBatch]:
    """All batches from one number on; with several processes, each takes every `stride`-th."""
    number = start
    while True:
        yield source.batch(number)
        number += stride
