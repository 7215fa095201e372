"""The page to share: its size, CPU time a frame, and agreement with Python's pictures.

    python -m benchmarks.bench_viewer me.avatar [...] [--splats 40000 1000000]

Needs Chromium (software GL will do). Prints one Markdown row for each avatar and budget: bytes of the page with
all built-in motions; medians of 200 frames of posing and of sorting, in ms; least PSNR in dB, inside the figure
(alpha above one half), over three poses (photo, wave, walk) and two cameras at 384 x 384.
"""

import argparse
import base64
import io
import json
import math
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tests.viewer.chromium import Chromium

from vivant.animate import MOTIONS, builtin_motion, pose_avatar
from vivant.core.cameras import orbit
from vivant.records import Avatar, Pose, load_avatar
from vivant.splat import rasterize
from vivant.viewer import write_page

SIZE = 384
VIEWS = ((25.0, 8.0), (-140.0, 8.0))
FRAMES = 200

TIMES = """(() => {
  const { viewer } = vivant, times = { pose: [], sort: [] };
  viewer.choose(1, false);
  viewer.draw();
  for (let n = 0; n < %d; n++) {
    viewer.time = n / 30 %% 4;
    const begun = performance.now();
    viewer.pose();
    const posed = performance.now();
    viewer.sort(viewer.camera);
    times.pose.push(posed - begun);
    times.sort.push(performance.now() - posed);
  }
  const median = list => list.sort((a, b) => a - b)[list.length >> 1];
  return [median(times.pose), median(times.sort)];
})()"""

SHOW = """(() => {
  const { viewer } = vivant, { clip, time, lens } = %s;
  viewer.choose(clip, false);
  viewer.time = time;
  viewer.lens = { ...viewer.lens, ...lens };
  viewer.overlays.shadow = false;
  return viewer.picture(%d, %d, (flat, width, height) => {
    flat.fillStyle = "#808080";
    flat.fillRect(0, 0, width, height);
  }).toDataURL().split(",")[1];
})()"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("avatars", nargs="+", type=Path)
    parser.add_argument("--splats", type=int, nargs="*", default=[40_000])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| avatar | splats | page, bytes | pose, ms | sort, ms | least PSNR, dB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder, Chromium(Path(folder), (SIZE, SIZE)) as browser:
        for path in arguments.avatars:
            for budget in arguments.splats:
                print(measure(browser, Path(folder) / "page.html", path, budget), flush=True)


def measure(browser: Chromium, page: Path, path: Path, budget: int) -> str:
    avatar = load_avatar(path)
    write_page(avatar, page, splat_budget=budget)
    browser.open(page.as_uri())
    browser.run("vivant.page.play(false)")
    pose, sort = browser.run(TIMES % FRAMES)
    splats = browser.run("vivant.viewer.count")
    # A thinned avatar is another one: it is not compared.
    least = f"{agreement(browser, avatar):.1f}" if splats == len(avatar.splats) else "-"
    return f"| {path.stem} | {splats:,} | {page.stat().st_size:,} | {pose:.2f} | {sort:.2f} | {least} |"


def agreement(browser: Chromium, avatar: Avatar) -> float:
    names = list(MOTIONS)
    moments = [(0, 0.0, avatar.photo_pose)]
    for name, frame in (("wave", 50), ("walk", 20)):
        motion = builtin_motion(name, avatar.rig)
        pose = Pose(motion.pose.local_quats[frame], motion.pose.root[frame])
        moments.append((1 + names.index(name), frame / motion.fps, pose))
    return min(compare(browser, avatar, *moment, *view) for moment in moments for view in VIEWS)


def compare(
    browser: Chromium, avatar: Avatar, clip: int, time: float, pose: Pose, azimuth: float, elevation: float
) -> float:
    splats = pose_avatar(avatar, pose)
    target, extent, focal = splats.means.mean(0), 2.0, 0.5 / math.tan(math.radians(13))
    camera = orbit(
        target,
        [azimuth],
        extent=extent,
        elevation_deg=elevation,
        width=SIZE,
        height=SIZE,
        fov_deg=26.0,
        fill=1.0,
    )
    lens = {
        "yaw": math.radians(azimuth), "pitch": math.radians(elevation), "roll": 0, "distance": extent * focal,
        "target": target.tolist(), "focal": focal, "shift": [0, 0], "aspect": 1, "follow": 0,
    }  # fmt: skip
    told = json.dumps({"clip": clip, "time": time, "lens": lens})
    with Image.open(io.BytesIO(base64.b64decode(browser.run(SHOW % (told, SIZE, SIZE))))) as image:
        found = torch.from_numpy(np.array(image.convert("RGB"))).float() / 255
    drawn = rasterize(splats, camera, background=torch.full((3,), 128 / 255), normals=False)
    inside = drawn.alpha[0] > 0.5
    return -10 * math.log10(float((found - drawn.color[0].clamp(0, 1))[inside].square().mean()))


if __name__ == "__main__":
    main()
