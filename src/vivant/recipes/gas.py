"""GAS: dense renders of the person guide one generator, which makes views from all round and clips in poses.

After GAS (ICCV 2025, arXiv 2502.06957): a generalizable human NeRF, a generator told its pictures and the
body's normals, one model for views and poses by a switcher, guidance that grows towards the back. Here the
generator is our own small one, and guides are drawn by the avatar's splats, for the small NeRF in the package
mistakes tones, and the lifter does a little (`--guide nerf` and `--guide lifter` take them). Guidance is off by
default, as all of it costs with this generator (`--views.guidance-back 2` is the paper's). The films are
results of their own (`--videos`), and the views rebuild the avatar's outlines and colours.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

from vivant.animate import MOTIONS, builtin_motion
from vivant.core.errors import BadInputError
from vivant.core.run import Run
from vivant.fit import FitConfig, fit_body
from vivant.imagine import MEAN_ESTIMATE, ImagineConfig, PlanConfig, imagine_poses, imagine_views
from vivant.lift import LiftConfig, lift
from vivant.perceive import PerceiveConfig, perceive
from vivant.recipes.imagined import maps_of, networks_of, take_views
from vivant.recipes.provenance import READING
from vivant.reconstruct import (
    PHOTO_REFIT,
    RecolorConfig,
    ReconstructConfig,
    ReshapeConfig,
    ShadeConfig,
    StandOffConfig,
    refine_photo,
    shade,
    stand_off,
)
from vivant.records import Avatar, Photo

FRAMES = 20
"""Of each film, as in the paper."""

FILM_FPS = 10.0


# The paper's guidance grows to 2 at the back; with the reduced generator in the package all guidance costs
# (docs/benchmark.md), so it stays at 1 here.
VIEWS = ImagineConfig(
    plan=PlanConfig(views=FRAMES, kind="level"), begin="noise", generate=MEAN_ESTIMATE, guidance="triangular"
)
POSES = ImagineConfig(plan=PlanConfig(views=FRAMES), begin="noise", generate=MEAN_ESTIMATE)


@dataclass(frozen=True)
class Config:
    """What can be set about the GAS recipe."""

    perceive: PerceiveConfig = field(default_factory=PerceiveConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    views: ImagineConfig = VIEWS
    poses: ImagineConfig = POSES
    stand_off: StandOffConfig = field(default_factory=StandOffConfig)
    shade: ShadeConfig = field(default_factory=ShadeConfig)
    reshape: ReshapeConfig = field(default_factory=ReshapeConfig)
    recolor: RecolorConfig = field(default_factory=RecolorConfig)
    refine: ReconstructConfig = PHOTO_REFIT

    guide: Literal["splats", "lifter", "nerf", "normals"] | None = None
    """What guides both, views and poses: in place of `views.guide` and `poses.guide`."""

    videos: bool = False
    """Also imagine the person in a motion, and write both films: NAME.views.mp4 and NAME.poses.mp4."""

    motion: str = "walk"
    """A built-in motion, for the film of poses."""

    def __post_init__(self) -> None:
        """Check before long work what can be filmed.

        Raises:
            BadInputError: If there is no motion of that name.
        """
        if self.motion not in MOTIONS:
            raise BadInputError(f"There is no motion {self.motion!r}; there are {', '.join(MOTIONS)}.")

    def guided(self, imagine: ImagineConfig) -> ImagineConfig:
        """How views or poses are imagined, by the guide of both if one is named."""
        return imagine if self.guide is None else replace(imagine, guide=self.guide)


def build(run: Run, photo: Photo, config: Config) -> Avatar:
    """Build an avatar from one photo.

    Raises:
        NoPersonError: If nobody is in the photo.
        ManyPersonsError: If several people are in the photo and none was chosen.
        MissingWeightsError: If a network's weights are not there.
    """
    person = run(perceive, photo, config.perceive)
    body = run(fit_body, person, config.fit)
    coarse = run(lift, person, body, config.lift)
    coarse = run(stand_off, coarse, config.stand_off)
    coarse = run(shade, coarse, config.shade)
    views = run(imagine_views, coarse, person, config.guided(config.views))
    if config.videos:
        motion = builtin_motion(config.motion, coarse.rig, fps=FILM_FPS)
        run(imagine_poses, coarse, person, motion, config.guided(config.poses))
    avatar = take_views(run, coarse, person, views, config.reshape, config.recolor)
    return run(refine_photo, avatar, person, config.refine)


def film_endings(config: Config) -> tuple[str, ...]:
    """What the names of the films end with that are written beside the avatar, in the order of their making."""
    return (".views.mp4", ".poses.mp4") if config.videos else ()


def engines(config: Config) -> tuple[str, ...]:
    """Names in the engines' table of what this recipe uses."""
    imagining = (config.views, config.poses) if config.videos else (config.views,)
    networks = dict.fromkeys(name for one in imagining for name in networks_of(config.guided(one)))
    return (*READING, *maps_of(config.stand_off, config.shade), *networks)
