"""Motions of others on our body: do feet stay, and do limbs point where the clip has them?

    python -m benchmarks.bench_motions walk1.bvh clips.glb:Walk_Loop [...] [--film me.avatar]

Prints one Markdown row a clip, carried over to anny's default body at 30 frames a second: frames in which a
heel or a ball of the clip's own stands (slower than 6 cm a second, low, and within 2 cm while it does); how
far ours moves over the floor in one such stance at most, and the clip's own, at our scale, in cm; the lowest
point of the soles' skin in cm (below 0: under the floor); and degrees between our bones and the clip's: arms
at most, legs in the mean.

With `--film` an avatar's own wave is filmed (4 s, 480 x 640), followed as `vivant animate --from` does, and
compared: all joints in mm against the hips (after a turn about the vertical axis), bones in degrees, means over
all frames, and seconds a picture, by the clock and of the processor.
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from tests.animate.measures import measure

from vivant.animate import RetargetConfig, Shot, builtin_motion, play, read_clip, retarget
from vivant.body import forward_kinematics, load_anny
from vivant.core.run import Run
from vivant.export import write_frames
from vivant.recipes.film import FilmConfig, motion_from_film
from vivant.records import Motion, Rig, load_avatar

BONES = {
    "upper arms": ("upperarm01", "lowerarm01"),
    "forearms": ("lowerarm01", "wrist"),
    "thighs": ("upperleg01", "lowerleg01"),
    "shins": ("lowerleg01", "foot"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", nargs="*", help="FILE, or FILE:CLIP")
    parser.add_argument("--film", type=Path, metavar="AVATAR")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.clips:
        model = load_anny()
        rig = model.rig(model.default_shape())
        print("| clip | standing | skating, cm | the clip's own | lowest, cm | arms, ° | legs, ° |")
        print("|---|---|---|---|---|---|---|")
        for word in arguments.clips:
            print(row(word, rig), flush=True)
    if arguments.film is not None:
        follow(arguments.film)


def row(word: str, rig: Rig) -> str:
    name, _, chosen = word.partition(":")
    clip = read_clip(Path(name), chosen or None)
    got = measure(clip, retarget(clip, rig), rig)
    label = f"{Path(name).stem}:{chosen}" if chosen else Path(name).stem
    # Without a minus before zero.
    lengths = [f"{100 * x + 0.0:.2f}" for x in (got.skate, got.source_skate, round(got.floor, 4))]
    return f"| {label} | {got.planted} | {' | '.join(lengths)} | {got.arms:.1f} | {got.mean_legs:.1f} |"


def follow(path: Path) -> None:
    avatar = load_avatar(path)
    wave = builtin_motion("wave", avatar.rig, fps=15.0)
    with TemporaryDirectory() as folder:
        film = Path(folder) / "wave.mp4"
        write_frames(play(avatar, wave, Shot(480, 640)), film, wave.fps)
        begun, used = time.perf_counter(), time.process_time()
        found = motion_from_film(Run(), film, avatar.rig, FilmConfig(retarget=RetargetConfig(fps=wave.fps)))
        seconds = (time.perf_counter() - begun) / len(wave)
        busy = (time.process_time() - used) / len(wave)
    count = min(len(found), len(wave))
    ours, truth = places(found, avatar.rig)[:count], places(wave, avatar.rig)[:count]
    ours = ours @ about_y(ours, truth)
    print(f"joints {1000 * float((ours - truth).norm(dim=-1).mean()):.0f} mm")
    for name, ends in BONES.items():
        turns = [angle(ours, truth, [avatar.rig.joint(f"{end}.{side}") for end in ends]) for side in "LR"]
        print(f"{name} {float(torch.stack(turns).mean()):.1f} degrees")
    print(f"{seconds:.1f} s a picture, {busy:.1f} s of the processor")


def places(motion: Motion, rig: Rig) -> torch.Tensor:
    """Joints against the root, over time."""
    transforms = forward_kinematics(rig.joint_parents, rig.joints_world, motion.pose)
    at = (transforms[..., :3, :3] @ rig.joints_world[..., None])[..., 0] + transforms[..., :3, 3]
    return at - at[:, :1]


def about_y(ours: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """The turn about the vertical axis that fits best over all frames."""
    a, b = ours.flatten(0, 1), truth.flatten(0, 1)
    sine = (a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]).sum()
    cosine = (a[:, 0] * b[:, 0] + a[:, 2] * b[:, 2]).sum()
    c, s = torch.cos(torch.atan2(sine, cosine)), torch.sin(torch.atan2(sine, cosine))
    return torch.tensor([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])


def angle(ours: torch.Tensor, truth: torch.Tensor, joints: list[int]) -> torch.Tensor:
    first, second = joints
    u, v = (at[:, second] - at[:, first] for at in (ours, truth))
    return torch.rad2deg(torch.nn.functional.cosine_similarity(u, v, dim=-1).clamp(-1, 1).arccos())


if __name__ == "__main__":
    main()
