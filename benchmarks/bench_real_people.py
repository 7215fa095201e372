"""A real person filmed by calibrated cameras: an avatar from one camera's picture, truth from the others.

    python benchmarks/bench_real_people.py Pose2Sim/Demo_SinglePerson [--photo cam01] [--seconds 0.5 2 3.5]

The folder is the demo in the package `pose2sim` (BSD-3; `pip download --no-deps pose2sim`, then unzip): films
`videos/cam*.mp4`, which are synchronous, and `calibration/*.qca.txt` of Qualisys. Masks are our own cut-outs,
so the mask IoU is of two guesses; joints are triangulated from the body points found in all views. The scores
are the benchmark's: after the similarity of the twelve main joints, 512 x 512 px, the person 80 % of the
height, on white. Prints a Markdown table of means over the moments; with --out also pictures (truth, ours,
FLIP).
"""

import argparse
import contextlib
import itertools
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from vivant.animate import pose_avatar
from vivant.core.cameras import Cameras
from vivant.core.errors import BadFileError, BadInputError, ManyPersonsError, VivantError
from vivant.core.images import to_float, write_image
from vivant.core.run import Run
from vivant.core.video import read_video
from vivant.evaluate import Seen, align, flip, on_white, score_pictures
from vivant.fit.landmarks import anny_landmarks
from vivant.fit.quality import place_on_body
from vivant.perceive import PerceiveConfig, perceive, read_photo
from vivant.recipes import load_recipe
from vivant.records import BODY_POINTS, Avatar, Body, Person, Photo
from vivant.splat import rasterize

SIZE, FILL = 512, 0.8
UNIT = 64
"""Qualisys tells lenses in 64ths of a pixel."""

MAIN = [
    f"{side}_{part}"
    for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
    for side in ("left", "right")
]
DOUBT_PX = 40.0
"""A body point that lies farther off was misread."""

METRICS = ("psnr", "ssim", "ms_ssim", "flip", "gmsd", "iou")


@dataclass(frozen=True)
class Lens:
    """A calibrated camera."""

    name: str
    cam_from_world: Float[Tensor, "4 4"]
    intrinsics: Float[Tensor, "3 3"]
    radial: tuple[float, float]
    tangential: tuple[float, float]

    def bend(self, rays: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n 2"]:
        """From a pinhole's rays (z = 1) to where this lens sends them (Brown 1966)."""
        square = rays.square().sum(-1, keepdim=True)
        x, y = rays.unbind(-1)
        p, q = self.tangential
        aside = torch.stack(
            [
                2 * p * x * y + q * (square[..., 0] + 2 * x * x),
                p * (square[..., 0] + 2 * y * y) + 2 * q * x * y,
            ],
            -1,
        )
        return rays * (1 + self.radial[0] * square + self.radial[1] * square**2) + aside

    def rays(self, pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
        """A pinhole's rays of pixels: bending undone step by step."""
        bent = (pixels - self.intrinsics[:2, 2]) / self.intrinsics.diagonal()[:2]
        rays = bent
        for _ in range(10):
            rays = rays - (self.bend(rays) - bent)
        return rays


def read_lenses(path: Path) -> list[Lens]:
    """Read Qualisys' calibration: millimetres, z up, rows of the camera's right, up and backward axes.

    Raises:
        BadFileError: If it is something else.
    """
    try:
        cameras = ElementTree.parse(path).getroot().iter("camera")
        lenses = [_lens(camera) for camera in cameras]
    except (ElementTree.ParseError, KeyError, ValueError, TypeError) as error:
        raise BadFileError(f"{path} is no calibration of Qualisys: {error!r}.") from error
    if len(lenses) < 3:
        raise BadFileError(f"{path} holds {len(lenses)} cameras; at least 3 are needed.")
    return lenses


def _lens(camera: ElementTree.Element) -> Lens:
    told = {**camera.find("transform").attrib, **camera.find("intrinsic").attrib}  # pyright: ignore
    number = {key: float(value) for key, value in told.items()}
    axes = torch.tensor([[number[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ axes
    place = torch.tensor([number["x"], number["y"], number["z"]]) / 1000
    matrix = torch.eye(4)
    matrix[:3, :3], matrix[:3, 3] = turn, -turn @ place
    intrinsics = torch.tensor(
        [
            [number["focalLengthU"], 0, number["centerPointU"]],
            [0, number["focalLengthV"], number["centerPointV"]],
            [0, 0, UNIT],
        ]
    )
    return Lens(
        camera.attrib["serial"],
        matrix,
        intrinsics / UNIT,
        (number["radialDistortion1"], number["radialDistortion2"]),
        (number["tangentalDistortion1"], number["tangentalDistortion2"]),
    )


def frame_at(film: Path, seconds: float) -> Tensor:
    """The picture at a time.

    Raises:
        BadInputError: If the film is shorter.
    """
    fps = 20.0
    wanted = round(seconds * fps)
    for number, frame in enumerate(read_video(film, fps, 4096, wanted + 1)):
        if number == wanted:
            return to_float(frame.copy())
    raise BadInputError(f"{film} ends before {seconds} s.")


def triangulate(lenses: list[Lens], people: list[Person]) -> tuple[Float[Tensor, "points 3"], Tensor]:
    """Places of the main joints, and how far each lies from what was seen, in pixels (median over views).

    Each pair of cameras proposes a place; that which most cameras agree with is refined by those.
    """
    rows = [BODY_POINTS.index(name) for name in MAIN]
    seen = torch.stack([photo_pixels(person, person.keypoints[rows]) for person in people])
    trust = torch.stack([person.confidence[rows].clamp(min=0.01) for person in people])
    rays = torch.stack([lens.rays(pixels) for lens, pixels in zip(lenses, seen, strict=True)])
    matrices = torch.stack([lens.cam_from_world[:3] for lens in lenses])
    planes = rays[..., None] * matrices[:, None, None, 2] - matrices[:, None, :2]

    def solved(weights: Float[Tensor, "views points"]) -> Float[Tensor, "points 3"]:
        system = (planes * weights[..., None, None]).transpose(0, 1).flatten(1, 2).double()
        places = torch.linalg.svd(system).Vh[:, -1]
        return (places[:, :3] / places[:, 3:]).float()

    def missed(points: Float[Tensor, "points 3"]) -> Float[Tensor, "views points"]:
        return torch.stack(
            [(_pixels(lens, points) - at).norm(dim=1) for lens, at in zip(lenses, seen, strict=True)]
        )

    best, points = torch.full((len(MAIN),), torch.inf), torch.zeros(len(MAIN), 3)
    for pair in itertools.combinations(range(len(lenses)), 2):
        chosen = torch.zeros(len(lenses), 1)
        chosen[list(pair)] = 1.0
        proposed = solved(chosen * trust)
        cost = (missed(proposed).clamp(max=DOUBT_PX) * trust).sum(0)
        points = torch.where((cost < best)[:, None], proposed, points)
        best = torch.minimum(cost, best)
    for _ in range(5):
        points = solved(trust / (1 + (missed(points) / DOUBT_PX).square()))
    return points, missed(points).median(0).values


def photo_pixels(person: Person, pixels: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """From a person's image to the photo."""
    return pixels @ person.photo_from_image[:2, :2].T + person.photo_from_image[:2, 2]


def _pixels(lens: Lens, points: Float[Tensor, "n 3"]) -> Float[Tensor, "n 2"]:
    local = points @ lens.cam_from_world[:3, :3].T + lens.cam_from_world[:3, 3]
    bent = lens.bend(local[:, :2] / local[:, 2:])
    return bent * lens.intrinsics.diagonal()[:2] + lens.intrinsics[:2, 2]


def true_view(lens: Lens, person: Person) -> tuple[Cameras, Seen]:
    """A square pinhole view round the person, and what the film shows there, on white."""
    rows, columns = (person.alpha > 0.5).nonzero().unbind(1)
    corners = torch.stack([torch.stack([columns.min(), rows.min()]), torch.stack([columns.max(), rows.max()])])
    low, high = photo_pixels(person, corners.float() + 0.5)
    scale = FILL * SIZE / float((high - low).max())
    intrinsics = lens.intrinsics.clone()
    intrinsics[:2] *= scale
    intrinsics[:2, 2] += SIZE / 2 - scale * (low + high) / 2
    camera = Cameras(lens.cam_from_world[None], intrinsics[None], SIZE, SIZE)
    steps = torch.arange(SIZE) + 0.5
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    bent = lens.bend((grid - intrinsics[:2, 2]) / intrinsics.diagonal()[:2])
    photo = bent * lens.intrinsics.diagonal()[:2] + lens.intrinsics[:2, 2]
    back = torch.linalg.inv(person.photo_from_image)
    image = photo @ back[:2, :2].T + back[:2, 2]
    height, width = person.alpha.shape
    places = (image / torch.tensor([width, height]) * 2 - 1)[None]
    planes = torch.cat([person.foreground, person.alpha[..., None]], -1).permute(2, 0, 1)[None]
    found = torch.nn.functional.grid_sample(planes, places, align_corners=False)[0].permute(1, 2, 0)
    alpha = found[..., 3]
    color = found[..., :3] * alpha[..., None] + 1 - alpha[..., None]
    nothing = torch.zeros_like(alpha)
    return camera, Seen(color, alpha, nothing, torch.zeros_like(color))


def avatar_joints(avatar: Avatar) -> Float[Tensor, "12 3"]:
    """The same points on the avatar's body."""
    landmarks = anny_landmarks()
    body = Body(avatar.rig, avatar.photo_pose, avatar.photo_camera, avatar.shape)
    places = place_on_body(landmarks.body, body)
    names = [BODY_POINTS[row] for row in landmarks.body_index]
    return places[[names.index(name) for name in MAIN]]


def tallest(photo: Photo) -> tuple[int | None, Person]:
    """Who is filmed: bystanders look smaller."""
    try:
        return None, Run()(perceive, photo, PerceiveConfig())
    except ManyPersonsError:
        found = []
        with contextlib.suppress(VivantError):
            for number in itertools.count(1):
                person = Run()(perceive, photo, PerceiveConfig(person=number))
                extent = person.height_px * float(person.photo_from_image[:2, :2].det().abs().sqrt())
                found.append((extent, number, person))
        return max(found, key=lambda one: one[0])[1:]


@dataclass(frozen=True)
class View:
    """One camera at one moment."""

    camera: str
    seconds: float
    scores: dict[str, float]
    strip: Float[Tensor, "height width 3"]
    """Truth, ours, FLIP."""


def views(arguments: argparse.Namespace, lenses: list[Lens]) -> Iterator[View]:
    """Make an avatar at each moment, and look at it through all cameras."""
    for seconds in arguments.seconds:
        photos = {}
        with tempfile.TemporaryDirectory() as folder:
            for lens in lenses:
                path = Path(folder) / f"{lens.name}.png"
                write_image(frame_at(arguments.folder / "videos" / f"{lens.name}.mp4", seconds), path)
                photos[lens.name] = read_photo(path)
        recipe = load_recipe(arguments.recipe)
        chosen = {name: tallest(photo) for name, photo in photos.items()}
        people = [chosen[lens.name][1] for lens in lenses]
        config = PerceiveConfig(person=chosen[arguments.photo][0])
        avatar = recipe.build(Run(), photos[arguments.photo], recipe.Config(perceive=config))
        points, error = triangulate(lenses, people)
        ours = avatar_joints(avatar)
        similarity = align(points, ours)
        joints = float((similarity.apply(ours) - points).norm(dim=1).mean())
        print(
            f"{seconds:g} s: joints triangulated with {float(error.mean()):.1f} px, the avatar's "
            f"{1e3 * joints:.0f} mm from them; a person {similarity.scale:.2f} times the avatar's size"
        )
        for lens, person in zip(lenses, people, strict=True):
            camera, truth = true_view(lens, person)
            drawn = rasterize(pose_avatar(avatar, avatar.photo_pose), similarity.camera(camera))
            seen = on_white(drawn, 0, similarity.scale)
            scores = {name: v for (region, name), v in score_pictures(truth, seen).items() if region == "frame"}
            error_map = flip(truth.color, seen.color)[..., None].expand(-1, -1, 3)
            strip = torch.cat([truth.color, seen.color, error_map], 1)
            yield View(lens.name, seconds, scores, strip)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photo", default="cam01", help="the camera whose picture is the photo")
    parser.add_argument("--seconds", type=float, nargs="+", default=[0.5])
    parser.add_argument("--recipe", default="quick")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    calibrations = sorted((arguments.folder / "calibration").glob("*.qca.txt"))
    if not calibrations:
        raise SystemExit(f"{arguments.folder}/calibration holds no .qca.txt: is it pose2sim's demo?")
    lenses = read_lenses(calibrations[0])
    found: dict[str, list[dict[str, float]]] = {lens.name: [] for lens in lenses}
    if arguments.photo not in found:
        raise SystemExit(f"There is no camera {arguments.photo}; there are {', '.join(found)}.")
    for view in views(arguments, lenses):
        found[view.camera].append(view.scores)
        if arguments.out is not None:
            write_image(view.strip.clamp(0, 1), arguments.out / f"{view.seconds:g}_{view.camera}.png")
    print("\n| camera | " + " | ".join(METRICS) + " |\n" + "|---" * (len(METRICS) + 1) + "|")
    for name, scores in found.items():
        cells = [f"{sum(s[m] for s in scores) / len(scores):.3f}" for m in METRICS]
        print(f"| {name}{' (the photo)' * (name == arguments.photo)} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
