"""A turntable of transparent pictures, and what is guessed: python examples/turntable.py photo.avatar."""

import sys

import vivant
from vivant.animate import Shot, turntable
from vivant.evaluate import trust_colored

avatar = vivant.load_avatar(sys.argv[1])
shot = Shot(width=480, height=640, background="transparent")
vivant.write_frames(turntable(avatar, 36, shot), "turntable.png")
vivant.write_frames(turntable(trust_colored(avatar), 36, shot), "guessed.webp", fps=18.0)
