"""Making the weights of our own networks: data, objectives, and one loop for all."""

from vivant.training.avatar_files import BakedPeople
from vivant.training.batch import Mixed, Source, TrainBatch
from vivant.training.loop import TrainConfig, Trained, train
from vivant.training.objectives import Judged, Objective
from vivant.training.people import People, PeopleConfig
from vivant.training.processes import own_device
from vivant.training.sources import make_source
from vivant.training.table import SIZES, Training, find_training
from vivant.training.wearer_files import read_wearers, write_wearers
from vivant.training.wearers import Crowd, Wearer, made_up_wearer

__all__ = [
    "SIZES",
    "BakedPeople",
    "Crowd",
    "Judged",
    "Mixed",
    "Objective",
    "People",
    "PeopleConfig",
    "Source",
    "TrainBatch",
    "TrainConfig",
    "Trained",
    "Training",
    "Wearer",
    "find_training",
    "made_up_wearer",
    "make_source",
    "own_device",
    "read_wearers",
    "train",
    "write_wearers",
]
