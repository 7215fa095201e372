"""The table of commands. Nothing heavy is imported to read it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One word after `vivant`."""

    name: str
    module: str
    """Has a function `run(arguments) -> exit code`."""

    line: str
    """One line of help."""


COMMANDS = (
    Command("create", "vivant.cli.create", "Make an avatar from one photo, the way we recommend today."),
    Command("refit", "vivant.cli.refit", "Fit an avatar to real pictures from several sides, or to a film."),
    Command("view", "vivant.cli.view", "Show an avatar in the browser: from all sides, in motion."),
    Command("animate", "vivant.cli.animate", "Play a motion on an avatar: mp4, webp, gif or PNG frames."),
    Command("render", "vivant.cli.render", "Draw an avatar from any side as one picture."),
    Command("export", "vivant.cli.export", "Write an avatar for other programs: glb, vrm, ply, html, mp4 ..."),
    Command("dataset", "vivant.cli.dataset", "Render people with known truth, for training and measuring."),
    Command("evaluate", "vivant.cli.evaluate", "Measure a recipe on people with known truth."),
    Command("train", "vivant.cli.train", "Train one of our own networks: weights, model card and log."),
    Command("doctor", "vivant.cli.doctor", "Tell what works on this machine: engines, licences, caches."),
)

RECIPES = (
    Command("quick", "vivant.cli.recipe", "Recipe: no learned weights, seconds on a laptop."),
    Command("refine", "vivant.cli.recipe", "Recipe: a turntable of the avatar repainted, then refitted."),
    Command("gas", "vivant.cli.recipe", "Recipe: views and a clip imagined from a NeRF, then refitted."),
)
"""Every recipe is a command of its own, with all its options."""

EXAMPLES = (
    ("vivant create photo.jpg", "photo.avatar, photo.preview.webp and photo.report.html"),
    ("vivant create", "the same with a photo that comes with vivant"),
    ("vivant animate photo.avatar --motion wave -o wave.mp4", "a film"),
    ("vivant render photo.avatar --azimuth 90 -o side.png", "a picture from the left side"),
)
