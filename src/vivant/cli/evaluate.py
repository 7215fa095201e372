"""`vivant evaluate`: run a recipe on people with known truth, and tell how good it is."""

import hashlib
import math
import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from vivant.cli import terminal
from vivant.cli.options import Positional, named, parse

if TYPE_CHECKING:
    from vivant.core.run import Context, Run
    from vivant.dataset.contenders import Contender
    from vivant.dataset.samples import PeopleConfig
    from vivant.dataset.trial import Outcome, Subject
    from vivant.evaluate import BackboneFiles, Backbones, Benchmark, Case
    from vivant.records import Photo

BASELINES = ("truth", "mean-color", "billboard")
"""What is measured besides recipes: the ceiling, the fitted body in one colour, the photo on a board."""

SHOWN = 256
"""Pixels a side of the page's pictures."""


@dataclass(frozen=True)
class EvaluateOptions:
    """Measure a recipe on people with known truth: RECIPE.json and RECIPE.html with all scores."""

    earlier: Annotated[Positional[tuple[Path, ...]], named("RESULT.json")] = ()
    """Results of earlier runs: compared in one page with paired differences."""

    recipe: Annotated[str, named("NAME")] = "quick"
    """A recipe; or `truth` (the ceiling), `mean-color` or `billboard` (what an avatar must beat)."""

    people: int = 16
    """How many; every second is dressed from the wardrobe if both folders are given."""

    photos: Annotated[Path | None, named("FOLDER")] = None
    """Measure on photographs instead: against themselves, for their truth is not known."""

    out: Annotated[Path, named("FOLDER", "-o")] = Path("benchmark")
    """Where the results go."""

    people_folder: Annotated[Path | None, named("FOLDER")] = None
    """Rigged people: NAME.npz with NAME_k.webp."""

    wardrobe_folder: Annotated[Path | None, named("FOLDER")] = None
    """MakeHuman's assets: geo.zip and the pictures beside it."""

    motion_folder: Annotated[Path | None, named("FOLDER")] = None
    """Motion clips (.glb, .bvh). Without it: the motions that come with vivant."""

    lpips: Annotated[Path | None, named("FILE")] = None
    """LPIPS: weights from the lpips package (.safetensors). See docs/benchmark.md for these four."""

    clip: Annotated[Path | None, named("FILE")] = None
    """CLIP: an image encoder (.pt2)."""

    fid: Annotated[Path | None, named("FILE")] = None
    """FID: a network for pictures (.pt2)."""

    fvd: Annotated[Path | None, named("FILE")] = None
    """FVD: a network for films (.pt2)."""

    seed: int = 0
    """Of poses, lights, backgrounds and of the recipe."""

    json: bool = False
    """Print one JSON event a line instead of a bar."""

    quiet: bool = False
    """Print nothing but errors."""

    debug: bool = False
    """Print the full traceback of an error."""


def run(arguments: list[str]) -> int:
    """Do what the command line asks."""
    options = parse(EvaluateOptions, "evaluate", arguments)
    from vivant.core.store import expect_writable, writing
    from vivant.evaluate import load_benchmark, save_benchmark, write_benchmark_page

    if options.earlier:
        page = options.out / "comparison.html"
        expect_writable(page)
        runs = tuple(load_benchmark(path) for path in options.earlier)
        with writing(page) as temporary:
            temporary.write_text(write_benchmark_page(runs, ()), encoding="utf-8")
        terminal.show_files([page], as_json=options.json, quiet=options.quiet)
        return 0
    name = options.recipe if options.photos is None else f"{options.recipe}-photos"
    result, page = (options.out / f"{name}{end}" for end in (".json", ".html"))
    for path in (result, page):
        expect_writable(path)
    benchmark, cases = measure(options) if options.photos is None else on_photos(options)
    save_benchmark(benchmark, result)
    with writing(page) as temporary:
        temporary.write_text(write_benchmark_page((benchmark,), cases), encoding="utf-8")
    terminal.show_files([result, page], as_json=options.json, quiet=options.quiet)
    return 0


def measure(options: EvaluateOptions) -> "tuple[Benchmark, tuple[Case, ...]]":
    """Run the recipe on everybody, one after another.

    Raises:
        VivantError: If there are too few people, or a file of theirs is damaged.
    """
    from vivant.core.run import Context, Run
    from vivant.dataset.samples import PeopleConfig
    from vivant.dataset.trial import subjects
    from vivant.evaluate import EVERYBODY, BackboneFiles, Benchmark, Row, load_backbones, set_distances

    files = BackboneFiles(options.lpips, options.clip, options.fid, options.fvd)
    backbones = load_backbones(files)
    if options.recipe not in BASELINES:
        from vivant.recipes import load_recipe

        load_recipe(options.recipe)
    config = PeopleConfig(
        options.people_folder, options.wardrobe_folder, options.motion_folder, split="validation"
    )
    outcomes: dict[str, Outcome] = {}
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(seed=options.seed, listener=listener)).step("measure_people") as context:
            for number, subject in enumerate(subjects(config, options.people, options.seed)):
                outcomes[subject.name] = attempt(context, subject, options, backbones)
                context.advance((number + 1) / options.people, subject.name)
    sets = set_distances([pair for outcome in outcomes.values() for pair in outcome.measured.counterparts])
    of_all = [Row(EVERYBODY, "", "", math.nan, True, "set", metric, value) for metric, value in sets.items()]
    benchmark = Benchmark(
        recipe=options.recipe,
        rows=(*(row for outcome in outcomes.values() for row in outcome.measured.rows), *of_all),
        failures=tuple((name, o.failure) for name, o in outcomes.items() if o.failure),
        timings=tuple((name, *stage) for name, o in outcomes.items() for stage in o.seconds),
        facts=facts(config, options, files),
    )
    return benchmark, cases(outcomes)


def on_photos(options: EvaluateOptions) -> "tuple[Benchmark, tuple[Case, ...]]":
    """Run the recipe on photographs.

    Raises:
        BadInputError: If there are none, or a baseline is asked for.
    """
    from vivant.cli.photographs import measure_photos, photos_in
    from vivant.core.errors import BadInputError
    from vivant.core.run import Context, Run
    from vivant.recipes import load_recipe

    assert options.photos is not None
    if options.recipe in BASELINES:
        raise BadInputError(
            f"{options.recipe} is measured on people with known truth only; leave --photos out."
        )
    if any((options.lpips, options.clip, options.fid, options.fvd)):
        raise BadInputError("LPIPS, CLIP, FID and FVD need the truth: give them without --photos.")
    load_recipe(options.recipe)
    photos_in(options.photos)
    with terminal.listening(as_json=options.json, quiet=options.quiet) as listener:
        with Run(context=Context(seed=options.seed, listener=listener)).step("measure_photos") as context:
            return measure_photos(context, options.photos, options.recipe, machine_facts())


def attempt(
    context: "Context", subject: "Subject", options: EvaluateOptions, backbones: "Backbones"
) -> "Outcome":
    """Measure one person; progress within a person is not shown."""
    from dataclasses import replace

    from vivant.core.progress import ignore
    from vivant.dataset.trial import perfect, try_subject

    def make(photo: bytes, name: str) -> "tuple[Contender, tuple[tuple[str, float], ...]]":
        if options.recipe == "truth":
            return perfect(subject), ()
        return contender(photo, name, options)

    return try_subject(replace(context, listener=ignore), subject, make, backbones)


def contender(
    photo: bytes, name: str, options: EvaluateOptions
) -> "tuple[Contender, tuple[tuple[str, float], ...]]":
    """Carry out the recipe on a photo; the baselines need only the person found and the body fitted.

    Raises:
        VivantError: If the photo cannot be used.
    """
    import torch

    from vivant.core.run import Context, Run
    from vivant.dataset.contenders import Splatted
    from vivant.dataset.trial import write_photo
    from vivant.perceive import read_photo
    from vivant.recipes import load_recipe
    from vivant.recipes.table import build_signed
    from vivant.records import Person

    with tempfile.TemporaryDirectory() as folder:
        picture = read_photo(write_photo(photo, Path(folder), name))
    run = Run(context=Context(seed=options.seed))
    if options.recipe in BASELINES:
        made = baseline(run, picture, options.recipe)
    else:
        avatar = build_signed(run, options.recipe, picture, load_recipe(options.recipe).Config())
        person = run.latest(Person)
        made = Splatted(avatar, person.photo_from_image if person is not None else torch.eye(3))
    return made, tuple((timing.stage, timing.seconds) for timing in run.timings)


def baseline(run: "Run", picture: "Photo", name: str) -> "Contender":
    """Make what an avatar must beat out of the person found and the body fitted.

    Raises:
        VivantError: If the photo cannot be used.
    """
    from vivant.dataset.contenders import Billboard, MeanColored
    from vivant.fit import FitConfig, fit_body
    from vivant.mesh import Texture
    from vivant.perceive import PerceiveConfig, perceive

    person = run(perceive, picture, PerceiveConfig())
    body = run(fit_body, person, FitConfig())
    if name == "mean-color":
        weight = person.alpha[..., None]
        color = (person.foreground * weight).sum((0, 1)) / weight.sum().clamp(min=1)
        return MeanColored(body.rig, body.pose, body.camera, person.photo_from_image, color)
    rgba = [(plane * 255).round().clamp(0, 255).byte().numpy() for plane in (person.foreground, person.alpha)]
    return Billboard(body.rig, body.pose, body.camera, person.photo_from_image, Texture.build(*rgba))


def facts(
    config: "PeopleConfig", options: EvaluateOptions, files: "BackboneFiles"
) -> tuple[tuple[str, str], ...]:
    """Everything that a number needs to be compared with another."""
    peak = terminal.peak_memory()
    return (
        ("people", f"{options.people}, validation split, seed {options.seed}"),
        ("photo", "768 x 1024, within 20° of the front"),
        ("views", "512 x 512, person 80 % of the height, on white"),
        ("most memory", f"{peak / 1e9:.2f} GB" if peak else "unknown"),
        ("motions", config.motion_folder.name if config.motion_folder else "built in"),
        *_networks(files),
        *machine_facts(),
    )


def _networks(files: "BackboneFiles") -> list[tuple[str, str]]:
    """Which files measured, by their checksums, and which were not given."""
    given = {name: path for name, path in vars(files).items() if path is not None}
    sums = [
        (name.upper(), f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}")
        for name, path in given.items()
    ]
    missing = [name.upper() for name in vars(files) if name not in given]
    if missing:
        sums.append(("not measured", f"{', '.join(missing)}: their networks' files were not given"))
    return sums


def machine_facts() -> tuple[tuple[str, str], ...]:
    """Where, and with what, it was measured."""
    from vivant.core.threads import thread_count
    from vivant.recipes.provenance import package_versions

    return (
        ("machine", f"{platform.machine()}, {os.cpu_count()} processors, {thread_count()} threads"),
        *(("versions", version) for version in package_versions()),
    )


def cases(outcomes: "dict[str, Outcome]") -> "tuple[Case, ...]":
    """Pictures of the three worst, the median and the three best people, by mean PSNR."""
    from vivant.evaluate import Case

    means = {}
    for name, outcome in outcomes.items():
        values = [
            r.value for r in outcome.measured.rows if r.metric == "psnr" and r.aligned and r.region == "frame"
        ]
        if values:
            means[name] = sum(values) / len(values)
    order = sorted(means, key=means.__getitem__)
    middle = len(order) // 2
    chosen = dict.fromkeys([*order[:3], *order[middle : middle + 1], *order[-3:]])
    return tuple(Case(n, f"mean PSNR {means[n]:.2f} dB", pictures(outcomes[n])) for n in chosen)


def pictures(outcome: "Outcome") -> tuple[tuple[str, bytes], ...]:
    """The photo, and of each side in the photo's pose and of one new pose: truth, ours, FLIP."""
    import torch

    from vivant.core.images import encode_image
    from vivant.evaluate import flip

    shown: list[tuple[str, bytes]] = [("the photo", outcome.photo)]
    new = [sight.pose for sight in outcome.measured.sights if sight.pose != "photo"][:1]
    for sight in outcome.measured.sights:
        if sight.pose == "photo" or sight.pose in new:
            error = flip(sight.truth, sight.ours)[..., None]
            heat = torch.cat([error.sqrt(), error, 0.3 * error], -1)
            strip = torch.cat([sight.truth, sight.ours, heat], 1).permute(2, 0, 1)[None]
            strip = torch.nn.functional.interpolate(strip, (SHOWN, 3 * SHOWN), mode="bilinear", antialias=True)
            caption = f"{sight.pose}, {sight.view}: truth, ours, error"
            shown.append((caption, encode_image(strip[0].permute(1, 2, 0).clamp(0, 1), "jpeg", 82)))
    return tuple(shown)
