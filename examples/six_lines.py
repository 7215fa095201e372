"""The six lines of the README, for any photo: python examples/six_lines.py [photo.jpg]."""

import sys

import vivant
from vivant.recipes import sample_photo

photo = sys.argv[1] if len(sys.argv) > 1 else sample_photo()
avatar = vivant.create(photo)
vivant.save_avatar(avatar, "photo.avatar")
wave = vivant.builtin_motion("wave", avatar.rig)
vivant.write_frames(vivant.play(avatar, wave), "wave.mp4", fps=wave.fps)
print(*avatar.origin.notes, sep="\n")
