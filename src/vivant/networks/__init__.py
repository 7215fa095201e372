"""Our own small networks. Plain torch: they run wherever torch does."""

from vivant.networks.anchors import Anchors, anny_anchors, spread_anchors
from vivant.networks.body_map import BodyMap, BodyMapConfig
from vivant.networks.completion import completed_colors
from vivant.networks.human_nerf import Drawn, HumanNerf, NerfConfig, NerfScene
from vivant.networks.layers import count_parameters
from vivant.networks.lifter import LiftedSplats, Lifter, LifterConfig, LifterInput
from vivant.networks.limbs import LIMBS, LimbDirections, LimbsConfig, Pointing
from vivant.networks.observe import (
    Photographed,
    flat_colors,
    lifter_input,
    nerf_scene,
    photo_places,
    seen_in_photo,
)
from vivant.networks.precision import working_dtype
from vivant.networks.shading import Shading, shading_features
from vivant.networks.skeleton import draw_lines, draw_skeleton
from vivant.networks.standoff import Standoff, standoff_features
from vivant.networks.surface_places import Mix, means_at, mix_over, splats_where, verts_where, ways_of
from vivant.networks.view_conditions import KINDS, STREAMS, TASKS, ViewConditions, plucker_rays
from vivant.networks.view_unet import ViewUNet, ViewUNetConfig, spread_about_expected
from vivant.networks.weights import ModelCard, load_weights, save_weights

__all__ = [
    "KINDS",
    "LIMBS",
    "STREAMS",
    "TASKS",
    "Anchors",
    "BodyMap",
    "BodyMapConfig",
    "Drawn",
    "HumanNerf",
    "LiftedSplats",
    "Lifter",
    "LifterConfig",
    "LifterInput",
    "LimbDirections",
    "LimbsConfig",
    "Mix",
    "ModelCard",
    "NerfConfig",
    "NerfScene",
    "Photographed",
    "Pointing",
    "Shading",
    "Standoff",
    "ViewConditions",
    "ViewUNet",
    "ViewUNetConfig",
    "anny_anchors",
    "completed_colors",
    "count_parameters",
    "draw_lines",
    "draw_skeleton",
    "flat_colors",
    "lifter_input",
    "load_weights",
    "means_at",
    "mix_over",
    "nerf_scene",
    "photo_places",
    "plucker_rays",
    "save_weights",
    "seen_in_photo",
    "shading_features",
    "splats_where",
    "spread_about_expected",
    "spread_anchors",
    "standoff_features",
    "verts_where",
    "ways_of",
    "working_dtype",
]
