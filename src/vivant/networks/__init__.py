"""Our own small networks. Plain torch: they run wherever torch does."""

from vivant.networks.layers import count_parameters
from vivant.networks.precision import working_dtype
from vivant.networks.view_conditions import KINDS, STREAMS, TASKS, ViewConditions, plucker_rays
from vivant.networks.view_unet import ViewUNet, ViewUNetConfig
from vivant.networks.weights import ModelCard, load_weights, save_weights

__all__ = [
    "KINDS",
    "STREAMS",
    "TASKS",
    "ModelCard",
    "ViewConditions",
    "ViewUNet",
    "ViewUNetConfig",
    "count_parameters",
    "load_weights",
    "plucker_rays",
    "save_weights",
    "working_dtype",
]
