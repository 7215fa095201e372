"""Several processes that train together, one a device. Plain torch.distributed; `torchrun` starts them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as distributed
from torch import Tensor, nn


@dataclass(frozen=True)
class Team:
    """This process among all."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes files."""
        return self.rank == 0

    def share_start(self, network: nn.Module) -> None:
        """Give everybody the first process's weights."""
        if self.size > 1:
            for value in network.state_dict().values():
                distributed.broadcast(value, 0)

    def average_gradients(self, network: nn.Module) -> None:
        """Put the mean over processes into every gradient, so that all take the same step."""
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        distributed.all_reduce(flat)
        flat /= self.size
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def agree(self, wish: bool, device: torch.device) -> bool:
        """Whether any process wishes so: all must stop at the same step."""
        if self.size == 1:
            return wish
        wishes: Tensor = torch.tensor([float(wish)], device=device)
        distributed.all_reduce(wishes)
        return bool(wishes > 0)

    def largest(self, value: float, device: torch.device) -> float:
        """The largest of all processes' values, so that clocks agree."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.double, device=device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return float(shared)


def own_device(device: str) -> str:
    """Which device this process trains on: of several GPUs each process has its own, by `torchrun`'s number."""
    if device == "cuda" and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return f"cuda:{os.environ.get('LOCAL_RANK', os.environ['RANK'])}"
    return device


@contextmanager
def team(device: torch.device) -> Iterator[Team]:
    """Join the processes that `torchrun` started; alone, this process is all.

    The place to meet is `MASTER_ADDR` and `MASTER_PORT`, or the file that `VIVANT_MEET` names.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team()
        return
    rank = int(os.environ["RANK"])
    meet = os.environ.get("VIVANT_MEET")
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        init_method=f"file://{meet}" if meet else "env://",
        rank=rank,
        world_size=size,
    )
    try:
        yield Team(rank, size)
    finally:
        distributed.destroy_process_group()
