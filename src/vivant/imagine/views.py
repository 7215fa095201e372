"""The stages: views all round the person, and views of the person in other poses."""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.core.cameras import Cameras
from vivant.core.checks import expect_within
from vivant.core.errors import BadInputError
from vivant.core.run import Context
from vivant.engines.own_networks import load_lifter, load_nerf, load_view_generator
from vivant.imagine.detail import straight_colors, with_detail
from vivant.imagine.generate import GenerateConfig, Generated, generate
from vivant.imagine.guides import lifter_guides, nerf_guides, splat_guides
from vivant.imagine.plan import PlanConfig, azimuths_from_front, turntable
from vivant.imagine.sampler import triangular_guidance
from vivant.imagine.told import Place, body_normals, conditions_of, frame_photo, place_in_motion, place_in_photo
from vivant.networks import KINDS, working_dtype
from vivant.records import Avatar, Motion, Person, Pose, Views

ROOM = 1.12
"""Metres that a view shows for each metre of the person: arms move."""


@dataclass(frozen=True)
class ImagineConfig:
    """How views are imagined."""

    plan: PlanConfig = field(default_factory=PlanConfig)
    guide: Literal["splats", "lifter", "nerf", "normals"] = "splats"
    """What coarse picture the generator is shown: the avatar's splats, the learned lifter's, a NeRF, or none
    beside the body."""

    leave_out: tuple[str, ...] = ()
    """Not told to the generator, for ablations: of reference, guide, normals, skeleton, rays and task."""

    begin: Literal["guide", "noise"] = "guide"
    """Guide: the coarse pictures are repainted (SDEdit), by the sampler's strength. Noise: made anew."""

    generate: GenerateConfig = field(default_factory=GenerateConfig)
    guidance: Literal["fixed", "triangular"] = "fixed"
    """Classifier-free guidance: alike for all views, or growing from the front to the back (GAS)."""

    guidance_front: float = 1.0
    """Of the front view; 1 asks with conditions only."""

    guidance_back: float = 1.0
    """Of the back view; with fixed guidance that of all views."""

    detail: int = 384
    """Pixels a side of the views, if the generator's are smaller: what it changes is then added to the coarse
    avatar drawn at this size, which keeps its detail. 0: as the generator makes them."""

    trust: float = 0.4
    """How much imagined pixels count beside the photo's (1), where the photo shows nothing."""

    weights: str = ""
    """File of the generator, from `vivant train view`; the one in the package if empty."""

    nerf_weights: str = ""
    """File of the NeRF, from `vivant train nerf`; the one in the package if empty."""

    lifter_weights: str = ""
    """File of the lifter, from `vivant train lifter`; the one in the package if empty."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range, or a condition is unknown.
        """
        if unknown := set(self.leave_out) - set(KINDS):
            raise BadInputError(f"{sorted(unknown)} are no conditions; there are {list(KINDS)}.")
        expect_within(self, trust=(0, 1), detail=(0, 2048), guidance_front=(0, 20), guidance_back=(0, 20))


def imagine_views(context: Context, avatar: Avatar, person: Person, config: ImagineConfig) -> Views:
    """Make views all round the person in the photo's pose.

    Where the photo vouches for what is seen, their trust is 0: evidence is never repainted.

    Raises:
        MissingWeightsError: If a network's weights are not there.
        BadFileError: If a file of weights cannot be read.
        BadInputError: If the avatar's rig is not the anny body, or numbers are out of range.
        NumericalError: If a network makes values that are not finite.
    """
    place = place_in_photo(avatar)
    draws = torch.Generator().manual_seed(context.seed)
    cameras = turntable(place.middle, ROOM * float(place.height), place.front_deg, config.plan, draws)
    pose, count = avatar.photo_pose, len(cameras)
    poses = Pose(pose.local_quats.expand(count, -1, -1), pose.root.expand(count, -1))
    looped = replace(config.generate.sampler, looped=True)
    config = replace(config, generate=replace(config.generate, sampler=looped))
    return _imagine(context, avatar, person, cameras, poses, place, "view", config, draws)


def imagine_poses(
    context: Context, avatar: Avatar, person: Person, motion: Motion, config: ImagineConfig
) -> Views:
    """Make views of the person in the poses of a motion, from the photo's side.

    Raises:
        MissingWeightsError: If a network's weights are not there.
        BadFileError: If a file of weights cannot be read.
        BadInputError: If the avatar's rig is not the anny body, or numbers are out of range.
        NumericalError: If a network makes values that are not finite.
    """
    draws = torch.Generator().manual_seed(context.seed)
    count = min(config.plan.views, len(motion.pose.root))
    picked = torch.linspace(0, len(motion.pose.root) - 1, count).round().long()
    poses = Pose(motion.pose.local_quats[picked], motion.pose.root[picked])
    place = place_in_motion(avatar, poses)
    plan = replace(config.plan, views=1, kind="level")
    camera = turntable(place.middle, ROOM * float(place.height), 0.0, plan, draws)
    cameras = Cameras(
        camera.cam_from_world.repeat(count, 1, 1),
        camera.intrinsics.repeat(count, 1, 1),
        camera.width,
        camera.height,
    )
    return _imagine(context, avatar, person, cameras, poses, place, "pose", config, draws)


def _imagine(
    context: Context,
    avatar: Avatar,
    person: Person,
    cameras: Cameras,
    poses: Pose,
    place: Place,
    task: str,
    config: ImagineConfig,
    draws: torch.Generator,
) -> Views:
    network, card = load_view_generator(config.weights)
    # bfloat16 where the hardware has it: a quarter of the time on a processor, the same pictures to the eye.
    network = network.to(context.device, working_dtype(context.device))
    network = network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    size = network.config.size
    cameras = cameras.resized(size, size)
    photo = frame_photo(person, avatar, size)
    drawn, vouched = splat_guides(avatar, cameras, poses)
    guide = drawn
    if config.guide == "nerf":
        nerf, _ = load_nerf(config.nerf_weights)
        guide = nerf_guides(nerf.to(context.device), avatar, photo, cameras, poses)
    elif config.guide == "lifter":
        lifter, _ = load_lifter(config.lifter_weights)
        guide = lifter_guides(lifter.to(context.device), avatar, photo, cameras, poses)
    told = conditions_of(avatar, photo, guide, cameras, poses, place, task, network.config)
    told = told.without(*config.leave_out, *(["guide"] if config.guide == "normals" else []))
    if card.score < card.baseline:
        context.note(
            f"The generator's weights scored {card.score:.1f} dB, guides alone {card.baseline:.1f} dB: "
            "imagined views may be worse than the coarse avatar."
        )
    coarse = None
    if config.begin == "guide":
        coarse = _as_generated(guide, body_normals(avatar, cameras, poses))
    guidance = _guidance(azimuths_from_front(cameras, place.middle, place.front_deg), config)
    made = generate(
        network, told, config.generate, draws, coarse=coarse, guidance=guidance, advance=context.advance
    )
    if config.detail > size:
        cameras = cameras.resized(config.detail, config.detail)
        large, vouched = splat_guides(avatar, cameras, poses)
        made, drawn = with_detail(made, drawn, large), large
    # At the rim, coarse and imagined outlines differ by chance: nothing is to be learned there.
    inside = _eroded(((drawn[:, 3] > 0.9) & (made.alphas[0] > 0.9)).float())
    return Views(
        images=made.images[0].permute(0, 2, 3, 1).contiguous(),
        alphas=made.alphas[0],
        normals=made.normals[0].permute(0, 2, 3, 1).contiguous(),
        trust=config.trust * (1 - vouched) * inside,
        cameras=cameras,
        poses=poses,
    )


def _guidance(azimuths_deg: Float[Tensor, " views"], config: ImagineConfig) -> Float[Tensor, " views"]:
    """Classifier-free guidance of each view."""
    if config.guidance == "fixed":
        return torch.full((len(azimuths_deg),), config.guidance_back)
    return triangular_guidance(azimuths_deg, front=config.guidance_front, back=config.guidance_back)


def _as_generated(
    guide: Float[Tensor, "views 4 size size"], normals: Float[Tensor, "views 3 size size"]
) -> Generated:
    """Coarse views as the generator would have made them."""
    return Generated(straight_colors(guide)[None], guide[:, 3][None], normals[None])


def _eroded(mask: Float[Tensor, "views size size"]) -> Float[Tensor, "views size size"]:
    """Take a pixel off all round."""
    return -torch.nn.functional.max_pool2d(-mask[:, None], 3, 1, 1)[:, 0]
