"""Train on a machine that has torch and little else: `vivant train` without what the command line needs.

PYTHONPATH=src python tools/train.py view --minutes 25 -o view
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import torch

from vivant.core.progress import Event, Noted
from vivant.core.run import Context
from vivant.training import SIZES, find_training, make_source, own_device, train


def main() -> None:
    """Parse, train, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=("view", "lifter", "nerf"))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--time-left", type=float, help="minutes until this machine is gone")
    parser.add_argument("--people", type=int, help="in a batch")
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--start", type=Path, help="weights to begin from")
    parser.add_argument("--wearers", type=Path, help="people, from tools/bake_wearers.py")
    parser.add_argument("--avatars", type=Path, help="people with coarse avatars, from tools/bake_avatars.py")
    parser.add_argument("--avatars-share", type=float, default=0.75, help="part of the batches with them")
    parser.add_argument("--lpips", type=Path, help="weights of LPIPS, for the lifter's loss")
    parser.add_argument("--size", choices=SIZES, default="full", help="reduced: for a processor in an hour")
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    told = parser.parse_args()
    device = own_device(told.device)
    training = find_training(told.network, size=told.size, lpips=told.lpips)
    given = {name: getattr(told, name) for name in ("minutes", "time_left", "learning_rate")}
    config = dataclasses.replace(training.config, **{k: v for k, v in given.items() if v is not None})
    people = dataclasses.replace(training.people, people=told.people or training.people.people)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    context = Context(device, listener=_tell)
    source = make_source(
        people, device, wearers=told.wearers, avatars=told.avatars, avatars_share=told.avatars_share
    )
    command = " ".join(["python tools/train.py", *sys.argv[1:]])
    made = train(context, training.objective, source, config, told.out, command=command, start=told.start)
    print(made, flush=True)


def _tell(event: Event) -> None:
    if isinstance(event, Noted):
        print(event.text, flush=True)


if __name__ == "__main__":
    main()
