"""Refine: the quick avatar turns before a camera, a generator repaints what the photo does not show.

After "Generative Refinement of Single-View to 3D Animatable Human": coarse splats, a turntable along a dynamic
orbit (SV3D), its frames sent part of the way to noise and back (SDEdit), and a refit in which no splat is added
or removed. Here the generator is our own small one: its outlines move the surface, and splats take its colours
where the photo does not vouch. Before, what is learned of depth and light is taken over.
"""

from dataclasses import dataclass, field

from vivant.core.checks import expect_within
from vivant.core.run import Run
from vivant.fit import FitConfig, fit_body
from vivant.imagine import GenerateConfig, ImagineConfig, SamplerConfig, imagine_views
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

# The strength is the sweep's on people held back (docs/benchmark.md): the reduced generator in the package is
# worth most where it keeps most. With better weights it will be larger (the paper's is 0.8).
REPAINTED = ImagineConfig(generate=GenerateConfig(SamplerConfig(steps=15, strength=0.2)))


@dataclass(frozen=True)
class Config:
    """What can be set about the refine recipe."""

    perceive: PerceiveConfig = field(default_factory=PerceiveConfig)
    fit: FitConfig = field(default_factory=FitConfig)
    lift: LiftConfig = field(default_factory=LiftConfig)
    imagine: ImagineConfig = REPAINTED
    stand_off: StandOffConfig = field(default_factory=StandOffConfig)
    shade: ShadeConfig = field(default_factory=ShadeConfig)
    reshape: ReshapeConfig = field(default_factory=ReshapeConfig)
    recolor: RecolorConfig = field(default_factory=RecolorConfig)
    refine: ReconstructConfig = PHOTO_REFIT

    rounds: int = 1
    """Turntables, each of the avatar that the one before has made."""

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            BadInputError: If a number is out of range.
        """
        expect_within(self, rounds=(1, 10))


def build(run: Run, photo: Photo, config: Config) -> Avatar:
    """Build an avatar from one photo.

    Raises:
        NoPersonError: If nobody is in the photo.
        ManyPersonsError: If several people are in the photo and none was chosen.
        MissingWeightsError: If the generator's weights are not there.
    """
    person = run(perceive, photo, config.perceive)
    body = run(fit_body, person, config.fit)
    avatar = run(lift, person, body, config.lift)
    avatar = run(stand_off, avatar, config.stand_off)
    avatar = run(shade, avatar, config.shade)
    for _ in range(config.rounds):
        views = run(imagine_views, avatar, person, config.imagine)
        avatar = take_views(run, avatar, person, views, config.reshape, config.recolor)
    return run(refine_photo, avatar, person, config.refine)


def engines(config: Config) -> tuple[str, ...]:
    """Names in the engines' table of what this recipe uses."""
    return (*READING, *maps_of(config.stand_off, config.shade), *networks_of(config.imagine))
