"""The page to share: its size, CPU time a frame, and agreement with Python's pictures.

    python -m benchmarks.bench_viewer me.avatar [...] [--splats 40000 1000000]

Needs Chromium (software GL will do). Prints one Markdown row for each avatar and budget: bytes of the page
with all built-in motions; medians of 200 frames of posing (`talk`, face and skin included) and of sorting, in
ms; least PSNR in dB at 384 x 384, inside the figure (alpha above one half): of the whole person in three poses
(photo, wave, walk) from two sides, and of the face close by with closed eyes and with an open mouth, from two
sides.
"""

import argparse
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch
from tests.viewer.chromium import Chromium, orbiting

from vivant.animate import MOTIONS, builtin_motion, pose_avatar, with_expressions
from vivant.core.cameras import Cameras
from vivant.records import Avatar, Motion, Pose, Splats, load_avatar
from vivant.splat import rasterize
from vivant.viewer import write_page
from vivant.viewer.faces import actions_of, weights_of

SIZE = 384
VIEWS = ((25.0, 8.0), (-140.0, 8.0))
FRAMES = 200
FPS = 30.0

TIMES = """(() => {
  const { viewer } = vivant, times = { pose: [], sort: [] };
  viewer.choose(%d, false);
  viewer.draw();
  for (let n = 0; n < %d; n++) {
    viewer.time = n / 30 %% 4;
    const begun = performance.now();
    viewer.pose();
    viewer.makeFace();
    viewer.skin.stretch(viewer.bones);
    const posed = performance.now();
    viewer.sort(viewer.camera);
    times.pose.push(posed - begun);
    times.sort.push(performance.now() - posed);
  }
  const median = list => list.sort((a, b) => a - b)[list.length >> 1];
  return [median(times.pose), median(times.sort)];
})()"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatars", nargs="+", type=Path)
    parser.add_argument("--splats", type=int, nargs="*", default=[40_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| avatar | splats | page, bytes | pose, ms | sort, ms | least PSNR, dB | of the face |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Chromium(Path(folder), (SIZE, SIZE)) as browser:
        for path in arguments.avatars:
            for budget in arguments.splats:
                print(measure(browser, Path(folder) / "page.html", path, budget), flush=True)


def measure(browser: Chromium, page: Path, path: Path, budget: int) -> str:
    avatar = load_avatar(path)
    motions = [builtin_motion(name, avatar.rig, fps=FPS) for name in MOTIONS]
    write_page(avatar, page, motions, splat_budget=budget)
    browser.open(page.as_uri())
    browser.run("vivant.page.play(false)")
    pose, sort = browser.run(TIMES % (1 + list(MOTIONS).index("talk"), FRAMES))
    splats = browser.run("vivant.viewer.count")
    # A thinned avatar is another one: it is not compared.
    least = (f"{x:.1f}" for x in agreement(browser, avatar, motions)) if splats < budget else ("-", "-")
    numbers = [f"{splats:,}", f"{page.stat().st_size:,}", f"{pose:.2f}", f"{sort:.2f}", *least]
    return f"| {path.stem} | {' | '.join(numbers)} |"


def agreement(browser: Chromium, avatar: Avatar, motions: Sequence[Motion]) -> tuple[float, float]:
    """PSNR of the whole person, and of the face close by in its two largest moments."""
    names = [motion.name for motion in motions]
    moments = [(0, 0)] + [(1 + names.index(name), frame) for name, frame in (("wave", 50), ("walk", 20))]
    speech = motions[names.index("talk")]
    assert speech.actions is not None
    faces = [(1 + names.index("talk"), int(speech.actions[:, column].argmax())) for column in (0, 2)]
    actions = actions_of(motions)
    ready, face = with_expressions(avatar, actions)

    def posed(clip: int, frame: int) -> Splats:
        if clip == 0:
            return pose_avatar(ready, avatar.photo_pose)
        motion = motions[clip - 1]
        pose = Pose(motion.pose.local_quats[frame], motion.pose.root[frame])
        return pose_avatar(ready, pose, face, weights_of(motion, actions)[frame])

    whole, close = [], []
    for clip, frame in moments:
        splats = posed(clip, frame)
        for azimuth, elevation in VIEWS:
            view = orbiting(azimuth, elevation, splats.means.mean(0), 2.0, SIZE)
            whole.append(compare(browser, clip, frame, splats, *view))
    for clip, frame in faces:
        splats = posed(clip, frame)
        head = splats.means[splats.means[:, 1] > splats.means[:, 1].max() - 0.25].mean(0)
        for azimuth in (0.0, 40.0):
            close.append(compare(browser, clip, frame, splats, *orbiting(azimuth, 0.0, head, 0.4, SIZE)))
    return min(whole), min(close)


def compare(
    browser: Chromium, clip: int, frame: int, splats: Splats, camera: Cameras, lens: dict[str, object]
) -> float:
    found = browser.person(clip, frame / FPS, lens, SIZE)
    drawn = rasterize(splats, camera, background=torch.full((3,), 128 / 255), normals=False)
    inside = drawn.alpha[0] > 0.5
    return -10 * math.log10(float((found - drawn.color[0].clamp(0, 1))[inside].square().mean()))


if __name__ == "__main__":
    main()
